/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which process of a worker was the biggest before the kernel killed for memory: afterwards nobody can be asked. Looked at
 * while a test uses more than 80 % of its limit, at most every 20 ms; below that nothing but the counter is read. Above 90 % it is
 * asked once where it stands, if it is Python.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct incident;
struct worker;

struct memory_watch {
    pid_t pid; /* 0: nobody was seen */
    char comm[24];
    uint64_t resident_bytes, looked_ns;
    bool asked;     /* for its stack: once a test */
    char at[300];   /* "tests/a.py:4 in eat"; "" */
    bool close; /* to the limit, as of the last look */
};

void memory_watch_start(struct worker *worker); /* of a test */
void memory_watch_tick(struct worker *worker);
/* "biggest process: python3 (pid 4021), 188 MiB resident 12 ms before, at tests/a.py:4 in eat" in front of the second line of a `memory`. */
void memory_watch_say(const struct worker *worker, struct incident *incident);
