/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which of the tasks that outlived a test are a leak: pure. A task is charged to the test during which it appeared, unless a
 * fixture of wider scope started it, or it belongs to a process that such a fixture started. What was there before is known
 * and charged to nobody again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leak_task {
    int tid, tgid, ppid; /* as the supervisor sees them */
    int inside_tid, inside_tgid, inside_ppid; /* as the worker sees them; 0: unknown */
    uint64_t start_ticks;
};

/* Was `task` started by a wider fixture (its ids are in `kept`, as the worker sees them)? `main_tgid` is the worker. */
bool leak_is_kept(const struct leak_task *task, int main_inside_tgid, const int *kept, size_t nkept);

/* A worker is replaced for what it keeps only when that exceeds a quarter of its task limit (0: never). */
bool leak_wants_replacement(size_t survivors, uint64_t limit);
