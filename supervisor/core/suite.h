/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The suite: the ordered tests of one command with their attributes, and the ledger's entry for each. The
 * index of a test is its identity everywhere; ids are for people.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/retry.h"
#include "supervisor/core/verdict.h"

enum lane { LANE_PARALLEL, LANE_SERIAL };

struct test {
    /* what the adapter said; all text is owned by the suite */
    char *id;        /* "tests/a.py::test_x[1]" */
    char *file;      /* module, for boundaries; "" when the framework has none */
    char *classname; /* for JUnit */
    char *name;
    bool shared;     /* `file` and `classname` are in the suite's pool, and `name` may be the end of `id` */
    char *why;       /* why it is in the serial lane; NULL */
    char *group;     /* NULL: none */
    char **locks;    /* names of semaphores that it holds while it runs; NULL-terminated; NULL: none */
    char **environment; /* "NAME=value" is set while it runs, "NAME" is taken away; NULL-terminated; NULL: nothing */
    char **markers;  /* NULL-terminated; NULL: none, or nobody asked for them */
    size_t number;   /* by which the framework knows it: its index in what was collected */
    enum lane lane;
    uint64_t tasks, memory_bytes, timeout_ns; /* 0: the lane's */
    uint64_t slow_ns, grace_ns;               /* 0: the run's */
    int retries;                              /* its own; -1: none */
    struct retry_policy retry;
    unsigned weight;                          /* slots that it takes; 1 */
    uint64_t expected_us;                     /* from earlier runs; 0: not known */

    /* ledger */
    enum outcome outcome; /* NONE until it is known for good */
    enum verdict verdict; /* of the last incident; NONE */
    enum verdict known;   /* an earlier run moved it to the serial lane for this; NONE */
    bool rerouted;        /* was moved to the serial lane by an incident, of this run or of an earlier one */
    struct attempts attempts; /* tries that were not the last */
    uint64_t repeated;    /* runs that went well, and were not the last (--repeat) */
    unsigned voided;      /* tries lost to pressure from outside */
    int worker;           /* slot of the last try; -1 */
    uint64_t setup_us, call_us, teardown_us;
    char *starved;        /* it ran out of time, and had waited for CPU or memory: in words; NULL */
    char *message;        /* one line: why it failed, was skipped, was killed or did not run; NULL */
    char *text;           /* the failure's text; NULL */
    uint64_t peak_tasks, peak_memory_bytes, cpu_ns;
    bool peak_tasks_exact, peak_memory_exact;
};

struct lock_limit {
    char *name;
    unsigned most; /* tests that may hold it at a time, at least 1 */
};

struct suite {
    const struct lock_limit *limits; /* of locks that more than one may hold; somebody else's */
    size_t nlimits;
    struct test *tests;
    size_t count, room;
    bool in_order; /* tests run in this order, as far as that can be beside others: nothing is moved for its length */
    size_t *shuffled; /* by index, sorted by number; NULL: numbers grow with the index */
    char **pool; /* texts that tests share */
    size_t npool, pool_room;
    char *root;
    bool fixed; /* --dist each: what a slot begins with is its own, and nobody steals */
};

void suite_done(struct suite *suite);
/* Texts of the test that was added last which are those of the one before it, or part of its own id, are kept once. */
void suite_share(struct suite *suite);
/* Once, however often it is added. */
void test_add_lock(struct test *test, const char *name);
void test_set_environment(struct test *test, char *const *words); /* copied */
/* Only the tests that `keep` says stay, in their order; the others are freed. */
void suite_keep(struct suite *suite, const bool *keep);
/* `order`: by place, which test comes there. */
void suite_permute(struct suite *suite, const size_t *order);
/* The index of the framework's test `number`; (size_t)-1: it was deselected, or there is none. */
size_t suite_find(const struct suite *suite, size_t number);
/* Appends a zeroed test (outcome NONE, verdict NONE, weight 1, worker -1) and returns it; valid until the next. */
struct test *suite_add(struct suite *suite);

struct ledger { /* numbers for every report */
    size_t by_outcome[OUTCOME_COUNT];
    size_t total, rerouted;
};
void suite_count(const struct suite *suite, struct ledger *ret);
