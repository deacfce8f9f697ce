/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The task limit of a worker where there is neither a cgroup nor another way: its calls of clone, fork and vfork wait for
 * an answer, which is EAGAIN at the limit, as the kernel's own would be. clone3 is refused (ENOSYS): what it asks for lies
 * in memory, and C libraries fall back to clone.
 *
 * Clones are seen and exits are not, so the number at hand is the most that there can be; only when it reaches the limit
 * are tasks counted: /proc/PID/task of each known process (a kept descriptor: st_nlink - 2, 0.55 us), and when that leaves
 * room, their children too. A child that lost its parent before anybody counted is known again once it forks itself.
 * Threads of one process that clone at the same time on several CPUs may pass the limit by those that were let go and
 * are not born yet. An io_uring SQPOLL ring adds a task without a clone: refuse io_uring as well.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CLONE_LIMIT_CODE 40 /* instructions, at most */

/* Fills `code` (room for CLONE_LIMIT_CODE) with the filter and sets *ret to it: notifies on clone, fork and vfork (those of
 * the 32-bit and x32 entries too), ENOSYS for clone3, allows the rest. To be merged with others. -ENOTSUP: not known for
 * this architecture. */
int clone_limit_program(struct sock_filter *code, struct sock_fprog *ret);

/* Is this a call that adds a task? For notify_options.decide, where calls of other profiles come along. */
bool clone_limit_is_clone(uint32_t arch, uint32_t nr);

/* --- the count: pure, but for what `recount` does --- */

struct clone_count {
    uint64_t limit;   /* 0: none */
    uint64_t at_most; /* no more tasks than this live */
    uint64_t refused; /* ever */
    /* Counts. `deep`: looks for processes that are not known yet, too. */
    uint64_t (*recount)(void *arg, bool deep);
    void *arg;
};

/* May one more task be born? 0 or EAGAIN. */
int clone_count_decide(struct clone_count *count);

/* --- one worker --- */

struct clone_limit;

/* `root`: the worker's main process, which lives. */
int clone_limit_new(pid_t root, uint64_t limit, struct clone_limit **ret);
void clone_limit_free(struct clone_limit *limit);
/* 0: let it go on; EAGAIN. `tid`: the caller. */
int clone_limit_decide(struct clone_limit *limit, pid_t tid);
void clone_limit_set(struct clone_limit *limit, uint64_t tasks);
uint64_t clone_limit_refused(const struct clone_limit *limit);
/* Tasks that live now, of all that is known. */
uint64_t clone_limit_tasks(struct clone_limit *limit);
