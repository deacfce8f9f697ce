/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What is known of one test from earlier runs, and what follows from it: pure.
 *
 * A test that broke out of the parallel lane is an *offender*: the next runs start it in the serial lane. That evidence
 * expires. Where it broke out of tasks or memory, what it needs is measured in the serial lane, and once that has been below
 * the parallel limit in a row of runs the test goes back. For what cannot be measured so (deadlocks, timeouts, deaths) a row
 * of runs without an incident does. The row is 3 runs after the first time and doubles with each relapse, up to 48.
 * A pass in the parallel lane, under limits no wider than those that it broke (--relearn), ends the evidence at once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/suite.h"

#define HISTORY_TEXT 160

struct history_state {
    bool known;                /* recorded before */
    enum outcome last;         /* of the last of them, where it was asked for; NONE */
    uint64_t runs;             /* in which it had an outcome of its own */
    uint64_t wall_us, cpu_us;  /* moving averages of setup + call + teardown */
    uint64_t peak_tasks, peak_memory_bytes; /* largest, fading; 0: never measured */

    enum verdict verdict;      /* of the break-out that counts now; NONE: no offender */
    char text[HISTORY_TEXT];   /* what it hit: "64 of 64 tasks, 337 more refused" */
    uint64_t hits, tried;      /* broke out in so many of so many runs in the parallel lane, since the first break-out */
    uint64_t clean;            /* runs in a row that speak for it */
    uint64_t limit_tasks, limit_memory_bytes; /* of the parallel lane when it broke out */
    uint64_t need_tasks, need_memory_bytes;   /* at least so much, as far as known */
};

/* What one run says of a test. */
struct history_result {
    bool serial;               /* where it ran last */
    const char *why;           /* it is in the serial lane: "marker", "history", "reroute"; NULL */
    enum verdict verdict;      /* of its first incident in the parallel lane, not void, else of a leak; NONE */
    const char *text;          /* of that incident; NULL */
    enum verdict serial_verdict; /* the same of the serial lane */
    const char *serial_text;
    uint64_t limit_tasks, limit_memory_bytes; /* that it has or would have in the parallel lane; 0: none */
};

/* Is it a verdict that speaks against the test's place in the parallel lane? */
bool history_counts(enum verdict verdict);
/* Takes in one run of a test that has an outcome (docs/history.md). */
void history_state_update(struct history_state *state, const struct history_result *result, const struct test *test);
/* Would it break out of these limits? Then `ret_why` says why: "history: 64 of 64 tasks in 3 of 3 runs". */
bool history_offends(const struct history_state *state, uint64_t limit_tasks, uint64_t limit_memory_bytes, char *ret_why,
                     size_t size);
/* So many clean runs in a row end the evidence. */
uint64_t history_clean_wanted(const struct history_state *state);

struct history_share { /* of one slot, when all of them are busy; 0: not known */
    unsigned slots;
    double cpus;
    uint64_t tasks, memory_bytes;
};
/* How many slots a test takes, at least 1 and at most all of them. */
unsigned history_weight(const struct history_state *state, const struct history_share *share);
