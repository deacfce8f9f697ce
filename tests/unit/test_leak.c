/* SPDX-License-Identifier: MIT */
/* supervisor/core/leak: which tasks were meant to outlive the test during which they appeared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_fixture_started),
        cmocka_unit_test(what_a_test_started),
        cmocka_unit_test(what_a_kept_process_started),
        cmocka_unit_test(the_worker_vouches_for_nobody),
        cmocka_unit_test(unknown_ids_match_nothing),
        cmocka_unit_test(replacement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
