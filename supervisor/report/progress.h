/* SPDX-License-Identifier: MIT */
#pragma once

/* The status line at the bottom of a terminal: "12/340, 1 failed  12s Net.slow, 1.2s Net.other". */
#include <stddef.h>
#include <stdint.h>

struct progress_test {
    const char *id; /* of any kind: control characters are made visible */
    uint64_t elapsed_ns;
};

struct progress {
    size_t done, total, failed;
    const struct progress_test *running; /* in any order */
    size_t nrunning;
};

/* At most `columns` wide, where a character that is not ASCII counts two; "" where that is too narrow for the numbers. The
 * tests that have run longest come first; what does not fit is shortened in its middle or left out. malloc'ed. */
char *progress_line(const struct progress *progress, unsigned columns);
