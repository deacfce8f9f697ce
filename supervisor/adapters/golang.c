/* SPDX-License-Identifier: MIT */
/*
 * Adapter "go": the tests of Go packages, `go test`. go builds a program for each package and would
 * start it; ours instead (-exec, stand_in.h) says how, lists, and keeps the program, which go
 * deletes at its end. Each test, example and fuzz target (its seeds) is then a process of its own,
 * subtests in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/stand_in.h"

#define BUILD_TIMEOUT_NS (3600 * NS_PER_SEC)

/* Programs are kept in go's cache, named by their contents, and a day after their last use they go.
 */
#define TOOL                                                                      \
    "export SHUNT_GO_LIST=\"$1\"; shift; "                                        \
    "command -v go >/dev/null || exit 127; "                                      \
    "SHUNT_GO_KEEP=\"$(go env GOCACHE)/shunt\" || exit 1; export SHUNT_GO_KEEP; " \
    "mkdir -p \"$SHUNT_GO_KEEP\" || exit 1; "                                     \
    "find \"$SHUNT_GO_KEEP\" -type f -mtime +0 -delete; " STAND_IN_TOOL
#define EXEC                                                                                    \
    "sh -c '" STAND_IN_SAYS "s=0; \"$@\" \"-test.list=$SHUNT_GO_LIST\" || s=$?; " STAND_IN_NEXT \
    "n=$(sha256sum <\"$1\"); k=\"$SHUNT_GO_KEEP/${n%% *}-${1##*/}\"; "                          \
    "if [ -x \"$k\" ]; then touch \"$k\"; "                                                     \
    "else cp \"$1\" \"$k.$$\" && mv \"$k.$$\" \"$k\" || s=1; fi; printf \"%s\" "                \
    "\"$k\"; " STAND_IN_NEXT "printf \"%s\\0\" $s' sh"

/* --- the command --- */

static const struct cpp_option go_options[] = {
    {"c list n h help bench fuzz exec", CPP_ELSE, false},
    {"v", CPP_SHOW, false},
    {"json", CPP_LEFT_OUT, false},
    {"o coverprofile cpuprofile memprofile blockprofile mutexprofile trace outputdir shuffle",
     CPP_LEFT_OUT, true},
    {"failfast", CPP_STOP, false},
    {NULL, CPP_KEEP, false},
};

static const struct cpp_option program_options[] = {
    {"run v list failfast testlogfile gocoverdir", CPP_SHOW, false},
    {NULL, CPP_KEEP, false},
};

static struct cpp_word read_option(const struct cpp_option *table, const char *prefix,
                                   char *const words[])
{
    const char *name = words[0] + strspn(words[0], "-"), *equals = strchr(name, '=');
    struct cpp_word word = {.use = CPP_KEEP, .value = equals ? equals + 1 : NULL};

    if (name == words[0])
        return word;
    if (strncmp(name, "test.", 5) == 0)
        name += 5;
    else if (*prefix)
        return word;
    word.option = cpp_find_option(table, name, equals ? (size_t)(equals - name) : strlen(name));
    if (word.option && word.option->takes_word && !equals && words[1])
        word.words = 2;
    return word;
}

/* Of `go test`; what is behind -args is the program's own. */
static struct cpp_word read_go(char *const words[])
{
    struct cpp_word all = {.use = CPP_KEEP};

    if (strcmp(words[0], "-args") != 0 && strcmp(words[0], "--args") != 0)
        return read_option(go_options, "", words);
    while (words[all.words])
        all.words++;
    return all;
}

static struct cpp_word read_program(char *const words[])
{
    return read_option(program_options, "test.", words);
}

/* The last value of -NAME; NULL. */
static const char *value_of(char *const argv[], const char *name)
{
    const char *value = NULL;
    size_t n = strlen(name);

    for (size_t i = 2; argv[i] && strcmp(argv[i], "-args") != 0 && strcmp(argv[i], "--args") != 0;
         i++) {
        const char *at = argv[i] + strspn(argv[i], "-");

        if (at == argv[i])
            continue;
        at += strncmp(at, "test.", 5) == 0 ? 5 : 0;
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            value = at + n + 1;
        else if (strcmp(at, name) == 0 && argv[i + 1])
            value = argv[++i];
    }
    return value;
}

static bool is_go_test(char *const argv[])
{
    return argv[1] && strcmp(argv[1], "test") == 0;
}

static enum adapter_claim recognise(char *const argv[])
{
    struct cpp_command command;
    bool runs;

    if (strcmp(adapter_program(argv), "go") != 0 || !is_go_test(argv))
        return ADAPTER_NO;
    cpp_split(argv, 1, read_go, &command);
    runs = !command.otherwise;
    cpp_command_done(&command);
    return runs ? ADAPTER_YES : ADAPTER_NO;
}

/* --- asking --- */

/* The first "/" of -run's pattern that is in no brackets: what is behind it is for subtests. */
static const char *find_outside(const char *pattern, char what)
{
    int square = 0, round = 0;

    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1])
            pattern++;
        else if (*pattern == '[')
            square++;
        else if (*pattern == ']' && square)
            square--;
        else if (*pattern == '(' && !square)
            round++;
        else if (*pattern == ')' && !square && round)
            round--;
        else if (*pattern == what && !square && !round)
            return pattern;
    }
    return NULL;
}

static int read_pattern(char *const argv[], char **ret_top, const char **ret_sub, struct err *err)
{
    const char *run = value_of(argv, "run"), *slash = run ? find_outside(run, '/') : NULL;

    if (slash && find_outside(run, '|')) {
        err_set(err, ERR_USAGE, EINVAL, "-run=%.200s: shunt cannot take \"|\" and \"/\" apart",
                run);
        return err_hint(
            err,
            "what \"|\" means beside \"/\" differs between versions of Go: put it into brackets, "
            "as in 'Test(A|B)/x', or run twice");
    }
    *ret_sub = slash ? slash + 1 : NULL;
    *ret_top = !run    ? mem_strdup(".")
               : slash ? strndup(run, (size_t)(slash - run))
                       : mem_strdup(run);
    return 0;
}

static int ask(struct adapter_list *list, const struct cpp_command *command, const char *top,
               struct err *err)
{
    static const char *const more[] = {"-exec", EXEC, "-v",
                                       "-count=1"}; /* -count: nothing of its cache */
    struct adapter_step *step;
    int r = cpp_begin(list, command, "go test", err);

    if (r < 0)
        return r;
    if (!is_go_test(list->argv)) {
        err_set(err, ERR_USAGE, EINVAL, "\"%.60s\" is no command of go's tests", list->argv[0]);
        return err_hint(err, "it begins with: go test");
    }
    list->workers = (unsigned)cpp_number(value_of(list->argv, "p"));
    step = adapter_ask(list, (char *const[]){(char *)"sh", (char *)"-c", (char *)TOOL, (char *)"sh",
                                             (char *)top, NULL});
    adapter_append(&step->argv, list->argv[0]);
    adapter_append(&step->argv, list->argv[1]);
    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        adapter_append(&step->argv, more[i]);
    for (size_t i = 2; command->list[i]; i++)
        adapter_append(&step->argv, command->list[i]);
    step->timeout_ns = BUILD_TIMEOUT_NS;
    return 0;
}

static int check_answer(const struct adapter_step *step, struct err *err)
{
    int status = step->wait_status;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        err_set(err, ERR_USAGE, ENOENT, "go is not installed, or not in PATH");
        return err_hint(err, "apt-get install golang-go; with sudo, PATH may be another one");
    }
    if (WIFSIGNALED(status))
        err_set(err, ERR_USAGE, EPROTO, "go test did not build and list the tests: died of SIG%s",
                sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else
        err_set(err, ERR_USAGE, EPROTO,
                "go test did not build and list the tests of every package: exit status %d",
                WEXITSTATUS(status));
    return err_hint(
        err,
        "it says above why; go vet, and go test -run '^$', with the same packages say it again. "
        "--adapter=command runs the whole command as one test");
}

/* --- the list --- */

struct package {
    struct stand_in_program program;
    char *path;      /* its import path */
    const char *sub; /* of -run, for subtests */
    char **words;    /* of each test's process, without -test.run */
};

static bool is_name(struct cpp_text line)
{
    if (!stand_in_begins(line, "Test") && !stand_in_begins(line, "Example") &&
        !stand_in_begins(line, "Fuzz"))
        return false;
    for (const char *c = line.at; c < line.end; c++)
        if ((unsigned char)*c < 128 && !(*c == '_' || (*c >= '0' && *c <= '9') ||
                                         (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z')))
            return false;
    return true;
}

static int add_tests(struct adapter_list *list, const struct package *package)
{
    struct cpp_text text = package->program.says[0], line;

    while (stand_in_line(&text, &line)) {
        _cleanup_free_ char *name = NULL, *id = NULL, *run = NULL;
        struct adapter_entry *entry;

        if (!is_name(line))
            continue;
        name = stand_in_copy(line);
        id = mem_printf("%s.%s", package->path, name);
        run = mem_printf("-test.run=^%s$%s%s", name, package->sub ? "/" : "",
                         package->sub ? package->sub : "");
        entry = adapter_add(list, id);
        if (!entry)
            return -E2BIG;
        entry->classname = mem_strdup(package->path);
        entry->name = mem_strdup(name);
        entry->cwd = mem_strdup(package->program.cwd);
        entry->env = package->program.env ? adapter_words(package->program.env) : NULL;
        adapter_append(&entry->argv, package->words[0]);
        adapter_append(&entry->argv, "-test.v=true");
        adapter_append(&entry->argv, run);
        for (size_t i = 1; package->words[i]; i++)
            adapter_append(&entry->argv, package->words[i]);
    }
    return 0;
}

/* "ok  \texample.org/demo\t0.003s", behind what its program said; else its directory. */
static char *path_of(struct cpp_text after, const char *cwd)
{
    struct cpp_text line;

    while (stand_in_line(&after, &line))
        if (stand_in_begins(line, "ok  \t")) {
            const char *at = line.at + 5, *end = memchr(at, '\t', (size_t)(line.end - at));

            return stand_in_copy((struct cpp_text){at, end ? end : line.end});
        }
    return mem_strdup(cwd);
}

static int read_package(struct adapter_list *list, struct package *package, struct cpp_text after,
                        struct err *err)
{
    struct stand_in_program *program = &package->program;
    struct cpp_command command;
    int r;

    package->path = path_of(after, program->cwd);
    if (!program->argv || program->status || program->says[1].at == program->says[1].end) {
        err_set(err, ERR_USAGE, EPROTO, "the tests of %.200s could not be listed: exit status %d",
                package->path, program->status);
        return err_hint(
            err,
            "look at: go test -list . %.200s. --adapter=command runs the whole command as one test",
            package->path);
    }
    free(program->argv[0]);
    program->argv[0] = stand_in_copy(program->says[1]);
    cpp_split(program->argv, 0, read_program, &command);
    package->words = command.test;
    r = add_tests(list, package);
    cpp_command_done(&command);
    return r < 0 ? err_set(err, ERR_USAGE, E2BIG, "go test lists more than %u tests",
                           ADAPTER_TESTS_MAX)
                 : 0;
}

static int read_list(struct adapter_list *list, const char *sub, struct err *err)
{
    struct package package = {.sub = sub};
    struct stand_in stand_in;
    int r = 0;

    stand_in_begin(&stand_in, list->steps);
    while (r == 0 && stand_in_next(&stand_in, &package.program)) {
        r = read_package(list, &package, stand_in.rest, err);
        free(package.path);
        stand_in_program_done(&package.program);
    }
    stand_in_done(&stand_in);
    return r;
}

static int list_with(struct adapter_list *list, const struct cpp_command *command, struct err *err)
{
    _cleanup_free_ char *top = NULL;
    const char *sub = NULL;
    int r = read_pattern(list->argv, &top, &sub, err);

    if (r < 0)
        return r;
    if (!list->nsteps)
        return ask(list, command, top, err);
    r = check_answer(list->steps, err);
    return r < 0 ? r : read_list(list, sub, err);
}

static int list(struct adapter_list *list, struct err *err)
{
    struct cpp_command command;
    int r;

    cpp_split(list->argv, list->argv[1] ? 1 : 0, read_go, &command);
    r = list_with(list, &command, err);
    cpp_command_done(&command);
    return r;
}

/* --- judging --- */

/* "    demo_test.go:17: Add(1, 2) = 3, want 4" */
static bool is_message(struct cpp_text line)
{
    const char *at = line.at, *go;

    while (at < line.end && *at == ' ')
        at++;
    if (at - line.at < 4)
        return false;
    go = cpp_find((struct cpp_text){at, line.end}, ".go:");
    return go && go + 4 < line.end && go[4] >= '0' && go[4] <= '9' &&
           !memchr(at, ' ', (size_t)(go - at));
}

/* With its further lines, which are indented more. */
static const char *end_of_message(struct cpp_text text, struct cpp_text line)
{
    struct cpp_text rest = {line.end < text.end ? line.end + 1 : text.end, text.end}, next;
    const char *end = line.end;

    while (stand_in_line(&rest, &next) && stand_in_begins(next, "        ") && !is_message(next))
        end = next.end;
    return end;
}

/* "=== RUN   TestSub/two", also CONT, NAME and PAUSE: whose output follows. */
static bool section_of(struct cpp_text line, struct cpp_text *ret)
{
    if (!stand_in_begins(line, "=== ") || line.end - line.at < 11)
        return false;
    *ret = (struct cpp_text){line.at + 10, line.end};
    return true;
}

/* The innermost one that failed first: its name behind "--- FAIL: ", up to " (". */
static bool find_failed(struct cpp_text text, struct cpp_text *ret)
{
    static const char fail[] = "--- FAIL: ";
    const char *at = text.at;
    bool found = false;

    while ((at = cpp_find((struct cpp_text){at, text.end}, fail))) {
        struct cpp_text line = {at + strlen(fail), cpp_line_end(text, at)};
        const char *end = cpp_find(line, " (");

        at = line.end;
        if (!end)
            continue;
        line.end = end;
        if (found &&
            !((line.end - line.at) > (ret->end - ret->at) && line.at[ret->end - ret->at] == '/' &&
              memcmp(line.at, ret->at, (size_t)(ret->end - ret->at)) == 0))
            break;
        *ret = line;
        found = true;
    }
    return found;
}

/* The last message of that test: t.Fatal ends it, and what t.Log said stands before. */
static bool say_message(struct cpp_text text, struct cpp_text failed, char message[ADAPTER_MESSAGE])
{
    struct cpp_text rest = text, line, section, found = {NULL, NULL};
    const char *slash = memchr(failed.at, '/', (size_t)(failed.end - failed.at));
    bool mine = false;

    while (stand_in_line(&rest, &line)) {
        if (section_of(line, &section))
            mine = section.end - section.at == failed.end - failed.at &&
                   memcmp(section.at, failed.at, (size_t)(failed.end - failed.at)) == 0;
        else if (mine && is_message(line))
            found = line;
    }
    if (!found.at)
        return false;
    cpp_say(message, found.at, end_of_message(text, found));
    if (slash) {
        cpp_say_text(message, " [in ");
        cpp_say(message, slash + 1, failed.end);
        cpp_say_text(message, "]");
    }
    return true;
}

/* "panic: ..." and where, of the test's own files. */
static bool say_panic(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    static const char *const marks[] = {"\npanic: ", "\nfatal error: "};
    const char *at = NULL, *frame;

    for (size_t i = 0; !at && i < sizeof(marks) / sizeof(*marks); i++)
        at = cpp_find(text, marks[i]);
    if (!at)
        return false;
    cpp_say(message, at + 1, cpp_line_end(text, at + 1));
    frame = cpp_find((struct cpp_text){at, text.end}, "_test.go:");
    if (frame) {
        struct cpp_text line = {cpp_line_start(text, frame), cpp_line_end(text, frame)};
        const char *name = memrchr(line.at, '/', (size_t)(frame - line.at));
        const char *end = cpp_find((struct cpp_text){frame, line.end}, " ");

        cpp_say_text(message, " at ");
        cpp_say(message, name ? name + 1 : line.at, end ? end : line.end);
    }
    return true;
}

static bool say_example(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    const char *at = cpp_find(text, "\ngot:\n"),
               *end = at ? cpp_find((struct cpp_text){at, text.end}, "\nFAIL\n") : NULL;

    if (at)
        cpp_say(message, at + 1, end ? end : text.end);
    return at != NULL;
}

static bool say_reason(struct cpp_text text, char message[ADAPTER_MESSAGE])
{
    struct cpp_text failed;

    return say_panic(text, message) ||
           (find_failed(text, &failed) && say_message(text, failed, message)) ||
           say_example(text, message);
}

static bool says(struct cpp_text text, const char *what, const char *name,
                 struct cpp_text *ret_before)
{
    _cleanup_free_ char *line = mem_printf("--- %s: %s (", what, name);
    const char *at = cpp_find_last(text, line);

    if (at && ret_before)
        *ret_before = (struct cpp_text){text.at, at};
    return at != NULL;
}

static void say_skip(struct cpp_text before, char message[ADAPTER_MESSAGE])
{
    struct cpp_text rest = before, line, found = {NULL, NULL};

    while (stand_in_line(&rest, &line))
        if (is_message(line))
            found = line;
    if (found.at)
        cpp_say(message, found.at, end_of_message(before, found));
}

static bool has_skip(const struct adapter_entry *entry)
{
    for (size_t i = 1; entry->argv && entry->argv[i]; i++)
        if (strncmp(entry->argv[i], "-test.skip=", 11) == 0)
            return true;
    return false;
}

static void judge_zero(const struct adapter_entry *entry, struct cpp_text text,
                       struct adapter_judgement *ret)
{
    struct cpp_text before;

    if (says(text, "PASS", entry->name, NULL))
        return;
    if (says(text, "SKIP", entry->name, &before)) {
        ret->outcome = OUTCOME_SKIPPED;
        say_skip(before, ret->message);
    } else if (cpp_find(text, "testing: warning: no tests to run")) {
        ret->outcome = has_skip(entry) ? OUTCOME_SKIPPED : OUTCOME_ERROR;
        cpp_say_text(ret->message, has_skip(entry)
                                       ? "left out by -skip"
                                       : "the program that listed this test did not run it");
    } else {
        ret->outcome = OUTCOME_FAILED;
        cpp_say_text(ret->message,
                     "exit status 0 in the middle of the test: something called os.Exit()");
    }
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret)
{
    struct cpp_text text = cpp_output(result);
    char message[ADAPTER_MESSAGE] = "";

    adapter_judge_status(entry, result, ret);
    if (ret->outcome == OUTCOME_PASSED)
        judge_zero(entry, text, ret);
    else if (say_reason(text, message))
        cpp_take_reason(result, message, ret);
    else
        cpp_say_crash(ret->message, text);
}

extern const struct adapter adapter_go;
const struct adapter adapter_go = {
    .name = "go",
    .help = "Go: go test, and its options",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
