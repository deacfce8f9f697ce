/* SPDX-License-Identifier: MIT */
#include "supervisor/run/select.h"

#include <stdlib.h>
#include <sys/random.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/config/rules.h"
#include "supervisor/config/setup.h"
#include "supervisor/core/filter.h"
#include "supervisor/plan/order.h"
#include "supervisor/plan/shard.h"
#include "supervisor/run/controller.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

static unsigned needs(const struct run *run)
{
    unsigned bits = 0;

    for (size_t i = 0; i < run->config->nfilters; i++)
        bits |= filter_needs(run->config->filters[i]);
    for (size_t i = 0; run->config->setup && i < run->config->setup->n; i++)
        bits |= filter_needs(run->config->setup->items[i].filter);
    return run->config->rules ? bits | rules_needs(run->config->rules) : bits;
}

bool select_needs_markers(const struct run *run)
{
    return needs(run) & FILTER_NEEDS_MARKERS;
}

static bool is_wanted(const struct run *run, const struct filter_facts *facts)
{
    for (size_t i = 0; i < run->config->nfilters; i++)
        if (filter_matches(run->config->filters[i], facts))
            return true;
    return run->config->nfilters == 0;
}

static void facts_of(const struct run *run, size_t i, struct filter_facts *ret)
{
    const struct test *test = &run->suite.tests[i];

    *ret = (struct filter_facts){.id = test->id,
                                 .file = test->file,
                                 .framework = run->native ? native_adapter(run->native)->name : "pytest",
                                 .group = test->group,
                                 .markers = test->markers,
                                 .serial = test->lane == LANE_SERIAL};
    run_history_facts(run, i, ret);
}

bool select_any_matches(const struct run *run, const struct filter *filter)
{
    struct filter_facts facts;

    for (size_t i = 0; i < run->suite.count; i++) {
        facts_of(run, i, &facts);
        if (filter_matches(filter, &facts))
            return true;
    }
    return false;
}

static void apply_rules(struct run *run)
{
    struct filter_facts facts;

    if (run->config->rules) {
        run->suite.limits = run->config->rules->limits;
        run->suite.nlimits = run->config->rules->nlimits;
    }
    for (size_t i = 0; i < run->suite.count; i++) {
        struct test *test = &run->suite.tests[i];

        test->retry = run->config->retry;
        if (run->config->rules) {
            facts_of(run, i, &facts);
            rules_apply(run->config->rules, &facts, test);
        }
        if (test->retries >= 0)
            test->retry.retries = (unsigned)test->retries;
    }
}

/* What a test that runs needs runs, too, and what cleans up behind it: fixtures of CTest, told by its adapter. */
static size_t keep_needed(const struct run *run, bool *keep)
{
    size_t added = 0, before;

    if (!run->native)
        return 0;
    do {
        before = added;
        for (size_t i = 0; i < run->suite.count; i++) {
            const struct adapter_entry *entry = native_entry(run, i);

            for (size_t k = 0; keep[i] && k < entry->nneeds; k++)
                if (!keep[entry->needs[k]]) {
                    keep[entry->needs[k]] = true;
                    added++;
                }
            for (size_t k = 0; !keep[i] && k < entry->ncleans; k++)
                if (keep[entry->cleans[k]]) {
                    keep[i] = true;
                    added++;
                }
        }
    } while (added > before);
    return added;
}

/* Takes out what `keep` does not say. Returns how many. */
static size_t keep_only(struct run *run, const bool *keep)
{
    size_t count = run->suite.count;

    controller_deselect(run->controller, &run->suite, keep);
    run_history_keep(run, keep);
    suite_keep(&run->suite, keep);
    return count - run->suite.count;
}

static void select_by_filter(struct run *run)
{
    _cleanup_free_ bool *keep = mem_calloc(run->suite.count + 1, sizeof(*keep));
    struct filter_facts facts;

    if (!run->config->nfilters)
        return;
    for (size_t i = 0; i < run->suite.count; i++) {
        facts_of(run, i, &facts);
        keep[i] = is_wanted(run, &facts);
    }
    keep_needed(run, keep);
    run->selection.deselected = keep_only(run, keep);
}

static void select_by_shard(struct run *run)
{
    const struct run_config *config = run->config;
    _cleanup_free_ uint64_t *cost = mem_calloc(run->suite.count + 1, sizeof(*cost));
    _cleanup_free_ bool *keep = mem_calloc(run->suite.count + 1, sizeof(*keep));
    struct shard_plan plan;

    if (!config->shards)
        return;
    for (size_t i = 0; i < run->suite.count; i++) {
        struct filter_facts facts = {0};

        run_history_facts(run, i, &facts);
        cost[i] = facts.duration_us;
    }
    shard_make(&run->suite, cost, config->shards, &plan);
    for (size_t i = 0; i < run->suite.count; i++)
        keep[i] = plan.of[i] == config->shard;
    report_shard(run->report, &run->suite, &(struct report_shard){.index = config->shard,
                                                                  .count = config->shards,
                                                                  .of = plan.of,
                                                                  .timed = plan.timed,
                                                                  .digest = plan.digest});
    run->selection.elsewhere = keep_only(run, keep);
    run->selection.shard = config->shard + 1;
    run->selection.shards = config->shards;
    run->selection.timed = plan.timed;
    free(plan.of);
}

static void put_in_order(struct run *run)
{
    _cleanup_free_ size_t *order = NULL;
    uint32_t any = 0;

    run->suite.in_order = run->config->order != ORDER_LONGEST;
    if (run->config->order != ORDER_RANDOM)
        return;
    if (getrandom(&any, sizeof(any), 0) != sizeof(any))
        any = 1;
    run->seed = run->config->seed == RUN_CONFIG_UNSET ? any : run->config->seed;
    order = mem_calloc(run->suite.count + 1, sizeof(*order));
    order_shuffle(&run->suite, run->seed, order);
    run_history_permute(run, order);
    suite_permute(&run->suite, order);
}

void select_tests(struct run *run)
{
    run_history_load(run, needs(run) & FILTER_NEEDS_HISTORY);
    apply_rules(run);
    select_by_filter(run);
    select_by_shard(run);
    put_in_order(run);
    run->selection.run = run->suite.count;
}

void select_say(struct run *run)
{
    if (run->config->order == ORDER_RANDOM)
        report_notice(run->report, "random order: --order=random --seed=%llu gives it again%s", (unsigned long long)run->seed,
                      run->limits.workers > 1 ? ", exactly with -n 1" : "");
    if (!run->selection.deselected && !run->selection.shards)
        return;
    report_selection(run->report, &run->selection);
    if (run->suite.count == 0 && run->selection.deselected && !run->selection.elsewhere)
        report_remedy(run->report, "no test matches: \"shunt list\" before the same command shows their ids; docs/filters.md has the language");
}
