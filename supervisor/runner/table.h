/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The table of tests that shunt-runner gets once, in a sealed memory file: written by supervisor/run/runner.c, read by
 * supervisor/runner/runner.c. Both are of the same build.
 */
#include <stdint.h>

struct runner_table {
    uint32_t count, argc_max, envc_max, pad;
    uint64_t at[]; /* by test: where its record begins, from the start of the file; a multiple of 4 */
};

struct runner_record { /* then, each with its NUL: the working directory ("": shunt's own), argv, changes of the environment */
    uint32_t argc, envc;
};
