/* SPDX-License-Identifier: MIT */
#pragma once

/* The history that a command without a suite means. */

struct err;
struct json_t;

/* The document of docs/history.md, of tests whose id contains `test` (NULL: all); a new reference. `file`, `root`: NULL: the
 * .shunt/history.db here or in the next directory above that has one. ERR_USAGE with the remedy where there is none. */
int history_source_read(const char *file, const char *root, const char *test, struct json_t **ret, struct err *err);
