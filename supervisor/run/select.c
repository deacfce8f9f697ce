/* SPDX-License-Identifier: MIT */
#include "supervisor/run/select.h"

#include <stdlib.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/config/rules.h"
#include "supervisor/core/filter.h"
#include "supervisor/run/controller.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

static unsigned needs(const struct run *run)
{
    unsigned bits = 0;

    for (size_t i = 0; i < run->config->nfilters; i++)
        bits |= filter_needs(run->config->filters[i]);
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

/* What a test that runs needs runs, too: it is told by its adapter, a fixture of CTest for instance. */
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
        }
    } while (added > before);
    return added;
}

void select_tests(struct run *run)
{
    _cleanup_free_ bool *keep = NULL;
    size_t collected = run->suite.count, kept = 0;
    struct filter_facts facts;

    run_history_load(run, needs(run) & FILTER_NEEDS_HISTORY);
    apply_rules(run);
    if (!run->config->nfilters)
        return;
    keep = mem_calloc(collected, sizeof(*keep));
    for (size_t i = 0; i < collected; i++) {
        facts_of(run, i, &facts);
        keep[i] = is_wanted(run, &facts);
        kept += keep[i];
    }
    kept += keep_needed(run, keep);
    if (kept == collected)
        return;
    controller_deselect(run->controller, keep, collected);
    run_history_keep(run, keep);
    suite_keep(&run->suite, keep);
    run->deselected = collected - kept;
}

void select_say(struct run *run)
{
    if (!run->deselected)
        return;
    report_selection(run->report, run->suite.count, run->deselected);
    if (run->suite.count == 0)
        report_remedy(run->report, "no test matches: \"shunt list\" before the same command shows their ids; docs/filters.md has the language");
}
