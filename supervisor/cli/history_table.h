/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

struct json_t;

/* Both return the exit status. The tests of the document, one a line: what they came to last, where, how long they take. */
int history_table_list(const struct json_t *document, FILE *out);
/* The document of history_document() for people. `test`: its runs, one by one. */
int history_table_print(const struct json_t *document, const char *test, FILE *out);
