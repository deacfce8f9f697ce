/* SPDX-License-Identifier: MIT */
#pragma once

/* Asks Python processes of a worker for the stacks of all their threads (docs/protocol.md, "Stacks"). */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct incident_evidence;
struct worker;

/* Of one process: malloc'ed; NULL where it has no handler for the signal or does not answer in time. */
char *stack_dump_of(const struct worker *worker, pid_t pid, uint64_t budget_ns, size_t *ret_size);
/* The worker's own process first, then its children, for at most `budget_ns`. Fills in stacks and stacks_size; returns the
 * length of the worker's own part. Processes that have no handler for the signal are left alone. */
uint64_t stack_dump_take(struct worker *worker, uint64_t budget_ns, struct incident_evidence *more);
