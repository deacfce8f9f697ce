/* SPDX-License-Identifier: MIT */
#pragma once

/* Asks Python processes of a worker for the stacks of all their threads (docs/protocol.md, "Stacks"). */
#include <stdint.h>

struct incident_evidence;
struct worker;

/* The worker's own process first, then its children, for at most `budget_ns`. Fills in stacks and stacks_size; returns the
 * length of the worker's own part. Processes that have no handler for the signal are left alone. */
uint64_t stack_dump_take(struct worker *worker, uint64_t budget_ns, struct incident_evidence *more);
