/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Named semaphores: a test holds the locks that it names while it runs, all of them or none, so nobody waits while holding one.
 * How many may hold a lock at a time is said in the suite; 1 where nothing is said. Pure.
 */
#include <stdbool.h>
#include <stddef.h>

struct locks;
struct suite;

/* NULL: no test names one; all functions take that for "no locks". */
struct locks *locks_new(const struct suite *suite);
void locks_free(struct locks *locks);

bool locks_has(const struct locks *locks, size_t test);
/* Do both name the same ones? */
bool locks_same(const struct locks *locks, size_t a, size_t b);
/* Could it have all of its own now? Those that `ending` holds count as free; (size_t)-1: nobody. */
bool locks_can(const struct locks *locks, size_t test, size_t ending);
void locks_take(struct locks *locks, size_t test);
void locks_give(struct locks *locks, size_t test);
