/* SPDX-License-Identifier: MIT */
/* supervisor/plan/cut, and lanes that know how long tests take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/cut.h"
#include "supervisor/plan/lanes.h"

#define MS 1000

/* "a100 a20 b?": a test of file a that takes 100 ms, one of 20, one of file b that nobody knows. */
static void suite_of(struct suite *suite, const char *text)
{
    *suite = (struct suite){0};
    for (; *text; text += strcspn(text, " "), text += *text == ' ') {
        struct test *test = suite_add(suite);

        test->file = mem_printf("%c.py", *text);
        test->expected_us = text[1] == '?' ? 0 : strtoull(text + 1, NULL, 10) * MS;
    }
}

/* Who is dealt what, slot by slot: "0 1 2|3 4|". */
static void expect_runs(const char *tests, unsigned slots, const char *expected)
{
    struct lane_atom atoms[32] = {0};
    uint64_t costs[32];
    size_t ends[8], at = 0, length = 0;
    char got[300] = "";
    struct suite suite;
    bool timed;

    suite_of(&suite, tests);
    timed = cut_costs(&suite, costs);
    for (size_t i = 0; i < suite.count; i++)
        atoms[i] = (struct lane_atom){.first = i, .count = 1, .cost = costs[i], .module = (size_t)*suite.tests[i].file};
    cut_runs(atoms, suite.count, slots, timed, ends);
    for (unsigned s = 0; s < slots; s++) {
        if (timed && cut_modules_whole(&suite))
            cut_long_first(atoms + at, ends[s] - at);
        for (size_t first = at; at < ends[s]; at++)
            length += (size_t)snprintf(got + length, sizeof(got) - length, "%s%zu", at > first ? " " : "", atoms[at].first);
        length += (size_t)snprintf(got + length, sizeof(got) - length, "|");
    }
    assert_string_equal(got, expected);
    suite_done(&suite);
}

static void without_times_by_number(void **arg)
{
    (void)arg;
    expect_runs("a? a? a? a? b? b? b? b?", 2, "0 1 2 3|4 5 6 7|");
    expect_runs("a900 a? a? a? b? b? b? b?", 2, "0 1 2 3|4 5 6 7|"); /* too few are known */
}

static void with_times_by_time(void **arg)
{
    (void)arg;
    expect_runs("a700 a100 a100 a100 a100 a100 a100 a100", 2, "0|1 2 3 4 5 6 7|");
    expect_runs("a10 a10 a10 a900 a10 a10", 3, "0 1 2|3|4 5|");
}

static void an_unknown_one_counts_as_the_mean(void **arg)
{
    (void)arg;
    expect_runs("a100 a? a100 a100", 2, "0 1|2 3|");
}

static void one_slot_keeps_the_order(void **arg)
{
    struct suite suite;
    struct lanes *lanes;
    size_t next;

    (void)arg;
    suite_of(&suite, "a10 a10 b900 b900 c5000 a1");
    lanes = lanes_new(&suite, 1);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(lanes_take(lanes, 0, &next), i);
        lanes_finish(lanes, 0);
    }
    lanes_free(lanes);
    suite_done(&suite);
}

static void long_modules_go_first(void **arg)
{
    (void)arg;
    expect_runs("a10 a10 b10 c500 c500 d10 e3000 e1 e1 f900 f900 f900", 2, "6 7 8 3 4 0 1 2 5|9 10 11|");
    expect_runs("a10 b400 c10 d900 e3 f1300", 2, "3 1 0 2|5 4|");
}

static void the_order_in_a_module_stays(void **arg)
{
    (void)arg;
    expect_runs("a100 b1 b900 b1 c1000", 2, "1 2 3 0|4|");
}

/* File a's tests stand in two places: somebody has mixed them, and that order is not ours to change. */
static void a_mixed_order_stays(void **arg)
{
    (void)arg;
    expect_runs("a100 b1 b900 a1 c1000", 2, "0 1 2|3 4|");
}

static void thieves_take_half_of_the_time(void **arg)
{
    struct suite suite;
    struct lanes *lanes;
    size_t next;

    (void)arg;
    suite_of(&suite, "a1000 b300 b100 b100 b100 b100 b100 b100 c1");
    lanes = lanes_new(&suite, 2); /* 0 | 1 2 3 4 5 6 7 8 */
    assert_int_equal(lanes_take(lanes, 1, &next), 1);
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_finish(lanes, 0);
    assert_true(lanes_take(lanes, 0, &next) >= 5); /* by time, from 3 4 5 6 7 8 */
    lanes_free(lanes);
    suite_done(&suite);
}

/* Whatever times are, each test has one place. */
static void nothing_is_lost(void **arg)
{
    (void)arg;
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct suite suite = {0};
        struct lanes *lanes;
        unsigned slots = 1 + (unsigned)rand() % 6;
        size_t n = (size_t)rand() % 60, seen = 0, next;
        char *once = mem_zalloc(n + 1);

        for (size_t i = 0; i < n; i++) {
            struct test *test = suite_add(&suite);

            test->file = mem_printf("%c.py", 'a' + (int)(i / 7));
            test->expected_us = rand() % 4 ? 1ULL << (rand() % 53) : 0;
            if (rand() % 5 == 0)
                test->group = mem_printf("%d", rand() % 3);
        }
        lanes = lanes_new(&suite, slots);
        while (!lanes_parallel_done(lanes)) {
            unsigned s = (unsigned)rand() % slots;
            size_t test = lanes_take(lanes, s, &next);

            if (test == LANES_NONE)
                continue;
            assert_int_equal(once[test]++, 0);
            seen++;
            lanes_finish(lanes, s);
        }
        assert_int_equal(seen, n);
        lanes_free(lanes);
        suite_done(&suite);
        free(once);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_times_by_number),
        cmocka_unit_test(with_times_by_time),
        cmocka_unit_test(an_unknown_one_counts_as_the_mean),
        cmocka_unit_test(one_slot_keeps_the_order),
        cmocka_unit_test(long_modules_go_first),
        cmocka_unit_test(the_order_in_a_module_stays),
        cmocka_unit_test(a_mixed_order_stays),
        cmocka_unit_test(thieves_take_half_of_the_time),
        cmocka_unit_test(nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
