/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

struct suite;
struct report_summary;

/* The closing lines for people. malloc'ed. */
char *summary_text(const struct suite *suite, const struct report_summary *summary, bool color);
/* The same where no suite came: what was refused until then, of a run that failed; else "". */
char *summary_no_suite(const struct report_summary *summary);
