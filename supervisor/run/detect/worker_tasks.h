/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The tasks of a worker: what its cgroup lists; where there is none, the worker and what descends from it. What lost its parent
 * (a daemon) is then not among them, and belongs to nobody.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct worker;

/* Ids as shunt sees them, at most `room`. Returns how many there are, which may be more; -errno. */
ssize_t worker_tasks_list(const struct worker *worker, pid_t *ret, size_t room);
/* The threads of a process but its first, appended to `ids`, of which there are `n` already. Returns how many there are then. */
size_t worker_tasks_add_threads(pid_t pid, pid_t *ids, size_t n, size_t room);
/* Without a cgroup: counts them anew into the worker's counters. */
void worker_tasks_count(struct worker *worker);
/* Of one thread; 0: unknown. */
uint64_t worker_tasks_cpu_of(pid_t tid);
/* A test begins; afterwards, the CPU time that it had itself: without what earlier tests left, and where there is no cgroup
 * without children that have ended. The counters are those of the last look. False: not known. */
void worker_tasks_cpu_start(struct worker *worker);
bool worker_tasks_cpu(const struct worker *worker, uint64_t *ret_ns);
