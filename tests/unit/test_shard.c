/* SPDX-License-Identifier: MIT */
/* supervisor/plan/shard: every test in one part, the same on every machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/shard.h"

enum { TESTS = 400 };

static struct suite suite_of(size_t n, size_t group_every)
{
    struct suite suite = {0};

    for (size_t i = 0; i < n; i++) {
        struct test *test = suite_add(&suite);

        test->id = mem_printf("tests/test_%zu.py::test_x[%zu]", i / 7, i);
        if (group_every && i % group_every == 0)
            test->group = mem_printf("g%zu", i / (4 * group_every));
    }
    return suite;
}

static void test_without_history_an_id_says_where(void **state)
{
    struct suite suite = suite_of(TESTS, 0), more = suite_of(TESTS + 100, 0);
    uint64_t cost[TESTS + 100] = {0};
    size_t counts[4] = {0};
    struct shard_plan plan, later;

    (void)state;
    shard_make(&suite, cost, 4, &plan);
    shard_make(&more, cost, 4, &later);
    assert_false(plan.timed);
    for (size_t i = 0; i < TESTS; i++) {
        assert_in_range(plan.of[i], 0, 3);
        assert_int_equal(plan.of[i], later.of[i]); /* whatever else there is */
        counts[plan.of[i]]++;
    }
    for (size_t s = 0; s < 4; s++)
        assert_in_range(counts[s], TESTS / 4 * 7 / 10, TESTS / 4 * 13 / 10);
    assert_true(plan.digest != later.digest);
    free(plan.of);
    free(later.of);
    suite_done(&suite);
    suite_done(&more);
}

static void test_with_history_parts_take_the_same_time(void **state)
{
    struct suite suite = suite_of(TESTS, 0);
    uint64_t cost[TESTS], load[3] = {0}, all = 0;
    struct shard_plan plan;

    (void)state;
    for (size_t i = 0; i < TESTS; i++)
        all += cost[i] = i < 150 ? 0 : 1000 + 777 * (i % 50) * (i % 50); /* 150 are not known */
    shard_make(&suite, cost, 3, &plan);
    assert_true(plan.timed);
    for (size_t i = 0; i < TESTS; i++)
        load[plan.of[i]] += cost[i] ? cost[i] : all / 250;
    for (size_t s = 1; s < 3; s++)
        assert_in_range(load[s], load[0] * 98 / 100, load[0] * 102 / 100);
    free(plan.of);
    suite_done(&suite);
}

static void test_the_order_of_the_suite_does_not_matter(void **state)
{
    struct suite suite = suite_of(TESTS, 3);
    uint64_t cost[TESTS], turned[TESTS];
    struct shard_plan plan, other;

    (void)state;
    for (size_t i = 0; i < TESTS; i++)
        cost[i] = 1000 + (i * 7919) % 1000;
    shard_make(&suite, cost, 5, &plan);
    for (size_t i = 0; i < TESTS / 2; i++) {
        struct test test = suite.tests[i];

        suite.tests[i] = suite.tests[TESTS - 1 - i];
        suite.tests[TESTS - 1 - i] = test;
    }
    for (size_t i = 0; i < TESTS; i++)
        turned[i] = cost[TESTS - 1 - i];
    shard_make(&suite, turned, 5, &other);
    for (size_t i = 0; i < TESTS; i++)
        assert_int_equal(plan.of[i], other.of[TESTS - 1 - i]);
    assert_true(plan.digest == other.digest);
    turned[0] *= 100;
    free(other.of);
    shard_make(&suite, turned, 5, &other);
    assert_true(plan.digest != other.digest); /* another history */
    free(plan.of);
    free(other.of);
    suite_done(&suite);
}

static void test_groups_stay_together(void **state)
{
    struct suite suite = suite_of(TESTS, 3);
    uint64_t cost[TESTS] = {0};

    (void)state;
    for (int timed = 0; timed < 2; timed++) {
        struct shard_plan plan;

        for (size_t i = 0; i < TESTS; i++)
            cost[i] = timed ? 10 + i : 0;
        shard_make(&suite, cost, 4, &plan);
        for (size_t i = 0; i < TESTS; i++)
            for (size_t k = 0; suite.tests[i].group && k < i; k++)
                if (suite.tests[k].group && strcmp(suite.tests[i].group, suite.tests[k].group) == 0)
                    assert_int_equal(plan.of[i], plan.of[k]);
        free(plan.of);
    }
    suite_done(&suite);
}

static void test_more_parts_than_tests(void **state)
{
    struct suite suite = suite_of(2, 0), none = {0};
    uint64_t cost[2] = {5, 5};
    struct shard_plan plan;

    (void)state;
    shard_make(&suite, cost, 1000, &plan);
    assert_true(plan.of[0] != plan.of[1]);
    free(plan.of);
    shard_make(&none, cost, 3, &plan);
    free(plan.of);
    suite_done(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_history_an_id_says_where),
        cmocka_unit_test(test_with_history_parts_take_the_same_time),
        cmocka_unit_test(test_the_order_of_the_suite_does_not_matter),
        cmocka_unit_test(test_groups_stay_together),
        cmocka_unit_test(test_more_parts_than_tests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
