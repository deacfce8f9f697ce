/* SPDX-License-Identifier: MIT */
/* What time brings: workers that run too long or stand still, end late, never begin, or are to be cleared away. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "supervisor/run/detect/blame_alone.h"
#include "supervisor/run/detect/cpu_watch.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/outside.h"
#include "supervisor/run/state.h"
#include "supervisor/run/detect/timeout.h"

/* The run init reports a death within milliseconds; a channel that closed without one was closed by the test. */
#define CLOSED_GRACE_NS (100 * NS_PER_MS)
#define DYING_GRACE_NS (10 * NS_PER_SEC)
#define START_TIMEOUT_NS (60 * NS_PER_SEC)
/* From the end of a worker's session to its exit. */
#define LEAVE_GRACE_NS (10 * NS_PER_SEC)

static void tick_running(struct worker *worker, bool slow)
{
    uint64_t now = run_clock_ns(worker->run);
    bool look = false;

    if (timeout_verdict(worker)) {
        if (slow && timeout_grace_is_over(worker, now))
            judge_busy(worker);
        return;
    }
    if (worker->leaf) {
        cgroup_leaf_read(worker->leaf, CGROUP_READ_WATCH, &worker->counters);
        memory_watch_tick(worker);
        look = worker->counters.tasks_refused > worker->at_start.tasks_refused ||
               worker->counters.oom_kills > worker->at_start.oom_kills;
    } else if (counted_tasks(worker->run)) {
        counted_read(worker);
        look = worker->counters.tasks_refused > worker->at_start.tasks_refused;
    }
    if (slow) {
        look = look || (worker->limits.timeout_ns && now - worker->go_ns > worker->limits.timeout_ns);
        look = stall_check(worker, now) || look;
        timeout_slow(worker, now);
        cpu_watch_tick(worker, now);
    }
    if (!look)
        return;
    judge_busy(worker);
}

/* Everything is said; what still runs is exit handlers and what they wait for. */
static void tick_leaving(struct worker *worker)
{
    struct run *run = worker->run;

    if (run_clock_ns(run) - worker->bye_ns < LEAVE_GRACE_NS)
        return;
    report_notice(run->report,
                  "worker %u had nothing left to do and did not exit within %llu s (%" PRIu64
                  " tasks: leaked threads or pools?): it was killed",
                  worker->slot->index, LEAVE_GRACE_NS / NS_PER_SEC, worker->counters.tasks_now);
    worker_kill(worker);
}

/* A session's end that never comes would keep the run from ending. */
static void tick_ending(struct worker *worker)
{
    uint64_t now = run_clock_ns(worker->run);
    bool late = worker->limits.timeout_ns && now - worker->go_ns > worker->limits.timeout_ns;

    if (worker->said_bye) {
        tick_leaving(worker);
        return;
    }
    if (!stall_check(worker, now) && !late)
        return;
    judge_busy(worker);
}

/* A process that dies loses its memory before its descriptors (do_exit() in kernel/exit.c); one that closed them
 * itself has memory. */
static bool is_dying(const struct worker *worker)
{
    char path[64], text[128];

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)worker->pid);
    return worker->pid > 0 && (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || *text == '0');
}

static void tick_closed(struct worker *worker)
{
    uint64_t since = clock_now_ns() - worker->closed_ns;

    /* On a slow or crowded machine the run init's word may take longer. */
    if (since < CLOSED_GRACE_NS || (!worker->exited && since < DYING_GRACE_NS && is_dying(worker)))
        return;
    if (worker->exited)
        judge_death(worker);
    else if (worker->state == WORKER_ENDING && worker->said_bye)
        worker_kill(worker);
    else
        judge_violation(worker, "closed its channel to shunt");
}

static void tick_worker(struct worker *worker, bool slow)
{
    switch (worker->state) {
    case WORKER_RUNNING:
        tick_running(worker, slow);
        break;
    case WORKER_ENDING:
        if (slow)
            tick_ending(worker);
        break;
    case WORKER_CELL:
    case WORKER_FORKING:
    case WORKER_ENTERING:
        if (slow && !worker->cold && clock_now_ns() - worker->born_ns > START_TIMEOUT_NS)
            worker_start_failed(worker, worker_state_name(worker->state), 110 /* ETIMEDOUT */);
        break;
    case WORKER_COLLECTING:
    case WORKER_STANDBY:
    case WORKER_WAITING:
    case WORKER_DYING:
        break;
    }
    if (slow)
        worker_output_again(worker);
    if (slow && worker->confirm_until_ns)
        blame_confirm_tick(worker);
    if (slow && worker->closed_ns && worker->state != WORKER_DYING)
        tick_closed(worker);
    if (worker->leak && worker->state != WORKER_DYING && (slow || worker->state == WORKER_WAITING))
        leak_watch_tick(worker);
}

void tick_all(struct run *run, bool slow)
{
    struct worker *next;

    if (slow)
        outside_tick(run);
    for (struct worker *worker = run->workers; worker; worker = next) {
        next = worker->next;
        if (worker->state == WORKER_DYING)
            worker_clear(worker);
        else if (!run->frozen_since_ns)
            tick_worker(worker, slow);
    }
}
