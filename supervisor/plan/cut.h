/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How the parallel lane is cut into runs, one a slot: pure.
 *
 * Without a history every test counts the same. Where at least half of the tests have an expected time the runs are about
 * equally long instead, and within a run the modules that take a good part of it go first, the longest one in front: what is
 * left at the end, when slots begin to steal, is short. The order inside a module is never changed, and where the suite's
 * own order has been mixed already (tests of one file in several places: somebody's order), modules stay where they are.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suite;

struct lane_atom {
    size_t first, count; /* of its tests, in the order of the lane */
    uint64_t cost;       /* tests, or microseconds */
    size_t module;
};

/* Sets `costs` of the suite's parallel tests; false: there are too few known times, and each is 1. */
bool cut_costs(const struct suite *suite, uint64_t *costs);
/* Is each file's tests' place one? */
bool cut_modules_whole(const struct suite *suite);
/* `ret_ends[s]`: where the run of slot s ends; it begins where the one before it does. */
void cut_runs(const struct lane_atom *atoms, size_t n, unsigned slots, bool timed, size_t *ret_ends);
/* One run, timed: long modules first. */
void cut_long_first(struct lane_atom *atoms, size_t n);
