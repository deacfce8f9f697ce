/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The filter language (docs/filters.md): which tests are meant. One language for `-E`, for the rules of shunt.yaml and for
 * `shunt history`. An expression is parsed once, into predicates joined by and, or, not; what it asks of a test are the facts
 * below. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/core/verdict.h"

struct err;
struct filter;

enum {
    FILTER_TEXT_MAX = 4096, /* bytes of an expression */
    FILTER_DEPTH_MAX = 64   /* of parentheses and "not" */
};

/* What it asks for: bits of filter_needs(). */
enum { FILTER_NEEDS_MARKERS = 1 << 0, FILTER_NEEDS_HISTORY = 1 << 1 };

struct filter_facts {
    const char *id, *file, *framework, *group; /* NULL: none */
    char *const *markers;  /* NULL-terminated; NULL: none */
    bool serial;           /* it begins in the serial lane */
    bool known;            /* an earlier run has seen it; else the two below are of no meaning */
    enum outcome last;     /* what it came to then */
    uint64_t duration_us;  /* setup, call and teardown, as far as earlier runs tell */
};

/* `what`: "-E", "shunt.yaml:12: rules[1].match". Errors show the expression with a caret below the place (ERR_USAGE). */
int filter_parse(const char *text, const char *what, struct filter **ret, struct err *err);
void filter_free(struct filter *filter);
unsigned filter_needs(const struct filter *filter);
bool filter_matches(const struct filter *filter, const struct filter_facts *facts);

static inline void filter_freep(struct filter **filter)
{
    filter_free(*filter);
}
#define _cleanup_filter_ __attribute__((cleanup(filter_freep)))
