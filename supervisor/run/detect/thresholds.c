/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/thresholds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/threshold.h"
#include "supervisor/core/timing.h"
#include "supervisor/run/state.h"

#define MIB (1ULL << 20)

static const struct {
    enum verdict verdict;
    const char *option;
    uint64_t step;
} limits[THRESHOLD_LIMITS] = {
    [THRESHOLD_TASKS] = {VERDICT_TASKS, "--tasks", 8},
    [THRESHOLD_MEMORY] = {VERDICT_MEMORY, "--memory", 64 * MIB},
    [THRESHOLD_TIMEOUT] = {VERDICT_TIMEOUT, "--timeout", NS_PER_SEC},
};

static uint64_t value_of_run(const struct run *run, enum threshold_limit limit)
{
    return limit == THRESHOLD_TASKS    ? run->limits.tasks
           : limit == THRESHOLD_MEMORY ? run->limits.memory_bytes
                                       : run_timeout_ns(run);
}

static uint64_t own_of_test(const struct test *test, enum threshold_limit limit)
{
    return limit == THRESHOLD_TASKS    ? test->tasks
           : limit == THRESHOLD_MEMORY ? test->memory_bytes
                                       : test->timeout_ns;
}

static uint64_t peak_of_test(const struct test *test, enum threshold_limit limit)
{
    return limit == THRESHOLD_TASKS    ? test->peak_tasks
           : limit == THRESHOLD_MEMORY ? test->peak_memory_bytes
                                       : (test->setup_us + test->call_us + test->teardown_us) * 1000;
}

/* "96 tasks", "1536 MiB", "90 s"; as an option's value "96", "1536M", "90s". */
static void print_value(enum threshold_limit limit, uint64_t value, bool option, char *buf, size_t size)
{
    if (limit == THRESHOLD_TASKS)
        snprintf(buf, size, "%" PRIu64 "%s", value, option ? "" : " tasks");
    else if (limit == THRESHOLD_MEMORY)
        snprintf(buf, size, "%llu%s", value / MIB, option ? "M" : " MiB");
    else if (option)
        snprintf(buf, size, "%llus", value / NS_PER_SEC);
    else
        timing_seconds(value, buf, size);
}

static bool is_finished(const struct test *test)
{
    return test->outcome != OUTCOME_NONE || test->rerouted;
}

void thresholds_note(struct run *run, struct incident *incident)
{
    enum threshold_limit limit = threshold_limit_of(incident->verdict);
    char value[40];
    size_t finished = 0;

    if (limit == THRESHOLD_LIMITS || incident->serial || incident->is_void || incident->test == TEST_NONE ||
        own_of_test(&run->suite.tests[incident->test], limit))
        return;
    for (size_t i = 0; i < run->suite.count; i++)
        finished += is_finished(&run->suite.tests[i]);
    if (threshold_broke(&run->threshold, limit, run->suite.count, finished)) {
        print_value(limit, value_of_run(run, limit), false, value, sizeof(value));
        report_notice(run->report,
                      "%zu of %zu tests so far reached the limit of %s (%s): it is too low for this suite. Tests that reach it "
                      "get a line each from now on; what the suite needs is said at the end",
                      run->threshold.broke[limit], run->suite.count, value, limits[limit].option);
    }
    incident->common = run->threshold.low[limit];
}

void thresholds_note_known(struct run *run, size_t test)
{
    enum threshold_limit limit = threshold_limit_of(run->suite.tests[test].known);

    if (limit != THRESHOLD_LIMITS && !own_of_test(&run->suite.tests[test], limit))
        threshold_broke(&run->threshold, limit, run->suite.count, run->suite.count);
}

/* What "auto" is made of. */
static void print_surroundings(const struct run *run, enum threshold_limit limit, char *buf, size_t size)
{
    const struct run_config *config = run->config;
    char value[40];

    *buf = '\0';
    if (limit == THRESHOLD_TASKS && config->tasks == RUN_CONFIG_AUTO)
        snprintf(buf, size, "; auto is what there is (%.150s), divided by %u worker%s: fewer (-n) get more each",
                 run->limits.budget_text, run->limits.workers, run->limits.workers == 1 ? "" : "s");
    else if (limit == THRESHOLD_MEMORY && config->memory_bytes == RUN_CONFIG_AUTO)
        snprintf(buf, size, "; auto is what is free here, divided by %u worker%s: fewer (-n) get more each",
                 run->limits.workers, run->limits.workers == 1 ? "" : "s");
    else if (limit == THRESHOLD_TASKS || limit == THRESHOLD_MEMORY) {
        print_value(limit, limit == THRESHOLD_TASKS ? run->limits.share_tasks : run->limits.share_memory_bytes, false,
                    value, sizeof(value));
        snprintf(buf, size, "; each worker's share of what is free here is %s", value);
    }
}

static bool describe(const struct run *run, enum threshold_limit limit, char *text, size_t size)
{
    uint64_t *peaks = mem_calloc(run->suite.count, sizeof(*peaks));
    char value[40], p95[40], max[40], suggest[40], above[80] = "", around[300];
    struct threshold_need need;
    size_t n = 0;

    for (size_t i = 0; i < run->suite.count; i++) {
        const struct test *test = &run->suite.tests[i];
        uint64_t peak = peak_of_test(test, limit);

        if (peak && test->outcome != OUTCOME_NOT_RUN && test->outcome != OUTCOME_SKIPPED && !own_of_test(test, limit))
            peaks[n++] = peak;
    }
    if (n)
        threshold_need(peaks, n, limits[limit].step, &need);
    free(peaks);
    if (!n)
        return false;
    print_value(limit, value_of_run(run, limit), false, value, sizeof(value));
    print_value(limit, need.p95, false, p95, sizeof(p95));
    print_value(limit, need.max, false, max, sizeof(max));
    print_value(limit, need.suggest, true, suggest, sizeof(suggest));
    print_surroundings(run, limit, around, sizeof(around));
    if (need.above)
        snprintf(above, sizeof(above), ", and mark the %zu test%s that need%s more", need.above, need.above == 1 ? "" : "s",
                 need.above == 1 ? "s" : "");
    snprintf(text, size,
             "%zu of %zu tests reached the limit of %s: it is too low for this suite. Measured: 95%% of its tests need at most "
             "%s, the largest %s. Set %s %s%s%s",
             run->threshold.broke[limit], run->suite.count, value, p95, max, limits[limit].option, suggest, above, around);
    return true;
}

size_t thresholds_summary(const struct run *run, struct report_low_limit *ret, size_t room)
{
    size_t n = 0;

    for (int limit = 0; limit < THRESHOLD_LIMITS && n < room; limit++)
        if (run->threshold.low[limit] && describe(run, (enum threshold_limit)limit, ret[n].text, sizeof(ret[n].text)))
            ret[n++].verdict = limits[limit].verdict;
    return n;
}
