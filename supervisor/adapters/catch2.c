/* SPDX-License-Identifier: MIT */
/*
 * Adapter "catch2": programs of Catch2, version 2 and 3. The program lists its test cases with the
 * command's own names and tags; each is then run by a process of its own. Version 3 lists as XML;
 * version 2 does not know that, and is asked for names. The name is a pattern in Catch2, and cannot
 * always say exactly one test: see pattern_of().
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/cpp.h"

#define EXCLUDED_MAX 64
#define STATUS_SKIPPED 4 /* of version 3; also a number of failed assertions */

/* --- the command --- */

static const struct cpp_option options[] = {
    {"f input-file", CPP_SELECT, true},
    {"# filenames-as-tags", CPP_SELECT, false},
    {"shard-count shard-index", CPP_SHOW, true}, /* counted here */
    {"v verbosity d durations D min-duration use-colour colour-mode", CPP_SHOW, true},
    {"r reporter o out order wait-for-keypress", CPP_LEFT_OUT, true},
    {"a abort", CPP_STOP, false},
    {"x abortx", CPP_STOP, true},
    {"n name w warn c section rng-seed benchmark-samples benchmark-resamples "
     "benchmark-confidence-interval benchmark-warmup-time",
     CPP_KEEP, true},
    {"s success b break e nothrow i invisibles benchmark-no-analysis skip-benchmarks "
     "allow-running-no-tests",
     CPP_KEEP, false},
    {"h help ? l list-tests t list-tags list-test-names-only list-reporters list-listeners "
     "libidentify",
     CPP_ELSE, false},
    {NULL, CPP_KEEP, false},
};

static const struct cpp_option console = {"reporter", CPP_SHOW,
                                          true}; /* the one that is used anyway */

/* What Catch2 does not know is the program's own, with the word behind it. */
static struct cpp_word unknown_option(char *const words[])
{
    return (struct cpp_word){
        .use = CPP_KEEP,
        .words = words[1] && words[1][0] != '-' && !strpbrk(words[0], "=:") ? 2 : 1};
}

static struct cpp_word read_word(char *const words[])
{
    const char *name = words[0] + strspn(words[0], "-");
    size_t size = strcspn(name, "=:");
    struct cpp_word word = {.use = CPP_SELECT};

    if (name == words[0] || !*name)
        return word;
    word.option = cpp_find_option(options, name, size);
    if (!word.option)
        return unknown_option(words);
    word.value = name[size] ? name + size + 1 : word.option->takes_word ? words[1] : NULL;
    word.words = word.option->takes_word && !name[size] && words[1] ? 2 : 1;
    if (strcmp(word.option->names, "r reporter o out order wait-for-keypress") == 0 &&
        *name == 'r' && word.value && strcmp(word.value, "console") == 0)
        word.option = &console;
    return word;
}

/* Behind the program, "-sa" is "-s -a". */
static char **expand(char *const argv[], size_t program)
{
    char **words = NULL;

    for (size_t i = 0; argv[i]; i++) {
        const char *word = argv[i];

        if (i <= program || word[0] != '-' || word[1] == '-' || strlen(word) < 3 ||
            strpbrk(word, "=: ")) {
            adapter_append(&words, word);
            continue;
        }
        for (word++; *word; word++) {
            char letter[3] = {'-', *word, '\0'};

            adapter_append(&words, letter);
        }
    }
    return words;
}

static void free_words(char **words)
{
    for (size_t i = 0; words[i]; i++)
        free(words[i]);
    free(words);
}

/* " is a Catch2 v" and " is a Catch v" of its reporter; or, in the names of libraries, libCatch2.so
 */
static const char *const marks[] = {"is a Catch2 v", "is a Catch v", "ibCatch2", NULL};

static enum adapter_claim recognise(char *const argv[])
{
    enum adapter_claim claim = ADAPTER_NO;
    char **words;

    if (!cpp_program_holds(argv[0], marks))
        return ADAPTER_NO;
    words = expand(argv, 0);
    if (cpp_runs_tests(words, read_word))
        claim = ADAPTER_YES;
    free_words(words);
    return claim;
}

/* --- one name --- */

static bool is_wild(const char *name)
{
    return *name == '*' || (*name && name[strlen(name) - 1] == '*');
}

/* As Catch2 matches: "*" counts at both ends alone, and case does not. */
static bool matches(const char *pattern, const char *name)
{
    size_t size = strlen(pattern), length = strlen(name);
    bool before = size && pattern[0] == '*', behind = size > before && pattern[size - 1] == '*';
    _cleanup_free_ char *core = strndup(pattern + before, size - before - behind);

    size = strlen(core);
    if (before && behind)
        return strcasestr(name, core) != NULL;
    if (length < size)
        return false;
    return before   ? strcasecmp(name + length - size, core) == 0
           : behind ? strncasecmp(name, core, size) == 0
                    : strcasecmp(name, core) == 0;
}

static bool can_be_quoted(const char *name)
{
    return !strpbrk(name, ",\"\\") && strncmp(name, "exclude:", 8) != 0;
}

/* A pattern for a name with "*" at an end, without the others that it would match:
 * "operator*"~"operator*=". */
static char *pattern_without(const struct adapter_list *list, const char *name)
{
    size_t size, excluded = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    fprintf(out, "\"%s\"", name);
    for (size_t i = 0; i < list->nentries && excluded < EXCLUDED_MAX; i++) {
        const char *other = list->entries[i].name;

        if (strcmp(other, name) == 0 || is_wild(other) || !can_be_quoted(other) ||
            !matches(name, other))
            continue;
        fprintf(out, "~\"%s\"", other);
        excluded++;
    }
    fclose(out);
    return text;
}

/* A pattern that this test matches, and no other where Catch2 can say that. */
static char *pattern_of(const struct adapter_list *list, const char *name)
{
    bool word = strncmp(name, "exclude:", 8) == 0; /* nothing takes away what it means */
    char *text, *to;

    if (can_be_quoted(name))
        return is_wild(name) ? pattern_without(list, name) : mem_printf("\"%s\"", name);
    to = text = mem_zalloc(2 * strlen(name) + 2);
    for (const char *c = name; *c; c++) {
        bool escaped = strchr(",[]\\", *c) || (c == name && strchr("~-\"", *c));

        /* What stands behind an escape at the beginning begins anew, and a blank is not heeded
         * there. */
        if (c == name && (word || (escaped && c[1] == ' '))) {
            *to++ = '*';
            continue;
        }
        if (escaped)
            *to++ = '\\';
        *to++ = *c;
    }
    return text;
}

/* --- the list --- */

static int by_name(const void *a, const void *b)
{
    return strcasecmp(a, b);
}

static int add_test(struct adapter_list *list, void **seen, const char *name)
{
    struct adapter_entry *entry;

    if (!*name ||
        !cpp_is_new(seen, name, by_name)) /* but for case the same: Catch2 runs both or none */
        return 0;
    entry = adapter_add(list, name);
    if (!entry)
        return -E2BIG;
    entry->classname = mem_strdup(adapter_program(list->argv));
    entry->name = mem_strdup(name);
    return 0;
}

static int read_xml(struct adapter_list *list, struct cpp_text text, void **seen)
{
    int r = 0;

    while (r == 0 && (text.at = cpp_find(text, "<TestCase>"))) {
        const char *name = cpp_find(text, "<Name>"),
                   *end = name ? cpp_find((struct cpp_text){name, text.end}, "</Name>") : NULL;
        _cleanup_free_ char *clean = end ? cpp_xml_text(name + 6, end) : NULL;

        r = clean ? add_test(list, seen, clean) : -EPROTO;
        text.at = end;
    }
    return r;
}

static size_t count_lines(struct cpp_text text)
{
    size_t n = 0;

    for (const char *at = text.at; at < text.end; at = cpp_line_end(text, at) + 1)
        n++;
    return n;
}

/* Names, one a line. Version 2 ends with their number: what is above them is the program's own. */
static int read_names(struct adapter_list *list, struct cpp_text text, int status, void **seen)
{
    size_t lines = count_lines(text), noise = status > 0 && status < 255 && lines > (size_t)status
                                                  ? lines - (size_t)status
                                                  : 0;
    int r = 0;

    while (r == 0 && text.at < text.end) {
        const char *end = cpp_line_end(text, text.at);
        _cleanup_free_ char *name = strndup(text.at, (size_t)(end - text.at));
        size_t size = strlen(name);

        text.at = end + 1;
        if (noise) {
            noise--;
            continue;
        }
        if (size > 3 && strncmp(name, "\"#", 2) == 0 &&
            name[size - 1] == '"') { /* it quotes these */
            name[size - 1] = '\0';
            memmove(name, name + 1, size - 1);
        }
        r = add_test(list, seen, name);
    }
    return r;
}

/* The part of the list that Catch2 itself would run: contiguous, the first ones larger by one. */
static int take_shard(struct adapter_list *list, char *const words[], struct err *err)
{
    uint64_t count = 0, index = 0, n = list->nentries, size, more, from, to;

    for (size_t i = 1; words[i]; i++) {
        struct cpp_word word = read_word(words + i);

        if (word.option && strcmp(word.option->names, "shard-count shard-index") == 0)
            *(strncmp(words[i] + 2, "shard-count", 11) == 0 ? &count : &index) =
                cpp_number(word.value);
    }
    if (!count)
        return 0;
    if (index >= count)
        return err_set(err, ERR_USAGE, EINVAL, "--shard-index is %llu, and --shard-count only %llu",
                       (unsigned long long)index, (unsigned long long)count);
    size = n / count;
    more = n % count;
    from = index * size + (index < more ? index : more);
    to = from + size + (index < more);
    adapter_keep(list, from, to);
    return 0;
}

static void set_commands(struct adapter_list *list, const struct cpp_command *command)
{
    for (size_t i = 0; i < list->nentries; i++) {
        struct adapter_entry *entry = &list->entries[i];
        _cleanup_free_ char *pattern = pattern_of(list, entry->name);

        entry->argv = adapter_words(command->test);
        adapter_append(&entry->argv, "--reporter");
        adapter_append(&entry->argv, "console");
        adapter_append(&entry->argv, pattern);
    }
}

static bool is_xml(const struct adapter_step *step)
{
    return cpp_find((struct cpp_text){step->output, step->output + step->size}, "<MatchingTests") !=
           NULL;
}

static int ask_names(struct adapter_list *list, const struct cpp_command *command)
{
    adapter_append(&adapter_ask(list, command->list)->argv, "--list-test-names-only");
    return 0;
}

static int ask_xml(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    struct adapter_step *step;
    int r = cpp_begin(list, command, "Catch2", err);

    if (r < 0)
        return r;
    step = adapter_ask(list, command->list);
    adapter_append(&step->argv, "--list-tests");
    adapter_append(&step->argv, "--reporter");
    adapter_append(&step->argv, "xml");
    step->to = ADAPTER_STDERR_DROP; /* version 2 is asked once more */
    return 0;
}

static int read_answer(struct adapter_list *list, struct err *err)
{
    const struct adapter_step *step = &list->steps[list->nsteps - 1];
    struct cpp_text text = {step->output, step->output + step->size};
    int status = WIFEXITED(step->wait_status) ? WEXITSTATUS(step->wait_status) : -1, r;
    void *seen = NULL;

    if (status < 0 || (is_xml(step) ? status != 0 : status != 0 && !step->size))
        return cpp_no_list(step, "Catch2", err);
    r = is_xml(step) ? read_xml(list, text, &seen) : read_names(list, text, status, &seen);
    tdestroy(seen, free);
    if (r == -EPROTO)
        return cpp_no_list(step, "Catch2", err);
    return r < 0 ? err_set(err, ERR_USAGE, E2BIG, "%.200s lists more than %u tests", list->argv[0],
                           ADAPTER_TESTS_MAX)
                 : 0;
}

static int list_with(struct adapter_list *list, char *const words[],
                     const struct cpp_command *command, struct err *err)
{
    int r;

    if (!list->nsteps)
        return ask_xml(list, command, err);
    if (list->nsteps == 1 && !is_xml(list->steps))
        return ask_names(list, command);
    r = read_answer(list, err);
    if (r < 0)
        return r;
    set_commands(list, command);
    return take_shard(list, words, err);
}

static int list(struct adapter_list *list, struct err *err)
{
    struct cpp_command command;
    size_t program = cpp_program(list->argv, marks);
    char **words = expand(list->argv, program);
    int r;

    cpp_split(words, program, read_word, &command);
    r = list_with(list, words + program, &command, err);
    cpp_command_done(&command);
    free_words(words);
    return r;
}

/* --- judging --- */

/*
 * Above the first failure of a section:
 *
 *   -------------------------------
 *   name of the test case
 *     outer section
 *       inner section
 *   -------------------------------
 */
static void say_sections(struct cpp_text text, const char *failure, char message[ADAPTER_MESSAGE])
{
    static const char rule[] = "\n----------";
    const char *end = cpp_find_last((struct cpp_text){text.at, failure}, rule);
    const char *start = end ? cpp_find_last((struct cpp_text){text.at, end}, rule) : NULL, *at;
    bool first = true;

    if (!start)
        return;
    for (at = cpp_line_end(text, start + 1) + 1; at < end; at = cpp_line_end(text, at) + 1) {
        if (strncmp(at, "  ", 2) != 0) /* the name, or where it goes on */
            continue;
        cpp_say_text(message, first ? " [in " : ", ");
        cpp_say(message, at + strspn(at, " "), cpp_line_end(text, at));
        first = false;
    }
    if (!first)
        cpp_say_text(message, "]");
}

/* "a.cc:5: FAILED:" and what follows: "a.cc:5: REQUIRE( f() == 3 ) with expansion: 2 == 3 [in
 * section]" */
static bool say_block(struct cpp_text text, const char *mark, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, mark), *end;

    if (!at)
        return false;
    end = cpp_line_end(text, at);
    cpp_say(message, cpp_line_start(text, at), at + 1);
    cpp_say_text(message, " ");
    if (end < text.end)
        cpp_say(message, end + 1, cpp_paragraph_end(text, end + 1, NULL));
    say_sections(text, at, message);
    return true;
}

/* Of "test cases: 3 | 1 passed | 2 skipped": is this word there? */
static bool counts(struct cpp_text text, const char *word)
{
    const char *at = cpp_find_last(text, "test cases: ");

    return at && cpp_find((struct cpp_text){at, cpp_line_end(text, at)}, word);
}

static void judge_failed(const struct adapter_result *result, struct cpp_text text,
                         struct adapter_judgement *ret)
{
    char message[ADAPTER_MESSAGE] = "";

    if (WIFEXITED(result->wait_status) && WEXITSTATUS(result->wait_status) == STATUS_SKIPPED &&
        counts(text, " skipped") && !counts(text, " failed")) {
        ret->outcome = OUTCOME_SKIPPED;
        ret->message[0] = '\0';
        say_block(text, ": SKIPPED:\n", ret->message);
    } else if (cpp_find(text, "No test cases matched")) {
        ret->outcome = OUTCOME_ERROR;
        ret->message[0] = '\0';
        cpp_say_text(ret->message, "the program that listed this test did not run it");
    } else if (say_block(text, ": FAILED:\n", message)) {
        cpp_take_reason(result, message, ret);
    } else {
        cpp_say_crash(ret->message, text);
    }
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret)
{
    struct cpp_text text = cpp_output(result);

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_FAILED) {
        judge_failed(result, text, ret);
    } else if (cpp_find(text, "No test cases matched")) {
        ret->outcome = OUTCOME_ERROR;
        cpp_say_text(ret->message, "the program that listed this test did not run it");
    } else if (!cpp_find(text, "test cases: ") && !cpp_find(text, "All tests passed (")) {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called exit()");
    }
}

extern const struct adapter adapter_catch2;
const struct adapter adapter_catch2 = {
    .name = "catch2",
    .help = "Catch2, version 2 and 3: a program of its tests, and its options",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
