/* SPDX-License-Identifier: MIT */
/* Does a test run again, when, what is kept of its tries, and how the lanes let it wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/verdict_set.h"
#include "supervisor/core/retry.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/lanes.h"

static void test_only_what_is_named_and_only_so_often(void **state)
{
    struct retry_policy policy = {.retries = 2, .on = RETRY_ON_DEFAULT};

    (void)state;
    assert_true(retry_wanted(&policy, 1, OUTCOME_FAILED, VERDICT_NONE));
    assert_true(retry_wanted(&policy, 2, OUTCOME_ERROR, VERDICT_NONE));
    assert_false(retry_wanted(&policy, 3, OUTCOME_FAILED, VERDICT_NONE));
    assert_false(retry_wanted(&policy, 1, OUTCOME_PASSED, VERDICT_NONE));
    assert_false(retry_wanted(&policy, 1, OUTCOME_XPASSED, VERDICT_NONE));
    assert_true(retry_wanted(&policy, 1, OUTCOME_KILLED, VERDICT_TIMEOUT));
    assert_false(retry_wanted(&policy, 1, OUTCOME_KILLED, VERDICT_TASKS));
    policy.on = VERDICT_BIT(VERDICT_TASKS);
    assert_true(retry_wanted(&policy, 1, OUTCOME_KILLED, VERDICT_TASKS));
    assert_false(retry_wanted(&policy, 1, OUTCOME_FAILED, VERDICT_NONE));
    policy.retries = 0;
    assert_false(retry_wanted(&policy, 1, OUTCOME_KILLED, VERDICT_TASKS));
}

static void test_delays(void **state)
{
    struct retry_policy policy = {.retries = 100, .delay_ns = 3 * NS_PER_SEC};

    (void)state;
    assert_int_equal(retry_delay_ns(&policy, 1, 0), 3 * NS_PER_SEC);
    assert_int_equal(retry_delay_ns(&policy, 5, 0), 3 * NS_PER_SEC);
    assert_true(retry_delay_ns(&policy, 1, 999) >= 2 * NS_PER_SEC);
    assert_true(retry_delay_ns(&policy, 1, 999) < 2 * NS_PER_SEC + NS_PER_SEC / 100);
    policy.exponential = true;
    assert_int_equal(retry_delay_ns(&policy, 1, 0), 3 * NS_PER_SEC);
    assert_int_equal(retry_delay_ns(&policy, 4, 0), 24 * NS_PER_SEC);
    assert_int_equal(retry_delay_ns(&policy, 100, 0), 3600 * NS_PER_SEC);
    policy.delay_ns = 0;
    assert_int_equal(retry_delay_ns(&policy, 7, 77), 0);
}

static void test_what_is_kept_of_tries_is_bounded(void **state)
{
    struct attempts attempts = {0};
    size_t texts = 0;
    char *long_text = mem_zalloc(100000);

    (void)state;
    memset(long_text, 'x', 99999);
    for (int i = 0; i < 20; i++)
        attempts_add(&attempts, OUTCOME_PASSED, VERDICT_NONE, 5, "message", long_text, 99999);
    assert_int_equal(attempts.n, 20);
    for (size_t i = 0; i < attempts.n; i++) {
        assert_string_equal(attempts.items[i].message, "message");
        texts += attempts.items[i].text != NULL;
        assert_true(!attempts.items[i].text || strlen(attempts.items[i].text) == 8192);
    }
    assert_int_equal(texts, 4);
    assert_non_null(attempts.items[19].text);
    assert_false(attempts_bad(&attempts));
    attempts_add(&attempts, OUTCOME_KILLED, VERDICT_EXIT, 0, NULL, NULL, 0);
    assert_true(attempts_bad(&attempts));
    attempts_done(&attempts);
    free(long_text);
}

static void test_words(void **state)
{
    struct err err = ERR_INIT;
    unsigned set;

    (void)state;
    assert_int_equal(verdict_set_retry("failed,timeout", &set, &err), 0);
    assert_int_equal(set, RETRY_ON_FAILED | VERDICT_BIT(VERDICT_TIMEOUT));
    assert_int_equal(verdict_set_retry("-error", &set, &err), 0);
    assert_int_equal(set, RETRY_ON_DEFAULT & ~RETRY_ON_ERROR);
    assert_int_equal(verdict_set_retry("all,-failed", &set, &err), 0);
    assert_int_equal(set, RETRY_ON_ERROR | VERDICT_ALL_BITS);
    assert_int_equal(verdict_set_retry("none", &set, &err), 0);
    assert_int_equal(set, 0);
    assert_true(verdict_set_retry("fialed", &set, &err) < 0);
    assert_string_equal(err.hint, "did you mean failed?");
    assert_true(verdict_set_reroute("failed", &set, &err) < 0); /* no verdict */
}

/* --- lanes --- */

static struct lanes *lanes_of(size_t parallel, size_t serial, unsigned slots)
{
    struct suite suite = {0};
    struct lanes *lanes;

    for (size_t i = 0; i < parallel + serial; i++) {
        struct test *test = suite_add(&suite);

        test->file = mem_strdup("a.py");
        test->lane = i < parallel ? LANE_PARALLEL : LANE_SERIAL;
    }
    lanes = lanes_new(&suite, slots);
    suite_done(&suite);
    return lanes;
}

static void test_a_delayed_test_keeps_its_lane_open(void **state)
{
    struct lanes *lanes = lanes_of(1, 0, 2);
    size_t next;

    (void)state;
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_delay(lanes, 0, 100);
    assert_false(lanes_parallel_done(lanes));
    assert_int_equal(lanes_queued(lanes), 0);
    lanes_wake(lanes, 99);
    assert_int_equal(lanes_take(lanes, 0, &next), LANES_NONE);
    assert_int_equal(lanes_take(lanes, 1, &next), LANES_NONE);
    lanes_wake(lanes, 100);
    assert_int_equal(lanes_queued(lanes), 1);
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

/* Two that are due by the time somebody looks run in the order in which they were due. */
static void test_what_was_due_first_runs_first(void **state)
{
    struct lanes *lanes = lanes_of(3, 0, 1);
    size_t next;

    (void)state;
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_delay(lanes, 0, 200);
    assert_int_equal(lanes_take(lanes, 0, &next), 1);
    lanes_delay(lanes, 0, 100);
    assert_int_equal(lanes_take(lanes, 0, &next), 2);
    lanes_delay(lanes, 0, 300);
    lanes_wake(lanes, 200);
    assert_int_equal(lanes_take(lanes, 0, &next), 1);
    lanes_finish(lanes, 0);
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_finish(lanes, 0);
    assert_int_equal(lanes_take(lanes, 0, &next), LANES_NONE);
    lanes_wake(lanes, 300);
    assert_int_equal(lanes_take(lanes, 0, &next), 2);
    lanes_finish(lanes, 0);
    lanes_free(lanes);
}

/* What a slot has begun is never stolen: a retry must not wait behind a long test there. */
static void test_a_retry_goes_to_a_slot_that_is_idle(void **state)
{
    struct lanes *lanes = lanes_of(2, 0, 2);
    size_t next;

    (void)state;
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_delay(lanes, 0, 100);
    assert_int_equal(lanes_take(lanes, 0, &next), 1); /* stolen; it runs long */
    lanes_wake(lanes, 100);
    assert_int_equal(lanes_take(lanes, 1, &next), 0);
    lanes_finish(lanes, 1);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void test_with_no_slot_idle_it_waits(void **state)
{
    struct lanes *lanes = lanes_of(2, 0, 1);
    size_t next;

    (void)state;
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    assert_int_equal(next, 1);
    lanes_delay(lanes, 0, 0);
    assert_int_equal(lanes_take(lanes, 0, &next), 1);
    lanes_wake(lanes, 1);
    assert_int_equal(lanes_queued(lanes), 0);
    lanes_finish(lanes, 0);
    lanes_wake(lanes, 1);
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void test_the_serial_lane_waits_too_and_gives_a_fresh_worker(void **state)
{
    struct lanes *lanes = lanes_of(0, 2, 1);
    size_t next;
    bool fresh;

    (void)state;
    assert_int_equal(lanes_serial_take(lanes, &next, &fresh), 0);
    assert_false(fresh);
    lanes_serial_delay(lanes, 50);
    assert_int_equal(lanes_serial_take(lanes, &next, &fresh), 1); /* others run meanwhile */
    lanes_serial_finish(lanes);
    assert_false(lanes_serial_done(lanes));
    lanes_wake(lanes, 50);
    assert_int_equal(lanes_serial_take(lanes, &next, &fresh), 0);
    assert_true(fresh);
    lanes_serial_finish(lanes);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
}

static void count(void *arg, size_t test)
{
    (void)test;
    ++*(size_t *)arg;
}

static void test_dropped_with_all_others(void **state)
{
    struct lanes *lanes = lanes_of(3, 1, 1);
    size_t next, dropped = 0;

    (void)state;
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    lanes_delay(lanes, 0, 50);
    lanes_drop(lanes, count, &dropped);
    assert_int_equal(dropped, 4);
    assert_true(lanes_parallel_done(lanes) && lanes_serial_done(lanes));
    lanes_free(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_named_and_only_so_often),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_what_is_kept_of_tries_is_bounded),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_a_delayed_test_keeps_its_lane_open),
        cmocka_unit_test(test_what_was_due_first_runs_first),
        cmocka_unit_test(test_a_retry_goes_to_a_slot_that_is_idle),
        cmocka_unit_test(test_with_no_slot_idle_it_waits),
        cmocka_unit_test(test_the_serial_lane_waits_too_and_gives_a_fresh_worker),
        cmocka_unit_test(test_dropped_with_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
