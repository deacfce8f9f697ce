/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "sandbox/spec/spec.h"

static void no_policy_wants_nothing(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    assert_int_equal(spec_wants(&spec), 0);
    spec_done(&spec);
}

static void guarantees_have_names(void **state)
{
    (void)state;
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        assert_int_equal(spec_guarantee_parse(spec_guarantee_name((enum spec_guarantee)g)), g);
        assert_true(strlen(spec_guarantee_text((enum spec_guarantee)g)) > 0);
    }
    assert_int_equal(spec_guarantee_parse("nett"), -EINVAL);
    assert_int_equal(spec_guarantee_parse(""), -EINVAL);
    assert_int_equal(spec_guarantee_parse("NET"), -EINVAL);
}

static void rlimits_have_names(void **state)
{
    (void)state;
    assert_int_equal(spec_rlimit_parse("nofile"), RLIMIT_NOFILE);
    for (int r = 0; r < SPEC_RLIMIT_COUNT; r++)
        assert_int_equal(spec_rlimit_parse(spec_rlimit_name(r)), r);
    assert_null(spec_rlimit_name(-1));
    assert_null(spec_rlimit_name(SPEC_RLIMIT_COUNT));
    assert_int_equal(spec_rlimit_parse("files"), -EINVAL);
}

static void what_is_asked_for_is_wanted(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.ns_pid = true;
    spec.limits.tasks = SPEC_AUTO;
    spec.limits.cpu_milli = SPEC_AUTO; /* from the surroundings: no limit of ours */
    assert_int_equal(spec_wants(&spec), SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL) | SPEC_BIT(SPEC_TASKS));
    spec.observe = true; /* measures: the limit is not set */
    assert_int_equal(spec_wants(&spec), SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL));
    spec.ns_pid = false;
    spec.notify = true; /* without a filter nothing is refused */
    assert_int_equal(spec_wants(&spec), 0);
    spec_set_text(&spec.seccomp, "/profile.json");
    assert_int_equal(spec_wants(&spec), SPEC_BIT(SPEC_SECCOMP) | SPEC_BIT(SPEC_DENIALS));
    spec_set_text(&spec.seccomp, NULL);
    spec_add_path(&spec, SPEC_PATH_HIDDEN, "/srv", 0, false, NULL);
    assert_int_equal(spec_wants(&spec), SPEC_BIT(SPEC_MOUNT));
    spec.demands = SPEC_BIT(SPEC_NET);
    assert_int_equal(spec_wants(&spec), SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_NET));
    spec_done(&spec);
}

static void a_copy_shares_nothing(void **state)
{
    struct sandbox_spec a, b;

    (void)state;
    spec_init(&a);
    spec_set_text(&a.name, "ours");
    spec_set_text(&a.seccomp, "/p.json");
    spec_add_path(&a, SPEC_PATH_WRITABLE, "build", 0, true, "file:3");
    spec_add_path(&a, SPEC_PATH_TMPFS, "/run", 4096, false, NULL);
    spec_list_add(&a.env_set, "A=1");
    a.limits.tasks = 7;
    spec_copy(&b, &a);
    a.paths[0].path[0] = 'X';
    a.env_set.items[0][0] = 'X';
    spec_done(&a);
    assert_string_equal(b.name, "ours");
    assert_string_equal(b.seccomp, "/p.json");
    assert_int_equal(b.npaths, 2);
    assert_string_equal(b.paths[0].path, "build");
    assert_string_equal(b.paths[0].origin, "file:3");
    assert_true(b.paths[0].optional);
    assert_null(b.paths[1].origin);
    assert_int_equal(b.paths[1].size_bytes, 4096);
    assert_string_equal(b.env_set.items[0], "A=1");
    assert_int_equal(b.limits.tasks, 7);
    spec_add_path(&b, SPEC_PATH_HIDDEN, "/x", 0, false, NULL); /* a copy's room is its own, too */
    assert_int_equal(b.npaths, 3);
    spec_done(&b);
    spec_done(&b); /* twice does no harm */
}

/* --- environment --- */

static void check_environment(const struct sandbox_spec *spec, char *const base[], const char *const keep[],
                              const char *const expected[])
{
    char **env = spec_environment(spec, base, keep);
    size_t n = 0;

    for (; expected[n]; n++) {
        if (!env[n])
            fail_msg("\"%s\" is missing", expected[n]);
        assert_string_equal(env[n], expected[n]);
    }
    if (env[n])
        fail_msg("\"%s\" is too much", env[n]);
    spec_environment_free(env);
}

static char *outside[] = {(char *)"PATH=/bin", (char *)"LC_ALL=C", (char *)"LC=x", (char *)"SECRET=1", (char *)"EMPTY=",
                          (char *)"ODD", (char *)"PYTHONPATH=/p", NULL};

static void everything_passes_by_default(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    check_environment(&spec, outside, NULL, (const char *const *)outside);
    spec_done(&spec);
}

static void only_names_of_the_list_pass(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.env_pass_all = false;
    check_environment(&spec, outside, NULL, (const char *const[]){NULL});
    spec_list_add(&spec.env_pass, "LC_*");
    spec_list_add(&spec.env_pass, "PATH");
    spec_list_add(&spec.env_pass, "SEC"); /* a name, no prefix */
    spec_list_add(&spec.env_pass, "ODD");
    check_environment(&spec, outside, NULL, (const char *const[]){"PATH=/bin", "LC_ALL=C", "ODD", NULL});
    spec_list_add(&spec.env_drop, "LC_A*");
    check_environment(&spec, outside, NULL, (const char *const[]){"PATH=/bin", "ODD", NULL});
    spec_list_add(&spec.env_pass, "*");
    spec_list_add(&spec.env_drop, "*");
    check_environment(&spec, outside, NULL, (const char *const[]){NULL});
    spec_done(&spec);
}

static void what_is_set_wins(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.env_pass_all = false;
    spec_list_add(&spec.env_pass, "PATH");
    spec_list_add(&spec.env_drop, "NEW");
    spec_list_add(&spec.env_set, "PATH=/usr/bin");
    spec_list_add(&spec.env_set, "NEW=a=b");
    check_environment(&spec, outside, NULL, (const char *const[]){"PATH=/usr/bin", "NEW=a=b", NULL});
    spec_done(&spec);
}

/* What shunt needs inside is kept as it is outside, whatever the policy sets or drops. */
static void what_is_kept_wins_over_all(void **state)
{
    static const char *const keep[] = {"SECRET", "PYTHONPATH", "NOT_THERE", NULL};
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.env_pass_all = false;
    spec_list_add(&spec.env_drop, "SECRET");
    spec_list_add(&spec.env_set, "PYTHONPATH=/other");
    check_environment(&spec, outside, keep, (const char *const[]){"SECRET=1", "PYTHONPATH=/p", NULL});
    spec_done(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_policy_wants_nothing),      cmocka_unit_test(guarantees_have_names),
        cmocka_unit_test(rlimits_have_names),           cmocka_unit_test(what_is_asked_for_is_wanted),
        cmocka_unit_test(a_copy_shares_nothing),        cmocka_unit_test(everything_passes_by_default),
        cmocka_unit_test(only_names_of_the_list_pass),  cmocka_unit_test(what_is_set_wins),
        cmocka_unit_test(what_is_kept_wins_over_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
