/* SPDX-License-Identifier: MIT */
#pragma once

/* Tests that ended badly and run again (--retries): in their lane, in a fresh worker. */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/core/verdict.h"

struct incident;
struct run;
struct slot;
struct test_result;
struct worker;

/* A result at a boundary. True: it does not count, and the test is queued again; the worker goes on. */
bool retry_result(struct worker *worker, const struct test_result *result);
/* Would be killed for good. True: it is to run again instead, which is noted and said; retry_queue() queues it. */
bool retry_killed(struct run *run, const struct incident *incident);
void retry_queue(struct slot *slot, size_t test);
/* What it comes to, now that its last try came to `outcome`: flaky where an earlier one was bad. */
enum outcome retry_outcome(struct run *run, size_t test, enum outcome outcome);
/* The run stops before its next try, or run (--repeat): true where what it came to before is its outcome. */
bool retry_given_up(struct run *run, size_t test);
/* Must it run in a worker that ran nothing else? */
bool retry_wants_fresh(const struct run *run, size_t test);
