/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A limit on tasks that the kernel keeps without telling anybody that it was hit: RLIMIT_NPROC of an id of its own, pid_max
 * of a pid namespace. So the command's tasks are counted now and then: who was seen at the limit has been refused the next
 * one, or would have been. What is over between two looks is not seen.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COUNTED_TICK_NS 2000000 /* a look at least every so often, unless looking itself takes longer than that is worth */

struct counted {
    uint64_t peak, next_ns;
};

/* Counts what descends from `init`, unless it is too early for that. */
void counted_look(struct counted *counted, pid_t init, uint64_t limit, uint64_t now_ns);
/* The command has ended; so many tasks that it left behind were seen then. */
void counted_left(struct counted *counted, uint64_t tasks, uint64_t limit);
