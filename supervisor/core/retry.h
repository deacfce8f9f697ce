/* SPDX-License-Identifier: MIT */
#pragma once

/* Does a test that ended badly run again, and when: pure. And what its earlier tries came to. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/verdict.h"

#define RETRY_MAX 100
#define RETRY_ON_FAILED (1u << 30)
#define RETRY_ON_ERROR (1u << 31)
/* What another try may mend; who breaks out of tasks or memory does so again, and refused calls stay refused. */
#define RETRY_ON_DEFAULT                                                                                               \
    (RETRY_ON_FAILED | RETRY_ON_ERROR | VERDICT_BIT(VERDICT_STALL) | VERDICT_BIT(VERDICT_TIMEOUT) |                    \
     VERDICT_BIT(VERDICT_SIGNAL) | VERDICT_BIT(VERDICT_EXIT) | VERDICT_BIT(VERDICT_EXTERNAL))
#define RETRY_ON_ALL (RETRY_ON_FAILED | RETRY_ON_ERROR | VERDICT_ALL_BITS)

struct retry_policy {
    unsigned retries;  /* at most so many after the first try; 0: none */
    unsigned on;       /* RETRY_ON_..., and VERDICT_BIT() of what killed it */
    bool exponential;  /* the delay doubles with each try */
    uint64_t delay_ns; /* before the first retry; 0: at once */
};

/* `tries`: that it has had, this one included. */
bool retry_wanted(const struct retry_policy *policy, size_t tries, enum outcome outcome, enum verdict verdict);
/* Until the next try; a third of it is taken off by chance, so that tests that failed together do not come back together. At
 * most an hour. `chance`: any number. */
uint64_t retry_delay_ns(const struct retry_policy *policy, size_t tries, uint32_t chance);

struct attempt { /* a try that was not the last; text is owned */
    enum outcome outcome;
    enum verdict verdict; /* of OUTCOME_KILLED; NONE */
    uint64_t us;
    char *message, *text; /* NULL: none */
};

struct attempts {
    struct attempt *items;
    size_t n, room;
};
/* Copies what it keeps: at most 8 KiB of text of each, and of the first three and the last only. */
void attempts_add(struct attempts *attempts, enum outcome outcome, enum verdict verdict, uint64_t us, const char *message,
                  const char *text, size_t text_size);
void attempts_done(struct attempts *attempts);
/* One of them was bad: what passes now is flaky. */
bool attempts_bad(const struct attempts *attempts);
