/* SPDX-License-Identifier: MIT */
#pragma once

/* What the adapter "ctest" makes of ctest's own options. */
#include <stdint.h>

#include "supervisor/adapters/options.h"
#include "supervisor/adapters/adapter.h"

enum adapter_claim ctest_recognise(char *const argv[]);
/* The step that lists, and what the options ask for in the list (workers, max_fail, notice). */
void ctest_ask(struct adapter_list *list);
/* --timeout: of tests that have none of their own; 0: none. */
uint64_t ctest_timeout_ns(char *const argv[]);
