/* SPDX-License-Identifier: MIT */
#include "supervisor/core/retry.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"

#define DELAY_MAX_NS (3600 * NS_PER_SEC)
#define TEXT_MAX (8 << 10)
#define TEXTS_KEPT 3

bool retry_wanted(const struct retry_policy *policy, size_t tries, enum outcome outcome, enum verdict verdict)
{
    if (tries > policy->retries)
        return false;
    switch (outcome) {
    case OUTCOME_FAILED:
        return policy->on & RETRY_ON_FAILED;
    case OUTCOME_ERROR:
        return policy->on & RETRY_ON_ERROR;
    case OUTCOME_KILLED:
        return verdict != VERDICT_NONE && policy->on & VERDICT_BIT(verdict);
    default:
        return false;
    }
}

uint64_t retry_delay_ns(const struct retry_policy *policy, size_t tries, uint32_t chance)
{
    uint64_t delay = policy->delay_ns;

    for (size_t i = 1; policy->exponential && i < tries && delay < DELAY_MAX_NS; i++)
        delay *= 2;
    if (delay > DELAY_MAX_NS)
        delay = DELAY_MAX_NS;
    return delay - delay / 3 / 1000 * (chance % 1000);
}

static void drop_text(struct attempt *attempt)
{
    free(attempt->text);
    attempt->text = NULL;
}

void attempts_add(struct attempts *attempts, enum outcome outcome, enum verdict verdict, uint64_t us, const char *message,
                  const char *text, size_t text_size)
{
    mem_grow(&attempts->items, &attempts->room, attempts->n + 1, sizeof(*attempts->items));
    if (attempts->n > TEXTS_KEPT)
        drop_text(&attempts->items[attempts->n - 1]);
    attempts->items[attempts->n++] = (struct attempt){.outcome = outcome,
                                                      .verdict = verdict,
                                                      .us = us,
                                                      .message = message ? mem_strdup(message) : NULL,
                                                      .text = text_size ? strndup(text, text_size < TEXT_MAX ? text_size : TEXT_MAX)
                                                                        : NULL};
}

void attempts_done(struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->n; i++) {
        drop_text(&attempts->items[i]);
        free(attempts->items[i].message);
    }
    free(attempts->items);
    *attempts = (struct attempts){0};
}

bool attempts_bad(const struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->n; i++)
        if (outcome_is_bad(attempts->items[i].outcome))
            return true;
    return false;
}
