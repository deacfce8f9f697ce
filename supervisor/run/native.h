/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Tests that are programs: listing.c asks an adapter which there are, native.c gives them to workers that run programs
 * (supervisor/runner) and judges what comes back. Such a run has no controller: shunt itself shows.
 */
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sandbox/base/err.h"
#include "supervisor/adapters/adapter.h"

struct packet;
struct run;
struct run_init_event;
struct worker;

#define STEP_TAG (1ULL << 41) /* of a listing command at the run init */

struct native {
    struct run *run;
    const struct adapter *candidates[ADAPTERS_MAX + 1];
    size_t candidate;
    struct adapter_list list;
    char *from_text;
    struct err err; /* why there is no list; kind NONE: there is one, or will be */
    bool over;      /* nothing more is to come: the loop ends */

    size_t step; /* the one that runs */
    int step_fd; /* its output; -1 */
    pid_t step_pid; /* inside; 0 */
    bool step_late, step_long;
    size_t step_room;
    ev_io step_io;
    ev_timer step_timer;

    char *runner;   /* path of shunt-runner */
    int table_fd;
    bool live_open; /* --no-capture: what was shown last ended within a line */
    uint64_t text_bytes; /* of tests' output, in reports */
};

/* --- listing.c --- */

/* Is there an adapter for this command? Then run->native is made, and nothing is started yet. -errno with `err` filled for
 * what can be said now. */
int native_open(struct run *run, struct err *err);
/* In the loop: starts listing. Where no adapter takes the command after all, run_start_command(). */
void native_begin(struct run *run);
void native_step_event(struct run *run, struct run_init_event *event);
void native_free(struct native *native);
const struct adapter *native_adapter(const struct native *native);
/* The loop ends as soon as it runs. */
void native_over(struct run *run);

/* --- whole.c --- */

bool whole_command_means_pytest(char *const argv[]);
/* At the end: where the command was not taken apart and started no pytest, its exit is the outcome of one test, and true. */
bool whole_command_settle(struct run *run);

/* --- native.c --- */

int native_make_table(struct native *native);
int native_launch(struct worker *worker); /* in its cell */
const struct adapter_entry *native_entry(const struct run *run, size_t test); /* what its adapter said of it */
int native_done(struct worker *worker, struct packet *packet); /* a `done` of its runner: -EPROTO when malformed */
/* What it wrote: kept for the running test, within bounds. */
void native_output(struct worker *worker, const char *data, size_t size);
void native_output_free(struct worker *worker);
void native_test_starts(struct worker *worker);

enum native_start { NATIVE_START, NATIVE_SETTLED /* it has its outcome and is not started */, NATIVE_LATER /* what it needs is yet to run */ };
enum native_start native_may_start(struct run *run, size_t test);
