/* SPDX-License-Identifier: MIT */
/*
 * supervisor/plan/lanes, case by case; random sequences are in test_lanes_random.c. A suite is written as text: one
 * character a test ('.' alone, 'a'..'z' its group, 'S' serial), and '|' where a new file begins.
 */
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
#include "supervisor/plan/lanes.h"

static struct lanes *lanes_of_kind(const char *text, unsigned slots, bool fixed)
{
    struct suite suite = {.fixed = fixed};
    struct lanes *lanes;
    unsigned file = 0;

    for (; *text; text++) {
        struct test *test;

        if (*text == '|') {
            file++;
            continue;
        }
        test = suite_add(&suite);
        test->file = mem_printf("file%u.py", file);
        test->lane = *text == 'S' ? LANE_SERIAL : LANE_PARALLEL;
        if (*text >= 'a' && *text <= 'z')
            test->group = mem_printf("%c", *text);
    }
    lanes = lanes_new(&suite, slots);
    suite_done(&suite); /* what is needed of it was copied */
    return lanes;
}

static struct lanes *lanes_of(const char *text, unsigned slots)
{
    return lanes_of_kind(text, slots, false);
}

/* Takes a test on `slot` and checks which it is, and which is to follow (-1: none). */
static void take(struct lanes *lanes, unsigned slot, int test, int next)
{
    size_t got_next, got = lanes_take(lanes, slot, &got_next);

    if (got != (size_t)test || got_next != (size_t)next)
        fail_msg("slot %u: test %d then %d, not %d then %d", slot, (int)got, (int)got_next, test, next);
}

static void run(struct lanes *lanes, unsigned slot, int test, int next)
{
    take(lanes, slot, test, next);
    lanes_finish(lanes, slot);
}

static void serial_take(struct lanes *lanes, int test, int next, bool fresh)
{
    bool got_fresh = !fresh;
    size_t got_next, got = lanes_serial_take(lanes, &got_next, &got_fresh);

    if (got != (size_t)test || got_next != (size_t)next || got_fresh != fresh)
        fail_msg("serial: test %d then %d, fresh %d", (int)got, (int)got_next, got_fresh);
}

static void serial_run(struct lanes *lanes, int test, int next, bool fresh)
{
    serial_take(lanes, test, next, fresh);
    lanes_serial_finish(lanes);
}

static void serial_refuses(struct lanes *lanes)
{
    bool fresh;
    size_t next;

    assert_true(lanes_serial_take(lanes, &next, &fresh) == LANES_NONE);
    assert_true(next == LANES_NONE);
}

static void nothing_to_run(void **state)
{
    struct lanes *lanes = lanes_of("", 4);

    (void)state;
    take(lanes, 3, -1, -1);
    assert_true(lanes_parallel_done(lanes));
    assert_true(lanes_serial_done(lanes));
    serial_refuses(lanes);
    lanes_free(lanes);
    lanes_free(NULL);
}

static void one_slot_keeps_the_order_of_the_suite(void **state)
{
    struct lanes *lanes = lanes_of("ab.a|bS", 1);

    (void)state;
    run(lanes, 0, 0, 1);
    run(lanes, 0, 1, 2);
    run(lanes, 0, 2, 3);
    run(lanes, 0, 3, 4);
    run(lanes, 0, 4, -1);
    serial_run(lanes, 5, -1, false);
    lanes_free(lanes);
}

static void groups_stay_together_and_in_order(void **state)
{
    struct lanes *lanes = lanes_of("a.b.a.b", 2);

    (void)state;
    run(lanes, 0, 0, 4);
    run(lanes, 1, 2, 6);
    run(lanes, 1, 6, 3);
    run(lanes, 0, 4, 1);
    run(lanes, 1, 3, 5);
    run(lanes, 0, 1, -1);
    run(lanes, 1, 5, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void more_slots_than_tests(void **state)
{
    struct lanes *lanes = lanes_of("..", 8);

    (void)state;
    take(lanes, 0, 0, -1); /* stolen: with so few tests the last slots have them */
    take(lanes, 6, 1, -1);
    take(lanes, 7, -1, -1);
    lanes_free(lanes);
}

static void runs_are_cut_where_a_file_ends(void **state)
{
    struct lanes *lanes = lanes_of("...|.....", 2);

    (void)state;
    assert_int_equal(lanes_slot_queued(lanes, 0), 3);
    assert_int_equal(lanes_slot_queued(lanes, 1), 5);
    take(lanes, 0, 0, 1);
    take(lanes, 1, 3, 4);
    lanes_free(lanes);
}

static void runs_are_cut_in_the_middle_of_a_file_when_none_ends_near(void **state)
{
    struct lanes *lanes = lanes_of(".|.......", 2);

    (void)state;
    take(lanes, 0, 0, 1);
    take(lanes, 1, 4, 5);
    lanes_free(lanes);
}

static void half_of_the_longest_tail_is_stolen(void **state)
{
    struct lanes *lanes = lanes_of("............", 3);

    (void)state;
    run(lanes, 1, 4, 5);
    run(lanes, 0, 0, 1);
    run(lanes, 0, 1, 2);
    run(lanes, 0, 2, 3);
    run(lanes, 0, 3, 10); /* of 8..11, not of the 6 and 7 that slot 1 has left */
    assert_int_equal(lanes_slot_queued(lanes, 0), 2);
    assert_int_equal(lanes_slot_queued(lanes, 2), 2);
    run(lanes, 2, 8, 9);
    lanes_free(lanes);
}

static void stealing_prefers_the_start_of_a_file(void **state)
{
    struct lanes *lanes = lanes_of("........|.....|...", 2);

    (void)state;
    for (int i = 0; i < 7; i++)
        run(lanes, 0, i, i + 1);
    run(lanes, 0, 7, 13); /* half of 8..15 would begin at 12, in the middle of a file */
    lanes_free(lanes);
}

static void the_last_queued_test_is_left_to_an_idle_slot(void **state)
{
    struct lanes *lanes = lanes_of("....", 2);

    (void)state;
    run(lanes, 0, 0, 1);
    take(lanes, 0, 1, -1);
    take(lanes, 1, 2, 3);
    lanes_free(lanes);
}

static void a_group_is_stolen_as_a_whole(void **state)
{
    struct lanes *lanes = lanes_of("aaaa", 2);

    (void)state;
    run(lanes, 1, 0, 1);
    take(lanes, 0, -1, -1);
    run(lanes, 1, 1, 2);
    run(lanes, 1, 2, 3);
    run(lanes, 1, 3, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void with_each_nobody_steals(void **state)
{
    struct lanes *lanes = lanes_of_kind("aabb", 2, true);

    (void)state;
    run(lanes, 0, 0, 1);
    run(lanes, 0, 1, -1);
    take(lanes, 0, -1, -1); /* though the worker of slot 1 has not come yet */
    run(lanes, 1, 2, 3);
    run(lanes, 1, 3, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void a_group_that_was_begun_is_never_stolen(void **state)
{
    struct lanes *lanes = lanes_of("aaaa", 2);

    (void)state;
    run(lanes, 0, 0, 1);
    lanes_release(lanes, 0); /* not even when its worker has died */
    take(lanes, 1, -1, -1);
    assert_int_equal(lanes_slot_queued(lanes, 0), 3);
    run(lanes, 0, 1, 2);
    lanes_free(lanes);
}

static void a_slot_runs_one_test_at_a_time(void **state)
{
    struct lanes *lanes = lanes_of("...S", 1);

    (void)state;
    take(lanes, 0, 0, 1);
    take(lanes, 0, -1, -1);
    lanes_finish(lanes, 0);
    take(lanes, 0, 1, 2);
    lanes_free(lanes);
}

static void an_idle_slot_has_nothing_to_give_back(void **state)
{
    struct lanes *lanes = lanes_of("..", 1);

    (void)state;
    lanes_finish(lanes, 0);
    lanes_retry(lanes, 0);
    lanes_reroute(lanes, 0);
    lanes_release(lanes, 0);
    lanes_serial_finish(lanes);
    lanes_serial_retry(lanes);
    assert_int_equal(lanes_queued(lanes), 2);
    assert_int_equal(lanes_serial_queued(lanes), 0);
    run(lanes, 0, 0, 1);
    lanes_free(lanes);
}

static void a_released_pin_comes_next_and_stays_with_its_slot(void **state)
{
    struct lanes *lanes = lanes_of("....", 2);

    (void)state;
    run(lanes, 0, 0, 1);
    lanes_release(lanes, 0);
    lanes_release(lanes, 0);
    assert_int_equal(lanes_queued(lanes), 3);
    run(lanes, 1, 2, 3);
    run(lanes, 1, 3, -1);
    take(lanes, 1, -1, -1);
    run(lanes, 0, 1, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void a_retried_test_comes_before_the_pinned_one(void **state)
{
    struct lanes *lanes = lanes_of("aaa.", 1);

    (void)state;
    take(lanes, 0, 0, 1);
    lanes_retry(lanes, 0);
    assert_int_equal(lanes_queued(lanes), 4);
    take(lanes, 0, 0, 1);
    lanes_retry(lanes, 0);
    lanes_release(lanes, 0);
    run(lanes, 0, 0, 1);
    run(lanes, 0, 1, 2);
    run(lanes, 0, 2, 3);
    take(lanes, 0, 3, -1);
    lanes_retry(lanes, 0);
    assert_false(lanes_parallel_done(lanes));
    run(lanes, 0, 3, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void serial_comes_after_parallel(void **state)
{
    struct lanes *lanes = lanes_of("S.S.", 2);

    (void)state;
    serial_refuses(lanes);
    take(lanes, 0, 1, -1);
    run(lanes, 1, 3, -1);
    assert_int_equal(lanes_queued(lanes), 0);
    assert_false(lanes_parallel_done(lanes)); /* one still runs */
    serial_refuses(lanes);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    assert_int_equal(lanes_serial_queued(lanes), 2);
    serial_take(lanes, 0, 2, false);
    serial_refuses(lanes);
    lanes_serial_finish(lanes);
    assert_false(lanes_serial_done(lanes));
    serial_take(lanes, 2, -1, false);
    assert_false(lanes_serial_done(lanes));
    lanes_serial_finish(lanes);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
}

static void rerouted_ones_follow_in_the_order_of_their_incidents(void **state)
{
    struct lanes *lanes = lanes_of("..S..S", 2);

    (void)state;
    take(lanes, 1, 3, 4);
    lanes_reroute(lanes, 1);
    take(lanes, 0, 0, 1);
    lanes_reroute(lanes, 0);
    run(lanes, 0, 1, -1);
    take(lanes, 1, 4, -1);
    serial_refuses(lanes);
    lanes_reroute(lanes, 1);
    assert_true(lanes_parallel_done(lanes));
    assert_int_equal(lanes_serial_queued(lanes), 5);
    serial_run(lanes, 2, 5, false);
    serial_run(lanes, 5, -1, false); /* what follows wants a fresh worker, so nothing is pinned */
    serial_run(lanes, 3, -1, true);
    serial_run(lanes, 0, -1, true);
    serial_run(lanes, 4, -1, true);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
}

static void the_rest_of_a_group_stays_when_one_is_rerouted(void **state)
{
    struct lanes *lanes = lanes_of("aaa..", 2);

    (void)state;
    take(lanes, 0, 0, 1);
    lanes_reroute(lanes, 0);
    lanes_release(lanes, 0);
    run(lanes, 1, 3, 4);
    run(lanes, 1, 4, -1);
    take(lanes, 1, -1, -1);
    run(lanes, 0, 1, 2);
    run(lanes, 0, 2, -1);
    serial_run(lanes, 0, -1, true);
    lanes_free(lanes);
}

static void a_serial_test_is_retried_first(void **state)
{
    struct lanes *lanes = lanes_of("SS.", 1);

    (void)state;
    take(lanes, 0, 2, -1);
    lanes_reroute(lanes, 0);
    serial_take(lanes, 0, 1, false);
    lanes_serial_retry(lanes);
    assert_int_equal(lanes_serial_queued(lanes), 3);
    serial_run(lanes, 0, 1, false);
    assert_int_equal(lanes_serial_queued(lanes), 2);
    serial_run(lanes, 1, -1, false);
    serial_take(lanes, 2, -1, true);
    lanes_serial_retry(lanes);
    assert_false(lanes_serial_done(lanes));
    serial_run(lanes, 2, -1, true);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
}

static void note_dropped(void *arg, size_t test)
{
    char *text = arg;

    sprintf(text + strlen(text), " %zu", test);
}

static void dropping_leaves_what_is_running(void **state)
{
    struct lanes *lanes = lanes_of("S......S", 2);
    char dropped[64] = "";

    (void)state;
    run(lanes, 0, 1, 2);
    take(lanes, 0, 2, 3);
    lanes_reroute(lanes, 0);
    take(lanes, 1, 4, 5);
    lanes_drop(lanes, note_dropped, dropped);
    assert_string_equal(dropped, " 0 2 3 5 6 7");
    assert_int_equal(lanes_queued(lanes), 0);
    assert_int_equal(lanes_slot_queued(lanes, 0) + lanes_slot_queued(lanes, 1), 0);
    assert_int_equal(lanes_serial_queued(lanes), 0);
    assert_false(lanes_parallel_done(lanes));
    take(lanes, 0, -1, -1);
    lanes_finish(lanes, 1);
    take(lanes, 1, -1, -1);
    assert_true(lanes_parallel_done(lanes));
    assert_true(lanes_serial_done(lanes));
    lanes_drop(lanes, note_dropped, dropped);
    assert_string_equal(dropped, " 0 2 3 5 6 7");
    lanes_free(lanes);
}

static void what_runs_while_dropping_can_still_be_put_back(void **state)
{
    struct lanes *lanes = lanes_of("..", 1);
    char dropped[64] = "";

    (void)state;
    take(lanes, 0, 0, 1);
    lanes_drop(lanes, note_dropped, dropped);
    assert_string_equal(dropped, " 1");
    lanes_retry(lanes, 0);
    assert_int_equal(lanes_queued(lanes), 1);
    run(lanes, 0, 0, -1);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

/* The place it goes back to was a dropped test's, which wanted a fresh worker. */
static void a_serial_test_put_back_after_dropping_is_itself(void **state)
{
    struct lanes *lanes = lanes_of("S.", 1);
    char dropped[64] = "";

    (void)state;
    take(lanes, 0, 1, -1);
    lanes_reroute(lanes, 0);
    serial_take(lanes, 0, -1, false);
    lanes_drop(lanes, note_dropped, dropped);
    assert_string_equal(dropped, " 1");
    assert_false(lanes_serial_done(lanes));
    lanes_serial_retry(lanes);
    serial_run(lanes, 0, -1, false);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
}

static void numbers(void **state)
{
    struct lanes *lanes = lanes_of("......S", 2);

    (void)state;
    assert_int_equal(lanes_queued(lanes), 6);
    assert_int_equal(lanes_serial_queued(lanes), 1);
    take(lanes, 0, 0, 1);
    assert_int_equal(lanes_queued(lanes), 5); /* the pinned one is among them */
    assert_int_equal(lanes_slot_queued(lanes, 0), 2);
    assert_int_equal(lanes_slot_queued(lanes, 1), 3);
    lanes_reroute(lanes, 0);
    assert_int_equal(lanes_queued(lanes), 5);
    assert_int_equal(lanes_serial_queued(lanes), 2);
    lanes_free(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_run),
        cmocka_unit_test(one_slot_keeps_the_order_of_the_suite),
        cmocka_unit_test(groups_stay_together_and_in_order),
        cmocka_unit_test(more_slots_than_tests),
        cmocka_unit_test(runs_are_cut_where_a_file_ends),
        cmocka_unit_test(runs_are_cut_in_the_middle_of_a_file_when_none_ends_near),
        cmocka_unit_test(half_of_the_longest_tail_is_stolen),
        cmocka_unit_test(stealing_prefers_the_start_of_a_file),
        cmocka_unit_test(the_last_queued_test_is_left_to_an_idle_slot),
        cmocka_unit_test(a_group_is_stolen_as_a_whole),
        cmocka_unit_test(with_each_nobody_steals),
        cmocka_unit_test(a_group_that_was_begun_is_never_stolen),
        cmocka_unit_test(a_slot_runs_one_test_at_a_time),
        cmocka_unit_test(an_idle_slot_has_nothing_to_give_back),
        cmocka_unit_test(a_released_pin_comes_next_and_stays_with_its_slot),
        cmocka_unit_test(a_retried_test_comes_before_the_pinned_one),
        cmocka_unit_test(serial_comes_after_parallel),
        cmocka_unit_test(rerouted_ones_follow_in_the_order_of_their_incidents),
        cmocka_unit_test(the_rest_of_a_group_stays_when_one_is_rerouted),
        cmocka_unit_test(a_serial_test_is_retried_first),
        cmocka_unit_test(dropping_leaves_what_is_running),
        cmocka_unit_test(what_runs_while_dropping_can_still_be_put_back),
        cmocka_unit_test(a_serial_test_put_back_after_dropping_is_itself),
        cmocka_unit_test(numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
