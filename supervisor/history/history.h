/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What earlier runs of a suite came to: `.shunt/history.db` below the suite's root, an SQLite file (docs/history.md).
 *
 * It is opened when the suite is known (history_load), closed, and opened anew at the end (history_record): nothing of it
 * is held while tests run, which can write to it. Whatever it holds is a hint and no truth: a file that is no history of ours
 * is set aside, and what is read is bounded and checked. Runs take turns with a lock on the directory, and nobody waits
 * for longer than three seconds.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/history/state.h"

struct err;
struct json_t;
struct suite;

#define HISTORY_RUNS_MAX 200       /* runs that are kept */
#define HISTORY_RESULTS_MAX 200000 /* results that are kept; the oldest runs go first */
#define HISTORY_DAYS_MAX 90        /* a test that was not run for so long is forgotten */
#define HISTORY_FILE_MAX (64ULL << 20)
#define HISTORY_SHOWN_RUNS 20      /* of each test, in documents */

struct history_place {
    const char *file; /* --history; NULL: .shunt/history.db below root */
    const char *root; /* of the suite; NULL: the current directory */
};

/* Reads the states of the suite's tests into `states` (suite->count of them), with `outcomes` what each came to last, too. Where there is no file all are unknown, and that
 * is 0. A file that is no history of ours is set aside: `ret_notice` then says so, else it is "". */
int history_load(const struct history_place *place, const struct suite *suite, bool outcomes,
                 struct history_state *states, char *ret_notice, size_t size, struct err *err);

struct history_run {
    int64_t time_s;
    const char *run_id, *commit, *command; /* commit "": none is known */
    int exit_status;
    unsigned cpus, workers;
    uint64_t tasks, memory_bytes, serial_tasks, serial_memory_bytes, wall_us;
};
/* Adds one run in one transaction, and forgets what is too old; `results` by the suite's indices. Tests without an outcome of
 * their own (not-run) are left out. `ret_notice` as above. */
int history_record(const struct history_place *place, const struct history_run *run, const struct suite *suite,
                   const struct history_result *results, char *ret_notice, size_t size, struct err *err);

/* The document of `shunt history --json` (docs/history.md), of tests whose id contains `pattern` (NULL: all); a new
 * reference. -ENOENT when there is no history yet; writes nothing, sets nothing aside. */
int history_document(const struct history_place *place, const char *pattern, struct json_t **ret, struct err *err);
