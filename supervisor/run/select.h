/* SPDX-License-Identifier: MIT */
#pragma once

/* Which of the collected tests this run is about (-E), before limits and lanes are made of them. */
#include <stdbool.h>

struct run;

/* Gives the tests what the rules say, and takes those out of the suite that this run is not about. */
void select_tests(struct run *run);
/* Does anything ask for the markers of tests? Then the framework sends them. */
bool select_needs_markers(const struct run *run);
/* After the header. */
void select_say(struct run *run);
