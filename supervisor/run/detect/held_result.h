/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * --leaks=fail: a test that passed and leaves something behind gets its outcome, and its reports are shown, only once it is
 * known whether that is a leak, at most half a second later; until then its worker waits. Tests that leave nothing are not held.
 */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/core/verdict.h"

struct incident;
struct worker;

/* At a boundary: true when the outcome is held. */
bool held_result_begin(struct worker *worker, size_t test, enum outcome outcome);
/* `incident`, a leak: of the held test? Then that test fails; `incident` says so from here on. */
void held_result_leaked(struct worker *worker, struct incident *incident);
/* Its reports are complete: true when they are to be kept, too. */
bool held_result_reports(struct worker *worker);
/* Gives the outcome once everything is known. */
void held_result_settle(struct worker *worker);
/* The worker ends: what is known now counts. */
void held_result_end(struct worker *worker);
/* For what is found when the test has its outcome: it is revised where it was good, and `incident` says so. */
void held_result_revise(struct worker *worker, struct incident *incident);
