/* SPDX-License-Identifier: MIT */
#pragma once

struct err;

/* Sets of verdicts as options take them: words make a set, words with a minus shrink it (or the default). */
/* --reroute: "tasks,memory", "all", "none", "-leak". */
int verdict_set_reroute(const char *text, unsigned *ret, struct err *err);
/* --retry-on: the same, and failed and error (supervisor/core/retry.h). */
int verdict_set_retry(const char *text, unsigned *ret, struct err *err);
