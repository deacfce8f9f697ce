/* SPDX-License-Identifier: MIT */
#pragma once

/* Values of options: parsed, bounded, and with an error that says what was expected (ERR_USAGE). */
#include <stdint.h>

struct err;

int cli_expected(struct err *err, const char *what, const char *hint);
int cli_parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *ret, struct err *err);
/* 4 to 4194304, or auto: RUN_CONFIG_AUTO, which is SPEC_AUTO. */
int cli_parse_tasks(const char *text, uint64_t *ret, struct err *err);
/* At least 1 MiB, auto, or none: 0. */
int cli_parse_memory(const char *text, uint64_t *ret_bytes, struct err *err);
/* 1 ms to 30 days, or off: 0. */
int cli_parse_time(const char *text, uint64_t *ret_ns, struct err *err);
/* Index of text in a NULL-terminated list, or -1. */
int cli_index_of(const char *text, const char *const *words);
