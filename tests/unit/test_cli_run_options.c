/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/core/verdict.h"

enum { WORDS_MAX = 48 };

struct parsed {
    struct run_options options;
    struct err err;
    int r;
    char line[512];
    char *argv[WORDS_MAX];
};

/* Parses a line whose words are separated by blanks; '_' alone stands for an empty word. */
static void parse(struct parsed *parsed, const char *line)
{
    int argc = 0;

    *parsed = (struct parsed){.err = ERR_INIT};
    assert_true(strlen(line) < sizeof(parsed->line));
    strcpy(parsed->line, line);
    for (char *word = strtok(parsed->line, " "); word; word = strtok(NULL, " ")) {
        assert_true(argc < WORDS_MAX - 1);
        if (strcmp(word, "_") == 0)
            *word = '\0';
        parsed->argv[argc++] = word;
    }
    run_options_init(&parsed->options);
    parsed->r = run_options_parse(&parsed->options, argc, parsed->argv, &parsed->err);
}

static const struct run_config *good(struct parsed *parsed, const char *line)
{
    parse(parsed, line);
    if (parsed->r != 0)
        fail_msg("\"%s\": %s", line, parsed->err.message);
    return &parsed->options.config;
}

static void bad(const char *line, const char *message, const char *hint)
{
    struct parsed parsed;

    parse(&parsed, line);
    assert_true(parsed.r < 0);
    assert_int_equal(parsed.err.kind, ERR_USAGE);
    if (!strstr(parsed.err.message, message))
        fail_msg("\"%s\": \"%s\" lacks \"%s\"", line, parsed.err.message, message);
    if (!strstr(parsed.err.hint, hint))
        fail_msg("\"%s\": hint \"%s\" lacks \"%s\"", line, parsed.err.hint, hint);
}

static void defaults(void **state)
{
    struct parsed parsed;
    const struct run_config *config = good(&parsed, "run pytest");

    (void)state;
    assert_true(config->workers == RUN_CONFIG_UNSET);
    assert_true(config->max_worker_restart == RUN_CONFIG_UNSET);
    assert_true(config->max_fail == RUN_CONFIG_UNSET);
    assert_true(config->tasks == RUN_CONFIG_AUTO);
    assert_true(config->memory_bytes == RUN_CONFIG_AUTO);
    assert_true(config->serial_tasks == RUN_CONFIG_AUTO);
    assert_true(config->serial_memory_bytes == RUN_CONFIG_AUTO);
    assert_true(config->timeout_ns == RUN_CONFIG_UNSET);
    assert_true(config->stall_ns == 10000000000ULL);
    assert_true(config->slow_ns == 60000000000ULL);
    assert_true(config->grace_ns == 1000000000ULL);
    assert_int_equal(config->confirm, CONFIRM_FAILED);
    assert_int_equal(config->reroute, VERDICT_REROUTE_DEFAULT);
    assert_int_equal(config->on_reroute, ON_REROUTE_WARN);
    assert_int_equal(config->leaks, LEAKS_RECORD);
    assert_int_equal(config->fork_server, FORK_SERVER_AUTO);
    assert_int_equal(config->cpu_share, 0);
    assert_false(config->cpu_share_off);
    assert_int_equal(config->cpu_view, CPU_VIEW_HOST);
    assert_int_equal(config->budget, BUDGET_AUTO);
    assert_false(config->no_sandbox);
    assert_false(parsed.options.sandbox.adopt_cgroup);
    assert_null(config->events_path);
    assert_null(config->junit_path);
    assert_int_equal(config->color, COLOR_AUTO);
    assert_false(config->quiet);
}

static void every_option(void **state)
{
    struct parsed parsed;
    const struct run_config *config =
        good(&parsed, "run -n 4 --tasks 64 --memory=512M --serial-tasks=1000 --serial-memory 1.5G "
                      "--timeout 90s --stall=off --slow=none --grace 5s --confirm=killed --reroute tasks,memory --on-reroute fail "
                      "--leaks fail "
                      "--max-worker-restart 0 --maxfail=3 --cpu-share=3 --cpu-view=share --budget=host "
                      "--fork-server=off --sandbox=off "
                      "--adopt-cgroup --events e --junit j --color never -q -- x");

    (void)state;
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->tasks, 64);
    assert_true(config->memory_bytes == 512ULL << 20);
    assert_int_equal(config->serial_tasks, 1000);
    assert_true(config->serial_memory_bytes == 3ULL << 29);
    assert_true(config->timeout_ns == 90000000000ULL);
    assert_int_equal(config->stall_ns, 0);
    assert_int_equal(config->slow_ns, 0);
    assert_true(config->grace_ns == 5000000000ULL);
    assert_int_equal(config->confirm, CONFIRM_KILLED);
    assert_int_equal(config->reroute, VERDICT_BIT(VERDICT_TASKS) | VERDICT_BIT(VERDICT_MEMORY));
    assert_int_equal(config->on_reroute, ON_REROUTE_FAIL);
    assert_int_equal(config->leaks, LEAKS_FAIL);
    assert_int_equal(config->max_worker_restart, 0);
    assert_int_equal(config->max_fail, 3);
    assert_int_equal(config->fork_server, FORK_SERVER_OFF);
    assert_int_equal(config->cpu_share, 3);
    assert_int_equal(config->cpu_view, CPU_VIEW_SHARE);
    assert_int_equal(config->budget, BUDGET_HOST);
    assert_true(config->no_sandbox);
    assert_true(parsed.options.sandbox.adopt_cgroup);
    assert_string_equal(config->events_path, "e");
    assert_string_equal(config->junit_path, "j");
    assert_int_equal(config->color, COLOR_NEVER);
    assert_true(config->quiet);
    assert_string_equal(config->command[0], "x");
    assert_null(config->command[1]);
}

static void forms_of_an_option(void **state)
{
    struct parsed parsed;

    (void)state;
    assert_int_equal(good(&parsed, "run -n4 x")->workers, 4);
    assert_int_equal(good(&parsed, "run -n=4 x")->workers, 4);
    assert_int_equal(good(&parsed, "run -n 4 x")->workers, 4);
    assert_int_equal(good(&parsed, "run --workers=4 x")->workers, 4);
    assert_int_equal(good(&parsed, "run --workers 4 x")->workers, 4);
    assert_int_equal(good(&parsed, "run -qxn4 x")->workers, 4);
    assert_int_equal(parsed.options.config.max_fail, 1);
    assert_true(parsed.options.config.quiet);
    assert_true(good(&parsed, "run -n logical x")->workers == RUN_CONFIG_AUTO);
    assert_true(parsed.options.config.workers_logical);
    assert_true(good(&parsed, "run -n logical -n auto x")->workers == RUN_CONFIG_AUTO);
    assert_false(parsed.options.config.workers_logical);
    parse(&parsed, "run --help");
    assert_int_equal(parsed.r, 0);
    assert_true(parsed.options.help);
}

static void options_end_at_the_command(void **state)
{
    struct parsed parsed;
    const struct run_config *config = good(&parsed, "run -q pytest -n 4 -- --tasks=no");

    (void)state;
    assert_true(config->workers == RUN_CONFIG_UNSET);
    assert_string_equal(config->command[0], "pytest");
    assert_string_equal(config->command[3], "--");
    assert_string_equal(config->command[4], "--tasks=no");
    config = good(&parsed, "run -- --odd-name");
    assert_string_equal(config->command[0], "--odd-name");
    config = good(&parsed, "run - x");
    assert_string_equal(config->command[0], "-");
}

static void reroute_lists(void **state)
{
    struct parsed parsed;

    (void)state;
    assert_int_equal(good(&parsed, "run --reroute=all x")->reroute, VERDICT_ALL_BITS);
    assert_int_equal(good(&parsed, "run --reroute=none x")->reroute, 0);
    assert_int_equal(good(&parsed, "run --reroute=all,-leak x")->reroute,
                     VERDICT_ALL_BITS & ~VERDICT_BIT(VERDICT_LEAK));
    assert_int_equal(good(&parsed, "run --reroute -memory x")->reroute,
                     VERDICT_REROUTE_DEFAULT & ~VERDICT_BIT(VERDICT_MEMORY));
    assert_int_equal(good(&parsed, "run --reroute=default,leak x")->reroute,
                     VERDICT_REROUTE_DEFAULT | VERDICT_BIT(VERDICT_LEAK));
    bad("run --reroute=taks x", "--reroute: \"taks\"", "did you mean tasks?");
    bad("run --reroute=tasks,,memory x", "\"\" is no verdict", "verdicts are");
    bad("run --reroute=-none x", "\"none\" is no verdict", "verdicts are");
    bad("run --reroute=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x",
        "expected a list of verdicts", "e.g.");
}

static void nonsense_is_named(void **state)
{
    (void)state;
    bad("run", "no command", "shunt run -- pytest");
    bad("run --", "no command", "shunt run -- pytest");
    bad("run _", "no command", "shunt run -- pytest");
    bad("run --task 4 x", "unknown option --task", "did you mean --tasks?");
    bad("run --memroy=4 x", "unknown option --memroy", "did you mean --memory?");
    bad("run --cov=src x", "unknown option --cov", "stand after it");
    bad("run -z x", "unknown option -z", "stand after it");
    bad("run --tasks", "--tasks needs a value", "--tasks=N");
    bad("run -n", "--workers needs a value", "--workers=N");
    bad("run --quiet=1 x", "--quiet takes no value", "");
    bad("run -n 0 x", "--workers: \"0\": expected a number of workers from 1 to 256", "auto");
    bad("run -n 257 x", "from 1 to 256", "");
    bad("run -n -1 x", "\"-1\"", "");
    bad("run --tasks 0 x", "--tasks: \"0\"", "e.g. 64");
    bad("run --tasks 4194305 x", "from 4 to 4194304", "");
    bad("run --tasks many x", "\"many\"", "");
    bad("run --memory 12Q x", "--memory: \"12Q\": expected a size", "e.g. 512M");
    bad("run --memory 1k x", "at least 1M", "");
    bad("run --memory 18446744073709551615 x", "expected a size", "");
    bad("run --memory 18446744073709551614 x", "expected a size", "");
    bad("run --serial-memory=-1 x", "--serial-memory", "");
    bad("run --timeout soon x", "--timeout: \"soon\": expected a time", "500ms");
    bad("run --timeout 31000000 x", "30 days", "");
    bad("run --stall 1us x", "1ms", "");
    bad("run --maxfail -1 x", "--maxfail: \"-1\"", "");
    bad("run --on-reroute maybe x", "pass, warn or fail", "");
    bad("run --leaks maybe x", "ignore, record or fail", "");
    bad("run --cpu-share=0 x", "from 1 to 4096, auto or off", "divides the CPUs");
    bad("run --cpu-share=4097 x", "from 1 to 4096, auto or off", "");
    bad("run --cpu-share=1.5 x", "from 1 to 4096, auto or off", "");
    bad("run --cpu-view=all x", "host or share", "os.cpu_count()");
    bad("run --budget=make x", "auto, host or none", "make -j");
    bad("run --fork-server=on x", "auto or off", "");
    bad("run --sandbox x", "\"x\": expected on or off", "");
    bad("run --color red x", "auto, always or never", "");
    bad("run --events= x", "path of a file", "");
}

static void limits_that_mean_none(void **state)
{
    struct parsed parsed;

    (void)state;
    assert_int_equal(good(&parsed, "run --memory none x")->memory_bytes, 0);
    assert_int_equal(good(&parsed, "run --memory 0 x")->memory_bytes, 0);
    assert_true(good(&parsed, "run --memory auto x")->memory_bytes == RUN_CONFIG_AUTO);
    assert_int_equal(good(&parsed, "run --timeout off x")->timeout_ns, 0);
    assert_int_equal(good(&parsed, "run --timeout 0 x")->timeout_ns, 0);
}

/* These rows are shared with `shunt exec`; test_cli_exec_options.c tries their mistakes. */
static void sandbox_options_reach_the_run(void **state)
{
    struct parsed parsed;
    const struct run_config *config =
        good(&parsed, "run --policy hardened --machine github-hosted --require tasks,net --write . "
                      "--read-only /opt --hide /srv --userns=never --learn l.yaml -- x");
    const struct sandbox_config *sandbox = &parsed.options.sandbox;

    (void)state;
    assert_ptr_equal(config->sandbox, sandbox);
    assert_string_equal(sandbox->policy, "hardened");
    assert_string_equal(sandbox->machine, "github-hosted");
    assert_int_equal(sandbox->require, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_NET));
    assert_int_equal(sandbox->npaths, 3);
    assert_int_equal(sandbox->userns, SPEC_USERNS_NEVER);
    assert_string_equal(sandbox->learn_path, "l.yaml");
}

static int check_command(const char *name, struct err *err)
{
    char *command[] = {(char *)name, NULL};

    *err = (struct err)ERR_INIT;
    return run_options_check_command(command, true, err);
}

static void commands_are_looked_up(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(check_command("sh", &err), 0);
    assert_int_equal(check_command("/bin/sh", &err), 0);
    assert_true(check_command("no-such-command", &err) < 0);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.message, "\"no-such-command\" was not found in PATH"));
    assert_true(check_command("/no/such/command", &err) < 0);
    assert_non_null(strstr(err.message, "was not found"));
    assert_true(check_command("/etc/passwd", &err) < 0);
    assert_non_null(strstr(err.message, "may not be executed"));
    assert_true(check_command("/tmp", &err) < 0);
    assert_non_null(strstr(err.hint, "shunt run -- pytest /tmp"));
    assert_true(check_command("tests/test_a.py", &err) < 0);
    assert_non_null(strstr(err.hint, "shunt run -- pytest tests/test_a.py"));
}

static void lookup_without_a_path(void **state)
{
    struct err err;
    const char *path = getenv("PATH");
    char *saved = path ? strdup(path) : NULL;

    (void)state;
    unsetenv("PATH");
    assert_int_equal(check_command("sh", &err), 0);
    setenv("PATH", "/nowhere:", 1); /* an empty entry is the current directory */
    assert_true(check_command("pytest-of-nowhere", &err) < 0);
    assert_non_null(strstr(err.hint, "python3 -m pytest"));
    assert_true(check_command("bats", &err) < 0);
    assert_non_null(strstr(err.hint, "in the package bats"));
    if (saved)
        setenv("PATH", saved, 1);
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_option),
        cmocka_unit_test(forms_of_an_option),
        cmocka_unit_test(options_end_at_the_command),
        cmocka_unit_test(reroute_lists),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(limits_that_mean_none),
        cmocka_unit_test(sandbox_options_reach_the_run),
        cmocka_unit_test(commands_are_looked_up),
        cmocka_unit_test(lookup_without_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
