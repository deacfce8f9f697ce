/* SPDX-License-Identifier: MIT */
/* supervisor/plan/cpu_share: who gets which CPUs, and which variables are shunt's to set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "supervisor/plan/cpu_share.h"

static void threads_are_the_share_and_at_least_one(void **state)
{
    (void)state;
    assert_int_equal(cpu_share_threads(8, 4, CPU_SHARE_AUTO), 2);
    assert_int_equal(cpu_share_threads(7, 4, CPU_SHARE_AUTO), 1);
    assert_int_equal(cpu_share_threads(2, 4, CPU_SHARE_AUTO), 1);
    assert_int_equal(cpu_share_threads(0.5, 1, CPU_SHARE_AUTO), 1);
    assert_int_equal(cpu_share_threads(2.5, 1, CPU_SHARE_AUTO), 2);
    assert_int_equal(cpu_share_threads(2, 4, 3), 3);
}

/* Every CPU belongs to exactly one slot as long as there are at least as many CPUs as slots. */
static void no_cpu_is_left_out_or_given_twice(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= 40; cpus++)
        for (unsigned slots = 1; slots <= cpus; slots++) {
            unsigned taken[40] = {0};

            for (unsigned s = 0; s < slots; s++) {
                struct cpu_range range = cpu_share_range(cpus, slots, s, CPU_SHARE_AUTO);

                assert_in_range(range.count, cpus / slots, cpus / slots + 1);
                for (unsigned i = 0; i < range.count; i++)
                    taken[(range.first + i) % cpus]++;
            }
            for (unsigned i = 0; i < cpus; i++)
                assert_int_equal(taken[i], 1);
        }
}

static void more_slots_than_cpus_share_evenly(void **state)
{
    unsigned taken[3] = {0};

    (void)state;
    for (unsigned s = 0; s < 8; s++) {
        struct cpu_range range = cpu_share_range(3, 8, s, CPU_SHARE_AUTO);

        assert_int_equal(range.count, 1);
        assert_true(range.first < 3);
        taken[range.first]++;
    }
    assert_int_equal(taken[0], 3);
    assert_int_equal(taken[1], 3);
    assert_int_equal(taken[2], 2);
}

static void a_number_that_was_given_goes_round(void **state)
{
    struct cpu_range range = cpu_share_range(4, 4, 1, 3);

    (void)state;
    assert_int_equal(range.first, 3);
    assert_int_equal(range.count, 3);
    range = cpu_share_range(2, 4, 3, 16);
    assert_int_equal(range.first, 0);
    assert_int_equal(range.count, 2);
}

static const struct cpu_variable *variable(const char *name)
{
    for (const struct cpu_variable *v = cpu_variables; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    fail_msg("no variable %s", name);
    return NULL;
}

static void what_the_user_set_stays(void **state)
{
    char path[] = "PATH=/bin", near[] = "OMP_NUM_THREADS_X=1", own[] = "GOMAXPROCS=", omp[] = "OMP_NUM_THREADS=3";
    char *empty[] = {NULL}, *unrelated[] = {path, near, NULL}, *go[] = {own, NULL}, *all[] = {path, omp, NULL};

    (void)state;
    assert_true(cpu_variable_is_ours(variable("OMP_NUM_THREADS"), empty));
    assert_true(cpu_variable_is_ours(variable("OMP_NUM_THREADS"), unrelated));
    assert_false(cpu_variable_is_ours(variable("GOMAXPROCS"), go)); /* an empty value is a value */
    assert_true(cpu_variable_is_ours(variable("RAYON_NUM_THREADS"), go));
    assert_false(cpu_variable_is_ours(variable("OMP_NUM_THREADS"), all));
    /* OpenBLAS prefers its own variable: setting it would overrule the user's OMP_NUM_THREADS. */
    assert_false(cpu_variable_is_ours(variable("OPENBLAS_NUM_THREADS"), all));
    assert_false(cpu_variable_is_ours(variable("NUMEXPR_NUM_THREADS"), all));
    assert_true(cpu_variable_is_ours(variable("GOMAXPROCS"), all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_the_share_and_at_least_one),
        cmocka_unit_test(no_cpu_is_left_out_or_given_twice),
        cmocka_unit_test(more_slots_than_cpus_share_evenly),
        cmocka_unit_test(a_number_that_was_given_goes_round),
        cmocka_unit_test(what_the_user_set_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
