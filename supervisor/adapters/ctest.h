/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of the adapter "ctest" only. ctest_command.c: what it makes of ctest's own options. */
#include <jansson.h>
#include <stdint.h>

#include "supervisor/adapters/options.h"
#include "supervisor/adapters/adapter.h"

enum adapter_claim ctest_recognise(char *const argv[]);
/* The step that lists, and what the options ask for in the list (workers, max_fail, notice). */
void ctest_ask(struct adapter_list *list);
/* --timeout: of tests that have none of their own; 0: none. */
uint64_t ctest_timeout_ns(char *const argv[]);

/* ctest.c: the value of a test's property; NULL: it has none. */
const json_t *ctest_property(const json_t *test, const char *name);
/* The k-th text of a list (or of one text alone); NULL behind the last. */
const char *ctest_text_at(const json_t *value, size_t k);

/* ctest_order.c: DEPENDS and fixtures become the order and the needs of the list's entries, which are those of `tests`. */
void ctest_order(struct adapter_list *list, const json_t *tests);
