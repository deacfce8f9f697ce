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

/* What one test left behind. */
struct leak_sum {
    size_t tasks, sockets, files;
};
enum { LEAK_NAMES = 6 };
struct leak_name {
    char comm[24];
    bool process;
    size_t count;
};
struct leak_names {
    struct leak_name list[LEAK_NAMES]; /* the first ones */
    size_t n;
};

/* Was `task` started by a wider fixture (its ids are in `kept`, as the worker sees them)? `main_tgid` is the worker. */
bool leak_is_kept(const struct leak_task *task, int main_inside_tgid, const int *kept, size_t nkept);

/* A worker is replaced for what it keeps only when that exceeds a quarter of its task limit (0: never). */
bool leak_wants_replacement(size_t survivors, uint64_t limit);

/* "left 2 tasks and 1 listening socket behind". */
void leak_sum_text(const struct leak_sum *sum, char *buf, size_t size);
void leak_names_add(struct leak_names *names, const char *comm, bool process);
/* "2 processes named sleep, 1 thread named worker". */
void leak_names_text(const struct leak_names *names, char *buf, size_t size);

/* Names in a worker's own /tmp that are no test's: pytest's, and what is not there any more (an overlay's whiteout). */
bool leak_is_foreign_name(const char *name);
