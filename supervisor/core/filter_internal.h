/* SPDX-License-Identifier: MIT */
#pragma once

/* Within the filter language: filter.c parses, filter_predicate.c reads and evaluates one predicate. */
#include <regex.h>
#include <stddef.h>

#include "supervisor/core/filter.h"

enum predicate_field { FIELD_ALL, FIELD_NONE, FIELD_TEST, FIELD_FILE, FIELD_FRAMEWORK, FIELD_MARKER, FIELD_GROUP, FIELD_LANE,
                       FIELD_LAST, FIELD_DURATION };
enum predicate_how { HOW_EXACT, HOW_CONTAINS, HOW_GLOB, HOW_REGEX };
enum predicate_compare { COMPARE_LESS, COMPARE_LESS_EQUAL, COMPARE_GREATER, COMPARE_GREATER_EQUAL };

struct predicate {
    enum predicate_field field;
    enum predicate_how how;
    char *pattern;
    regex_t regex; /* HOW_REGEX */
    bool serial;   /* FIELD_LANE */
    unsigned outcomes; /* FIELD_LAST: a bit each */
    enum predicate_compare compare; /* FIELD_DURATION */
    uint64_t duration_us;
};

/* The field of a name; -1: there is none. `names`: all of them, NULL-terminated. */
int predicate_field_parse(const char *name);
extern const char *const predicate_names[];

/* Why a regular expression is not tried at all; NULL: it may be. */
const char *filter_regex_refuse(const char *text);

/* Reads what stands between the parentheses, which is changed in place. 0, or -EINVAL with `ret_why` ("expected a time, e.g.
 * duration(>1s)") and `*ret_at`, the offset in `text`. */
int predicate_read(struct predicate *predicate, char *text, char *ret_why, size_t size, size_t *ret_at);
bool predicate_matches(const struct predicate *predicate, const struct filter_facts *facts);
void predicate_done(struct predicate *predicate);
