/* SPDX-License-Identifier: MIT */
/* supervisor/core/threshold: when it is the limit that is wrong, and what the suite needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/core/threshold.h"

/* With which offender the limit turns out too low; 0: with none of `most`. */
static size_t low_with(size_t most, size_t suite, size_t finished_each)
{
    struct threshold threshold = {0};
    size_t with = 0;

    for (size_t n = 1; n <= most; n++)
        if (threshold_broke(&threshold, THRESHOLD_TASKS, suite, n * finished_each)) {
            assert_int_equal(with, 0); /* once */
            with = n;
        }
    assert_false(threshold.low[THRESHOLD_MEMORY]);
    assert_int_equal(threshold.low[THRESHOLD_TASKS], with != 0);
    return with;
}

static void a_tenth_of_the_suite(void **state)
{
    (void)state;
    assert_int_equal(low_with(50, 100, 10), 10);
    assert_int_equal(low_with(50, 101, 10), 11);
    assert_int_equal(low_with(50, 20, 1), 5); /* never fewer than five */
    assert_int_equal(low_with(4, 4, 1), 0);
}

static void a_quarter_of_what_has_run(void **state)
{
    (void)state;
    assert_int_equal(low_with(100, 5000, 4), 25);
    assert_int_equal(low_with(100, 5000, 5), 0);
}

static void verdicts_of_limits(void **state)
{
    (void)state;
    assert_int_equal(threshold_limit_of(VERDICT_TASKS), THRESHOLD_TASKS);
    assert_int_equal(threshold_limit_of(VERDICT_MEMORY), THRESHOLD_MEMORY);
    assert_int_equal(threshold_limit_of(VERDICT_TIMEOUT), THRESHOLD_TIMEOUT);
    assert_int_equal(threshold_limit_of(VERDICT_STALL), THRESHOLD_LIMITS);
    assert_int_equal(threshold_limit_of(VERDICT_NONE), THRESHOLD_LIMITS);
}

static void what_the_suite_needs(void **state)
{
    uint64_t even[] = {80, 10, 20, 60, 70}, far[100], one[] = {1};
    struct threshold_need need;

    (void)state;
    threshold_need(even, 5, 8, &need);
    assert_int_equal(need.p95, 80);
    assert_int_equal(need.max, 80);
    assert_int_equal(need.suggest, 96); /* 80 and an eighth, to the next multiple of 8 */
    assert_int_equal(need.above, 0);
    for (size_t i = 0; i < 100; i++)
        far[i] = i < 97 ? 40 : 1000 + i;
    threshold_need(far, 100, 8, &need);
    assert_int_equal(need.p95, 40);
    assert_int_equal(need.max, 1099);
    assert_int_equal(need.suggest, 48);
    assert_int_equal(need.above, 3);
    threshold_need(one, 1, 8, &need);
    assert_int_equal(need.p95, 1);
    assert_int_equal(need.suggest, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenth_of_the_suite),
        cmocka_unit_test(a_quarter_of_what_has_run),
        cmocka_unit_test(verdicts_of_limits),
        cmocka_unit_test(what_the_suite_needs),
    };

    return cmocka_run_group_tests_name("threshold", tests, NULL, NULL);
}
