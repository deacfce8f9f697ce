/* SPDX-License-Identifier: MIT */
#include "supervisor/run/retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/retry.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/state.h"

static uint64_t delay_of(const struct test *test)
{
    uint32_t chance = 0;

    if (test->retry.delay_ns && getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        chance = 0;
    return retry_delay_ns(&test->retry, test->attempts.n, chance);
}

void retry_queue(struct slot *slot, size_t index)
{
    struct run *run = slot->run;
    uint64_t delay = delay_of(&run->suite.tests[index]);

    report_test_retry(run->report, &run->suite, index, delay);
    if (slot->serial)
        lanes_serial_delay(run->lanes, run_clock_ns(run) + delay);
    else
        lanes_delay(run->lanes, slot->index, run_clock_ns(run) + delay);
}

/* --repeat: what went well runs once more, in the same worker. */
static bool repeat(struct worker *worker, const struct test_result *result)
{
    struct run *run = worker->run;
    struct test *test = &run->suite.tests[worker->test];

    if (result->outcome != OUTCOME_PASSED || test->repeated + 1 >= run->config->repeat)
        return false;
    test->repeated++;
    if (worker->slot->serial)
        lanes_serial_retry(run->lanes);
    else
        lanes_retry(run->lanes, worker->slot->index);
    return true;
}

static void drop_result(struct worker *worker)
{
    worker->last_test = worker->test;
    worker->owed = worker->test;
    worker->test = TEST_NONE;
    worker->reports_void = true;
}

bool retry_result(struct worker *worker, const struct test_result *result)
{
    struct run *run = worker->run;
    size_t index = worker->test;
    struct test *test = &run->suite.tests[index];

    if (worker->confirming || run->no_new_tests)
        return false;
    if (repeat(worker, result)) {
        drop_result(worker);
        return true;
    }
    if (!retry_wanted(&test->retry, test->attempts.n + 1, result->outcome, VERDICT_NONE))
        return false;
    attempts_add(&test->attempts, result->outcome, VERDICT_NONE, result->setup_us + result->call_us + result->teardown_us,
                 result->message, result->text, result->text_size);
    retry_queue(worker->slot, index);
    drop_result(worker);
    return true;
}

bool retry_killed(struct run *run, const struct incident *incident)
{
    struct test *test = &run->suite.tests[incident->test];

    if (run->no_new_tests || incident->is_void ||
        !retry_wanted(&test->retry, test->attempts.n + 1, OUTCOME_KILLED, incident->verdict))
        return false;
    attempts_add(&test->attempts, OUTCOME_KILLED, incident->verdict, 0, incident->text, NULL, 0);
    return true;
}

enum outcome retry_outcome(struct run *run, size_t index, enum outcome outcome)
{
    struct test *test = &run->suite.tests[index];
    const struct attempt *first = NULL;

    if (outcome_is_bad(outcome) && test->repeated) {
        char *message = mem_printf("in run %llu of %llu: %.600s", (unsigned long long)test->repeated + 1,
                                   (unsigned long long)run->config->repeat, test->message ? test->message : outcome_name(outcome));

        free(test->message);
        test->message = message;
    }
    if (outcome_is_bad(outcome) || !attempts_bad(&test->attempts))
        return outcome;
    for (size_t i = 0; !first && i < test->attempts.n; i++)
        if (outcome_is_bad(test->attempts.items[i].outcome))
            first = &test->attempts.items[i];
    free(test->message);
    test->message = mem_printf("%s in try %zu; before: %.300s", outcome_name(outcome), test->attempts.n + 1,
                               first->message ? first->message : outcome_name(first->outcome));
    return OUTCOME_FLAKY;
}

bool retry_given_up(struct run *run, size_t index)
{
    struct test *test = &run->suite.tests[index];
    const struct attempt *last = test->attempts.n ? &test->attempts.items[test->attempts.n - 1] : NULL;

    if (!last && !test->repeated)
        return false;
    free(test->message);
    if (last)
        test->message = last->message ? mem_strdup(last->message) : NULL;
    else
        test->message = mem_printf("%llu of %llu runs, all passed, when the run was stopped", (unsigned long long)test->repeated,
                                   (unsigned long long)run->config->repeat);
    if (last && last->text && !test->text)
        test->text = mem_strdup(last->text);
    if (controller_in_loop(run->controller))
        controller_feed_given_up(run->controller, index, last ? last->outcome : OUTCOME_PASSED);
    run_test_outcome(run, index, last ? last->outcome : OUTCOME_PASSED);
    return true;
}

bool retry_wants_fresh(const struct run *run, size_t test)
{
    return run->suite.tests[test].attempts.n > 0;
}
