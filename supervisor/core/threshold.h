/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * When so many tests break the same limit, it is the limit that is wrong: pure. A tenth of the suite, and five tests at least; or,
 * in a large suite, a quarter of what has run so far, and twenty-five tests at least.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/verdict.h"

enum threshold_limit { THRESHOLD_TASKS, THRESHOLD_MEMORY, THRESHOLD_TIMEOUT, THRESHOLD_LIMITS };

struct threshold {
    size_t broke[THRESHOLD_LIMITS]; /* tests that broke the run's own limit in the parallel lane */
    bool low[THRESHOLD_LIMITS];
};

/* THRESHOLD_LIMITS: a verdict that is of no limit. */
enum threshold_limit threshold_limit_of(enum verdict verdict);
/* One more test of `suite` broke it, where `finished` have run. True for the one with which the limit turns out too low. */
bool threshold_broke(struct threshold *threshold, enum threshold_limit limit, size_t suite, size_t finished);

struct threshold_need {
    uint64_t p95, max; /* of the peaks */
    uint64_t suggest;  /* a limit for all of them; where few need far more than the rest, for the rest */
    size_t above;      /* tests that need more than that */
};
/* Sorts `peaks`, `n` of them and 1 at least. The suggestion is a multiple of `step`, an eighth above what was measured. */
void threshold_need(uint64_t *peaks, size_t n, uint64_t step, struct threshold_need *ret);
