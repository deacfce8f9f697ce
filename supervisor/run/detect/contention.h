/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A test that failed, or ran out of time, while it waited for CPU or memory most of the time says little: it runs again alone.
 * Passes it there, that was contention, and its outcome is passed-serial with that verdict; else its result is genuine.
 */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/core/verdict.h"

struct incident;
struct test_result;
struct worker;

/* It failed while it was starved: moved to the serial lane, and true; its worker goes on. */
bool contention_moved(struct worker *worker, const struct test_result *result);
/* It is killed for a timeout: notes whether it was starved. */
void contention_note(struct worker *worker, struct incident *incident);
/* It ran alone. */
void contention_settle(struct worker *worker, size_t test, enum outcome outcome);
/* Records what is no reason to end anybody: a test that wants far more than its share of the CPUs. */
void contention_record_cpu(struct worker *worker, size_t test);
