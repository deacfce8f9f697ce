/* SPDX-License-Identifier: MIT */
/*
 * Adapter "doctest": programs that hold tests of doctest. The program lists its test cases as XML,
 * with the command's own filters; each is then run by a process of its own, named by test suite and
 * name. Those that a decorator skips are listed as skipped.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/cpp.h"

/* With and without "dt-" in front. */
static const struct cpp_option options[] = {
    {"tc test-case tce test-case-exclude ts test-suite tse test-suite-exclude sf source-file sfe "
     "source-file-exclude",
     CPP_SELECT, false},
    {"f first l last", CPP_SELECT, false},
    {"sc subcase sce subcase-exclude scfl subcase-filter-levels", CPP_KEEP, false},
    {"ns no-skip", CPP_KEEP, false},
    {"d duration m minimal q quiet ni no-intro nv no-version nc no-colors fc force-colors",
     CPP_SHOW, false},
    {"r reporters o out ob order-by", CPP_LEFT_OUT, false},
    {"aa abort-after", CPP_STOP, false},
    {"c count ltc list-test-cases lts list-test-suites lr list-reporters h help ? v version nr "
     "no-run",
     CPP_ELSE, false},
    {NULL, CPP_KEEP, false},
};

static struct cpp_word read_word(char *const words[])
{
    const char *name = words[0] + strspn(words[0], "-"), *equals = strchr(name, '=');

    if (name == words[0])
        return (struct cpp_word){.use = CPP_KEEP};
    if (strncmp(name, "dt-", 3) == 0)
        name += 3;
    return (struct cpp_word){
        .option = cpp_find_option(options, name, equals ? (size_t)(equals - name) : strlen(name)),
        .use = CPP_KEEP,
        .value = equals ? equals + 1 : NULL};
}

static bool has(char *const argv[], const char *name)
{
    const struct cpp_option *row = cpp_find_option(options, name, strlen(name));

    for (size_t i = 1; argv[i]; i++) {
        struct cpp_word word = read_word(argv + i);

        if (word.option == row && cpp_is_on(word.value))
            return true;
    }
    return false;
}

static const char *const marks[] = {"octest version is \"", NULL}; /* its first line */

static enum adapter_claim recognise(char *const argv[])
{
    return cpp_program_holds(argv[0], marks) && cpp_runs_tests(argv, read_word) ? ADAPTER_YES
                                                                                : ADAPTER_NO;
}

/* --- the list --- */

/* An attribute of the element between `at` and `end`; NULL. Owned by the caller. */
static char *attribute(const char *at, const char *end, const char *name)
{
    _cleanup_free_ char *mark = mem_printf(" %s=\"", name);
    const char *value = memmem(at, (size_t)(end - at), mark, strlen(mark)), *quote;

    if (!value)
        return NULL;
    value += strlen(mark);
    quote = memchr(value, '"', (size_t)(end - value));
    return quote ? cpp_xml_text(value, quote) : NULL;
}

/* A filter that this text passes: what has a meaning there is matched by "?". */
static char *pattern_of(const char *text)
{
    char *pattern = mem_strdup(text);

    for (char *c = pattern; *c; c++)
        if (strchr(",*\\", *c))
            *c = '?';
    return pattern;
}

static char **words_of(const struct cpp_command *command, char *const argv[], const char *suite,
                       const char *name)
{
    _cleanup_free_ char *name_pattern = pattern_of(name), *suite_pattern = pattern_of(suite);
    _cleanup_free_ char *case_word = mem_printf("--dt-test-case=%s", name_pattern);
    _cleanup_free_ char *suite_word = *suite ? mem_printf("--dt-test-suite=%s", suite_pattern)
                                             : mem_strdup("--dt-test-suite-exclude=?*");
    char **words = adapter_words(command->test);

    adapter_append(&words, case_word);
    adapter_append(&words, suite_word);
    if (!has(argv, "sc")) /* it would count for subcases as well */
        adapter_append(&words, "--dt-case-sensitive=1");
    return words;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add_test(struct adapter_list *list, const struct cpp_command *command, void **seen,
                    const char *at, const char *end)
{
    _cleanup_free_ char *name = attribute(at, end, "name"),
                        *suite = attribute(at, end, "testsuite");
    _cleanup_free_ char *skipped = attribute(at, end, "skipped"), *id = NULL;
    struct adapter_entry *entry;

    if (!name)
        return 0;
    id = suite && *suite ? mem_printf("%s/%s", suite, name) : mem_strdup(name);
    if (!cpp_is_new(
            seen, id,
            by_text)) /* two of one name in one suite cannot be told apart, and are run together */
        return 0;
    entry = adapter_add(list, id);
    if (!entry)
        return -E2BIG;
    entry->classname = mem_strdup(suite && *suite ? suite : adapter_program(list->argv));
    entry->name = mem_strdup(name);
    entry->argv = words_of(command, list->argv, suite ? suite : "", name);
    if (skipped && strcmp(skipped, "true") == 0 && !has(list->argv, "ns"))
        entry->skipped = mem_strdup("doctest::skip()");
    return 0;
}

static int read_list(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    const struct adapter_step *step = list->steps;
    struct cpp_text text = {step->output, step->output + step->size};
    void *seen = NULL;
    int r = 0;

    text.at = cpp_find(text, "<doctest ");
    if (!text.at)
        return cpp_no_list(step, "doctest", err);
    while (r == 0 && (text.at = cpp_find(text, "<TestCase "))) {
        const char *end = memmem(text.at, (size_t)(text.end - text.at), "\"/>", 3);

        r = end ? add_test(list, command, &seen, text.at, end + 1) : -EPROTO;
        text.at = end;
    }
    tdestroy(seen, free);
    if (r == -EPROTO)
        return cpp_no_list(step, "doctest", err);
    return r < 0 ? err_set(err, ERR_USAGE, E2BIG, "%.200s lists more than %u tests", list->argv[0],
                           ADAPTER_TESTS_MAX)
                 : 0;
}

static int ask(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    struct adapter_step *step;
    int r = cpp_begin(list, command, "doctest", err);

    if (r < 0)
        return r;
    step = adapter_ask(list, command->list);
    adapter_append(&step->argv, "--dt-reporters=xml");
    adapter_append(&step->argv, "--dt-list-test-cases");
    if (!has(list->argv, "f")) /* those count what is not skipped */
        adapter_append(&step->argv, "--dt-no-skip=1");
    return 0;
}

static int list_with(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    if (!list->nsteps)
        return ask(list, command, err);
    if (!WIFEXITED(list->steps->wait_status) || WEXITSTATUS(list->steps->wait_status))
        return cpp_no_list(list->steps, "doctest", err);
    return read_list(list, command, err);
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

/* The lines between "TEST CASE:  name" and the next empty one are subcases: "  outer", "  inner".
 */
static void say_subcases(struct cpp_text text, const char *error, char message[ADAPTER_MESSAGE])
{
    const char *head = cpp_find_last((struct cpp_text){text.at, error}, "\nTEST CASE:  "), *at,
               *end;

    if (!head)
        return;
    at = cpp_line_end(text, head + 1);
    end = cpp_paragraph_end(text, head + 1, NULL);
    for (bool first = true; at < end; first = false) {
        const char *next = cpp_line_end(text, at + 1);

        cpp_say_text(message, first ? " [in " : ", ");
        cpp_say(message, at + 1 + strspn(at + 1, " "), next);
        at = next;
        if (at >= end)
            cpp_say_text(message, "]");
    }
}

static bool say_error(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, ": FATAL ERROR: "), *other = cpp_find(text, ": ERROR: ");

    if (!at || (other && other < at))
        at = other;
    if (!at)
        return false;
    cpp_say(message, cpp_line_start(text, at), cpp_paragraph_end(text, at, "[doctest]"));
    say_subcases(text, at, message);
    return true;
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret)
{
    struct cpp_text text = cpp_output(result);

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_FAILED) {
        char message[ADAPTER_MESSAGE] = "";

        if (say_error(text, message))
            cpp_take_reason(result, message, ret);
        else
            cpp_say_crash(ret->message, text);
    } else if (cpp_find(text, "[doctest] test cases: 0 |") ||
               cpp_find(text, "[doctest] test cases:  0 |")) {
        ret->outcome = OUTCOME_ERROR;
        cpp_say_text(ret->message, "the program that listed this test did not run it");
    } else if (cpp_find(text, "[doctest] doctest version is") &&
               !cpp_find(text, "[doctest] Status: ")) {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called exit()");
    }
}

extern const struct adapter adapter_doctest;
const struct adapter adapter_doctest = {
    .name = "doctest",
    .help = "doctest: a program that holds its tests, and its options",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
