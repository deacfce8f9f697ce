/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The rules of a shunt.yaml: what a test gets that a filter expression matches. For each key the first rule counts that matches
 * and has it; what the test says itself (markers) counts more than any rule. Pure; supervisor/cli/rules_reader.c reads them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/suite.h"

struct filter;
struct filter_facts;

enum rule_key { RULE_LANE, RULE_GROUP, RULE_WEIGHT, RULE_TASKS, RULE_MEMORY, RULE_TIMEOUT, RULE_SLOW, RULE_GRACE,
                RULE_RETRIES, RULE_RETRY_DELAY, RULE_RETRY_BACKOFF, RULE_RETRY_ON, RULE_LOCKS, RULE_ENVIRONMENT, RULE_KEYS };
#define RULE_BIT(key) (1u << (key))

struct rule {
    struct filter *filter;
    char *match;  /* its text */
    char *where;  /* "shunt.yaml:12" */
    unsigned has; /* RULE_BIT()s of what follows */
    enum lane lane;
    char *group;
    unsigned weight;                /* slots, 1 to 4096 */
    uint64_t tasks, memory_bytes;
    uint64_t timeout_ns, slow_ns, grace_ns;
    struct retry_policy retry;
    char **environment; /* as a test has it */
    char **locks; /* NULL-terminated; added to those of other rules and of the test itself */
};

struct rules {
    struct rule *items;
    size_t n, room;
    struct lock_limit *limits; /* of locks */
    size_t nlimits, limits_room;
};

void rules_done(struct rules *rules);
unsigned rules_needs(const struct rules *rules); /* as filter_needs() */
/* `facts`: of that test, as they were before any rule. */
void rules_apply(const struct rules *rules, const struct filter_facts *facts, struct test *test);
