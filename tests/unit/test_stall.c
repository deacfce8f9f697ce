/* SPDX-License-Identifier: MIT */
/* supervisor/core/stall: what one task waits for, from its line in /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/core/detector.h"

static void lines_of_proc(void **state)
{
    struct stall_task task = {0};

    (void)state;
    assert_int_equal(stall_parse_syscall("202 0x7f0a10 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7ffe10 0x7f0b3c\n",
                                         &task), 0);
    assert_int_equal(task.number, 202);
    assert_int_equal(task.args[0], 0x7f0a10);
    assert_int_equal(task.args[1], 0x80);
    assert_int_equal(task.args[2], 2);
    assert_int_equal(task.args[3], 0);
    assert_true(task.args[5] == UINT64_MAX);
    assert_int_equal(stall_parse_syscall("running\n", &task), 0);
    assert_int_equal(task.number, -2);
    assert_int_equal(stall_parse_syscall("-1 0x7ffe10 0x7f0b3c\n", &task), 0); /* in no call: no arguments */
    assert_int_equal(task.number, -1);
}

static void lines_that_are_not_of_proc(void **state)
{
    static const char *const lines[] = {"", "\n", "walking", "202", "202 0x1 0x2 0x3 0x4 0x5\n",
                                        "202 0x1 0x2 x 0x4 0x5 0x6"};
    struct stall_task task = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (stall_parse_syscall(lines[i], &task) != -EINVAL)
            fail_msg("\"%s\" was read", lines[i]);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(stall_wait_name(STALL_RUNS), "running");
    assert_string_equal(stall_wait_name(STALL_TIMED), "timed");
    assert_string_equal(stall_wait_name(STALL_OUTSIDE), "outside");
    assert_string_equal(stall_wait_name(STALL_FUTEX), "futex");
    assert_string_equal(stall_wait_name(STALL_CHILD), "child");
    assert_string_equal(stall_wait_name(STALL_PIPE), "pipe");
}

/* The descriptor 7 leads inside, all others lead outside. */
static bool fd_inside(void *arg, int fd)
{
    (void)arg;
    return fd == 7;
}

static bool set_inside(void *arg, const struct stall_task *task)
{
    (void)task;
    return *(bool *)arg;
}

struct row {
    long number;
    uint64_t args[6];
    enum stall_wait expected;
};

static void check_rows(const struct row *rows, size_t n, stall_set_inside_fn set_fn, bool inside)
{
    for (size_t i = 0; i < n; i++) {
        struct stall_task task = {.state = 'S', .number = rows[i].number};
        enum stall_wait wait;

        memcpy(task.args, rows[i].args, sizeof(task.args));
        wait = stall_classify(&task, fd_inside, set_fn, &inside);
        if (wait != rows[i].expected)
            fail_msg("row %zu (system call %ld): %s", i, task.number, stall_wait_name(wait));
    }
}

#define CHECK_ROWS(rows, set_fn, inside)                                                            \
    check_rows(rows, sizeof(rows) / sizeof((rows)[0]), set_fn, inside)

static void only_sleepers_wait(void **state)
{
    static const char awake[] = "RDTtZXI";
    struct stall_task task = {.number = SYS_wait4};

    (void)state;
    for (const char *c = awake; *c; c++) {
        task.state = *c;
        assert_int_equal(stall_classify(&task, fd_inside, NULL, NULL), STALL_RUNS);
    }
    task.state = 'S';
    assert_int_equal(stall_classify(&task, fd_inside, NULL, NULL), STALL_CHILD);
    task.number = -1;
    assert_int_equal(stall_classify(&task, fd_inside, NULL, NULL), STALL_RUNS);
    task.number = -2;
    assert_int_equal(stall_classify(&task, fd_inside, NULL, NULL), STALL_RUNS);
}

static void futexes(void **state)
{
    static const struct row rows[] = {
        {SYS_futex, {1, FUTEX_WAIT, 2, 0}, STALL_FUTEX},
        {SYS_futex, {1, FUTEX_WAIT_PRIVATE, 2, 0}, STALL_FUTEX},
        {SYS_futex, {1, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 2, 0}, STALL_FUTEX},
        {SYS_futex, {1, FUTEX_LOCK_PI_PRIVATE, 0, 0}, STALL_FUTEX},
        {SYS_futex, {1, FUTEX_LOCK_PI2, 0, 0}, STALL_FUTEX},
        {SYS_futex, {1, FUTEX_WAIT, 2, 0x7ffe10}, STALL_TIMED},
        {SYS_futex, {1, FUTEX_WAIT_BITSET_PRIVATE, 2, 0x7ffe10}, STALL_TIMED},
        {SYS_futex, {1, FUTEX_WAKE, 2, 0}, STALL_RUNS},
        {SYS_futex, {1, FUTEX_REQUEUE, 2, 0}, STALL_RUNS},
    };

    (void)state;
    CHECK_ROWS(rows, NULL, false);
}

static void children(void **state)
{
    static const struct row rows[] = {
        {SYS_wait4, {(uint64_t)-1, 0, 0}, STALL_CHILD},
        {SYS_wait4, {(uint64_t)-1, 0, WNOHANG}, STALL_RUNS},
        {SYS_wait4, {(uint64_t)-1, 0, WUNTRACED}, STALL_CHILD},
        {SYS_waitid, {P_ALL, 0, 0, WEXITED}, STALL_CHILD},
        {SYS_waitid, {P_ALL, 0, 0, WEXITED | WNOHANG}, STALL_RUNS},
        {SYS_waitid, {P_ALL, 0, WNOHANG, WEXITED}, STALL_CHILD}, /* not its flags */
    };

    (void)state;
    CHECK_ROWS(rows, NULL, false);
}

static void descriptors(void **state)
{
    static const struct row rows[] = {
        {SYS_read, {7}, STALL_PIPE},     {SYS_read, {8}, STALL_OUTSIDE},  {SYS_readv, {7}, STALL_PIPE},
        {SYS_readv, {0}, STALL_OUTSIDE}, {SYS_write, {7}, STALL_PIPE},    {SYS_write, {1}, STALL_OUTSIDE},
        {SYS_writev, {7}, STALL_PIPE},   {SYS_writev, {2}, STALL_OUTSIDE},
    };
    struct stall_task task = {.state = 'S', .number = SYS_read, .args = {7}};

    (void)state;
    CHECK_ROWS(rows, NULL, false);
    assert_int_equal(stall_classify(&task, NULL, NULL, NULL), STALL_OUTSIDE); /* nobody knows */
}

static void sets_of_descriptors(void **state)
{
    static const struct row untimed[] = {
#ifdef SYS_poll
        {SYS_poll, {1, 1, (uint32_t)-1}, STALL_PIPE}, /* as the kernel shows an int */
        {SYS_poll, {1, 1, (uint64_t)-1}, STALL_PIPE},
#endif
#ifdef SYS_select
        {SYS_select, {8, 1, 0, 0, 0}, STALL_PIPE},
#endif
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, {5, 1, 64, (uint32_t)-1}, STALL_PIPE},
#endif
        {SYS_ppoll, {1, 1, 0}, STALL_PIPE},
        {SYS_epoll_pwait, {5, 1, 64, (uint32_t)-1}, STALL_PIPE},
    };
    static const struct row timed[] = {
#ifdef SYS_poll
        {SYS_poll, {1, 1, 0}, STALL_TIMED},
        {SYS_poll, {1, 1, 5000}, STALL_TIMED},
#endif
#ifdef SYS_select
        {SYS_select, {8, 1, 0, 0, 0x7ffe10}, STALL_TIMED},
#endif
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, {5, 1, 64, 100}, STALL_TIMED},
#endif
        {SYS_ppoll, {1, 1, 0x7ffe10}, STALL_TIMED},
        {SYS_epoll_pwait, {5, 1, 64, 100}, STALL_TIMED},
    };

    (void)state;
    CHECK_ROWS(untimed, set_inside, true);
    CHECK_ROWS(timed, set_inside, true);
    CHECK_ROWS(timed, set_inside, false);
    for (size_t i = 0; i < sizeof(untimed) / sizeof(untimed[0]); i++) {
        struct row row = untimed[i];

        row.expected = STALL_OUTSIDE;
        check_rows(&row, 1, set_inside, false);
        check_rows(&row, 1, NULL, true);
    }
}

static void sleeps_and_strangers(void **state)
{
    static const struct row rows[] = {
        {SYS_nanosleep, {1}, STALL_TIMED},
        {SYS_clock_nanosleep, {0, 0, 1}, STALL_TIMED},
        {SYS_recvfrom, {7}, STALL_OUTSIDE},
        {SYS_accept4, {7}, STALL_OUTSIDE},
        {SYS_rt_sigsuspend, {0}, STALL_OUTSIDE},
        {999999, {0}, STALL_OUTSIDE},
    };

    (void)state;
    CHECK_ROWS(rows, set_inside, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_proc),
        cmocka_unit_test(lines_that_are_not_of_proc),
        cmocka_unit_test(names),
        cmocka_unit_test(only_sleepers_wait),
        cmocka_unit_test(futexes),
        cmocka_unit_test(children),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(sets_of_descriptors),
        cmocka_unit_test(sleeps_and_strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
