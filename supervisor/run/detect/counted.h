/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A limit on tasks where there is no cgroup: each cell is a user namespace of its own, in which RLIMIT_NPROC counts the
 * worker's tasks alone, and the kernel refuses what exceeds it. Nobody tells shunt, so it counts as well: a worker that was
 * seen at its limit has broken out. What is over between two looks shows only as the test's own failure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct run;
struct worker;

/* This rung is in force. */
bool counted_tasks(const struct run *run);
void counted_set_limit(const struct worker *worker, uint64_t tasks);
/* The worker and its descendants, as far as they are no orphans, for want of a cgroup that would list all: up to `room`
 * process ids. */
size_t counted_processes(const struct worker *worker, pid_t *ret, size_t room);
/* Fills the task counters of `worker`. */
void counted_read(struct worker *worker);
/* Its test has ended, or died: counts refusals that its worker saw itself. They speak against this test only, and only where the
 * count was not far from the limit. `errnum`: of the error that the test failed with; 0. */
void counted_refused(struct worker *worker, int errnum);
