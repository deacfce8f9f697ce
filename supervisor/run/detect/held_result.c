/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/held_result.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/state.h"

static bool may_fail(const struct run *run, enum outcome outcome)
{
    return run->config->leaks == LEAKS_FAIL && 
           (outcome == OUTCOME_PASSED || outcome == OUTCOME_PASSED_SERIAL || outcome == OUTCOME_FLAKY);
}

bool held_result_begin(struct worker *worker, size_t test, enum outcome outcome)
{
    if (!may_fail(worker->run, outcome) || !leak_watch_is_pending_of(worker, test))
        return false;
    worker->result = (struct held_result){.test = test, .outcome = outcome};
    return true;
}

static void fail_test(struct run *run, const struct incident *incident)
{
    struct test *test = &run->suite.tests[incident->test];

    free(test->message);
    free(test->text);
    test->message = mem_strdup(incident->text);
    test->text = incident_text(&run->suite, incident, false);
    test->verdict = VERDICT_LEAK;
}

void held_result_leaked(struct worker *worker, struct incident *incident)
{
    if (worker->result.test != incident->test)
        return;
    worker->result.leaked = true;
    incident->next = INCIDENT_FAILED;
    fail_test(worker->run, incident);
}

bool held_result_reports(struct worker *worker)
{
    if (worker->result.test == TEST_NONE)
        return false;
    worker->result.reports_complete = true;
    held_result_settle(worker);
    return true;
}

static void give(struct worker *worker)
{
    struct run *run = worker->run;
    struct held_result result = worker->result;
    const struct test *test = &run->suite.tests[result.test];

    worker->result.test = TEST_NONE;
    run_test_outcome(run, result.test, result.leaked ? OUTCOME_FAILED : result.outcome);
    if (!result.reports_complete)
        return;
    controller_feed_reports(run->controller, result.test, worker->slot->name, result.leaked ? test->text : NULL,
                            &worker->held);
    worker->owed = TEST_NONE;
}

void held_result_settle(struct worker *worker)
{
    if (worker->result.test == TEST_NONE || !worker->result.reports_complete ||
        leak_watch_is_pending_of(worker, worker->result.test))
        return;
    give(worker);
}

void held_result_end(struct worker *worker)
{
    if (worker->result.test != TEST_NONE)
        give(worker);
}

void held_result_revise(struct worker *worker, struct incident *incident)
{
    struct run *run = worker->run;
    struct test *test = &run->suite.tests[incident->test];
    enum outcome was = test->outcome;

    if (!may_fail(run, was))
        return;
    incident->next = INCIDENT_FAILED;
    fail_test(run, incident);
    test->outcome = OUTCOME_FAILED;
    controller_feed_killed(run->controller, incident->test, worker->slot->name, incident);
    report_test_revised(run->report, &run->suite, incident->test, was);
    run_count_failure(run);
}
