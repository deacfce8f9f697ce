/* SPDX-License-Identifier: MIT */
/* What follows from a verdict: the evidence, the end of the worker, and what becomes of its test and of its slot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/denials.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/detect/blame_alone.h"
#include "supervisor/run/detect/contention.h"
#include "supervisor/run/retry.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/state.h"
#include "supervisor/run/detect/thresholds.h"

/* So often a test may lose its result to pressure from around us before that is its verdict. */
#define VOID_MAX 3

void judge_incident_flush(struct slot *slot)
{
    struct run *run = slot->pending == TEST_NONE ? NULL : slot->run;

    if (!run)
        return;
    report_incident(run->report, &run->suite, &run->incidents[slot->pending]);
    slot->pending = TEST_NONE;
}

void judge_incident_replaced(struct slot *slot, uint64_t now_ns)
{
    if (slot->pending == TEST_NONE)
        return;
    slot->run->incidents[slot->pending].replaced = true;
    slot->run->incidents[slot->pending].replace_ns = now_ns - slot->killed_at_ns;
    judge_incident_flush(slot);
}

struct incident *incident_new(struct worker *worker, enum verdict verdict, size_t test)
{
    struct run *run = worker->run;
    struct incident *incident;

    mem_grow(&run->incidents, &run->incidents_room, run->nincidents + 1, sizeof(*run->incidents));
    incident = &run->incidents[run->nincidents++];
    *incident = (struct incident){.number = (unsigned)run->nincidents,
                                  .verdict = verdict,
                                  .test = test,
                                  .generation = worker->generation,
                                  .time_ns = run_elapsed_ns(run),
                                  .limits = worker->limits,
                                  .no_markers = run->native != NULL,
                                  .next = INCIDENT_NO_TEST,
                                  .blame = {.during = TEST_NONE, .culprit = TEST_NONE}};
    counters_for_detector(&worker->counters, &incident->counters);
    if (worker->slot) {
        incident->slot = worker->slot->index;
        incident->serial = worker->slot->serial;
    }
    return incident;
}

static struct incident *incident_add(struct worker *worker, const struct detector_result *result)
{
    struct run *run = worker->run;
    struct incident *incident = incident_new(worker, result->verdict, worker->test);

    incident->is_void = result->is_void;
    incident->ran_ns = worker->test != TEST_NONE ? run_clock_ns(run) - worker->go_ns : 0;
    snprintf(incident->text, sizeof(incident->text), "%s", result->text);
    if (worker->test != TEST_NONE)
        denials_describe_test(run->denials, worker->test, incident->denied, sizeof(incident->denied));
    if (worker->slot)
        incident->kept = incident->serial ? lanes_serial_queued(run->lanes)
                                          : lanes_slot_queued(run->lanes, worker->slot->index);
    return incident;
}

/* Its worker is replaced no more. */
static bool ends_the_run(const struct run *run, const struct incident *incident)
{
    return !incident->serial && !incident->is_void && run->restarts >= run->limits.max_worker_restart;
}

static enum incident_next decide(struct run *run, const struct incident *incident)
{
    struct test *test;

    if (incident->test == TEST_NONE)
        return INCIDENT_NO_TEST;
    test = &run->suite.tests[incident->test];
    if (incident->is_void && ++test->voided < VOID_MAX)
        return INCIDENT_RETRIED;
    if (ends_the_run(run, incident))
        return INCIDENT_KILLED;
    if (!incident->serial && !run->no_new_tests && run->config->reroute & VERDICT_BIT(incident->verdict))
        return INCIDENT_REROUTED;
    return retry_killed(run, incident) ? INCIDENT_AGAIN : INCIDENT_KILLED;
}

static void move_test(struct run *run, struct slot *slot, size_t test, enum incident_next next)
{
    if (next == INCIDENT_AGAIN)
        retry_queue(slot, test);
    if (slot->serial) {
        if (next == INCIDENT_RETRIED)
            lanes_serial_retry(run->lanes);
        else if (next != INCIDENT_NO_TEST)
            lanes_serial_finish(run->lanes);
        return;
    }
    if (next == INCIDENT_RETRIED)
        lanes_retry(run->lanes, slot->index);
    else if (next == INCIDENT_REROUTED)
        lanes_reroute(run->lanes, slot->index);
    else if (next != INCIDENT_NO_TEST)
        lanes_finish(run->lanes, slot->index);
    lanes_release(run->lanes, slot->index);
}

static void test_killed(struct run *run, struct slot *slot, struct incident *incident)
{
    struct test *test = &run->suite.tests[incident->test];
    char text[sizeof(incident->text) + sizeof(incident->blame.where)];

    blame_message(incident, text, sizeof(text));
    free(test->message);
    test->message = mem_strdup(text);
    if (run->native && incident->output) { /* nobody else shows it */
        free(test->text);
        test->text = strndup(incident->output, incident->output_size);
    }
    controller_feed_killed(run->controller, incident->test, slot->name, incident);
    run_test_outcome(run, incident->test, OUTCOME_KILLED);
}

static void note_on_test(struct run *run, struct slot *slot, const struct incident *incident)
{
    struct test *test = &run->suite.tests[incident->test];

    test->verdict = incident->verdict;
    test->worker = (int)slot->index;
    test->peak_tasks = incident->counters.tasks_peak;
    test->peak_tasks_exact = incident->counters.tasks_peak_exact;
    test->peak_memory_bytes = incident->counters.memory_peak_bytes;
    test->peak_memory_exact = incident->counters.memory_peak_exact;
    if (incident->next == INCIDENT_REROUTED) {
        test->rerouted = true;
        free(test->message);
        test->message = mem_strdup(incident->text);
    }
}

static void count_restart(struct run *run, const struct incident *incident)
{
    char reason[128];

    if (incident->serial || incident->is_void || run->no_new_tests)
        return;
    if (!ends_the_run(run, incident)) {
        run->restarts++;
        return;
    }
    snprintf(reason, sizeof(reason), "the restart budget of %llu is spent (--max-worker-restart)",
             (unsigned long long)run->limits.max_worker_restart);
    run_stop(run, reason);
}

/* Takes the evidence and ends the worker. Returns the earlier test whose doing it was seen to be, or TEST_NONE. */
static size_t investigate(struct worker *worker, struct incident *incident, struct blame_look *look)
{
    uint64_t detected = clock_now_ns();

    contention_note(worker, incident);
    evidence_take(worker, incident);
    blame_look(worker, look);
    worker_kill(worker);
    incident->kill_ns = clock_now_ns() - detected;
    evidence_of_death(worker, incident);
    report_keep_evidence(worker->run->report, incident);
    report_worker(worker->run->report, "killed", incident->slot, incident->generation, worker->pid, incident->kill_ns);
    return blame_settle(worker, look, incident);
}

/* What becomes of the test, and of its slot. */
static void settle_test(struct run *run, struct slot *slot, size_t index, uint64_t detected)
{
    struct incident *incident = &run->incidents[index];

    incident->next = decide(run, incident);
    thresholds_note(run, incident);
    if (incident->test != TEST_NONE)
        note_on_test(run, slot, incident);
    move_test(run, slot, incident->test, incident->next);
    judge_incident_flush(slot);
    slot->pending = index;
    slot->killed_at_ns = detected;
    if (incident->next == INCIDENT_KILLED)
        test_killed(run, slot, incident);
    count_restart(run, incident);
}

/* What the test said is in its report, which pytest has taken it for already. */
static void keep_words(struct incident *incident, const struct test_result *void_result)
{
    if (incident->output || !void_result || !void_result->text_size)
        return;
    incident->output_size = void_result->text_size < OUTPUT_TAIL ? void_result->text_size : OUTPUT_TAIL;
    incident->output = mem_zalloc(incident->output_size + 1);
    memcpy(incident->output, void_result->text + void_result->text_size - incident->output_size, incident->output_size);
}

/* Ends the worker and settles what becomes of its test. `void_result`: what it said, which does not count; NULL: nothing. */
void judge_break(struct worker *worker, const struct detector_result *result,
                        const struct test_result *void_result)
{
    struct run *run = worker->run;
    struct slot *slot = worker->slot;
    uint64_t detected = clock_now_ns();
    struct blame_look look;
    size_t index, earlier;

    if (blame_confirm_broken(worker, result))
        return;
    if (run->native && worker->test != TEST_NONE)
        run->suite.tests[worker->test].call_us = (run_clock_ns(run) - worker->go_ns) / NS_PER_US;
    leak_watch_last_look(worker);
    index = run->nincidents;
    incident_add(worker, result);
    earlier = investigate(worker, &run->incidents[index], &look);
    if (slot)
        controller_node_down(run->controller, slot->name, run->incidents[index].text);
    keep_words(&run->incidents[index], void_result);
    if (run->incidents[index].test == TEST_NONE)
        run->worker_died = true;
    if (slot)
        settle_test(run, slot, index, detected);
    else
        report_incident(run->report, &run->suite, &run->incidents[index]);
    blame_follow(worker, &look, index, earlier);
    blame_look_done(&look);
}
