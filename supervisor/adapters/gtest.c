/* SPDX-License-Identifier: MIT */
/*
 * Adapter "gtest": programs of GoogleTest. The program lists its tests with the command's own
 * filter; each is then run by a process of its own. Shards are counted here, as gtest counts them,
 * since its list does not know them. What a test came to is said by the exit status; why, by what
 * gtest's own printer writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/cpp.h"

static const struct cpp_option options[] = {
    {"filter", CPP_SELECT, false},
    {"color brief print_time", CPP_SHOW, false},
    {"output stream_result_to shuffle", CPP_LEFT_OUT, false},
    {"fail_fast", CPP_STOP, false},
    {"list_tests help", CPP_ELSE, false},
    {NULL, CPP_KEEP, false},
};

static const struct cpp_option help = {"help", CPP_ELSE, false};

static struct cpp_word read_word(char *const words[])
{
    const char *name = words[0] + strspn(words[0], "-/"), *equals = strchr(name, '=');

    if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0 ||
        strcmp(words[0], "-?") == 0)
        return (struct cpp_word){.option = &help};
    if (name == words[0] || strncmp(name, "gtest_", 6) != 0)
        return (struct cpp_word){.use = CPP_KEEP};
    name += 6;
    return (struct cpp_word){
        .option = cpp_find_option(options, name, equals ? (size_t)(equals - name) : strlen(name)),
        .use = CPP_KEEP,
        .value = equals ? equals + 1 : NULL};
}

/* Its help text; or, in the names of libraries that it needs, libgtest.so */
static const char *const marks[] = {"contains tests written using Google Test", "ibgtest.so", NULL};

static enum adapter_claim recognise(char *const argv[])
{
    return cpp_program_holds(argv[0], marks) && cpp_runs_tests(argv, read_word) ? ADAPTER_YES
                                                                                : ADAPTER_NO;
}

/* --- the list --- */

struct selection {
    bool disabled_too;
    uint64_t shards, shard; /* shards 0: all */
    uint64_t runnable;      /* seen so far */
    size_t batch; /* with --batch: 1 and the index of the last suite's entry; 0: none yet */
};

/* The last of this option of the command, else gtest's variable for it. NULL: neither; "" without a
 * value. */
static const char *flag(char *const argv[], const char *name)
{
    const char *found = NULL;
    _cleanup_free_ char *variable = mem_printf("GTEST_%s", name);

    for (size_t i = 1; argv[i]; i++) {
        const char *at = argv[i] + strspn(argv[i], "-");

        if (at > argv[i] && strncmp(at, "gtest_", 6) == 0 &&
            strncmp(at + 6, name, strlen(name)) == 0)
            found = at[6 + strlen(name)] == '=' ? at + 7 + strlen(name)
                    : at[6 + strlen(name)]      ? found
                                                : "";
    }
    for (char *c = variable; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    return found ? found : getenv(variable);
}

static int read_shards(struct selection *ret, struct err *err)
{
    const char *total = getenv("GTEST_TOTAL_SHARDS"), *index = getenv("GTEST_SHARD_INDEX");

    if (!total || !*total)
        return 0;
    ret->shards = cpp_number(total);
    ret->shard = cpp_number(index);
    if (!ret->shards || !index || ret->shard >= ret->shards ||
        (!ret->shard && strcmp(index, "0") != 0))
        return err_set(err, ERR_USAGE, EINVAL,
                       "GTEST_TOTAL_SHARDS is \"%.20s\" and GTEST_SHARD_INDEX \"%.20s\": no shard",
                       total, index ? index : "");
    return 0;
}

/* The name itself as a filter: what has a meaning there is matched by "?". */
static char *filter_of(const char *suite, const char *name)
{
    char *text = mem_printf("%s.%s", suite, name);

    for (char *c = text; *c; c++)
        if (strchr(":-*", *c))
            *c = '?';
    return text;
}

static bool says_disabled(const char *name)
{
    const char *slash;

    if (strncmp(name, "DISABLED_", 9) == 0)
        return true;
    slash = strstr(name, "/DISABLED_");
    return slash != NULL;
}

/* What would make each of these processes do more than its test, or all of them write to one file.
 */
static void clear_environment(struct adapter_entry *entry)
{
    static const char *const names[] = {
        "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_SHARD_STATUS_FILE",
        "GTEST_OUTPUT",       "XML_OUTPUT_FILE",   "GTEST_COLOR",
        "GTEST_BRIEF",        "GTEST_PRINT_TIME"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (getenv(names[i]))
            adapter_append(&entry->env, names[i]);
}

#define BATCH_WORD_MAX (100u << 10) /* of one filter: the kernel takes words of 128 KiB at most */

/* One more test of the suite's entry. False: it needs an entry of its own. */
static bool join_batch(struct adapter_list *list, const struct selection *selection,
                       const char *suite, const char *filter)
{
    struct adapter_entry *entry = selection->batch ? &list->entries[selection->batch - 1] : NULL;
    char **last, *joined;

    if (!entry || strcmp(entry->classname, suite) != 0)
        return false;
    for (last = entry->argv; last[1];)
        last++;
    if (strlen(*last) + strlen(filter) > BATCH_WORD_MAX)
        return false;
    joined = mem_printf("%s:%s", *last, filter);
    free(*last);
    *last = joined;
    return true;
}

static int add_test(struct adapter_list *list, const struct cpp_command *command,
                    struct selection *selection, const char *suite, const char *name)
{
    bool disabled = !selection->disabled_too && (says_disabled(suite) || says_disabled(name));
    const char *shown = list->batch && !disabled ? "*" : name;
    _cleanup_free_ char *id = mem_printf("%s.%s", suite, shown), *filter = filter_of(suite, name),
                        *word = NULL;
    struct adapter_entry *entry;

    if (!disabled && selection->shards &&
        selection->runnable++ % selection->shards != selection->shard)
        return 0;
    if (shown != name && join_batch(list, selection, suite, filter))
        return 0;
    entry = adapter_add(list, id);
    if (!entry)
        return -E2BIG;
    if (shown != name)
        selection->batch = list->nentries;
    entry->classname = mem_strdup(suite);
    entry->name = mem_strdup(shown);
    entry->argv = adapter_words(command->test);
    word = mem_printf("--gtest_filter=%s", filter);
    adapter_append(&entry->argv, word);
    clear_environment(entry);
    entry->skipped = disabled ? mem_strdup("disabled by its name") : NULL;
    return 0;
}

/* "Suite." or "Suite/0.  # TypeParam = int": the suite's name; else NULL. */
static char *suite_of(const char *line, size_t size)
{
    const char *comment = memmem(line, size, ".  # TypeParam = ", 17);

    if (comment)
        size = (size_t)(comment - line) + 1;
    if (size < 2 || line[size - 1] != '.' || line[0] == ' ' || memchr(line, ' ', size) ||
        memchr(line, '\0', size))
        return NULL;
    return strndup(line, size - 1);
}

/* "  Test" or "  Test/0  # GetParam() = 5" */
static char *test_of(const char *line, size_t size)
{
    const char *comment = memmem(line, size, "  # GetParam() = ", 17);

    if (size < 3 || line[0] != ' ' || line[1] != ' ' || line[2] == ' ')
        return NULL;
    size = comment ? (size_t)(comment - line) : size;
    return memchr(line + 2, ' ', size - 2) || memchr(line, '\0', size)
               ? NULL
               : strndup(line + 2, size - 2);
}

static int read_list(struct adapter_list *list, const struct cpp_command *command,
                     struct selection *selection)
{
    const struct adapter_step *step = list->steps;
    const char *end = step->output + step->size;
    _cleanup_free_ char *suite = NULL;
    int r = 0;

    for (const char *at = step->output; at < end && r == 0;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((newline ? newline : end) - at);
        _cleanup_free_ char *test = NULL;

        if (size && at[size - 1] == '\r')
            size--;
        if (size && *at != ' ') {
            free(suite);
            suite = suite_of(at, size);
        } else if (suite && (test = test_of(at, size))) {
            r = add_test(list, command, selection, suite, test);
        }
        at = newline ? newline + 1 : end;
    }
    return r;
}

static int ask(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    const char *repeat = flag(list->argv, "repeat"), *fail_fast = flag(list->argv, "fail_fast");
    int r = cpp_begin(list, command, "gtest", err);

    if (r < 0)
        return r;
    if (repeat && *repeat == '-') {
        err_set(err, ERR_USAGE, EINVAL, "--gtest_repeat=%.20s never ends", repeat);
        return err_hint(err, "give a number: each test is repeated so often in its own process");
    }
    if (fail_fast && cpp_is_on(fail_fast))
        list->max_fail = 1;
    adapter_append(&adapter_ask(list, command->list)->argv, "--gtest_list_tests");
    return 0;
}

static int list_with(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    struct selection selection = {0};
    const char *too = flag(list->argv, "also_run_disabled_tests");
    int r;

    if (!list->nsteps)
        return ask(list, command, err);
    if (!WIFEXITED(list->steps->wait_status) || WEXITSTATUS(list->steps->wait_status))
        return cpp_no_list(list->steps, "gtest", err);
    selection.disabled_too = too && cpp_is_on(too);
    r = read_shards(&selection, err);
    if (r < 0)
        return r;
    r = read_list(list, command, &selection);
    return r < 0 ? err_set(err, ERR_USAGE, E2BIG, "%.200s lists more than %u tests", list->argv[0],
                           ADAPTER_TESTS_MAX)
                 : 0;
}

static int list(struct adapter_list *list, struct err *err)
{
    struct cpp_command command;
    int r;

    cpp_split(list->argv, cpp_program(list->argv, marks), read_word, &command);
    r = list_with(list, &command, err);
    cpp_command_done(&command);
    return r;
}

/* --- judging --- */

/* "file.cc:12: Failure" and what follows: "file.cc:12: Expected equality of these values: ..." */
static bool say_block(struct cpp_text text, const char *mark, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, mark), *end;

    if (!at)
        return false;
    end = cpp_line_end(text, at);
    cpp_say(message, cpp_line_start(text, at), at + 1);
    cpp_say_text(message, " ");
    if (end < text.end && end[1] != '\n' && end[1] != '[') {
        const char *stop = cpp_paragraph_end(text, end + 1, "[  "), *next;
        struct cpp_text block = {end + 1, stop};

        next = cpp_find(block, mark);
        cpp_say(message, block.at, next ? cpp_line_start(block, next) : stop);
    }
    return true;
}

/* Did gtest write this of the test? Its output may stand in front of that on the line. */
static bool says(struct cpp_text text, const char *what, const char *id)
{
    _cleanup_free_ char *line = mem_printf("%s %s", what, id);
    const char *at = cpp_find_last(text, line);

    return at && (at + strlen(line) == text.end || strchr(" ,\n\r", at[strlen(line)]));
}

static void judge_zero(const struct adapter_entry *entry, struct cpp_text text,
                       struct adapter_judgement *ret)
{
    _cleanup_free_ char *id = mem_printf("%s.%s", entry->classname, entry->name);

    if (says(text, "[       OK ]", id))
        return;
    if (says(text, "[  SKIPPED ]", id)) {
        ret->outcome = OUTCOME_SKIPPED;
        say_block(text, ": Skipped\n", ret->message);
    } else if (says(text, "[ RUN      ]", id) && !says(text, "[  FAILED  ]", id)) {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called exit()");
    } else if (cpp_find(text, "[==========] Running 0 tests")) {
        ret->outcome = OUTCOME_ERROR;
        cpp_say_text(ret->message, "the program that listed this test did not run it");
    }
}

/* Of a suite: the test that gtest said it begins last, before `at`. */
static void say_test(struct cpp_text text, const char *at, char message[ADAPTER_MESSAGE])
{
    struct cpp_text before = {text.at, at};
    const char *run = cpp_find_last(before, "[ RUN      ] ");

    if (run)
        cpp_say(message, run + strlen("[ RUN      ] "), cpp_line_end(before, run));
}

static void judge_batch(const struct adapter_result *result, struct cpp_text text,
                        struct adapter_judgement *ret)
{
    const char *failure = cpp_find(text, ": Failure\n"), *ran = cpp_find_last(text, "[==========] ");
    bool ended = ran && memmem(ran, (size_t)(cpp_line_end(text, ran) - ran), " ran.", 5);
    char message[ADAPTER_MESSAGE] = "", which[ADAPTER_MESSAGE] = "";

    say_test(text, failure && ended ? failure : text.end, which);
    if (ret->outcome == OUTCOME_PASSED && ran && !ended) {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message, "exit status 0 in the middle of ");
        cpp_say_text(ret->message, which);
        cpp_say_text(ret->message, ": something called exit()");
    } else if (ret->outcome == OUTCOME_PASSED && cpp_find(text, "[  PASSED  ] 0 tests.") &&
               cpp_find(text, "[  SKIPPED ] ")) {
        ret->outcome = OUTCOME_SKIPPED;
        say_block(text, ": Skipped\n", ret->message);
    } else if (ret->outcome == OUTCOME_FAILED && ended && failure) {
        cpp_say_text(message, which);
        cpp_say_text(message, ": ");
        say_block(text, ": Failure\n", message);
        cpp_take_reason(result, message, ret);
    } else if (ret->outcome == OUTCOME_FAILED) {
        cpp_say_text(ret->message, *which ? " in " : "");
        cpp_say_text(ret->message, which);
        cpp_say_crash(ret->message, text);
    }
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret)
{
    struct cpp_text text = cpp_output(result);
    char message[ADAPTER_MESSAGE] = "";

    adapter_judge_status(entry, result, ret);
    if (strcmp(entry->name, "*") == 0)
        judge_batch(result, text, ret);
    else if (ret->outcome == OUTCOME_PASSED)
        judge_zero(entry, text, ret);
    else if (say_block(text, ": Failure\n", message))
        cpp_take_reason(result, message, ret);
    else
        cpp_say_crash(ret->message, text);
}

extern const struct adapter adapter_gtest;
const struct adapter adapter_gtest = {
    .name = "gtest",
    .help = "GoogleTest: a program of its tests, and its --gtest_ options",
    .batches = true,
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
