/* SPDX-License-Identifier: MIT */
/* supervisor/plan/locks, alone and in the lanes: never more holders than allowed, and never a standstill. */
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
#include "supervisor/plan/locks.h"

enum { TESTS = 40, SLOTS = 6, NAMES = 3, ROUNDS = 3000, STEPS_MAX = 5000 };
#define NONE ((size_t)-1)

static char name_b[] = "b";
static const struct lock_limit limits[] = {{name_b, 2}};

/* "a bc ." : tests by their locks, one letter each; '.' has none; '|' begins a file, '=' before a test joins it to the group. */
static struct suite suite_of(const char *text)
{
    struct suite suite = {.limits = limits, .nlimits = 1};
    struct test *test = NULL;
    unsigned file = 0;
    bool grouped = false;

    for (; *text; text++) {
        char name[2] = {*text, '\0'};

        if (*text == '|')
            file++;
        else if (*text == '=')
            grouped = true;
        else if (*text == ' ')
            test = NULL;
        if (strchr("|= ", *text))
            continue;
        if (!test) {
            test = suite_add(&suite);
            test->file = mem_printf("f%u", file);
            test->group = grouped ? mem_strdup("g") : NULL;
            grouped = false;
        }
        if (*text != '.')
            test_add_lock(test, name);
    }
    return suite;
}

static void test_all_or_none(void **state)
{
    struct suite suite = suite_of("a b ab ba b .");
    struct locks *locks = locks_new(&suite);

    (void)state;
    assert_true(locks_same(locks, 2, 3));
    assert_false(locks_same(locks, 0, 2));
    assert_false(locks_has(locks, 5));
    locks_take(locks, 0);
    assert_false(locks_can(locks, 2, NONE));
    assert_true(locks_can(locks, 2, 0)); /* it ends */
    assert_true(locks_can(locks, 1, NONE));
    assert_true(locks_can(locks, 5, NONE));
    locks_take(locks, 1);
    assert_true(locks_can(locks, 4, NONE)); /* two may hold b */
    locks_take(locks, 4);
    assert_false(locks_can(locks, 1, NONE));
    locks_give(locks, 0);
    assert_false(locks_can(locks, 2, NONE)); /* b is still full */
    locks_give(locks, 4);
    assert_true(locks_can(locks, 2, NONE));
    locks_free(locks);
    suite_done(&suite);
    suite = suite_of(". . .");
    assert_null(locks_new(&suite));
    assert_true(locks_can(NULL, 0, NONE));
    suite_done(&suite);
}

static struct lanes *lanes_of(const char *text, unsigned slots)
{
    struct suite suite = suite_of(text);
    struct lanes *lanes = lanes_new(&suite, slots);

    suite_done(&suite);
    return lanes;
}

static void take(struct lanes *lanes, unsigned slot, size_t test, size_t next)
{
    size_t got_next, got = lanes_take(lanes, slot, &got_next);

    if (got != test || got_next != next)
        fail_msg("slot %u: %d then %d, not %d then %d", slot, (int)got, (int)got_next, (int)test, (int)next);
}

static void test_who_cannot_start_is_passed_over(void **state)
{
    struct lanes *lanes = lanes_of("a a a | a . a", 2);

    (void)state;
    take(lanes, 0, 0, 1); /* the same lock: handed on */
    take(lanes, 1, 4, NONE);
    lanes_finish(lanes, 1);
    take(lanes, 1, NONE, NONE); /* all that is left wants a */
    lanes_finish(lanes, 0);
    take(lanes, 1, NONE, NONE); /* it belongs to the one that follows in slot 0 */
    take(lanes, 0, 1, 2);
    lanes_finish(lanes, 0);
    lanes_release(lanes, 0); /* its worker died: nobody follows */
    take(lanes, 1, 3, 5);
    take(lanes, 0, NONE, NONE);
    lanes_finish(lanes, 1);
    take(lanes, 0, NONE, NONE);
    take(lanes, 1, 5, NONE); /* the last one is the other slot's */
    lanes_finish(lanes, 1);
    take(lanes, 0, 2, NONE);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

static void test_another_lock_is_not_promised(void **state)
{
    struct lanes *lanes = lanes_of("a c . c", 1);

    (void)state;
    take(lanes, 0, 0, NONE); /* somebody else might have c by then */
    lanes_finish(lanes, 0);
    take(lanes, 0, 1, 2);
    lanes_finish(lanes, 0);
    take(lanes, 0, 2, NONE);
    lanes_finish(lanes, 0);
    take(lanes, 0, 3, NONE);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    lanes_free(lanes);
}

/* --- at random --- */

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * 0x2545f4914f6cdd1dULL >> 33) % n);
}

static void random_text(char *text, size_t ntests)
{
    for (size_t i = 0; i < ntests; i++) {
        if (below(5) == 0)
            text += sprintf(text, "|");
        if (below(6) == 0)
            text += sprintf(text, "=");
        text += sprintf(text, "%s ", (const char *[]){".", "a", "b", "c", "ab", "bc", "abc", "."}[below(8)]);
    }
}

static void check(const struct suite *suite, const size_t *running, unsigned nslots, uint64_t of)
{
    for (char name = 'a'; name < 'a' + NAMES; name++) {
        unsigned holders = 0;

        for (unsigned s = 0; s < nslots; s++)
            for (char **lock = running[s] == NONE ? NULL : suite->tests[running[s]].locks; lock && *lock; lock++)
                holders += **lock == name;
        if (holders > (name == 'b' ? 2 : 1))
            fail_msg("%u hold %c (seed %llu)", holders, name, (unsigned long long)of);
    }
}

static void play(uint64_t of)
{
    char text[TESTS * 8] = "";
    unsigned nslots = 1 + below(SLOTS), steps = 0;
    size_t running[SLOTS], next, started = 0;
    struct suite suite;
    struct lanes *lanes;

    random_text(text, 1 + below(TESTS));
    suite = suite_of(text);
    lanes = lanes_new(&suite, nslots);
    for (unsigned s = 0; s < nslots; s++)
        running[s] = NONE;
    while (!lanes_parallel_done(lanes)) {
        unsigned s = below(nslots), busy = 0;

        if (++steps > STEPS_MAX)
            fail_msg("no end (seed %llu)", (unsigned long long)of);
        if (running[s] == NONE)
            running[s] = lanes_take(lanes, s, &next);
        else if (below(10) < 7) {
            lanes_finish(lanes, s);
            running[s] = NONE;
            started++;
        } else {
            switch (below(4)) {
            case 0:
                lanes_retry(lanes, s);
                break;
            case 1:
                lanes_delay(lanes, s, steps + below(9));
                break;
            case 2:
                lanes_reroute(lanes, s);
                started++;
                break;
            default:
                lanes_reroute(lanes, s); /* its worker is gone */
                lanes_release(lanes, s);
                started++;
            }
            running[s] = NONE;
        }
        lanes_wake(lanes, steps);
        check(&suite, running, nslots, of);
        for (unsigned i = 0; i < nslots; i++)
            busy += running[i] != NONE;
        for (unsigned i = 0; !busy && i < nslots; i++) { /* somebody can always go on, but for a delay */
            running[i] = lanes_take(lanes, i, &next);
            busy += running[i] != NONE;
        }
        if (!busy && lanes_queued(lanes))
            fail_msg("a standstill (seed %llu): %s", (unsigned long long)of, text);
    }
    assert_int_equal(started, suite.count);
    lanes_free(lanes);
    suite_done(&suite);
}

static void test_at_random(void **state)
{
    const char *given = getenv("SHUNT_TEST_SEED");

    (void)state;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t of = given ? strtoull(given, NULL, 10) : round;

        seed = of * 0x9e3779b97f4a7c15ULL + 1;
        play(of);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_who_cannot_start_is_passed_over),
        cmocka_unit_test(test_another_lock_is_not_promised),
        cmocka_unit_test(test_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
