/* SPDX-License-Identifier: MIT */
/*
 * Adapter "meson": `meson test`. ninja builds what the tests need, meson says which tests its options mean (--list) and what
 * each one is (introspect --tests). That leaves out what should fail and how a variable is appended to; both are in
 * meson-private/meson_test_setup.dat, which a few lines of Python read without loading meson, or running anything in it.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/options.h"
#include "supervisor/adapters/tap_text.h"

#define BUILD_TIMEOUT_NS (24 * 3600 * NS_PER_SEC)
#define STATUS_SKIP 77
#define STATUS_ERROR 99

static const struct option_row options[] = {
    {"--suite --no-suite", OPTION_SELECT, true},
    {"--benchmark", OPTION_SELECT, false},
    {"-C --wrapper --test-args -t --timeout-multiplier", OPTION_SHOW, true}, /* read where they are needed */
    {"--no-rebuild", OPTION_SHOW, false},
    {"-v --verbose -q --quiet --print-errorlogs --no-stdsplit", OPTION_SHOW, false},
    {"--max-lines --gdb-path", OPTION_SHOW, true},
    {"--repeat --logbase", OPTION_LEFT_OUT, true},
    {"--setup", OPTION_REFUSE, true},
    {"--gdb -i --interactive", OPTION_REFUSE, false},
    {"--num-processes -j", OPTION_JOBS, true},
    {"--maxfail", OPTION_STOP, true},
    {"--list -h --help", OPTION_ELSE, false},
    {NULL, OPTION_KEEP, false},
};

/* argv: the file, --wrapper, --test-args. Every class of the pickle becomes an empty one, so that nothing is called. */
static const char read_setup[] =
    "import json, os, pickle, shlex, sys\n"
    "class Reader(pickle.Unpickler):\n"
    "    def find_class(self, module, name):\n"
    "        if (module, name) == ('collections', 'OrderedDict'):\n"
    "            return dict\n"
    "        return type(name, (), {'__init__': lambda self, *a, **k: None, 'op': name, '__hash__': lambda self: id(self)})\n"
    "def variables(env):\n"
    "    now = dict(os.environ)\n"
    "    for step in getattr(env, 'envvars', []):\n"
    "        op, name, values, between = step\n"
    "        values, before = between.join(values), now.get(name)\n"
    "        op = getattr(op, 'op', getattr(op, '__name__', ''))\n"
    "        if before is None or 'set' in op:\n"
    "            now[name] = values\n"
    "        else:\n"
    "            now[name] = between.join([before, values] if 'append' in op else [values, before])\n"
    "    return sorted({name + '=' + now[name] for _, name, _, _ in getattr(env, 'envvars', [])})\n"
    "def wrapper(test):\n"
    "    crossed = test.is_cross_built and test.needs_exe_wrapper and test.exe_wrapper\n"
    "    return test.exe_wrapper.command if crossed else []\n"
    "tests = None\n"
    "try:\n"
    "    tests = [{'name': t.name, 'should_fail': bool(t.should_fail), 'env': variables(t.env), 'wrapper': wrapper(t)}\n"
    "             for t in Reader(open(sys.argv[1], 'rb')).load()]\n"
    "except Exception as why:\n"
    "    print('meson_test_setup.dat:', repr(why), file=sys.stderr)\n"
    "print(json.dumps({'tests': tests, 'wrapper': shlex.split(sys.argv[2]), 'args': shlex.split(sys.argv[3])}))\n";

static enum adapter_claim recognise(char *const argv[])
{
    const char *program = adapter_program(argv);

    if (strcmp(program, "meson") != 0 || !argv[1] || strcmp(argv[1], "test") != 0)
        return ADAPTER_NO;
    return option_means_else(argv + 2, options) ? ADAPTER_NO : ADAPTER_YES;
}

static const char *build_directory(const struct adapter_list *list)
{
    const char *value = option_typed(list->argv + 2, options, "-C", "-C");

    return value ? value : ".";
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* --- the steps --- */

enum { STEP_LIST, STEP_TESTS, STEP_SETUP, STEPS }; /* in this order, behind the build */

static void ask_build(struct adapter_list *list, const char *directory, bool benchmark)
{
    const char *target = benchmark ? "meson-benchmark-prereq" : "meson-test-prereq";
    char *const words[] = {(char *)"sh", (char *)"-c", (char *)"exec ninja -C \"$1\" \"$2\" >&2", (char *)"sh", (char *)directory,
                           (char *)target, NULL};

    adapter_ask(list, words)->timeout_ns = BUILD_TIMEOUT_NS;
}

static void ask(struct adapter_list *list, const struct option_words *words)
{
    const char *directory = build_directory(list);
    bool benchmark = option_typed(list->argv + 2, options, "", "--benchmark") != NULL;
    _cleanup_free_ char *setup = mem_printf("%s/meson-private/meson_%s_setup.dat", directory, benchmark ? "benchmark" : "test");
    char *meson = list->argv[0];
    struct adapter_step *step;

    if (!list->nsteps && !option_typed(list->argv + 2, options, "", "--no-rebuild")) {
        ask_build(list, directory, benchmark);
        return;
    }
    step = adapter_ask(list, (char *const[]){meson, (char *)"test", (char *)"-C", (char *)directory, (char *)"--list",
                                             (char *)"--no-rebuild", NULL});
    option_append_all(&step->argv, words->list);
    option_append_all(&step->argv, words->plain);
    adapter_ask(list, (char *const[]){meson, (char *)"introspect", (char *)(benchmark ? "--benchmarks" : "--tests"),
                                      (char *)directory, NULL});
    adapter_ask(list, (char *const[]){(char *)"python3", (char *)"-c", (char *)read_setup, setup,
                                      (char *)text_or_empty(option_typed(list->argv + 2, options, "", "--wrapper")),
                                      (char *)text_or_empty(option_typed(list->argv + 2, options, "", "--test-args")), NULL});
}

static int step_error(const struct adapter_step *step, const char *what, struct err *err)
{
    if (WIFEXITED(step->wait_status) && WEXITSTATUS(step->wait_status))
        err_set(err, ERR_USAGE, EINVAL, "%s: exit status %d", what, WEXITSTATUS(step->wait_status));
    else if (WIFSIGNALED(step->wait_status))
        err_set(err, ERR_USAGE, EINVAL, "%s: died of signal %d", what, WTERMSIG(step->wait_status));
    else
        err_set(err, ERR_USAGE, EPROTO, "%s: its answer is not what was expected", what);
    return err_hint(err, "see what is said above; is it a directory that meson has set up (-C)?");
}

static int build_error(const struct adapter_step *step, struct err *err)
{
    if (WIFEXITED(step->wait_status) && WEXITSTATUS(step->wait_status) == 127) {
        err_set(err, ERR_USAGE, ENOENT, "ninja, which builds what meson's tests need, is not there");
        return err_hint(err, "on Debian and Ubuntu it is in the package ninja-build; --no-rebuild does without");
    }
    return step_error(step, "ninja could not build what the tests need", err);
}

/* --- a test --- */

enum protocol { PROTOCOL_EXITCODE, PROTOCOL_TAP, PROTOCOL_RUST };

struct data {
    enum protocol protocol;
};

struct answers {
    const json_t *tests;  /* introspect --tests */
    const json_t *setup;  /* of the same tests; NULL: not known */
    const json_t *wrapper, *args;
    const char *directory; /* absolute */
    double multiplier;
    bool serial, perturb;
};

static bool append_texts(char ***words, const json_t *list)
{
    const json_t *word;
    size_t i;

    json_array_foreach (list, i, word) {
        if (!json_is_string(word))
            return false;
        adapter_append(words, json_string_value(word));
    }
    return true;
}

static void read_environment(struct adapter_entry *entry, const json_t *test, const json_t *setup, size_t index, bool perturb)
{
    const char *name;
    json_t *value;

    if (setup)
        append_texts(&entry->env, json_object_get(setup, "env"));
    else
        json_object_foreach (json_object_get(test, "env"), name, value) {
            _cleanup_free_ char *word = mem_printf("%s=%s", name, text_or_empty(json_string_value(value)));

            adapter_append(&entry->env, word);
        }
    for (size_t i = 0; perturb && entry->env && entry->env[i]; i++)
        perturb = strncmp(entry->env[i], "MALLOC_PERTURB_=", 16) != 0;
    if (perturb) { /* meson takes one at random; here a failure comes again */
        _cleanup_free_ char *word = mem_printf("MALLOC_PERTURB_=%zu", index * 37 % 255 + 1);

        adapter_append(&entry->env, word);
    }
}

static void read_numbers(struct adapter_entry *entry, const json_t *test, const struct answers *answers)
{
    double timeout = json_number_value(json_object_get(test, "timeout")) * answers->multiplier;
    const char *protocol = text_or_empty(json_string_value(json_object_get(test, "protocol")));
    struct data *data = mem_zalloc(sizeof(*data));

    if (timeout > 0 && timeout < 1e9)
        entry->timeout_ns = (uint64_t)(timeout * 1e9);
    if (answers->serial || json_is_false(json_object_get(test, "is_parallel"))) {
        entry->lane = LANE_SERIAL;
        entry->why = mem_strdup(answers->serial ? "--benchmark" : "is_parallel: false");
    }
    data->protocol = strcmp(protocol, "tap") == 0    ? PROTOCOL_TAP
                     : strcmp(protocol, "rust") == 0 ? PROTOCOL_RUST
                                                     : PROTOCOL_EXITCODE; /* gtest as well */
    entry->data = data;
    entry->skip_status = STATUS_SKIP;
}

static bool add(struct adapter_list *list, const struct answers *answers, size_t index, const char *id)
{
    const json_t *test = json_array_get(answers->tests, index), *setup = json_array_get(answers->setup, index);
    const char *workdir = json_string_value(json_object_get(test, "workdir"));
    struct adapter_entry *entry = adapter_add(list, id);

    if (!entry)
        return false;
    entry->classname = mem_strdup(text_or_empty(json_string_value(json_array_get(json_object_get(test, "suite"), 0))));
    entry->name = mem_strdup(json_string_value(json_object_get(test, "name")));
    entry->cwd = mem_strdup(workdir ? workdir : answers->directory);
    entry->will_fail = json_is_true(json_object_get(setup, "should_fail"));
    read_environment(entry, test, setup, index, answers->perturb);
    read_numbers(entry, test, answers);
    return append_texts(&entry->argv, answers->wrapper) && append_texts(&entry->argv, json_object_get(setup, "wrapper")) &&
           append_texts(&entry->argv, json_object_get(test, "cmd")) && append_texts(&entry->argv, answers->args) && entry->argv;
}

/* --- which ones --- */

/* Is this line of --list that test? "name", or "project:suite+suite / name". */
static bool is_line_of(const char *line, const json_t *test)
{
    const char *name = json_string_value(json_object_get(test, "name")), *slash;
    const json_t *suites = json_object_get(test, "suite"), *suite;
    const char *at = line;
    size_t i, size;

    if (strcmp(line, name) == 0)
        return true;
    slash = strlen(line) > strlen(name) + 3 ? line + strlen(line) - strlen(name) - 3 : NULL;
    if (!slash || strncmp(slash, " / ", 3) != 0 || strcmp(slash + 3, name) != 0)
        return false;
    json_array_foreach (suites, i, suite) {
        const char *text = text_or_empty(json_string_value(suite)), *colon = strchr(text, ':');

        if (i) { /* the project stands in front once */
            text = colon ? colon + 1 : "";
            at += *at == '+';
        }
        size = strlen(text);
        if ((size_t)(slash - at) < size || strncmp(at, text, size) != 0)
            return false;
        at += size;
    }
    return at == slash;
}

static bool select_line(struct adapter_list *list, const struct answers *answers, bool *used, const char *line)
{
    for (size_t i = 0; i < json_array_size(answers->tests); i++)
        if (!used[i] && is_line_of(line, json_array_get(answers->tests, i))) {
            used[i] = true;
            return add(list, answers, i, line);
        }
    return true; /* said by meson beside the list */
}

static bool select_tests(struct adapter_list *list, const struct answers *answers, const struct adapter_step *step)
{
    _cleanup_free_ bool *used = mem_zalloc(json_array_size(answers->tests) + 1);

    for (const char *at = step->output; *at;) {
        size_t size = strcspn(at, "\n");
        _cleanup_free_ char *line = strndup(at, size);

        if (!select_line(list, answers, used, line))
            return false;
        at += size + (at[size] == '\n');
    }
    return true;
}

static bool are_tests(const json_t *tests)
{
    const json_t *test;
    size_t i;

    json_array_foreach (tests, i, test)
        if (!json_is_string(json_object_get(test, "name")) || !json_array_size(json_object_get(test, "cmd")))
            return false;
    return json_is_array(tests);
}

/* The setup's tests where they are the same ones. */
static const json_t *setup_of(struct adapter_list *list, const json_t *tests, const json_t *setup)
{
    const json_t *test;
    bool same = json_array_size(setup) == json_array_size(tests);
    size_t i;

    json_array_foreach (tests, i, test)
        same = same && json_equal(json_object_get(test, "name"), json_object_get(json_array_get(setup, i), "name"));
    if (same)
        return setup;
    option_notice(list, "which of meson's tests should fail is not known: its test setup could not be read");
    return NULL;
}

static double multiplier_of(const struct adapter_list *list)
{
    const char *text = option_typed(list->argv + 2, options, "-t", "--timeout-multiplier");
    double value = text ? strtod(text, NULL) : 1;

    return isfinite(value) ? value : 1;
}

static int read_answers(struct adapter_list *list, const struct adapter_step *steps, const json_t *tests, const json_t *setup,
                        struct err *err)
{
    _cleanup_free_ char *directory = realpath(build_directory(list), NULL);
    struct answers answers = {.tests = tests,
                              .wrapper = json_object_get(setup, "wrapper"),
                              .args = json_object_get(setup, "args"),
                              .directory = text_or_empty(directory),
                              .multiplier = multiplier_of(list),
                              .serial = option_typed(list->argv + 2, options, "", "--benchmark") != NULL};

    if (!are_tests(tests))
        return step_error(&steps[STEP_TESTS], "meson introspect --tests did not say what the tests are", err);
    if (!json_is_array(answers.wrapper) || !json_is_array(answers.args))
        return step_error(&steps[STEP_SETUP], "--wrapper, --test-args or meson's test setup could not be read", err);
    answers.setup = setup_of(list, tests, json_object_get(setup, "tests"));
    answers.perturb = !answers.serial && !*text_or_empty(getenv("MALLOC_PERTURB_"));
    if (!select_tests(list, &answers, &steps[STEP_LIST]))
        return step_error(&steps[STEP_TESTS], "meson introspect --tests did not say what a test's command is", err);
    if (!list->nentries)
        return step_error(&steps[STEP_LIST], "meson test --list names no test that meson introspect --tests knows", err);
    return 0;
}

static bool is_empty(const struct adapter_step *step)
{
    return strstr(step->output, "No tests defined.") || strstr(step->output, "No suitable tests defined.");
}

static int read_list(struct adapter_list *list, struct err *err)
{
    const struct adapter_step *steps = list->steps + list->nsteps - STEPS;
    json_t *tests, *setup;
    int r;

    if (is_empty(&steps[STEP_LIST]))
        return 0;
    if (steps[STEP_LIST].wait_status)
        return step_error(&steps[STEP_LIST], "meson test --list could not list the tests", err);
    tests = json_loadb(steps[STEP_TESTS].output, steps[STEP_TESTS].size, 0, NULL);
    setup = json_loadb(steps[STEP_SETUP].output, steps[STEP_SETUP].size, 0, NULL);
    r = read_answers(list, steps, tests, setup, err);
    json_decref(tests);
    json_decref(setup);
    return r;
}

static int list(struct adapter_list *list, struct err *err)
{
    struct option_words words;
    int r;

    if (list->nsteps >= STEPS)
        return read_list(list, err);
    if (list->nsteps && list->steps[0].wait_status)
        return build_error(&list->steps[0], err);
    free(list->notice); /* said again */
    list->notice = NULL;
    r = option_split(list, list->argv + 2, options, "meson test", &words, err);
    if (r < 0)
        return r;
    ask(list, &words);
    option_words_done(&words);
    return 0;
}

/* --- judging: as mtest.py does --- */

static void expect_failure(const struct adapter_entry *entry, struct adapter_judgement *ret)
{
    if (!entry->will_fail)
        return;
    if (ret->outcome == OUTCOME_FAILED) {
        ret->outcome = OUTCOME_XFAILED;
    } else if (ret->outcome == OUTCOME_PASSED) {
        ret->outcome = OUTCOME_FAILED;
        snprintf(ret->message, sizeof(ret->message), "passed, and should_fail is true");
    }
}

static void judge_status(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    struct adapter_entry plain = *entry;

    plain.will_fail = false;
    adapter_judge_status(&plain, result, ret);
}

/* A plan is not asked for; every test skipped, or none, is a skip; a TODO that passes is a failure. */
static void judge_tap(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    struct tap tap = tap_read(result->output, result->size);
    bool bad_plan = (tap.has_plan && tap.plan != tap.seen) || tap.out_of_order;

    if (ret->outcome == OUTCOME_FAILED || tap.bailed_out || (bad_plan && !result->cut)) { /* an error, which nobody expects */
        ret->outcome = OUTCOME_FAILED;
        if (*ret->message && (tap.failed || tap.bailed_out))
            tap_say_mark(ret->message, "; ");
        if (tap.failed || tap.bailed_out || !*ret->message)
            tap_say_reason(&tap, ret->message);
        return;
    }
    if (result->cut && !tap.failed) {
        tap_judge(entry, result, ret);
        return;
    }
    if (tap.skipped == tap.seen) {
        ret->outcome = OUTCOME_SKIPPED;
        tap_say(ret->message, tap.reason, strlen(tap.reason));
    } else if (tap.failed) {
        ret->outcome = OUTCOME_FAILED;
        tap_say_reason(&tap, ret->message);
    } else if (tap.todo_passed) {
        ret->outcome = OUTCOME_FAILED;
        snprintf(ret->message, sizeof(ret->message), "%zu of its TODO tests passed", tap.todo_passed);
    }
    expect_failure(entry, ret);
}

/* "test name ... ok" */
static bool all_ignored(const struct adapter_result *result)
{
    for (const char *at = result->output; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t size = strcspn(at, "\n");

        if (strncmp(at, "test ", 5) == 0 && strncmp(at, "test result", 11) != 0 && !memmem(at, size, "... ignored", 11))
            return false;
    }
    return true;
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    const struct data *data = entry->data;
    int status = WIFEXITED(result->wait_status) ? WEXITSTATUS(result->wait_status) : -1;

    judge_status(entry, result, ret);
    if (data->protocol == PROTOCOL_TAP) {
        if (ret->outcome == OUTCOME_SKIPPED) { /* a status like any other */
            ret->outcome = OUTCOME_FAILED;
            snprintf(ret->message, sizeof(ret->message), "exit status %d", status);
        }
        judge_tap(entry, result, ret);
        return;
    }
    if (status == STATUS_ERROR) {
        snprintf(ret->message, sizeof(ret->message), "exit status 99 says that it could not be set up");
        return;
    }
    if (data->protocol == PROTOCOL_RUST && ret->outcome == OUTCOME_PASSED && !result->cut && all_ignored(result))
        ret->outcome = OUTCOME_SKIPPED;
    expect_failure(entry, ret);
}

extern const struct adapter adapter_meson;
const struct adapter adapter_meson = {
    .name = "meson",
    .help = "Meson: meson test -C build ...",
    .package = "meson",
    .recognise = recognise,
    .list = list,
    .judge = judge,
};
