/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which test runs where and when: pure bookkeeping over test indices, without a clock or a kernel.
 *
 * The parallel lane is a set of atoms in suite order: a single test, or a whole group (tests that must share one
 * worker and keep their order). It is cut into contiguous runs, one a slot (cut.h); a slot whose run is used up steals
 * half of the longest remaining tail, cut at a module boundary where one is near the middle. The serial lane
 * opens once nothing of the parallel lane is queued or running: first the statically marked tests in suite order
 * (they share a worker), then those that an earlier run has moved there, then the rerouted ones in the order of their
 * incidents.
 *
 * Where tests name locks (locks.h), a slot passes over those that cannot have theirs now, and takes the next that can.
 *
 * A test is at any time in exactly one of the states queued, pinned (the next of a slot), running, delayed, finished.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lanes;
struct suite;

#define LANES_NONE ((size_t)-1)

/* Copies what it needs of the suite. `slots` at least 1. */
struct lanes *lanes_new(const struct suite *suite, unsigned slots);
void lanes_free(struct lanes *lanes);

/* The parallel lane: takes the next test of `slot` (the pinned one where there is one, else from its run, else
 * stolen) as running, and pins and returns the one that will follow it in `*ret_next` (LANES_NONE: none is known
 * now). LANES_NONE when there is nothing for this slot now. A slot runs one test at a time. */
size_t lanes_take(struct lanes *lanes, unsigned slot, size_t *ret_next);
/* The running test of `slot` has its outcome, whichever it is. */
void lanes_finish(struct lanes *lanes, unsigned slot);
/* The running test of `slot` goes back: to the front of its own run (to be run again in the parallel lane)… */
void lanes_retry(struct lanes *lanes, unsigned slot);
/* …or to the end of the serial lane. */
void lanes_reroute(struct lanes *lanes, unsigned slot);
/* The worker of `slot` is gone: its pinned test is queued again. The slot's run stays its own. */
void lanes_release(struct lanes *lanes, unsigned slot);

/* Nothing queued, pinned or running in the parallel lane. */
bool lanes_parallel_done(const struct lanes *lanes);
/* Takes the next test of the serial lane as running (only after lanes_parallel_done()). `*ret_fresh`: it wants a
 * fresh worker (rerouted). `*ret_next`: what will follow it, for static ones; it stays in the queue. One runs at a time. */
size_t lanes_serial_take(struct lanes *lanes, size_t *ret_next, bool *ret_fresh);
void lanes_serial_finish(struct lanes *lanes);
/* The running serial test goes back to the front (fresh again), e.g. after pressure from outside. */
void lanes_serial_retry(struct lanes *lanes);
/* A finished test is to run once more, fresh, at the end of the serial lane. False when it is not finished. */
bool lanes_serial_again(struct lanes *lanes, size_t test);
bool lanes_serial_done(const struct lanes *lanes);

/* The running test of `slot`, or of the serial lane, is to run again in its lane, in a fresh worker, once `due_ns` (of any clock) has
 * come: lanes_wake() queues those in front. Until then they are in no queue, and their lane is not done. */
void lanes_delay(struct lanes *lanes, unsigned slot, uint64_t due_ns);
void lanes_serial_delay(struct lanes *lanes, uint64_t due_ns);
void lanes_wake(struct lanes *lanes, uint64_t now_ns);

/* Numbers for progress and for deciding whether a standby still makes sense. */
size_t lanes_queued(const struct lanes *lanes);        /* parallel: queued or pinned */
size_t lanes_serial_queued(const struct lanes *lanes); /* serial: queued */
/* Queued (or pinned) behind the running test on this slot's own run. */
size_t lanes_slot_queued(const struct lanes *lanes, unsigned slot);
/* Empties all queues (not the running tests); calls `fn` for each test dropped, in suite order. */
void lanes_drop(struct lanes *lanes, void (*fn)(void *arg, size_t test), void *arg);
