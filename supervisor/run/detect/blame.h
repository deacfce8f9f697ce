/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A worker dies during one test, by what another one left in it: the test that ran is innocent, and runs again in a fresh
 * worker. Who did it is named where it was seen (the black box, the start of the task); else each test that left something
 * in that worker is a suspect, and runs again alone in the serial lane, with time for its leftovers to do it again.
 */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/core/blame.h"

struct detector_result;
struct incident;
struct run;
struct worker;

#define BLAME_SURVIVORS 512
#define BLAME_ORIGINS 16

struct blame_look { /* what is known of a dead worker, taken before its leftovers are forgotten */
    struct blame_survivor survivors[BLAME_SURVIVORS];
    size_t nsurvivors;
    char *origins[BLAME_ORIGINS]; /* what started them, by test */
    size_t origin_tests[BLAME_ORIGINS], norigins;
    int main_task; /* of the worker, as itself sees it */
    char slot_name[16];
};

void blame_look(const struct worker *worker, struct blame_look *ret);
void blame_look_done(struct blame_look *look);
/* Fills in incident->blame; an innocent test's incident becomes void. Returns the earlier test that did it, seen;
 * TEST_NONE: none was. */
size_t blame_settle(struct worker *worker, const struct blame_look *look, struct incident *incident);
/* What follows: suspects are queued, and an earlier test that was seen gets its incident. `index`: of the incident. */
void blame_follow(struct worker *worker, const struct blame_look *look, size_t index, size_t earlier);

/* The one sentence that the ledger keeps of a test that was killed: the same, whatever ran when its thread did it. */
void blame_message(const struct incident *incident, char *buf, size_t size);
/* At the end: is there a death that nobody was found to have brought about? Those have blame.open set, and no others. */
bool blame_close(struct run *run);
