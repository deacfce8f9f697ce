/* SPDX-License-Identifier: MIT */
#pragma once

/* How a test that ran too long spent its time, in words: pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timing {
    uint64_t elapsed_ns, limit_ns; /* 0: without a limit */
    bool cpu_known;
    uint64_t cpu_ns; /* of the test */
};

/* "60.2 s of 60 s, CPU 0.1 s". */
void timing_numbers(const struct timing *timing, char *buf, size_t size);
/* At least half of one CPU for all that time: it works, it does not wait. */
bool timing_is_busy(const struct timing *timing);
/* From "tests/a.py:14 in test_it (queue.py:171 in get)", or without what is in brackets: "waits in get (tests/a.py:14)", "waits at
 * tests/a.py:14"; for one that is busy "runs in …". "" for "". */
void timing_where(const char *line, bool busy, char *buf, size_t size);
/* "10 s", "2.5 s", "60.2 s": at most one decimal. */
void timing_seconds(uint64_t ns, char *buf, size_t size);
