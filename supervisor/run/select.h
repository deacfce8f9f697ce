/* SPDX-License-Identifier: MIT */
#pragma once

/* Which of the collected tests this run is about (-E), before limits and lanes are made of them. */
#include <stdbool.h>

struct run;

/* Takes the others out of the suite, and says so. */
void select_tests(struct run *run);
/* Does anything ask for the markers of tests? Then the framework sends them. */
bool select_needs_markers(const struct run *run);
/* After the header. */
void select_say(struct run *run);
