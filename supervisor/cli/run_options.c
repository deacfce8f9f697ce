/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/run_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"
#include "sandbox/base/units.h"
#include "supervisor/adapters/adapter.h"
#include "supervisor/cli/rules_reader.h"
#include "supervisor/cli/setup_reader.h"
#include "supervisor/cli/test_options.h"
#include "supervisor/cli/values.h"
#include "supervisor/cli/verdict_set.h"
#include "supervisor/core/filter.h"
#include "supervisor/core/retry.h"
#include "supervisor/core/verdict.h"

enum {
    WORKERS_MAX = 256,
    CPUS_MAX = 4096,
    COUNT_MAX = 1000000,
    UNTIL_FAIL_RUNS = 1000
};

static struct run_config *config_of(void *target)
{
    return &((struct run_options *)target)->config;
}

/* ---- one setter an option ---------------------------------------------------------------- */

static int set_workers(void *target, const char *text, struct err *err)
{
    struct run_config *config = config_of(target);
    uint64_t value;

    if (strcmp(text, "auto") == 0 || strcmp(text, "logical") == 0) {
        config->workers = RUN_CONFIG_AUTO;
        config->workers_logical = *text == 'l';
        return 0;
    }
    if (units_parse_count(text, &value) < 0 || value < 1 || value > WORKERS_MAX)
        return cli_expected(err, "a number of workers from 1 to 256, auto or logical",
                        "auto counts the CPUs that this process may really use");
    config->workers = value;
    config->workers_logical = false;
    return 0;
}

static int set_tasks(void *target, const char *text, struct err *err)
{
    return cli_parse_tasks(text, &config_of(target)->tasks, err);
}

static int set_serial_tasks(void *target, const char *text, struct err *err)
{
    return cli_parse_tasks(text, &config_of(target)->serial_tasks, err);
}

static int set_memory(void *target, const char *text, struct err *err)
{
    return cli_parse_memory(text, &config_of(target)->memory_bytes, err);
}

static int set_serial_memory(void *target, const char *text, struct err *err)
{
    return cli_parse_memory(text, &config_of(target)->serial_memory_bytes, err);
}

static int set_cpu_share(void *target, const char *text, struct err *err)
{
    struct run_config *config = config_of(target);
    uint64_t value = 0;

    if (strcmp(text, "auto") != 0 && strcmp(text, "off") != 0 &&
        (units_parse_count(text, &value) < 0 || value < 1 || value > CPUS_MAX))
        return cli_expected(err, "a number of CPUs from 1 to 4096, auto or off",
                            "auto divides the CPUs that may be used by the workers");
    config->cpu_share_off = strcmp(text, "off") == 0;
    config->cpu_share = (unsigned)value;
    return 0;
}

static int set_cpu_view(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"host", "share", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "host or share", "share gives each worker CPUs of its own, and os.cpu_count() says how many");
    config_of(target)->cpu_view = (enum run_cpu_view)i;
    return 0;
}

static int set_budget(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"auto", "host", "none", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "auto, host or none", "auto heeds the make -j that started shunt");
    config_of(target)->budget = (enum run_budget)i;
    return 0;
}

static int set_timeout(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->timeout_ns, err);
}

static int set_slow(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->slow_ns, err);
}

static int set_grace(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->grace_ns, err);
}

static int set_stall(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->stall_ns, err);
}

static int set_reroute(void *target, const char *text, struct err *err)
{
    return verdict_set_reroute(text, &config_of(target)->reroute, err);
}

static int set_on_reroute(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"pass", "warn", "fail", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "pass, warn or fail", "what a test that passed only alone means");
    config_of(target)->on_reroute = (enum run_on_reroute)i;
    return 0;
}

static int set_leaks(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"ignore", "record", "fail", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "ignore, record or fail", "what a test that leaves something behind comes to");
    config_of(target)->leaks = (enum run_leaks)i;
    return 0;
}

static int set_confirm(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"none", "killed", "failed", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "none, killed or failed",
                            "which results of a test that had to wait for a CPU count only once it has run alone");
    config_of(target)->confirm = (enum run_confirm)i;
    return 0;
}

static int set_max_worker_restart(void *target, const char *text, struct err *err)
{
    return cli_parse_count(text, 0, COUNT_MAX, &config_of(target)->max_worker_restart, err);
}

static int set_maxfail(void *target, const char *text, struct err *err)
{
    return cli_parse_count(text, 0, COUNT_MAX, &config_of(target)->max_fail, err);
}

static int set_exitfirst(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->max_fail = 1;
    return 0;
}

static int set_no_fail_fast(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->max_fail = 0;
    return 0;
}

static int set_fork_server(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"auto", "off", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "auto or off", "off starts each worker cold and collects in each");
    config_of(target)->fork_server = (enum run_fork_server)i;
    return 0;
}

static int set_sandbox(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"on", "off", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "on or off", "off leaves lanes, limits and the ledger");
    config_of(target)->no_sandbox = i == 1;
    return 0;
}

static int set_path(const char **ret, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the path of a file", "it is created or overwritten");
    *ret = text;
    return 0;
}

static int set_from(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the path of a file", "it holds a command a line; - is the standard input");
    config_of(target)->from_path = text;
    return 0;
}

static int set_adapter(void *target, const char *text, struct err *err)
{
    const char *names[ADAPTERS_MAX + 2] = {"pytest"}, *nearest;
    char list[400] = "pytest";

    for (size_t i = 0; adapter_all[i]; i++) {
        names[i + 1] = adapter_all[i]->name;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), ", %s", adapter_all[i]->name);
    }
    config_of(target)->adapter = text;
    if (strcmp(text, "pytest") == 0 || adapter_find(text))
        return 0;
    nearest = nearest_word(text, names);
    err_set(err, ERR_USAGE, EINVAL, "\"%.40s\" is no adapter", text);
    return nearest ? err_hint(err, "did you mean %s?", nearest) : err_hint(err, "adapters are %s", list);
}

static int set_batch(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->batch = true;
    return 0;
}

static int set_history(void *target, const char *text, struct err *err)
{
    return set_path(&config_of(target)->history_path, text, err);
}

static int set_no_history(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->no_history = true;
    return 0;
}

static int set_relearn(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->relearn = true;
    return 0;
}

static int set_events(void *target, const char *text, struct err *err)
{
    return set_path(&config_of(target)->events_path, text, err);
}

static int set_junit(void *target, const char *text, struct err *err)
{
    return set_path(&config_of(target)->junit_path, text, err);
}

static int set_color(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"auto", "always", "never", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "auto, always or never", "auto heeds the terminal and NO_COLOR");
    config_of(target)->color = (enum run_color)i;
    return 0;
}

static int set_output(enum run_output *ret, const char *text, struct err *err)
{
    static const char *const words[] = {"never", "immediate", "final", "immediate-final", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "never, immediate, final or immediate-final", "when the output of a test that is a program is shown");
    *ret = (enum run_output)i;
    return 0;
}

static int set_success_output(void *target, const char *text, struct err *err)
{
    return set_output(&config_of(target)->success_output, text, err);
}

static int set_failure_output(void *target, const char *text, struct err *err)
{
    return set_output(&config_of(target)->failure_output, text, err);
}

static int set_no_capture(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->no_capture = true;
    return 0;
}

static int set_no_input_handler(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->no_keys = true;
    return 0;
}

static int set_quiet(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->quiet = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct run_options *)target)->help = true;
    return 0;
}

const struct option_row run_option_table[] = {
    {"adapter", 0, "NAME",
     "whose tests these are: pytest, ctest, gtest, catch2, doctest, commands\n"
     "(of --from), command (all of it is one test); default: found out from\n"
     "the command",
     set_adapter, "Tests"},
    {"batch", 0, NULL, "a suite of the framework's (gtest) is one process, and one test", set_batch, NULL},
    {"from", 0, "FILE",
     "instead of a command: a file of commands, one a line, for sh -c or as\n"
     "JSON; each is a test. -: standard input",
     set_from, NULL},
    {"workers", 'n', "N",
     "parallel workers: a number, auto (CPUs that may be used)\n"
     "or logical (hyperthreads too); default: the suite's own -n, else auto",
     set_workers, "Workers"},
    {"max-worker-restart", 0, "N",
     "replace workers at most N times, then give up\n"
     "(default: the suite's own, else without end)",
     set_max_worker_restart, NULL},
    {"fork-server", 0, "MODE", "auto: collect once and fork workers; off: each starts cold",
     set_fork_server, NULL},

    {"tasks", 0, "N",
     "threads and processes that one worker may have (default: auto,\n"
     "from what the surroundings can give, 16 to 512)",
     set_tasks, "Limits"},
    {"memory", 0, "SIZE", "memory of one worker, e.g. 512M or 1.5G (auto, none)", set_memory, NULL},
    {"serial-tasks", 0, "N", "tasks in the serial lane (default: auto, all that can be had)",
     set_serial_tasks, NULL},
    {"serial-memory", 0, "SIZE", "memory in the serial lane (default: auto)", set_serial_memory,
     NULL},
    {"cpu-share", 0, "N",
     "CPUs of one worker, which OMP_NUM_THREADS, GOMAXPROCS and their\n"
     "like tell libraries: a number, auto (default: CPUs divided by\n"
     "workers) or off. Variables that are set already stay as they are",
     set_cpu_share, NULL},
    {"cpu-view", 0, "VIEW",
     "which CPUs parallel workers see: host (default), or share: those of\n"
     "the worker, as its CPU set and in os.cpu_count()",
     set_cpu_view, NULL},
    {"budget", 0, "WHAT",
     "whose slots a test needs before it starts: auto (default: of the\n"
     "make -j that started shunt), host (one a CPU, for all runs of this\n"
     "user) or none",
     set_budget, NULL},
    {"timeout", 0, "TIME", "wall time of one test, e.g. 90s or 5m; 0 or off: none (default)", set_timeout,
     NULL},
    {"grace", 0, "TIME",
     "for what a test started, between SIGTERM and SIGKILL at its timeout\n"
     "(default: 1s; off: SIGKILL at once)",
     set_grace, NULL},
    {"slow", 0, "TIME", "say so when a test has run so long (default: 60s; off)", set_slow, NULL},
    {"stall", 0, "TIME",
     "how long all tasks of a test may wait for each other\n"
     "(default: 10s; off)",
     set_stall, NULL},

    {"reroute", 0, "LIST",
     "verdicts that move a test to the serial lane: tasks,memory,...\n"
     "all, none, default; -leak takes one out (default: all but leak,\n"
     "cpu, denied and protocol)",
     set_reroute, "Verdicts"},
    {"on-reroute", 0, "WHAT", "what passed-serial means: pass, warn (default) or fail",
     set_on_reroute, NULL},
    {"leaks", 0, "WHAT",
     "threads, processes, listening sockets and files in /tmp that a test\n"
     "leaves behind: ignore, record (default), or fail the test",
     set_leaks, NULL},
    {"confirm", 0, "WHAT",
     "what of a test that waited for CPU or memory most of its time counts\n"
     "only once it has run alone: failed (default; and killed), killed,\n"
     "none",
     set_confirm, NULL},
    {"maxfail", 0, "N", "stop after N failures; 0: never (default: the suite's own)", set_maxfail,
     NULL},
    {"max-fail", 0, "N", "the same", set_maxfail, NULL},
    {"exitfirst", 'x', NULL, "stop after the first failure, as --maxfail=1", set_exitfirst, NULL},
    {"fail-fast", 0, NULL, "the same", set_exitfirst, NULL},
    {"no-fail-fast", 0, NULL, "never stop for failures, as --maxfail=0", set_no_fail_fast, NULL},

    TEST_OPTION_ROWS,

    {"history", 0, "FILE",
     "what earlier runs came to; known offenders start in the serial lane\n"
     "(default: .shunt/history.db below the suite's root)",
     set_history, "History"},
    {"no-history", 0, NULL, "neither read it nor write it", set_no_history, NULL},
    {"relearn", 0, NULL, "try known offenders in parallel again", set_relearn, NULL},

    SANDBOX_OPTION_ROWS,
    {"sandbox", 0, "MODE", "on (default) or off: lanes, limits and reports only", set_sandbox, NULL},
    {"events", 0, "FILE", "write everything that happens as JSON lines", set_events, "Output"},
    {"junit", 0, "FILE", "write a JUnit report", set_junit, NULL},
    {"color", 0, "WHEN", "auto (default), always or never", set_color, NULL},
    {"success-output", 0, "WHEN",
     "output of programs that passed or were skipped: never (default),\n"
     "immediate, final (before the summary) or immediate-final",
     set_success_output, NULL},
    {"failure-output", 0, "WHEN", "the same of those that failed (default: immediate)", set_failure_output, NULL},
    {"no-capture", 0, NULL, "output of programs as it comes, and one test at a time", set_no_capture, NULL},
    {"no-input-handler", 0, NULL, "no keys (t: what runs now) while tests run", set_no_input_handler, NULL},
    {"quiet", 'q', NULL, "no header and no progress; incidents and the summary stay", set_quiet,
     NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

void run_options_init(struct run_options *options)
{
    *options = (struct run_options){
        .config =
            {
                .workers = RUN_CONFIG_UNSET,
                .max_worker_restart = RUN_CONFIG_UNSET,
                .max_fail = RUN_CONFIG_UNSET,
                .timeout_ns = RUN_CONFIG_UNSET,
                .tasks = RUN_CONFIG_AUTO,
                .serial_tasks = RUN_CONFIG_AUTO,
                .memory_bytes = RUN_CONFIG_AUTO,
                .serial_memory_bytes = RUN_CONFIG_AUTO,
                .stall_ns = 10 * NS_PER_SEC,
                .slow_ns = 60 * NS_PER_SEC,
                .grace_ns = NS_PER_SEC,
                .confirm = CONFIRM_FAILED,
                .retry = {.on = RETRY_ON_DEFAULT},
                .seed = RUN_CONFIG_UNSET,
                .repeat = 1,
                .reroute = VERDICT_REROUTE_DEFAULT,
                .on_reroute = ON_REROUTE_WARN,
                .leaks = LEAKS_RECORD,
                .fork_server = FORK_SERVER_AUTO,
                .color = COLOR_AUTO,
                .failure_output = OUTPUT_IMMEDIATE,
            },
    };
    sandbox_config_init(&options->sandbox);
}

static void drop_filters(struct run_config *config)
{
    while (config->nfilters)
        filter_free(config->filters[--config->nfilters]);
}

void run_options_done(struct run_options *options)
{
    drop_filters(&options->config);
    rules_done(&options->rules);
    setup_scripts_done(&options->setup);
    project_file_done(&options->file);
}

/* What the command line says counts more than the profile, so it comes after it; which profile, only it knows. */
static int parse_both(struct run_options *options, int argc, char **argv, int *ret_first, struct err *err)
{
    bool filters, history, no_history;
    int r = options_parse(run_option_table, argc, argv, options, ret_first, err);
    const char *profile = options->profile;

    if (r < 0 || options->help)
        return r;
    filters = options->config.nfilters > 0;
    history = options->config.history_path || options->config.relearn;
    no_history = options->config.no_history;
    run_options_done(options);
    run_options_init(options);
    r = project_file_open(&options->file, PROJECT_FILE, profile, err);
    if (r == 0)
        r = project_file_apply(&options->file, run_option_table, options, err);
    if (r == 0)
        r = rules_read(&options->file, &options->rules, err);
    if (r == 0)
        r = setup_read(&options->file, &options->setup, err);
    if (r < 0)
        return r;
    if (filters)
        drop_filters(&options->config);
    if (history)
        options->config.no_history = false;
    if (no_history)
        options->config.history_path = NULL;
    if (no_history)
        options->config.relearn = false;
    return options_parse(run_option_table, argc, argv, options, ret_first, err);
}

int run_options_parse(struct run_options *options, int argc, char **argv, struct err *err)
{
    int first;
    int r = parse_both(options, argc, argv, &first, err);

    if (r < 0 || options->help)
        return r;
    if (options->config.from_path && first < argc)
        return err_set(err, ERR_USAGE, EINVAL, "--from and a command exclude each other: \"%.100s\"", argv[first]);
    if (options->config.from_path && options->config.adapter && strcmp(options->config.adapter, "commands") != 0)
        return err_set(err, ERR_USAGE, EINVAL, "--from is a file of commands, and --adapter=%s is something else",
                       options->config.adapter);
    if (!options->config.from_path && (first >= argc || !*argv[first])) {
        err_set(err, ERR_USAGE, EINVAL, "no command was given");
        return err_hint(err, "put shunt in front of the command that runs your tests: "
                             "shunt run -- pytest tests/");
    }
    if (options->config.events_path && options->config.junit_path &&
        strcmp(options->config.events_path, options->config.junit_path) == 0)
        return err_set(err, ERR_USAGE, EINVAL, "--events and --junit name the same file, %s", options->config.junit_path);
    if (options->config.no_history && (options->config.history_path || options->config.relearn))
        return err_set(err, ERR_USAGE, EINVAL, "--no-history and %s exclude each other",
                       options->config.history_path ? "--history" : "--relearn");
    options->from_command[0] = (char *)options->config.from_path;
    options->config.command = options->config.from_path ? options->from_command : argv + first;
    if (options->config.until_fail) {
        options->config.max_fail = 1;
        if (options->config.repeat == 1)
            options->config.repeat = UNTIL_FAIL_RUNS;
    }
    if (options->config.seed != RUN_CONFIG_UNSET && options->config.order != ORDER_RANDOM)
        return err_set(err, ERR_USAGE, EINVAL, "--seed is that of --order=random, which was not asked for");
    r = test_options_shard_of_environment(&options->config, err);
    if (r < 0)
        return r;
    if (options->config.no_capture) {
        options->config.workers = 1;
        options->config.success_output = options->config.failure_output = OUTPUT_NEVER; /* it has been seen */
    }
    options->config.sandbox = &options->sandbox;
    options->config.rules = &options->rules;
    options->config.setup = &options->setup;
    return 0;
}
