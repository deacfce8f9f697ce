/* SPDX-License-Identifier: MIT */
#pragma once

/* A limit that a tenth of the suite breaks is too low: said once, with what the suite needs, instead of an offender each. */
#include <stddef.h>

struct incident;
struct report_low_limit;
struct run;

/* After it was decided what becomes of the test; may make it a common one. */
void thresholds_note(struct run *run, struct incident *incident);
/* It starts in the serial lane for what it did in an earlier run. */
void thresholds_note_known(struct run *run, size_t test);
/* For the summary: fills up to `room`, returns how many. */
size_t thresholds_summary(const struct run *run, struct report_low_limit *ret, size_t room);
