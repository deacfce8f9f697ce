/* SPDX-License-Identifier: MIT */
/*
 * Adapter "cargo": the tests of Rust packages, `cargo test`. cargo builds them and would start each
 * program; a runner of ours (stand_in.h) says with which directory and environment, and lists. Each
 * test is then a process of its own; the tests in documentation, which only rustdoc can start, are
 * one.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/cargo.h"
#include "supervisor/adapters/stand_in.h"

#define BUILD_TIMEOUT_NS (3600 * NS_PER_SEC)

/* A program that does not know the word has a main() of its own: nobody can ask it for a list.
 * `--list` is the first word of its options. */
#define RUNNER                                                                     \
    "target.\"cfg(all())\".runner=[\"sh\",\"-c\",'''" STAND_IN_SAYS                \
    "s=0; if grep -aq include-ignored \"$1\"; then \"$@\" || s=$?; " STAND_IN_NEXT \
    "\"$@\" --ignored || s=$?; " STAND_IN_NEXT                                     \
    "else printf \"\\0own\\0\"; fi; printf \"%s\\0\" $s''',\"sh\"]"

/* --- the command --- */

static const struct cpp_option options[] = {
    {"skip", CPP_SELECT, true},
    {"exact exclude-should-panic", CPP_SELECT, false},
    {"nocapture no-capture show-output q quiet ignored include-ignored", CPP_SHOW, false},
    {"color format test-threads", CPP_SHOW, true},
    {"logfile shuffle-seed", CPP_LEFT_OUT, true},
    {"report-time ensure-time shuffle", CPP_LEFT_OUT, false},
    {"fail-fast", CPP_STOP, false},
    {"list help h", CPP_ELSE, false},
    {"Z", CPP_KEEP, true},
    {NULL, CPP_KEEP, false},
};

/* Of libtest, behind "--": each other word is a filter. */
static struct cpp_word read_word(char *const words[])
{
    const char *name = words[0] + strspn(words[0], "-"), *equals = strchr(name, '=');
    struct cpp_word word = {.use = words[0][0] == '-' ? CPP_KEEP : CPP_SELECT,
                            .value = equals ? equals + 1 : NULL};

    if (words[0][0] != '-')
        return word;
    word.option = cpp_find_option(options, name, equals ? (size_t)(equals - name) : strlen(name));
    if (word.option && word.option->takes_word && !equals && words[1]) {
        word.value = words[1];
        word.words = 2;
    }
    return word;
}

static const char *value_of(char *const words[], const char *option)
{
    const char *value = NULL;
    size_t n = strlen(option);

    for (; *words; words++)
        if (strcmp(*words, option) == 0)
            value = words[1] ? words[1] : value;
        else if (strncmp(*words, option, n) == 0 && (*words)[n] == '=')
            value = *words + n + 1;
    return value;
}

static bool has_word(char *const words[], const char *word)
{
    for (; *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

/* The place of "test" in `cargo +nightly --locked test`; 0: it is not there. */
static size_t place_of_test(char *const argv[])
{
    static const char *const valued[] = {"--config", "--color", "-Z", "-C"};
    size_t i = 1;

    for (; argv[i] && (argv[i][0] == '-' || argv[i][0] == '+'); i++)
        for (size_t k = 0; k < sizeof(valued) / sizeof(*valued); k++)
            if (strcmp(argv[i], valued[k]) == 0 && argv[i + 1]) {
                i++;
                break;
            }
    return argv[i] && (strcmp(argv[i], "test") == 0 || strcmp(argv[i], "t") == 0) ? i : 0;
}

struct command {
    char **tool;              /* cargo's words, as far as they are kept, up to "--" */
    char *const *own;         /* libtest's, behind "--"; at the end of argv where there is none */
    struct cpp_command tests; /* of libtest's; the first word is "cargo" */
    bool doc, ignored, ignored_too;
};

static const char *otherwise(char *const argv[])
{
    static const char *const words[] = {"--no-run", "--help", "-h", "--build-plan", "--unit-graph"};

    for (size_t i = 1; argv[i] && strcmp(argv[i], "--") != 0; i++)
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            if (strcmp(argv[i], words[k]) == 0)
                return argv[i];
    return NULL;
}

static void read_command(char *const argv[], struct command *ret)
{
    char **own = NULL;
    size_t i = 0;

    *ret = (struct command){0};
    for (; argv[i] && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--message-format") == 0 && argv[i + 1])
            i++;
        else if (strncmp(argv[i], "--message-format", 16) != 0 &&
                 strcmp(argv[i], "--no-fail-fast") != 0)
            adapter_append(&ret->tool, argv[i]);
        ret->doc = ret->doc || strcmp(argv[i], "--doc") == 0;
    }
    ret->own = argv[i] ? argv + i + 1 : argv + i;
    adapter_append(&own, "cargo");
    for (size_t k = 0; ret->own[k]; k++)
        adapter_append(&own, ret->own[k]);
    cpp_split(own, 0, read_word, &ret->tests);
    ret->ignored = has_word(ret->own, "--ignored");
    ret->ignored_too = ret->ignored || has_word(ret->own, "--include-ignored");
    /* cpp_command keeps the words themselves where it stops */
    if (ret->tests.otherwise)
        ret->tests.otherwise = strstr(ret->tests.otherwise, "list") ? "--list" : "--help";
    for (size_t k = 0; own[k]; k++)
        free(own[k]);
    free(own);
    if (!ret->tests.otherwise)
        ret->tests.otherwise = otherwise(argv);
}

static void command_done(struct command *command)
{
    for (size_t i = 0; command->tool && command->tool[i]; i++)
        free(command->tool[i]);
    free(command->tool);
    cpp_command_done(&command->tests);
}

static enum adapter_claim recognise(char *const argv[])
{
    struct command command;
    bool runs;

    if (strcmp(adapter_program(argv), "cargo") != 0 || !place_of_test(argv))
        return ADAPTER_NO;
    read_command(argv, &command);
    runs = !command.tests.otherwise;
    command_done(&command);
    return runs ? ADAPTER_YES : ADAPTER_NO;
}

/* --- asking --- */

static int ask(struct adapter_list *list, const struct command *command, struct err *err)
{
    static const char *const more[] = {
        "--no-fail-fast", "--message-format=json-render-diagnostics", "--config", RUNNER, "--",
        "--list"};
    const char *threads = value_of(command->own, "--test-threads");
    struct adapter_step *step;
    int r = cpp_begin(list, &command->tests, "cargo test", err);

    if (r < 0)
        return r;
    if (!place_of_test(list->argv)) {
        err_set(err, ERR_USAGE, EINVAL, "\"%.60s\" is no command of cargo's tests", list->argv[0]);
        return err_hint(err, "it begins with: cargo test");
    }
    list->workers = (unsigned)cpp_number(threads ? threads : getenv("RUST_TEST_THREADS"));
    step = adapter_ask(list, (char *const[]){(char *)"sh", (char *)"-c", (char *)STAND_IN_TOOL,
                                             (char *)"sh", NULL});
    for (size_t i = 0; command->tool[i]; i++)
        adapter_append(&step->argv, command->tool[i]);
    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        adapter_append(&step->argv, more[i]);
    for (size_t i = 1; command->tests.list[i]; i++)
        adapter_append(&step->argv, command->tests.list[i]);
    step->timeout_ns = BUILD_TIMEOUT_NS;
    return 0;
}

static int check_answer(const struct adapter_step *step, struct err *err)
{
    int status = step->wait_status;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        err_set(err, ERR_USAGE, EPROTO,
                "cargo test did not build and list the tests: died of SIG%s",
                sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else
        err_set(err, ERR_USAGE, EPROTO,
                "cargo test did not build and list the tests: exit status %d", WEXITSTATUS(status));
    return err_hint(
        err, "it says above why; cargo test --no-run says it again. --adapter=command runs the "
             "whole command as one test");
}

/* --- the list --- */

/* "demo", "demo::api", "demo::bin/demo": as nextest calls them. */
static char *name_of_program(struct cpp_text messages, const char *program, const char *package)
{
    struct cpp_text line;
    char *name = NULL;

    while (!name && stand_in_line(&messages, &line)) {
        json_t *message = stand_in_begins(line, "{")
                              ? json_loadb(line.at, (size_t)(line.end - line.at), 0, NULL)
                              : NULL;
        const json_t *target = json_object_get(message, "target");
        const char *executable = json_string_value(json_object_get(message, "executable"));
        const char *kind = json_string_value(json_array_get(json_object_get(target, "kind"), 0));
        const char *own = json_string_value(json_object_get(target, "name"));

        if (executable && kind && own && strcmp(executable, program) == 0 &&
            json_is_true(json_object_get(json_object_get(message, "profile"), "test"))) {
            if (strcmp(kind, "test") == 0)
                name = mem_printf("%s::%s", package, own);
            else if (strcmp(kind, "bin") == 0 || strcmp(kind, "example") == 0 ||
                     strcmp(kind, "bench") == 0)
                name = mem_printf("%s::%s/%s", package, kind, own);
            else
                name = mem_strdup(package);
        }
        json_decref(message);
    }
    return name ? name : mem_strdup(package);
}

/* "tests::adds: test" without what is behind the name. */
static bool take_name(struct cpp_text *text, struct cpp_text *ret)
{
    while (stand_in_line(text, ret)) {
        if (memchr(ret->at, '\0', (size_t)(ret->end - ret->at)))
            continue;
        if (stand_in_ends(*ret, ": test"))
            ret->end -= 6;
        else if (stand_in_ends(*ret, ": benchmark"))
            ret->end -= 11;
        else
            continue;
        if (ret->at < ret->end)
            return true;
    }
    return false;
}

static struct adapter_entry *add(struct adapter_list *list, const struct stand_in_program *program,
                                 const char *group, const char *name, enum cargo_kind kind)
{
    _cleanup_free_ char *id = name ? mem_printf("%s %s", group, name) : mem_strdup(group);
    struct adapter_entry *entry = adapter_add(list, id);

    if (!entry)
        return NULL;
    entry->classname = mem_strdup(group);
    entry->name = mem_strdup(name ? name : group);
    entry->data = mem_zalloc(sizeof(enum cargo_kind));
    *(enum cargo_kind *)entry->data = kind;
    if (program) {
        entry->cwd = mem_strdup(program->cwd);
        entry->env = program->env ? adapter_words(program->env) : NULL;
        adapter_append(&entry->argv, program->argv[0]);
    }
    return entry;
}

static int add_own(struct adapter_list *list, const struct stand_in_program *program,
                   const char *group)
{
    struct adapter_entry *entry = add(list, program, group, NULL, CARGO_OWN);

    if (!entry)
        return -E2BIG;
    for (size_t i = 1, listed = 0; program->argv[i]; i++)
        if (listed || strcmp(program->argv[i], "--list") != 0)
            adapter_append(&entry->argv, program->argv[i]);
        else
            listed = 1;
    return 0;
}

static int add_test(struct adapter_list *list, const struct command *command,
                    const struct stand_in_program *program, const char *group, const char *name,
                    bool ignored)
{
    struct adapter_entry *entry;

    if (command->ignored && !ignored)
        return 0;
    entry = add(list, program, group, name, CARGO_TEST);
    if (!entry)
        return -E2BIG;
    for (size_t i = 1; command->tests.test[i]; i++)
        adapter_append(&entry->argv, command->tests.test[i]);
    adapter_append(&entry->argv, "--nocapture");
    if (ignored)
        adapter_append(&entry->argv, "--include-ignored");
    adapter_append(&entry->argv, "--exact");
    adapter_append(&entry->argv, name);
    if (ignored && !command->ignored_too)
        entry->skipped = mem_strdup("#[ignore]");
    return 0;
}

static int add_tests(struct adapter_list *list, const struct command *command,
                     const struct stand_in_program *program, const char *group)
{
    struct cpp_text all = program->says[0], ignored = program->says[1], name, next;
    bool more = take_name(&ignored, &next);
    int r = 0;

    while (r == 0 && take_name(&all, &name)) {
        _cleanup_free_ char *copy = stand_in_copy(name);
        /* both lists have one order */
        bool is = more && next.end - next.at == name.end - name.at &&
                  memcmp(next.at, name.at, (size_t)(name.end - name.at)) == 0;

        r = add_test(list, command, program, group, copy, is);
        if (is)
            more = take_name(&ignored, &next);
    }
    return r;
}

/* Only rustdoc builds and starts those of the documentation. */
static int add_documentation(struct adapter_list *list, const struct command *command,
                             struct cpp_text listed)
{
    struct adapter_entry *entry;
    struct cpp_text name;

    if (!take_name(&listed, &name))
        return 0;
    entry = add(list, NULL, "doctests", NULL, CARGO_DOC);
    if (!entry)
        return -E2BIG;
    for (size_t i = 0; command->tool[i]; i++)
        adapter_append(&entry->argv, command->tool[i]);
    if (!command->doc)
        adapter_append(&entry->argv, "--doc");
    adapter_append(&entry->argv, "--no-fail-fast");
    adapter_append(&entry->argv, "--");
    for (size_t i = 0; command->own[i]; i++)
        adapter_append(&entry->argv, command->own[i]);
    return 0;
}

static int read_program(struct adapter_list *list, const struct command *command,
                        const struct stand_in *stand_in, const struct stand_in_program *program,
                        struct err *err)
{
    const char *package = stand_in_variable(stand_in, program, "CARGO_PKG_NAME");
    _cleanup_free_ char *group = NULL;

    if (!program->argv)
        return 0;
    group = name_of_program(stand_in->tool, program->argv[0], package ? package : "?");
    if (program->status) {
        err_set(err, ERR_USAGE, EPROTO, "the tests of %.200s could not be listed: exit status %d",
                group, program->status);
        return err_hint(err,
                        "look at: %.200s --list; a program with a main() of its own that knows "
                        "--include-ignored must know --list. --adapter=command runs the whole "
                        "command as one test",
                        program->argv[0]);
    }
    if (stand_in_begins(program->says[1], "own") && program->says[0].at == program->says[0].end)
        return add_own(list, program, group);
    return add_tests(list, command, program, group);
}

/* Did cargo build a program of tests? Then it must have started one. */
static bool built_programs(struct cpp_text messages)
{
    struct cpp_text line;

    while (stand_in_line(&messages, &line))
        if (stand_in_begins(line, "{\"reason\":\"compiler-artifact\"") &&
            cpp_find(line, "\"test\":true},\"features\"") && cpp_find(line, "\"executable\":\""))
            return true;
    return false;
}

static int read_list(struct adapter_list *list, const struct command *command,
                     struct stand_in *stand_in, struct err *err)
{
    struct stand_in_program program;
    int r = 0;

    if (stand_in->tool.end == stand_in->rest.end && built_programs(stand_in->tool)) {
        err_set(err, ERR_USAGE, EPROTO, "cargo did not start its test programs by shunt's runner");
        return err_hint(err,
                        "a runner for this target in cargo's configuration (target.TRIPLE.runner, "
                        "CARGO_TARGET_TRIPLE_RUNNER) goes before it: take it out, or run with "
                        "--adapter=command");
    }
    while (r == 0 && stand_in_next(stand_in, &program)) {
        r = read_program(list, command, stand_in, &program, err);
        stand_in_program_done(&program);
    }
    return r < 0 ? r : add_documentation(list, command, stand_in->rest);
}

static int list_with(struct adapter_list *list, const struct command *command, struct err *err)
{
    struct stand_in stand_in;
    int r;

    if (!list->nsteps)
        return ask(list, command, err);
    r = check_answer(list->steps, err);
    if (r < 0)
        return r;
    stand_in_begin(&stand_in, list->steps);
    r = read_list(list, command, &stand_in, err);
    if (r == -E2BIG)
        r = err_set(err, ERR_USAGE, E2BIG, "cargo test lists more than %u tests",
                    ADAPTER_TESTS_MAX);
    stand_in_done(&stand_in);
    return r;
}

static int list(struct adapter_list *list, struct err *err)
{
    struct command command;
    int r;

    read_command(list->argv, &command);
    r = list_with(list, &command, err);
    command_done(&command);
    return r;
}

extern const struct adapter adapter_cargo;
const struct adapter adapter_cargo = {
    .name = "cargo",
    .help = "Rust: cargo test, and its options",
    .package = "cargo",
    .recognise = recognise,
    .list = list,
    .judge = cargo_judge,
};
