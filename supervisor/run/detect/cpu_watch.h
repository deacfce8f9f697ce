/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whether a running test gets the CPU that it wants, and whether it wants more than its slot's share: sampled on the slow tick,
 * so a test that is over within a tenth of a second costs nothing. supervisor/core/starve.h decides.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

void cpu_watch_test_starts(struct worker *worker);
void cpu_watch_tick(struct worker *worker, uint64_t now_ns);
/* Its test waited for CPU or memory most of its time: true, and in words. */
bool cpu_watch_starved(struct worker *worker, char *text, size_t size);
/* It kept far more tasks runnable than its share of the CPUs, for long: true, and in words. */
bool cpu_watch_oversubscribed(struct worker *worker, char *text, size_t size);
