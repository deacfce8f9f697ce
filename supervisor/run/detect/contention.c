/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/contention.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/detect/cpu_watch.h"
#include "supervisor/run/state.h"

static bool may_move(const struct worker *worker)
{
    const struct run *run = worker->run;

    return !worker->confirming && !worker->slot->serial && !run->no_new_tests &&
           run->config->reroute & VERDICT_BIT(VERDICT_CONTENTION);
}

static void set_message(struct test *test, const char *text)
{
    free(test->message);
    test->message = mem_strdup(text);
}

bool contention_moved(struct worker *worker, const struct test_result *result)
{
    struct run *run = worker->run;
    size_t index = worker->test;
    struct test *test = &run->suite.tests[index];
    struct incident *incident;
    char text[128];

    if (run->config->confirm != CONFIRM_FAILED || !may_move(worker) ||
        (result->outcome != OUTCOME_FAILED && result->outcome != OUTCOME_ERROR) ||
        !cpu_watch_starved(worker, text, sizeof(text)))
        return false;
    incident = incident_new(worker, VERDICT_CONTENTION, index);
    incident->next = INCIDENT_REROUTED;
    snprintf(incident->text, sizeof(incident->text), "%s", text);
    snprintf(incident->evidence, sizeof(incident->evidence), "%s", result->message ? result->message : "");
    test->verdict = VERDICT_CONTENTION;
    test->rerouted = true;
    set_message(test, text);
    lanes_reroute(run->lanes, worker->slot->index);
    worker->last_test = index;
    worker->test = TEST_NONE;
    worker->owed = index;
    worker->reports_void = true;
    report_incident(run->report, &run->suite, incident);
    return true;
}

void contention_note(struct worker *worker, struct incident *incident)
{
    struct run *run = worker->run;
    struct test *test;
    char text[128];
    size_t at = strlen(incident->text);

    if (incident->verdict != VERDICT_TIMEOUT || incident->test == TEST_NONE || run->config->confirm == CONFIRM_NONE ||
        worker->exited || !may_move(worker) || !cpu_watch_starved(worker, text, sizeof(text)))
        return;
    test = &run->suite.tests[incident->test];
    free(test->starved);
    test->starved = mem_strdup(text);
    snprintf(incident->text + at, sizeof(incident->text) - at, "; %s", text);
}

void contention_settle(struct worker *worker, size_t index, enum outcome outcome)
{
    struct run *run = worker->run;
    struct test *test = &run->suite.tests[index];

    if (!worker->slot->serial || !test->rerouted || (test->verdict != VERDICT_CONTENTION && !test->starved))
        return;
    if (outcome == OUTCOME_PASSED && test->starved) {
        char text[200];

        snprintf(text, sizeof(text), "out of time; %s", test->starved);
        set_message(test, text);
        test->verdict = VERDICT_CONTENTION;
    } else if (outcome_is_bad(outcome)) {
        report_notice(run->report, "genuine: %s %s beside others, and fails alone as well", test->id,
                      test->starved ? test->starved : test->message ? test->message : "");
        if (test->verdict == VERDICT_CONTENTION)
            test->verdict = VERDICT_NONE;
    }
}

void contention_record_cpu(struct worker *worker, size_t test)
{
    struct run *run = worker->run;
    struct incident *incident;
    char text[200];

    if (worker->confirming || !cpu_watch_oversubscribed(worker, text, sizeof(text)))
        return;
    incident = incident_new(worker, VERDICT_CPU, test);
    incident->next = INCIDENT_NOTHING;
    snprintf(incident->text, sizeof(incident->text), "%s", text);
    evidence_of_starts(worker, incident->evidence, sizeof(incident->evidence));
    incident->blame.confidence = *incident->evidence ? BLAME_DIRECT : BLAME_WINDOW;
    report_incident(run->report, &run->suite, incident);
}
