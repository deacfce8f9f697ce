/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

struct suite;
struct report_summary;

/* The closing lines for people. malloc'ed. */
char *summary_text(const struct suite *suite, const struct report_summary *summary, bool color);
