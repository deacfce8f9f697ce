/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/exec_options.h"

enum { WORDS_MAX = 160 };

struct parsed {
    struct exec_options options;
    struct err err;
    int r;
    char line[2048];
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
    exec_options_init(&parsed->options);
    parsed->r = exec_options_parse(&parsed->options, argc, parsed->argv, &parsed->err);
}

static const struct exec_config *good(struct parsed *parsed, const char *line)
{
    parse(parsed, line);
    if (parsed->r != 0)
        fail_msg("\"%s\": %s", line, parsed->err.message);
    return &parsed->options.config;
}

static const struct sandbox_config *good_sandbox(struct parsed *parsed, const char *line)
{
    good(parsed, line);
    return &parsed->options.sandbox;
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

static void nothing_given_leaves_the_policy_its_say(void **state)
{
    struct parsed parsed;
    const struct exec_config *config = good(&parsed, "exec true");
    const struct sandbox_config *sandbox = &parsed.options.sandbox;

    (void)state;
    assert_false(config->tasks_given || config->memory_given || config->cpus_given || config->timeout_given);
    assert_true(config->grace_ns == 1000000000ULL);
    assert_null(config->report_path);
    assert_false(config->quiet || config->verbose);
    assert_string_equal(config->command[0], "true");
    assert_null(config->command[1]);
    assert_null(sandbox->policy);
    assert_null(sandbox->machine);
    assert_null(sandbox->learn_path);
    assert_int_equal(sandbox->userns, -1);
    assert_int_equal(sandbox->require, 0);
    assert_int_equal(sandbox->npaths, 0);
    assert_false(sandbox->adopt_cgroup);
}

static void every_option_of_its_own(void **state)
{
    struct parsed parsed;
    const struct exec_config *config =
        good(&parsed, "exec --tasks 32 --memory=512M --cpus 1.5 --timeout 10s --grace=off --report r -v -- x --y");

    (void)state;
    assert_true(config->tasks_given && config->memory_given && config->cpus_given && config->timeout_given);
    assert_int_equal(config->tasks, 32);
    assert_true(config->memory_bytes == 512ULL << 20);
    assert_int_equal(config->cpu_milli, 1500);
    assert_true(config->timeout_ns == 10000000000ULL);
    assert_int_equal(config->grace_ns, 0);
    assert_string_equal(config->report_path, "r");
    assert_true(config->verbose && !config->quiet);
    assert_string_equal(config->command[0], "x");
    assert_string_equal(config->command[1], "--y");
}

/* "none" overrides a policy's limit, so given and zero is not the same as not given. */
static void a_limit_of_none_is_given(void **state)
{
    struct parsed parsed;
    const struct exec_config *config = good(&parsed, "exec --memory none --timeout off --tasks auto x");

    (void)state;
    assert_true(config->memory_given && config->timeout_given && config->tasks_given);
    assert_int_equal(config->memory_bytes, 0);
    assert_int_equal(config->timeout_ns, 0);
    assert_true(config->tasks == SPEC_AUTO);
}

static void every_sandbox_option(void **state)
{
    struct parsed parsed;
    const struct sandbox_config *sandbox =
        good_sandbox(&parsed, "exec --policy p --machine m --require tasks,memory --require=net --write . "
                              "--read-only=/a --hide /b --write /c --userns always --learn l --adopt-cgroup x");

    (void)state;
    assert_string_equal(sandbox->policy, "p");
    assert_string_equal(sandbox->machine, "m");
    assert_int_equal(sandbox->require, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_NET));
    assert_int_equal(sandbox->npaths, 4);
    assert_int_equal(sandbox->paths[0].kind, SPEC_PATH_WRITABLE);
    assert_string_equal(sandbox->paths[0].path, ".");
    assert_int_equal(sandbox->paths[1].kind, SPEC_PATH_READONLY);
    assert_int_equal(sandbox->paths[2].kind, SPEC_PATH_HIDDEN);
    assert_string_equal(sandbox->paths[3].path, "/c");
    assert_int_equal(sandbox->userns, SPEC_USERNS_ALWAYS);
    assert_string_equal(sandbox->learn_path, "l");
    assert_true(sandbox->adopt_cgroup);
    assert_int_equal(good_sandbox(&parsed, "exec --userns=auto x")->userns, SPEC_USERNS_AUTO);
    assert_int_equal(good_sandbox(&parsed, "exec --userns=never x")->userns, SPEC_USERNS_NEVER);
}

static void every_guarantee_may_be_required(void **state)
{
    struct parsed parsed;

    (void)state;
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        char line[64];

        snprintf(line, sizeof(line), "exec --require %s x", spec_guarantee_name((enum spec_guarantee)g));
        assert_int_equal(good_sandbox(&parsed, line)->require, SPEC_BIT(g));
    }
}

static void nonsense_is_named(void **state)
{
    (void)state;
    bad("exec", "no command", "shunt exec --tasks 32");
    bad("exec --", "no command", "shunt exec");
    bad("exec _", "no command", "shunt exec");
    bad("exec --task 4 x", "unknown option --task", "did you mean --tasks?");
    bad("exec --junit f x", "unknown option --junit", "shunt exec --help");
    bad("exec --cpus 0 x", "--cpus: \"0\": expected a number of CPUs", "1.5");
    bad("exec --cpus nan x", "expected a number of CPUs", "");
    bad("exec --cpus 5000 x", "from 0.01 to 4096", "");
    bad("exec --cpus 1,5 x", "expected a number of CPUs", "");
    bad("exec --tasks 3 x", "from 4 to 4194304", "");
    bad("exec --memory 12Q x", "--memory: \"12Q\": expected a size", "512M");
    bad("exec --timeout=-1 x", "--timeout", "500ms");
    bad("exec --grace soon x", "--grace: \"soon\": expected a time", "");
    bad("exec --report= x", "path of a file", "overwritten");
    bad("exec --quiet=1 x", "--quiet takes no value", "");
}

static void nonsense_about_the_sandbox_is_named(void **state)
{
    (void)state;
    bad("exec --policy= x", "name or the file of a policy", "shunt policy list");
    bad("exec --machine= x", "name of a machine", "shunt policy list");
    bad("exec --learn= x", "path of a file", "the policy is written there");
    bad("exec --userns maybe x", "auto, never or always", "no other way");
    bad("exec --require taks x", "--require: \"taks\"", "");
    bad("exec --require tasks,,net x", "--require", "");
    bad("exec --require= x", "--require", "");
    bad("exec --write= x", "expected a path", "");
    bad("exec --read-only= x", "expected a path", "");
    bad("exec --hide= x", "expected a path", "");
    bad("exec --adopt-cgroup=yes x", "takes no value", "");
}

static void paths_are_bounded(void **state)
{
    struct parsed parsed;
    char line[2048] = "exec";

    (void)state;
    for (int i = 0; i < SANDBOX_CONFIG_PATHS; i++)
        strcat(line, " --write=/a");
    strcat(line, " x");
    assert_int_equal(good_sandbox(&parsed, line)->npaths, SANDBOX_CONFIG_PATHS);
    line[strlen(line) - 2] = '\0';
    strcat(line, " --hide=/b x");
    bad(line, "more than 64 paths", "");
}

static void help_needs_no_command(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, "exec -h");
    assert_int_equal(parsed.r, 0);
    assert_true(parsed.options.help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_leaves_the_policy_its_say),
        cmocka_unit_test(every_option_of_its_own),
        cmocka_unit_test(a_limit_of_none_is_given),
        cmocka_unit_test(every_sandbox_option),
        cmocka_unit_test(every_guarantee_may_be_required),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(nonsense_about_the_sandbox_is_named),
        cmocka_unit_test(paths_are_bounded),
        cmocka_unit_test(help_needs_no_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
