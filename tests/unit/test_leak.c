/* SPDX-License-Identifier: MIT */
/* supervisor/core/leak: which tasks were meant to outlive the test during which they appeared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/core/leak.h"

#define WORKER 2 /* the worker's own id, as it sees it */

/* A wider fixture started the process 30 and the worker's thread 12. */
static const int kept[] = {30, 12};

static bool is_kept(int tid, int tgid, int ppid)
{
    struct leak_task task = {.tid = tid + 1000,
                             .tgid = tgid + 1000,
                             .ppid = ppid + 1000,
                             .inside_tid = tid,
                             .inside_tgid = tgid,
                             .inside_ppid = ppid};

    return leak_is_kept(&task, WORKER, kept, 2);
}

static void what_a_fixture_started(void **state)
{
    (void)state;
    assert_true(is_kept(30, 30, WORKER));
    assert_true(is_kept(12, WORKER, 1));
}

static void what_a_test_started(void **state)
{
    (void)state;
    assert_false(is_kept(31, 31, WORKER));
    assert_false(is_kept(13, WORKER, 1));
}

static void what_a_kept_process_started(void **state)
{
    (void)state;
    assert_true(is_kept(31, 30, WORKER)); /* a thread of its own */
    assert_true(is_kept(32, 32, 30));     /* a child */
    assert_false(is_kept(33, 33, 32));    /* its grandchild is nobody's that is known */
}

/* The worker itself may be in the list; its threads and children are judged one by one. */
static void the_worker_vouches_for_nobody(void **state)
{
    static const int worker_too[] = {WORKER, 30};
    struct leak_task thread = {.inside_tid = 13, .inside_tgid = WORKER, .inside_ppid = 1};
    struct leak_task child = {.inside_tid = 40, .inside_tgid = 40, .inside_ppid = WORKER};

    (void)state;
    assert_false(leak_is_kept(&thread, WORKER, worker_too, 2));
    assert_false(leak_is_kept(&child, WORKER, worker_too, 2));
}

static void unknown_ids_match_nothing(void **state)
{
    static const int zero[] = {0};
    struct leak_task task = {.tid = 30, .tgid = 30, .ppid = 30}; /* ids as the supervisor sees them do not count */

    (void)state;
    assert_false(leak_is_kept(&task, WORKER, kept, 2));
    assert_false(leak_is_kept(&task, WORKER, zero, 1));
    assert_false(leak_is_kept(&task, WORKER, NULL, 0));
}

static void replacement(void **state)
{
    (void)state;
    assert_false(leak_wants_replacement(0, 64));
    assert_false(leak_wants_replacement(16, 64));
    assert_true(leak_wants_replacement(17, 64));
    assert_true(leak_wants_replacement(1, 3));
    assert_false(leak_wants_replacement(1000000, 0));
}

static void check_text(struct leak_sum sum, const char *expected)
{
    char text[256];

    leak_sum_text(&sum, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void what_was_left_in_words(void **state)
{
    (void)state;
    check_text((struct leak_sum){.tasks = 1}, "left 1 task behind");
    check_text((struct leak_sum){.tasks = 24}, "left 24 tasks behind");
    check_text((struct leak_sum){.sockets = 1}, "left 1 listening socket behind");
    check_text((struct leak_sum){.tasks = 2, .sockets = 1}, "left 2 tasks and 1 listening socket behind");
    check_text((struct leak_sum){.tasks = 2, .sockets = 3, .files = 1},
               "left 2 tasks, 3 listening sockets and 1 file in /tmp behind");
}

static void names_say_what_they_are(void **state)
{
    struct leak_names names = {0};
    char text[256], few[24];

    (void)state;
    leak_names_text(&names, text, sizeof(text));
    assert_string_equal(text, "");
    leak_names_add(&names, "sleep", true);
    leak_names_add(&names, "sleep", true);
    leak_names_add(&names, "sleep", false);
    leak_names_text(&names, text, sizeof(text));
    assert_string_equal(text, "2 processes named sleep, 1 thread named sleep");
    leak_names_text(&names, few, sizeof(few));
    assert_int_equal(strlen(few), sizeof(few) - 1);
    for (int i = 0; i < 20; i++) {
        snprintf(few, sizeof(few), "name-%d", i);
        leak_names_add(&names, few, true);
    }
    assert_int_equal(names.n, LEAK_NAMES);
}

static void names_in_tmp_that_are_no_tests(void **state)
{
    (void)state;
    assert_true(leak_is_foreign_name("."));
    assert_true(leak_is_foreign_name(".."));
    assert_true(leak_is_foreign_name("pytest-of-root"));
    assert_false(leak_is_foreign_name(".lock"));
    assert_false(leak_is_foreign_name("pytest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_fixture_started),
        cmocka_unit_test(what_a_test_started),
        cmocka_unit_test(what_a_kept_process_started),
        cmocka_unit_test(the_worker_vouches_for_nobody),
        cmocka_unit_test(unknown_ids_match_nothing),
        cmocka_unit_test(replacement),
        cmocka_unit_test(what_was_left_in_words),
        cmocka_unit_test(names_say_what_they_are),
        cmocka_unit_test(names_in_tmp_that_are_no_tests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
