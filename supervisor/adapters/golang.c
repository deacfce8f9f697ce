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
#include "supervisor/adapters/golang.h"
#include "supervisor/adapters/stand_in.h"

#define BUILD_TIMEOUT_NS (3600 * NS_PER_SEC)

/* Programs are kept in go's cache, named by their contents (two runs may keep one at the same
 * time), and a day after their last use they go.
 */
#define TOOL                                                                          \
    "export SHUNT_GO_LIST=\"$1\"; shift; "                                            \
    "SHUNT_GO_KEEP=\"$(\"$1\" env GOCACHE)/shunt\" || exit 1; export SHUNT_GO_KEEP; " \
    "mkdir -p \"$SHUNT_GO_KEEP\" || exit 1; "                                         \
    "find \"$SHUNT_GO_KEEP\" -type f -mtime +0 -delete; " STAND_IN_TOOL
#define EXEC                                                                                      \
    "sh -c '" STAND_IN_SAYS                                                                       \
    "p=$1; shift; s=0; \"$p\" \"-test.list=$SHUNT_GO_LIST\" \"$@\" || s=$?; " STAND_IN_NEXT       \
    "n=$(sha256sum <\"$p\"); k=\"$SHUNT_GO_KEEP/${n%% *}-${p##*/}\"; "                            \
    "if [ -x \"$k\" ]; then touch \"$k\"; "                                                       \
    "else t=$(mktemp \"$k.XXXXXX\") && cp \"$p\" \"$t\" && chmod 755 \"$t\" && mv \"$t\" \"$k\" " \
    "|| s=1; fi; printf \"%s\" "                                                                  \
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

extern const struct adapter adapter_go;
const struct adapter adapter_go = {
    .name = "go",
    .help = "Go: go test, and its options",
    .package = "golang-go",
    .recognise = recognise,
    .list = list,
    .judge = golang_judge,
};
