/* SPDX-License-Identifier: MIT */
/* supervisor/config/rules and its reader: what tests get, and what is said of wrong files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/rules_reader.h"
#include "supervisor/cli/run_defaults.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/core/filter.h"

/* The options that a command line makes of a shunt.yaml; in a directory of its own. */
static int options_of(const char *yaml, const char *profile, struct run_options *options, struct err *err)
{
    char directory[] = "/tmp/shunt-test-XXXXXX", *here = getcwd(NULL, 0);
    char *argv[] = {(char *)"run", (char *)"--profile", (char *)profile, (char *)"true", NULL};
    FILE *file;
    int r;

    *err = (struct err)ERR_INIT;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    file = fopen("shunt.yaml", "w");
    assert_non_null(file);
    fputs(yaml, file);
    fclose(file);
    if (!profile) {
        argv[1] = argv[3];
        argv[2] = NULL;
    }
    run_options_init(options);
    r = run_options_parse(options, profile ? 4 : 2, argv, err);
    unlink("shunt.yaml");
    assert_int_equal(chdir(here), 0);
    rmdir(directory);
    free(here);
    return r;
}

static void right(const char *yaml, const char *profile, struct run_options *options)
{
    struct err err;

    if (options_of(yaml, profile, options, &err) < 0)
        fail_msg("%s\n%s", err.message, yaml);
}

static void wrong(const char *yaml, const char *what)
{
    struct run_options options;
    struct err err;

    if (options_of(yaml, NULL, &options, &err) >= 0)
        fail_msg("accepted:\n%s", yaml);
    assert_int_equal(err.kind, ERR_USAGE);
    if (strncmp(err.message, what, strlen(what)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", err.message, what);
    run_options_done(&options);
}

static const char profiles[] = "profiles:\n"
                               "  default: {timeout: 60s, leaks: fail, slow: off}\n"
                               "  ci:\n    timeout: 5m\n    write: [a, b]\n    exitfirst: true\n"
                               "  night:\n    inherits: ci\n    leaks: ignore\n    exitfirst: false\n"
                               "  alone: {}\n";

static void test_profiles_inherit(void **state)
{
    struct run_options options;

    (void)state;
    right(profiles, NULL, &options);
    assert_int_equal(options.config.timeout_ns, 60 * NS_PER_SEC);
    assert_int_equal(options.config.leaks, LEAKS_FAIL);
    run_options_done(&options);
    right(profiles, "ci", &options);
    assert_int_equal(options.config.timeout_ns, 300 * NS_PER_SEC);
    assert_int_equal(options.config.leaks, LEAKS_FAIL); /* from default */
    assert_int_equal(options.config.max_fail, 1);
    assert_int_equal(options.sandbox.npaths, 2);
    run_options_done(&options);
    right(profiles, "night", &options);
    assert_int_equal(options.config.timeout_ns, 300 * NS_PER_SEC);
    assert_int_equal(options.config.leaks, LEAKS_IGNORE);
    assert_true(options.config.max_fail == RUN_CONFIG_UNSET); /* taken back */
    assert_int_equal(options.config.slow_ns, 0);
    run_options_done(&options);
}

static void test_wrong_profiles_say_where(void **state)
{
    (void)state;
    wrong("profiles:\n  default:\n    timeout: 9x\n", "shunt.yaml:3: profiles.default.timeout: \"9x\": expected a time");
    wrong("profiles:\n  default:\n    timeut: 9s\n", "shunt.yaml:3: profiles.default.timeut: is no option");
    wrong("profiles:\n  default:\n    sandbox: off\n", "shunt.yaml:3: profiles.default.sandbox: belongs on the command line");
    wrong("profiles:\n  default:\n    junit: /etc/passwd\n", "shunt.yaml:3: profiles.default.junit: \"/etc/passwd\": expected a path");
    wrong("profiles:\n  default:\n    events: a/../../b\n", "shunt.yaml:3: profiles.default.events:");
    wrong("profiles:\n  default:\n    quiet: maybe\n", "shunt.yaml:3: profiles.default.quiet: expected true or false");
    wrong("profiles:\n  default:\n    workers: [[1]]\n", "shunt.yaml:3: profiles.default.workers[0]: found a list");
    wrong("profiles: [a]\n", "shunt.yaml:1: profiles: found a list");
    wrong("profiles:\n  default: 3\n", "shunt.yaml:2: profiles.default: found a single value");
    wrong("profiles:\n  default:\n    inherits: nobody\n", "shunt.yaml:3: profiles.default.inherits: expected the name");
    wrong("profiles:\n  default:\n    inherits: b\n  b:\n    inherits: default\n", "shunt.yaml:");
    wrong("profiles: &a\n  default: *a\n", "shunt.yaml:1: YAML anchors");
}

static void test_wrong_rules_say_where(void **state)
{
    (void)state;
    wrong("rules:\n  - lane: serial\n", "shunt.yaml:2: rules[0]: has no match");
    wrong("rules:\n  - match: all()\n", "shunt.yaml:2: rules[0]: gives nothing");
    wrong("rules:\n  - match: all()\n    lane: fast\n", "shunt.yaml:3: rules[0].lane: \"fast\": expected parallel or serial");
    wrong("rules:\n  - match: tset(a)\n    lane: serial\n", "shunt.yaml:2: rules[0].match: \"tset\" is no predicate");
    wrong("rules:\n  - match: all()\n    wieght: 2\n", "shunt.yaml:3: rules[0].wieght: is no key of a rule");
    wrong("rules:\n  - match: all()\n    weight: 0\n", "shunt.yaml:3: rules[0].weight: \"0\": expected a number of slots");
    wrong("rules:\n  - match: all()\n    tasks: auto\n", "shunt.yaml:3: rules[0].tasks: expected a number");
    wrong("rules:\n  - match: all()\n    memory: 3\n", "shunt.yaml:3: rules[0].memory: \"3\": expected a size");
    wrong("rules:\n  - match: all()\n    timeout: off\n", "shunt.yaml:3: rules[0].timeout: expected a time");
    wrong("rules:\n  - match: all()\n    timeout: [1s]\n", "shunt.yaml:3: rules[0].timeout: found a list");
    wrong("rules: {}\n", "shunt.yaml:1: rules: found a mapping");
    wrong("rules:\n  - match: all()\n    lane: serial\n    profile: ci\n  - match: none()\n    lane: x\n", "shunt.yaml:6: rules[1].lane");
    wrong("rules:\n  - match: all()\n    lane: x\n    profile: ci\n", "shunt.yaml:3: rules[0].lane"); /* of another profile */
}

static void apply(const char *yaml, const char *profile, struct test *test)
{
    struct filter_facts facts = {.id = "a.py::test_x", .file = "a.py"};
    struct run_options options;

    right(yaml, profile, &options);
    rules_apply(&options.rules, &facts, test);
    run_options_done(&options);
}

static void test_the_first_that_matches_counts_for_each_key(void **state)
{
    struct suite suite = {0};
    struct test *test = suite_add(&suite);

    (void)state;
    apply("rules:\n"
          "  - {match: test(nowhere), timeout: 1s}\n"
          "  - {match: test(x), timeout: 2s, group: g}\n"
          "  - {match: all(), timeout: 3s, group: h, weight: all, lane: serial, tasks: 40, memory: 64M, slow: 4s, grace: 5s}\n",
          NULL, test);
    assert_int_equal(test->timeout_ns, 2 * NS_PER_SEC);
    assert_string_equal(test->group, "g");
    assert_int_equal(test->weight, 4096);
    assert_int_equal(test->lane, LANE_SERIAL);
    assert_string_equal(test->why, "rule shunt.yaml:4");
    assert_int_equal(test->tasks, 40);
    assert_int_equal(test->memory_bytes, 64 << 20);
    assert_int_equal(test->slow_ns, 4 * NS_PER_SEC);
    assert_int_equal(test->grace_ns, 5 * NS_PER_SEC);
    suite_done(&suite);
}

static void test_what_a_test_says_itself_counts_more(void **state)
{
    struct suite suite = {0};
    struct test *test = suite_add(&suite);

    (void)state;
    test->timeout_ns = 7;
    test->lane = LANE_SERIAL;
    test->why = mem_strdup("marker serial");
    apply("rules:\n  - {match: all(), timeout: 3s, lane: parallel, weight: 2}\n", NULL, test);
    assert_int_equal(test->timeout_ns, 7);
    assert_int_equal(test->lane, LANE_SERIAL);
    assert_string_equal(test->why, "marker serial");
    assert_int_equal(test->weight, 2);
    suite_done(&suite);
}

static void test_locks_add_up(void **state)
{
    struct suite suite = {0};
    struct test *test = suite_add(&suite);

    (void)state;
    test_add_lock(test, "own");
    apply("rules:\n  - {match: all(), locks: db}\n  - {match: all(), locks: [port, db]}\n  - {match: none(), locks: no}\n", NULL, test);
    assert_string_equal(test->locks[0], "own");
    assert_string_equal(test->locks[1], "db");
    assert_string_equal(test->locks[2], "port");
    assert_null(test->locks[3]);
    suite_done(&suite);
    wrong("rules:\n  - match: all()\n    locks: []\n", "shunt.yaml:3: rules[0].locks: expected a name");
    wrong("rules:\n  - match: all()\n    locks: [[a]]\n", "shunt.yaml:3: rules[0].locks[0]: expected the name");
    wrong("locks:\n  db: many\n", "shunt.yaml:2: locks.db: expected how many");
    wrong("locks: [db]\n", "shunt.yaml:1: locks: found a list");
}

static void test_environment(void **state)
{
    struct suite suite = {0};
    struct test *test = suite_add(&suite);

    (void)state;
    apply("rules:\n  - match: all()\n    environment: {MODE: fast, DISPLAY: null, EMPTY: \"\"}\n"
          "  - {match: all(), environment: {OTHER: x}}\n", NULL, test);
    assert_string_equal(test->environment[0], "MODE=fast");
    assert_string_equal(test->environment[1], "DISPLAY");
    assert_string_equal(test->environment[2], "EMPTY=");
    assert_null(test->environment[3]); /* the first that matches counts, whole */
    suite_done(&suite);
    wrong("rules:\n  - match: all()\n    environment: x\n", "shunt.yaml:3: rules[0].environment: found a single value");
    wrong("rules:\n  - match: all()\n    environment: {1A: x}\n", "shunt.yaml:3: rules[0].environment.1A: expected the name");
    wrong("rules:\n  - match: all()\n    environment: {A: [x]}\n", "shunt.yaml:3: rules[0].environment.A: expected the name");
}

static void test_rules_of_a_profile(void **state)
{
    static const char yaml[] = "profiles:\n  ci: {}\n  night: {inherits: ci}\n  other: {}\n"
                               "rules:\n  - {match: all(), profile: ci, weight: 3}\n";
    struct suite suite = {0};
    struct test *test = suite_add(&suite);

    (void)state;
    apply(yaml, NULL, test);
    assert_int_equal(test->weight, 1);
    apply(yaml, "other", test);
    assert_int_equal(test->weight, 1);
    apply(yaml, "night", test);
    assert_int_equal(test->weight, 3);
    suite_done(&suite);
}

/* `shunt config show` must not tell tales. */
static void test_defaults_are_what_they_are_said_to_be(void **state)
{
    struct run_options plain, set;

    (void)state;
    for (const struct option_row *row = run_option_table; row->name; row++) {
        const struct run_default *fallback = run_default_of(row->name);
        struct err err = ERR_INIT;

        if (!fallback || !fallback->value)
            continue;
        run_options_init(&plain);
        run_options_init(&set);
        assert_int_equal(row->set(&set, fallback->text, &err), 0);
        if (memcmp(&plain.config, &set.config, sizeof(plain.config)) != 0)
            fail_msg("--%s=%s is not the default", row->name, fallback->text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles_inherit),
        cmocka_unit_test(test_wrong_profiles_say_where),
        cmocka_unit_test(test_wrong_rules_say_where),
        cmocka_unit_test(test_the_first_that_matches_counts_for_each_key),
        cmocka_unit_test(test_what_a_test_says_itself_counts_more),
        cmocka_unit_test(test_locks_add_up),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_rules_of_a_profile),
        cmocka_unit_test(test_defaults_are_what_they_are_said_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
