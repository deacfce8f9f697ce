/* SPDX-License-Identifier: MIT */
#pragma once

/* What a test of Go came to; golang.c says which there are. */
#include "supervisor/adapters/adapter.h"

void golang_judge(const struct adapter_entry *entry, const struct adapter_result *result,
                  struct adapter_judgement *ret);
