/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

struct json_t;

/* The document of history_document() for people; returns the exit status. `test`: its runs, one by one. */
int history_table_print(const struct json_t *document, const char *test, FILE *out);
