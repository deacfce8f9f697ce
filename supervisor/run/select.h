/* SPDX-License-Identifier: MIT */
#pragma once

/* Which of the collected tests this run is about (-E), before limits and lanes are made of them. */
#include <stdbool.h>

struct filter;
struct run;

/* Gives the tests what the rules say, and takes those out of the suite that this run is not about. */
void select_tests(struct run *run);
/* Does anything ask for the markers of tests? Then the framework sends them. */
bool select_needs_markers(const struct run *run);
/* Is it about one of the tests that run? */
bool select_any_matches(const struct run *run, const struct filter *filter);
/* After the header. */
void select_say(struct run *run);
