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
#include "supervisor/run/detect/blame_alone.h"
#include "supervisor/run/detect/contention.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/detect/cpu_watch.h"
#include "supervisor/run/detect/held_result.h"
#include "supervisor/run/detect/leak_files.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/retry.h"
#include "supervisor/run/state.h"
#include "supervisor/run/detect/timeout.h"
#include "supervisor/run/detect/worker_tasks.h"

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
                                 .oom_unknown = !run->cgroup || !(cgroup_run_has(run->cgroup) & CGROUP_HAS_MEMORY),
                                 .counted = counted_tasks(run),
                                 .in_test = worker->test != TEST_NONE,
                                 .session_end = worker->state == WORKER_ENDING,
                                 .protocol_text = protocol_text,
                                 .wait_status = worker->wait_status,
                                 .wait_status_valid = worker->exited};
    uint64_t now = run_clock_ns(run);
    char pressure[200] = "";

    if (timeout_verdict(worker)) { /* whatever came of it since */
        *result = *timeout_verdict(worker);
        return;
    }
    counters_for_detector(&worker->at_start, &view.at_start);
    counters_for_detector(&worker->counters, &view.now);
    view.elapsed_ns = now - worker->go_ns;
    if (worker->limits.timeout_ns && view.elapsed_ns >= worker->limits.timeout_ns)
        view.own_cpu_known = worker_tasks_cpu(worker, &view.own_cpu_ns);
    if (worker->leaf && worker->counters.tasks_refused > worker->at_start.tasks_refused) {
        view.pressure = cgroup_run_pressure(run->cgroup, pressure, sizeof(pressure));
        view.pressure_text = pressure;
    }
    if (worker->stalled && (!worker->beside_leftovers || now - worker->idle_since_ns >= 2 * worker->limits.stall_ns)) {
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
    } else {
        if (worker->last_test == TEST_NONE || worker->leak)
            worker_tasks_count(worker);
        worker->counters.tasks_peak = 0;
        worker->at_start = worker->counters;
    }
    leak_watch_test_starts(worker);
    worker_tasks_cpu_start(worker);
    if (worker->last_test == TEST_NONE)
        leak_files_start(worker);
    memory_watch_start(worker);
    worker->go_ns = run_clock_ns(worker->run);
    worker->idle_since_ns = worker->go_ns;
    worker->idle_cpu_ns = worker->counters.cpu_ns;
    worker->stalled = false;
    worker->slow_said = false;
    cpu_watch_test_starts(worker);
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
    enum outcome outcome = passed_serial ? OUTCOME_PASSED_SERIAL : result->outcome;

    test->setup_us = result->setup_us;
    test->call_us = result->call_us;
    test->teardown_us = result->teardown_us;
    test->worker = (int)slot->index;
    test->peak_tasks = worker->counters.tasks_peak;
    test->peak_tasks_exact = worker->counters.tasks_peak_exact;
    test->peak_memory_bytes = worker->counters.memory_peak_bytes;
    test->peak_memory_exact = worker->counters.memory_peak_exact;
    test->cpu_ns = worker->counters.cpu_ns - worker->at_start.cpu_ns;
    contention_settle(worker, index, result->outcome);
    if (!passed_serial) {
        free(test->message);
        test->message = result->message ? mem_strdup(result->message) : NULL;
    }
    outcome = retry_outcome(run, index, outcome);
    if (result->text_size) {
        free(test->text);
        test->text = strndup(result->text, result->text_size);
    }
    if (result->errnum && result->where && run->denials)
        denials_set_where(run->denials, index, result->errnum, result->where);
    if ((result->errnum == EROFS || result->errnum == EACCES) && result->where && result->file && outcome_is_bad(result->outcome) &&
        run->spec.root_readonly)
        report_not_writable(run->report, test, result->errnum, result->where, run->spec.name);
    contention_record_cpu(worker, index);
    test_ends(worker);
    worker->owed = index;
    leak_watch_boundary(worker, index);
    leak_files_boundary(worker, index);
    blame_rerouted_done(worker, index);
    if (!held_result_begin(worker, index, outcome))
        run_test_outcome(run, index, outcome);
}

/* Recorded only, unless --reroute names it. */
static void judge_cpu(struct worker *worker, struct detector_result *verdict)
{
    if (verdict->verdict == VERDICT_NONE && !verdict->is_void && !worker->slot->serial && !worker->confirming &&
        worker->run->config->reroute & VERDICT_BIT(VERDICT_CPU) &&
        cpu_watch_oversubscribed(worker, verdict->text, sizeof(verdict->text)))
        verdict->verdict = VERDICT_CPU;
}

void judge_boundary(struct worker *worker, const struct test_result *result)
{
    struct detector_result verdict;

    worker_read_output(worker);
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
    else if (counted_tasks(worker->run))
        counted_refused(worker, outcome_is_bad(result->outcome) ? result->errnum : 0);
    worker->counters_read_ns = clock_now_ns();
    judge(worker, DETECTOR_BOUNDARY, NULL, &verdict);
    judge_cpu(worker, &verdict);
    if (verdict.verdict != VERDICT_NONE || verdict.is_void)
        judge_break(worker, &verdict, result);
    else if (worker->confirming)
        suspect_ends(worker, worker->test);
    else if (contention_moved(worker, result) || retry_result(worker, result))
        leak_watch_boundary(worker, worker->owed);
    else
        accept_result(worker, result);
}

bool judge_quit(struct worker *worker)
{
    if (timeout_verdict(worker)) {
        judge_break(worker, timeout_verdict(worker), NULL);
        return true;
    }
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

    held_result_end(worker);
    if (worker->owed == TEST_NONE)
        return;
    if (!worker->confirming && !worker->reports_void)
        controller_feed_bare(run->controller, worker->owed, worker->slot->name);
    chunk_list_clear(&worker->held);
    worker->owed = TEST_NONE;
    worker->reports_void = false;
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
    judge_break(worker, &verdict, NULL);
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
        leak_files_end(worker);
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
    else if (counted_tasks(worker->run) && worker->test != TEST_NONE)
        counted_refused(worker, 0);
    judge(worker, DETECTOR_DEATH, NULL, &verdict);
    judge_break(worker, &verdict, NULL);
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
    if (verdict.verdict == VERDICT_TIMEOUT && timeout_begin(worker, &verdict))
        return;
    judge_break(worker, &verdict, NULL);
}
