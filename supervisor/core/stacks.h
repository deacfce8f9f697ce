/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where a Python process stands, from its stacks as faulthandler or pytest-timeout wrote them: pure, and the text is a
 * stranger's. The dumps put the main thread last, and name the one that a fatal signal hit "Current thread".
 */
#include <stdbool.h>
#include <stddef.h>

enum stacks_thread { STACKS_MAIN, STACKS_CURRENT };

/* "tests/a.py:14 in test_it (concurrent/futures/_base.py:243 in as_completed)": the innermost line of the test's own file,
 * else of the project, and what it called there. `root`: the project's directory; `test_file`: below it, may be "".
 * False when there is no such stack or nothing of the project on it. */
bool stacks_line(const char *text, size_t size, enum stacks_thread which, const char *root, const char *test_file,
                 char *buf, size_t buf_size);

/* Of each stack the innermost frame and those of the project; runs of three and more others become "  (37 frames left out)".
 * What is no frame stays as it is. Returns malloc'ed text. */
char *stacks_shorten(const char *text, size_t size, const char *root, size_t *ret_size);

/* Did a fatal signal hit the thread that runs the tests? (Its stack begins in shunt's own worker.) */
bool stacks_fault_in_main(const char *text, size_t size);
