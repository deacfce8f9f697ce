/* SPDX-License-Identifier: MIT */
/*
 * What the detector is shown, and what follows from its word: the result is accepted, or the worker ends and its
 * test is rerouted, run again, or killed for good.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/denials.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/blame.h"
#include "supervisor/run/counted.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/leak_watch.h"
#include "supervisor/run/state.h"

/* So often a test may lose its result to pressure from around us before that is its verdict. */
#define VOID_MAX 3
/* The next test usually starts at once where the last one was judged: its counters are read once for both. */
#define COUNTERS_FRESH_NS NS_PER_MS

void counters_for_detector(const struct cgroup_counters *in, struct detector_counters *out)
{
    *out = (struct detector_counters){.tasks_now = in->tasks_now,
                                      .tasks_peak = in->tasks_peak,
                                      .tasks_refused = in->tasks_refused,
                                      .memory_now_bytes = in->memory_now_bytes,
                                      .memory_peak_bytes = in->memory_peak_bytes,
                                      .oom_kills = in->oom_kills,
                                      .cpu_ns = in->cpu_ns,
                                      .tasks_peak_exact = in->tasks_peak_exact,
                                      .memory_peak_exact = in->memory_peak_exact};
}

/* pytest-timeout's thread method prints a banner and calls os._exit(1): that is a timeout, not an exit. */
static bool ended_by_timeout_plugin(struct worker *worker)
{
    bool found;
    size_t size;
    char *text;

    if (!worker->exited || !WIFEXITED(worker->wait_status) || WEXITSTATUS(worker->wait_status) != 1)
        return false;
    text = worker_last_output(worker, &size);
    found = text && memmem(text, size, "+ Timeout +", 11);
    free(text);
    return found;
}

/* The plugin's own exits (docs/protocol.md): the test did not call them. */
static const char *plugin_exit(const struct worker *worker)
{
    if (!worker->exited || !WIFEXITED(worker->wait_status))
        return NULL;
    switch (WEXITSTATUS(worker->wait_status)) {
    case 71:
    case 73:
        return "lost its channel to shunt: a descriptor was closed or replaced";
    case 72:
        return "ended by an error outside of any test: its last output has it";
    default:
        return NULL;
    }
}

static void judge(struct worker *worker, enum detector_moment moment, const char *protocol_text,
                  struct detector_result *result)
{
    struct run *run = worker->run;
    struct detector_view view = {.moment = moment,
                                 .limits = worker->limits,
                                 .counters_valid = worker->leaf != NULL || counted_tasks(run),
                                 .counted = counted_tasks(run),
                                 .in_test = worker->test != TEST_NONE,
                                 .session_end = worker->state == WORKER_ENDING,
                                 .protocol_text = protocol_text,
                                 .wait_status = worker->wait_status,
                                 .wait_status_valid = worker->exited};
    uint64_t now = run_clock_ns(run);
    char pressure[200] = "";

    counters_for_detector(&worker->at_start, &view.at_start);
    counters_for_detector(&worker->counters, &view.now);
    view.elapsed_ns = now - worker->go_ns;
    if (worker->leaf && worker->counters.tasks_refused > worker->at_start.tasks_refused) {
        view.pressure = cgroup_run_pressure(run->cgroup, pressure, sizeof(pressure));
        view.pressure_text = pressure;
    }
    if (worker->stalled) {
        view.stalled_ns = now - worker->idle_since_ns;
        view.stall_text = worker->stall_text;
    }
    if (moment == DETECTOR_DEATH)
        view.timeout_plugin = ended_by_timeout_plugin(worker);
    if (moment == DETECTOR_DEATH && !protocol_text)
        view.protocol_text = plugin_exit(worker);
    detector_judge(&view, result);
}

void judge_start(struct worker *worker)
{
    if (worker->leaf) {
        if (clock_now_ns() - worker->counters_read_ns > COUNTERS_FRESH_NS)
            cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
        cgroup_leaf_reset_peaks(worker->leaf, &worker->counters);
        worker->at_start = worker->counters;
        leak_watch_test_starts(worker);
    } else if (counted_tasks(worker->run)) {
        worker->counters.tasks_peak = 0;
        worker->at_start = worker->counters;
    }
    worker->go_ns = run_clock_ns(worker->run);
    worker->idle_since_ns = worker->go_ns;
    worker->idle_cpu_ns = worker->counters.cpu_ns;
    worker->stalled = false;
}

/* --- incidents --- */

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
                                  .next = INCIDENT_NO_TEST,
                                  .blame = {.during = TEST_NONE}};
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
    snprintf(incident->text, sizeof(incident->text), "%s", result->text);
    if (worker->test != TEST_NONE)
        denials_describe_test(run->denials, worker->test, incident->denied, sizeof(incident->denied));
    if (worker->slot)
        incident->kept = incident->serial ? lanes_serial_queued(run->lanes)
                                          : lanes_slot_queued(run->lanes, worker->slot->index);
    return incident;
}

static enum incident_next decide(struct run *run, const struct incident *incident)
{
    struct test *test;

    if (incident->test == TEST_NONE)
        return INCIDENT_NO_TEST;
    test = &run->suite.tests[incident->test];
    if (incident->is_void && ++test->voided < VOID_MAX)
        return INCIDENT_RETRIED;
    if (incident->serial || run->no_new_tests)
        return INCIDENT_KILLED;
    return run->config->reroute & VERDICT_BIT(incident->verdict) ? INCIDENT_REROUTED
                                                                 : INCIDENT_KILLED;
}

static void move_test(struct run *run, struct slot *slot, enum incident_next next)
{
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

    free(test->message);
    test->message = mem_strdup(incident->text);
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

    if (incident->serial || incident->is_void)
        return;
    run->restarts++;
    if (run->restarts <= run->limits.max_worker_restart || run->no_new_tests)
        return;
    snprintf(reason, sizeof(reason), "the restart budget of %llu is spent (--max-worker-restart)",
             (unsigned long long)run->limits.max_worker_restart);
    run_stop(run, reason);
}

/* Takes the evidence and ends the worker. Returns the earlier test whose doing it was seen to be, or TEST_NONE. */
static size_t investigate(struct worker *worker, struct incident *incident, struct blame_look *look)
{
    uint64_t detected = clock_now_ns();

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
    if (incident->test != TEST_NONE)
        note_on_test(run, slot, incident);
    move_test(run, slot, incident->next);
    judge_incident_flush(slot);
    slot->pending = index;
    slot->killed_at_ns = detected;
    if (incident->next == INCIDENT_KILLED)
        test_killed(run, slot, incident);
    count_restart(run, incident);
}

/* Ends the worker and settles what becomes of its test. */
static void judge_break(struct worker *worker, const struct detector_result *result)
{
    struct run *run = worker->run;
    struct slot *slot = worker->slot;
    uint64_t detected = clock_now_ns();
    struct blame_look look;
    size_t index = run->nincidents, earlier;

    if (blame_confirm_broken(worker, result))
        return;
    incident_add(worker, result);
    earlier = investigate(worker, &run->incidents[index], &look);
    if (run->incidents[index].test == TEST_NONE)
        run->worker_died = true;
    if (slot)
        settle_test(run, slot, index, detected);
    else
        report_incident(run->report, &run->suite, &run->incidents[index]);
    blame_follow(worker, &look, index, earlier);
    blame_look_done(&look);
}

/* --- boundaries --- */

/* It has run here for the last time; the worker waits. */
static void test_ends(struct worker *worker)
{
    if (worker->slot->serial)
        lanes_serial_finish(worker->run->lanes);
    else
        lanes_finish(worker->run->lanes, worker->slot->index);
    worker->last_test = worker->test;
    worker->test = TEST_NONE;
}

/* It has its outcome; now its leftovers have their time. */
static void suspect_ends(struct worker *worker, size_t owed)
{
    worker->owed = owed;
    test_ends(worker);
    blame_confirm_done(worker);
}

static void accept_result(struct worker *worker, const struct test_result *result)
{
    struct run *run = worker->run;
    struct slot *slot = worker->slot;
    size_t index = worker->test;
    struct test *test = &run->suite.tests[index];
    bool passed_serial = test->rerouted && result->outcome == OUTCOME_PASSED;

    test->setup_us = result->setup_us;
    test->call_us = result->call_us;
    test->teardown_us = result->teardown_us;
    test->worker = (int)slot->index;
    test->peak_tasks = worker->counters.tasks_peak;
    test->peak_tasks_exact = worker->counters.tasks_peak_exact;
    test->peak_memory_bytes = worker->counters.memory_peak_bytes;
    test->peak_memory_exact = worker->counters.memory_peak_exact;
    test->cpu_ns = worker->counters.cpu_ns - worker->at_start.cpu_ns;
    if (!passed_serial) {
        free(test->message);
        test->message = result->message ? mem_strdup(result->message) : NULL;
    }
    if (result->text_size) {
        free(test->text);
        test->text = strndup(result->text, result->text_size);
    }
    if (result->errnum && result->where && run->denials)
        denials_set_where(run->denials, index, result->errnum, result->where);
    if ((result->errnum == EROFS || result->errnum == EACCES) && result->where && outcome_is_bad(result->outcome) &&
        run->spec.root_readonly)
        report_not_writable(run->report, test, result->errnum, result->where, run->spec.name);
    test_ends(worker);
    worker->owed = index;
    run_test_outcome(run, index, passed_serial ? OUTCOME_PASSED_SERIAL : result->outcome);
    leak_watch_boundary(worker, index);
}

void judge_boundary(struct worker *worker, const struct test_result *result)
{
    struct detector_result verdict;

    worker_read_output(worker);
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
    worker->counters_read_ns = clock_now_ns();
    judge(worker, DETECTOR_BOUNDARY, NULL, &verdict);
    if (verdict.verdict != VERDICT_NONE || verdict.is_void)
        judge_break(worker, &verdict);
    else if (worker->confirming)
        suspect_ends(worker, worker->test);
    else
        accept_result(worker, result);
}

bool judge_quit(struct worker *worker)
{
    if (worker->confirming)
        suspect_ends(worker, TEST_NONE);
    else
        test_ends(worker);
    return worker->confirming;
}

/* The worker ends between two tests, before its last reports came: the test that it was told to run next has not begun. */
static void settle_owed(struct worker *worker)
{
    struct run *run = worker->run;

    if (worker->owed == TEST_NONE)
        return;
    if (!worker->confirming)
        controller_feed_bare(run->controller, worker->owed, worker->slot->name);
    chunk_list_clear(&worker->held);
    worker->owed = TEST_NONE;
    if (worker->test == TEST_NONE)
        return;
    worker->test = TEST_NONE;
    if (worker->slot->serial)
        lanes_serial_retry(run->lanes);
    else
        lanes_retry(run->lanes, worker->slot->index);
}

void judge_violation(struct worker *worker, const char *why)
{
    struct detector_result verdict;

    if (worker->state == WORKER_DYING)
        return;
    settle_owed(worker);
    if (!worker->slot) {
        report_notice(worker->run->report, "a worker that had not started broke the protocol: %s", why);
        worker_start_failed(worker, why, 71 /* EPROTO */);
        return;
    }
    judge(worker, DETECTOR_BUSY, why, &verdict);
    judge_break(worker, &verdict);
}

/* Its output, which says more, is shown as any worker's. */
static void start_died(struct worker *worker)
{
    const char *when = worker->state == WORKER_COLLECTING ? "while it imported and collected the tests"
                                                          : "before it could run a test";
    int status = worker->wait_status;
    char text[128];

    if (worker->exited && WIFSIGNALED(status))
        snprintf(text, sizeof(text), "it died of SIG%s %s", sigabbrev_np(WTERMSIG(status)), when);
    else if (worker->exited)
        snprintf(text, sizeof(text), "it exited with status %d %s", WEXITSTATUS(status), when);
    else
        snprintf(text, sizeof(text), "it died %s", when);
    worker_start_failed(worker, text, 0);
}

void judge_death(struct worker *worker)
{
    struct detector_result verdict;

    if (worker->channel && worker->state != WORKER_DYING)
        channel_drain(worker->channel); /* nobody dies with its answer unread */
    if (worker->state == WORKER_DYING)
        return;
    if (worker->state == WORKER_ENDING && worker->said_bye) {
        report_worker(worker->run->report, "ended", worker->slot->index, worker->generation,
                      worker->pid, 0);
        blame_confirm_over(worker);
        worker_kill(worker); /* what it left behind goes with it */
        return;
    }
    if (!worker->slot) {
        start_died(worker);
        return;
    }
    settle_owed(worker);
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
    judge(worker, DETECTOR_DEATH, NULL, &verdict);
    judge_break(worker, &verdict);
}

void judge_busy(struct worker *worker)
{
    struct detector_result verdict;

    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
    judge(worker, DETECTOR_BUSY, NULL, &verdict);
    if (verdict.verdict == VERDICT_NONE && !verdict.is_void)
        return;
    settle_owed(worker);
    judge_break(worker, &verdict);
}
