/* SPDX-License-Identifier: MIT */
#include "supervisor/config/rules.h"

#include <stdlib.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/filter.h"

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

void rules_done(struct rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        struct rule *rule = &rules->items[i];

        filter_free(rule->filter);
        free(rule->match);
        free(rule->where);
        free(rule->group);
        free_words(rule->locks);
        free_words(rule->environment);
    }
    for (size_t i = 0; i < rules->nlimits; i++)
        free(rules->limits[i].name);
    free(rules->limits);
    free(rules->items);
    *rules = (struct rules){0};
}

unsigned rules_needs(const struct rules *rules)
{
    unsigned needs = 0;

    for (size_t i = 0; i < rules->n; i++)
        needs |= filter_needs(rules->items[i].filter);
    return needs;
}

/* The keys that a test has said itself. */
static unsigned own_keys(const struct test *test)
{
    return (test->lane == LANE_SERIAL ? RULE_BIT(RULE_LANE) : 0) | (test->group ? RULE_BIT(RULE_GROUP) : 0) |
           (test->weight > 1 ? RULE_BIT(RULE_WEIGHT) : 0) | (test->tasks ? RULE_BIT(RULE_TASKS) : 0) |
           (test->memory_bytes ? RULE_BIT(RULE_MEMORY) : 0) | (test->timeout_ns ? RULE_BIT(RULE_TIMEOUT) : 0) |
           (test->slow_ns ? RULE_BIT(RULE_SLOW) : 0) | (test->grace_ns ? RULE_BIT(RULE_GRACE) : 0) |
           (test->retries >= 0 ? RULE_BIT(RULE_RETRIES) : 0);
}

static void apply_lane(const struct rule *rule, struct test *test)
{
    test->lane = rule->lane;
    if (rule->lane != LANE_SERIAL)
        return;
    free(test->why);
    test->why = mem_printf("rule %s", rule->where);
}

static void apply_retry(const struct retry_policy *retry, unsigned keys, struct retry_policy *to)
{
    if (keys & RULE_BIT(RULE_RETRIES))
        to->retries = retry->retries;
    if (keys & RULE_BIT(RULE_RETRY_DELAY))
        to->delay_ns = retry->delay_ns;
    if (keys & RULE_BIT(RULE_RETRY_BACKOFF))
        to->exponential = retry->exponential;
    if (keys & RULE_BIT(RULE_RETRY_ON))
        to->on = retry->on;
}

static void apply(const struct rule *rule, unsigned keys, struct test *test)
{
    if (keys & RULE_BIT(RULE_LANE))
        apply_lane(rule, test);
    if (keys & RULE_BIT(RULE_GROUP))
        test->group = mem_strdup(rule->group);
    if (keys & RULE_BIT(RULE_WEIGHT))
        test->weight = rule->weight;
    if (keys & RULE_BIT(RULE_TASKS))
        test->tasks = rule->tasks;
    if (keys & RULE_BIT(RULE_MEMORY))
        test->memory_bytes = rule->memory_bytes;
    if (keys & RULE_BIT(RULE_TIMEOUT))
        test->timeout_ns = rule->timeout_ns;
    if (keys & RULE_BIT(RULE_SLOW))
        test->slow_ns = rule->slow_ns;
    if (keys & RULE_BIT(RULE_GRACE))
        test->grace_ns = rule->grace_ns;
    if (keys & RULE_BIT(RULE_ENVIRONMENT))
        test_set_environment(test, rule->environment);
    for (char **lock = rule->locks; lock && *lock; lock++)
        test_add_lock(test, *lock);
    apply_retry(&rule->retry, keys, &test->retry);
}

void rules_apply(const struct rules *rules, const struct filter_facts *facts, struct test *test)
{
    unsigned taken = own_keys(test);

    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->items[i];

        if (!(rule->has & ~taken) || !filter_matches(rule->filter, facts))
            continue;
        apply(rule, rule->has & ~taken, test);
        taken |= rule->has & ~RULE_BIT(RULE_LOCKS);
    }
}
