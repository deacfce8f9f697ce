/* SPDX-License-Identifier: MIT */
/* supervisor/plan/order, and a suite that was put into another order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/order.h"

enum { TESTS = 60 };

static struct suite suite_of(size_t n)
{
    struct suite suite = {0};

    for (size_t i = 0; i < n; i++) {
        struct test *test = suite_add(&suite);

        test->id = mem_printf("t%zu", i);
        test->file = mem_printf("f%zu", i / 10);
        if (i % 4 == 0)
            test->group = mem_printf("g%zu", i / 20);
    }
    return suite;
}

static void test_every_test_has_a_place(void **state)
{
    struct suite suite = suite_of(TESTS);

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t order[TESTS];
        unsigned seen[TESTS] = {0};

        order_shuffle(&suite, seed, order);
        for (size_t i = 0; i < TESTS; i++)
            seen[order[i]]++;
        for (size_t i = 0; i < TESTS; i++)
            assert_int_equal(seen[i], 1);
    }
    suite_done(&suite);
}

static void test_a_seed_gives_its_order_again(void **state)
{
    /* These numbers must not change: people keep seeds. */
    static const size_t known[] = {2, 0, 1, 4, 3};
    struct suite suite = suite_of(TESTS), small = {0};
    size_t a[TESTS], b[TESTS], differ = 0, got[5];

    (void)state;
    order_shuffle(&suite, 7, a);
    order_shuffle(&suite, 7, b);
    assert_memory_equal(a, b, sizeof(a));
    order_shuffle(&suite, 8, b);
    for (size_t i = 0; i < TESTS; i++)
        differ += a[i] != b[i];
    assert_true(differ > TESTS / 2);
    for (size_t i = 0; i < 5; i++)
        suite_add(&small)->file = mem_strdup("f");
    order_shuffle(&small, 1, got);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(got[i], known[i]);
    suite_done(&small);
    suite_done(&suite);
}

static void test_groups_keep_their_order(void **state)
{
    struct suite suite = suite_of(TESTS);
    size_t order[TESTS];

    (void)state;
    order_shuffle(&suite, 3, order);
    for (size_t i = 0; i < TESTS; i++)
        for (size_t k = i + 1; k < TESTS; k++)
            if (suite.tests[order[i]].group && suite.tests[order[k]].group &&
                strcmp(suite.tests[order[i]].group, suite.tests[order[k]].group) == 0)
                assert_true(order[i] < order[k]);
    suite_done(&suite);
}

static void test_modules_stay_together(void **state)
{
    struct suite suite = suite_of(TESTS);
    size_t order[TESTS], changes = 0;

    (void)state;
    for (size_t i = 0; i < TESTS; i++) {
        free(suite.tests[i].group);
        suite.tests[i].group = NULL;
    }
    order_shuffle(&suite, 3, order);
    for (size_t i = 1; i < TESTS; i++)
        changes += strcmp(suite.tests[order[i]].file, suite.tests[order[i - 1]].file) != 0;
    assert_int_equal(changes, TESTS / 10 - 1);
    suite_done(&suite);
}

static void test_numbers_are_found_in_any_order(void **state)
{
    struct suite suite = suite_of(TESTS);
    size_t order[TESTS];
    bool keep[TESTS];

    (void)state;
    for (size_t i = 0; i < TESTS; i++)
        keep[i] = i % 3 != 1;
    suite_keep(&suite, keep);
    order_shuffle(&suite, 9, order);
    suite_permute(&suite, order);
    for (size_t number = 0; number < TESTS + 5; number++) {
        size_t index = suite_find(&suite, number);

        if (number < TESTS && number % 3 != 1)
            assert_int_equal(suite.tests[index].number, number);
        else
            assert_int_equal(index, (size_t)-1);
    }
    suite_done(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_test_has_a_place),
        cmocka_unit_test(test_a_seed_gives_its_order_again),
        cmocka_unit_test(test_groups_keep_their_order),
        cmocka_unit_test(test_modules_stay_together),
        cmocka_unit_test(test_numbers_are_found_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
