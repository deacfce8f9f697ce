/* SPDX-License-Identifier: MIT */
/* What one task waits for, from its state and its line in /proc/PID/task/TID/syscall. Numbers: <sys/syscall.h>. */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/core/detector.h"

const char *stall_wait_name(enum stall_wait wait)
{
    static const char *const names[] = {"running", "timed", "outside", "futex", "child", "pipe"};

    return names[wait];
}

int stall_parse_syscall(const char *line, struct stall_task *ret)
{
    char *at;

    if (strncmp(line, "running", 7) == 0) {
        ret->number = -2;
        return 0;
    }
    ret->number = strtol(line, &at, 10);
    if (at == line)
        return -EINVAL;
    for (int i = 0; i < 6 && ret->number >= 0; i++) {
        const char *start = at;

        ret->args[i] = strtoull(start, &at, 16);
        if (at == start)
            return -EINVAL;
    }
    return 0;
}

static enum stall_wait classify_futex(const struct stall_task *task)
{
    int op = (int)task->args[1] & FUTEX_CMD_MASK;

    if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET && op != FUTEX_LOCK_PI && op != FUTEX_LOCK_PI2)
        return STALL_RUNS;
    return task->args[3] ? STALL_TIMED : STALL_FUTEX;
}

static enum stall_wait classify_set(const struct stall_task *task, bool untimed,
                                    stall_set_inside_fn set_inside, void *arg)
{
    if (!untimed)
        return STALL_TIMED;
    return set_inside && set_inside(arg, task) ? STALL_PIPE : STALL_OUTSIDE;
}

enum stall_wait stall_classify(const struct stall_task *task, stall_fd_inside_fn fd_inside,
                               stall_set_inside_fn set_inside, void *arg)
{
    if (task->state != 'S' || task->number < 0)
        return STALL_RUNS;
    switch (task->number) {
    case SYS_futex:
        return classify_futex(task);
    case SYS_wait4:
        return task->args[2] & WNOHANG ? STALL_RUNS : STALL_CHILD;
    case SYS_waitid:
        return task->args[3] & WNOHANG ? STALL_RUNS : STALL_CHILD;
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
        return fd_inside && fd_inside(arg, (int)task->args[0]) ? STALL_PIPE : STALL_OUTSIDE;
#ifdef SYS_poll
    case SYS_poll:
        return classify_set(task, (int)task->args[2] < 0, set_inside, arg);
#endif
    case SYS_ppoll:
        return classify_set(task, task->args[2] == 0, set_inside, arg);
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
        return classify_set(task, (int)task->args[3] < 0, set_inside, arg);
#ifdef SYS_select
    case SYS_select:
        return classify_set(task, task->args[4] == 0, set_inside, arg);
#endif
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return STALL_TIMED;
    default:
        return STALL_OUTSIDE;
    }
}
