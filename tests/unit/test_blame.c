/* SPDX-License-Identifier: MIT */
/* Whose doing a death was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/blame.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/lanes.h"

enum { A = 3, B = 5, C = 9, MAIN = 2, OF_A = 17, OF_B = 18, UNSEEN = 40 };

static const struct blame_survivor left[] = {{.test = A, .task = OF_A}, {.test = B, .task = OF_B}, {.test = A, .task = 19}};

static struct blame judged(struct blame_view view)
{
    struct blame blame;

    view.main_task = MAIN;
    if (!view.exit_test)
        view.exit_test = BLAME_NO_TEST;
    if (!view.just_ended)
        view.just_ended = BLAME_NO_TEST;
    blame_death(&view, &blame);
    return blame;
}

static void alone_it_is_its_own(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C});

    (void)state;
    assert_int_equal(blame.test, C);
    assert_int_equal(blame.confidence, BLAME_WINDOW);
    assert_int_equal(blame.nsuspects, 0);
    blame = judged((struct blame_view){.test = C, .exit_task = UNSEEN});
    assert_int_equal(blame.test, C); /* a thread of its own */
    assert_int_equal(blame.confidence, BLAME_DIRECT);
    blame = judged((struct blame_view){.test = BLAME_NO_TEST});
    assert_int_equal(blame.confidence, BLAME_NONE);
}

static void its_own_exit_is_its_own_whoever_lived(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C, .exit_task = MAIN, .survivors = left, .nsurvivors = 3});

    (void)state;
    assert_int_equal(blame.test, C);
    assert_int_equal(blame.confidence, BLAME_DIRECT);
    assert_int_equal(blame.nsuspects, 0);
    blame = judged((struct blame_view){.test = C, .fault_main = true, .survivors = left, .nsurvivors = 3});
    assert_int_equal(blame.test, C);
    assert_int_equal(blame.confidence, BLAME_DIRECT);
}

static void the_exit_of_a_leftover_is_its_tests(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C, .exit_task = OF_B, .survivors = left, .nsurvivors = 3});

    (void)state;
    assert_int_equal(blame.test, B);
    assert_int_equal(blame.confidence, BLAME_DIRECT);
    blame = judged((struct blame_view){.test = BLAME_NO_TEST, .exit_task = OF_A, .survivors = left, .nsurvivors = 3});
    assert_int_equal(blame.test, A);
    assert_int_equal(blame.confidence, BLAME_DIRECT);
}

static void the_workers_word_counts_where_nothing_contradicts(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C, .exit_task = UNSEEN, .exit_test = A});

    (void)state;
    assert_int_equal(blame.test, A); /* no cgroup: nobody knows better */
    assert_int_equal(blame.confidence, BLAME_DIRECT);
    blame = judged((struct blame_view){.test = C, .exit_task = UNSEEN, .exit_test = A, .survivors_known = true});
    assert_int_equal(blame.test, C); /* A has left nothing: it is being framed */
    blame = judged((struct blame_view){
        .test = C, .exit_task = UNSEEN, .exit_test = A, .survivors_known = true, .survivors = left, .nsurvivors = 3});
    assert_int_equal(blame.test, A); /* a thread that a leftover of A started */
    blame = judged((struct blame_view){.test = C, .exit_task = UNSEEN, .exit_test = C});
    assert_int_equal(blame.test, C);
}

static void nobody_is_named_for_what_was_not_seen(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C, .survivors = left, .nsurvivors = 3});

    (void)state;
    assert_int_equal(blame.test, BLAME_NO_TEST);
    assert_int_equal(blame.confidence, BLAME_SUSPECT);
    assert_int_equal(blame.nsuspects, 2); /* each test once, the latest first */
    assert_int_equal(blame.suspects[0], A);
    assert_int_equal(blame.suspects[1], B);
}

static void what_no_cgroup_lists_speaks_against_nobody(void **state)
{
    struct blame blame = judged((struct blame_view){.test = C, .used = true});

    (void)state;
    assert_true(blame.unseen);
    assert_int_equal(blame.test, BLAME_NO_TEST);
    assert_int_equal(blame.confidence, BLAME_NONE);
    assert_false(judged((struct blame_view){.test = C}).unseen); /* nobody was there before */
    assert_false(judged((struct blame_view){.test = C, .used = true, .survivors_known = true}).unseen);
    assert_false(judged((struct blame_view){.test = C, .used = true, .fault_main = true}).unseen);
    assert_false(judged((struct blame_view){.test = C, .used = true, .exit_task = UNSEEN}).unseen);
    assert_false(judged((struct blame_view){.test = C, .used = true, .survivors = left, .nsurvivors = 3}).unseen);
    assert_false(judged((struct blame_view){.test = BLAME_NO_TEST, .used = true}).unseen);
}

static void between_two_tests_it_was_the_one_before(void **state)
{
    struct blame blame = judged((struct blame_view){
        .test = BLAME_NO_TEST, .just_ended = B, .survivors_known = true, .exit_task = UNSEEN, .exit_test = B});

    (void)state;
    assert_int_equal(blame.test, B); /* it died before what lived was listed */
    assert_int_equal(blame.confidence, BLAME_DIRECT);
    blame = judged((struct blame_view){.test = BLAME_NO_TEST, .just_ended = B, .survivors_known = true});
    assert_int_equal(blame.nsuspects, 1);
    assert_int_equal(blame.suspects[0], B);
    blame = judged((struct blame_view){
        .test = BLAME_NO_TEST, .just_ended = B, .survivors_known = true, .exit_task = MAIN});
    assert_int_equal(blame.nsuspects, 0); /* the thread that runs tests: of none of them */
}

static void suspects_are_bounded(void **state)
{
    struct blame_survivor many[20];
    struct blame blame;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        many[i] = (struct blame_survivor){.test = i};
    blame = judged((struct blame_view){.test = C, .survivors = many, .nsurvivors = 20});
    assert_int_equal(blame.nsuspects, BLAME_SUSPECTS);
    assert_int_equal(blame.suspects[0], 19);
    blame = judged((struct blame_view){.test = 0, .survivors = many, .nsurvivors = 1});
    assert_int_equal(blame.nsuspects, 0); /* the running test's own are no other's */
}

static void a_suspect_runs_again_at_the_end(void **state)
{
    struct suite suite = {0};
    struct lanes *lanes;
    size_t next;
    bool fresh;

    (void)state;
    for (int i = 0; i < 2; i++)
        suite_add(&suite)->file = mem_strdup("a.py");
    lanes = lanes_new(&suite, 1);
    assert_int_equal(lanes_take(lanes, 0, &next), 0);
    assert_false(lanes_serial_again(lanes, 0)); /* it runs */
    assert_false(lanes_serial_again(lanes, 1)); /* it has not run */
    assert_false(lanes_serial_again(lanes, 7));
    lanes_finish(lanes, 0);
    assert_true(lanes_serial_again(lanes, 0));
    assert_false(lanes_serial_again(lanes, 0)); /* once */
    assert_int_equal(lanes_take(lanes, 0, &next), 1);
    lanes_finish(lanes, 0);
    assert_true(lanes_parallel_done(lanes));
    assert_false(lanes_serial_done(lanes));
    assert_int_equal(lanes_serial_take(lanes, &next, &fresh), 0);
    assert_true(fresh);
    lanes_serial_finish(lanes);
    assert_true(lanes_serial_done(lanes));
    lanes_free(lanes);
    suite_done(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_is_its_own),
        cmocka_unit_test(its_own_exit_is_its_own_whoever_lived),
        cmocka_unit_test(the_exit_of_a_leftover_is_its_tests),
        cmocka_unit_test(the_workers_word_counts_where_nothing_contradicts),
        cmocka_unit_test(nobody_is_named_for_what_was_not_seen),
        cmocka_unit_test(what_no_cgroup_lists_speaks_against_nobody),
        cmocka_unit_test(between_two_tests_it_was_the_one_before),
        cmocka_unit_test(suspects_are_bounded),
        cmocka_unit_test(a_suspect_runs_again_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
