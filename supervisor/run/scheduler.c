/* SPDX-License-Identifier: MIT */
/*
 * Which worker gets which test, and when workers are made, replaced and ended. Runs once at the end of each turn
 * of the loop and looks at the state as it is then: whatever happened, the answer is the same.
 */
#include <string.h>

#include "sandbox/base/clock.h"
#include "supervisor/core/leak.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/detect/blame_alone.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/console.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/native.h"
#include "supervisor/run/retry.h"
#include "supervisor/run/setup.h"
#include "supervisor/run/state.h"

/* More at once would only compete for the CPUs. */
#define MAX_STARTING 4
/* A suite that is over sooner would have paid for a standby that it hardly ever needs. */
#define STANDBY_AFTER_NS NS_PER_SEC
/* Between two that prepare for the moving of workers. */
#define WARM_EVERY_NS (100 * NS_PER_MS)

static bool worker_is_starting(const struct worker *worker)
{
    return worker->state == WORKER_CELL || worker->state == WORKER_FORKING ||
           worker->state == WORKER_ENTERING || worker->state == WORKER_COLLECTING;
}

static struct worker *take_standby(struct run *run, const struct slot *slot)
{
    struct worker *oldest = NULL;

    for (struct worker *w = run->workers; w; w = w->next)
        if (w->state == WORKER_STANDBY && (!w->reserved || w->reserved == slot) &&
            (!oldest || w->number < oldest->number))
            oldest = w;
    return oldest;
}

/* A cold worker imports and configures under its slot's name, so it is made for one slot. */
static void provide_cold(struct run *run, struct slot *slot)
{
    if (clock_now_ns() < run->start_again_ns)
        return;
    for (struct worker *w = run->workers; w; w = w->next)
        if (w->reserved == slot && w->state != WORKER_DYING && w != slot->worker)
            return;
    worker_new(run, slot);
}

/* The standby is made once every slot has its worker, so that it delays none of them. */
static size_t standby_wanted(struct run *run)
{
    if (!run->all_slots_ns)
        run->all_slots_ns = clock_now_ns();
    return clock_now_ns() - run->all_slots_ns >= STANDBY_AFTER_NS || run->restarts ? 1 : 0;
}

/* Makes workers so that each of `wanted` empty slots gets one, and `spare` stand by. */
static void provide(struct run *run, size_t wanted, size_t spare)
{
    size_t starting = 0, standby = 0;

    if (run->cold || clock_now_ns() < run->start_again_ns)
        return;
    for (struct worker *w = run->workers; w; w = w->next) {
        starting += worker_is_starting(w);
        standby += w->state == WORKER_STANDBY;
    }
    while (starting + standby < wanted + spare && starting < MAX_STARTING &&
           run->phase != PHASE_STOPPING) {
        worker_new(run, NULL);
        starting++;
    }
}

static unsigned running_weight(const struct run *run)
{
    unsigned weight = 0;

    for (unsigned i = 0; i < run->limits.workers; i++) {
        const struct worker *w = run->slots[i].worker;

        if (w && w->state == WORKER_RUNNING)
            weight += run->suite.tests[w->test].weight;
    }
    return weight;
}

/* A test that weighs several slots starts when so many are free; until then nothing lighter overtakes it. */
static bool start_deferred(struct run *run)
{
    for (unsigned i = 0; i < run->limits.workers; i++) {
        struct worker *w = run->slots[i].worker;
        unsigned weight;

        if (!w || w->state != WORKER_WAITING || w->test == TEST_NONE)
            continue;
        weight = run->suite.tests[w->test].weight;
        if (weight > run->limits.workers)
            weight = run->limits.workers;
        if (running_weight(run) + weight > run->limits.workers || !budget_may_start(run))
            return false;
        worker_go(w, w->test, w->next_test);
    }
    return true;
}

/* A worker that keeps too much of what its tests left behind goes, but only between two modules; and a retry wants one that ran
 * nothing else. */
static bool wants_replacement(const struct run *run, const struct worker *worker, size_t next)
{
    if (worker->last_test != TEST_NONE && retry_wants_fresh(run, next))
        return true;
    return worker->last_test != TEST_NONE &&
           leak_wants_replacement(worker->leaked, worker->limits.tasks) &&
           strcmp(run->suite.tests[worker->last_test].file, run->suite.tests[next].file) != 0;
}

/* The next test of this slot that is to be started. */
static size_t take_parallel(struct run *run, unsigned slot, size_t *ret_next)
{
    for (;;) {
        size_t test = lanes_take(run->lanes, slot, ret_next);
        enum native_start start = run->native && test != LANES_NONE ? native_may_start(run, test) : NATIVE_START;

        if (run->native && test != LANES_NONE) { /* no fixture waits for the next one: whoever is free takes it */
            lanes_release(run->lanes, slot);
            *ret_next = TEST_NONE;
        }
        if (start == NATIVE_START)
            return test;
        if (start == NATIVE_LATER)
            lanes_reroute(run->lanes, slot);
        else
            lanes_finish(run->lanes, slot);
    }
}

static void dispatch_parallel(struct run *run)
{
    for (unsigned i = 0; i < run->limits.workers; i++) {
        struct worker *w = run->slots[i].worker;
        size_t test, next;

        if (!w || w->state != WORKER_WAITING || w->test != TEST_NONE || w->result.test != TEST_NONE)
            continue;
        if (!start_deferred(run))
            return;
        if (lanes_queued(run->lanes) == 0)
            continue;
        if (!budget_may_start(run))
            return;
        test = take_parallel(run, i, &next);
        if (test == LANES_NONE)
            continue;
        if (wants_replacement(run, w, test)) {
            lanes_retry(run->lanes, i);
            worker_end(w);
        } else if (run->suite.tests[test].weight > 1) {
            w->test = test;
            w->next_test = next;
            start_deferred(run);
        } else if (running_weight(run) + 1 > run->limits.workers) {
            w->test = test; /* a heavy one holds the slots: wait like it does */
            w->next_test = next;
        } else {
            worker_go(w, test, next);
        }
    }
    start_deferred(run);
}

static size_t fill_slots(struct run *run)
{
    size_t empty = 0;

    for (unsigned i = 0; i < run->limits.workers; i++) {
        struct slot *slot = &run->slots[i];
        struct worker *standby;

        if (slot->worker)
            continue;
        if (lanes_queued(run->lanes) == 0) {
            judge_incident_flush(slot);
            continue;
        }
        standby = take_standby(run, slot);
        if (standby)
            worker_assign(standby, slot);
        else if (run->cold)
            provide_cold(run, slot);
        else
            empty++;
    }
    return empty;
}

/* True when no worker of the parallel lane is left. */
static bool end_parallel(struct run *run)
{
    bool gone = true;

    for (unsigned i = 0; i < run->limits.workers; i++) {
        struct worker *w = run->slots[i].worker;

        if (!w)
            continue;
        gone = false;
        if (w->state == WORKER_WAITING && !leak_watch_pending(w) && w->result.test == TEST_NONE)
            worker_end(w);
    }
    return gone;
}

static void pump_parallel(struct run *run)
{
    size_t empty, queued;

    if (lanes_parallel_done(run->lanes)) {
        if (end_parallel(run)) {
            for (unsigned i = 0; i < run->limits.workers; i++)
                judge_incident_flush(&run->slots[i]);
            run->phase = PHASE_SERIAL;
        }
        return;
    }
    empty = fill_slots(run);
    dispatch_parallel(run);
    queued = lanes_queued(run->lanes);
    provide(run, empty, empty == 0 && queued > 0 ? standby_wanted(run) : 0);
}

static void dispatch_serial(struct run *run, struct worker *worker)
{
    bool fresh = false;
    size_t next, test;

    if (worker->state != WORKER_WAITING || worker->confirming || worker->confirm_until_ns)
        return; /* the leftovers of a suspect have their time: blame_confirm_tick() ends it */
    if (leak_watch_pending(worker) || worker->result.test != TEST_NONE)
        return; /* whoever comes next wants a clean slate, and nobody else is delayed */
    if (lanes_serial_done(run->lanes)) {
        worker_end(worker);
        return;
    }
    /* A rerouted test wants a worker that ran nothing else; so does whatever comes after it. */
    if (worker->last_test != TEST_NONE && run->suite.tests[worker->last_test].rerouted) {
        worker_end(worker);
        return;
    }
    if (!budget_may_start(run))
        return;
    do {
        test = lanes_serial_take(run->lanes, &next, &fresh);
        if (test == LANES_NONE)
            return;
        if (!run->native || native_may_start(run, test) == NATIVE_START)
            break;
        lanes_serial_finish(run->lanes);
    } while (true);
    if (blame_is_moot(run, test)) {
        lanes_serial_finish(run->lanes);
        return;
    }
    if (fresh && worker->last_test != TEST_NONE) {
        lanes_serial_retry(run->lanes);
        worker_end(worker);
    } else {
        worker_go(worker, test, next);
    }
}

static void pump_serial(struct run *run)
{
    struct slot *slot = &run->serial_slot;

    if (lanes_serial_done(run->lanes) && !slot->worker) {
        judge_incident_flush(slot);
        if (!setup_finished(run))
            return;
        run->phase = PHASE_FINISHING;
        controller_finish(run->controller);
        if (run->native)
            native_over(run);
        /* While the framework writes its summary: the standby, and any that is still on its way. */
        for (struct worker *w = run->workers; w; w = w->next)
            worker_kill(w);
        return;
    }
    if (!slot->worker) {
        struct worker *standby = take_standby(run, slot);

        if (!standby && run->cold)
            provide_cold(run, slot);
        if (standby) {
            run->limits.serial_tasks = limits_serial_tasks(run);
            worker_assign(standby, slot);
        }
    }
    if (slot->worker)
        dispatch_serial(run, slot->worker);
    /* No standby: it would take tasks and time from the test that is to run alone. */
    provide(run, slot->worker ? 0 : 1, 0);
}

/* New workers will be moved in some ten milliseconds. Their cgroups are there: making one would wait for the lock that
 * the warming holds. */
static void warm(struct run *run)
{
    uint64_t now = clock_now_ns();

    if (!run->cgroup || (run->warmed_ns && now - run->warmed_ns < WARM_EVERY_NS))
        return;
    run->warmed_ns = now;
    cgroup_run_warm(run->cgroup);
}

void scheduler_pump(struct run *run)
{
    unsigned cells = run->next_cell;

    if (run->frozen_since_ns || run->inputs_awaited || !run->lanes || controller_congested(run->controller) ||
        console_pending(run->console) > CONSOLE_CONGESTED)
        return;
    budget_begin(run);
    lanes_wake(run->lanes, run_clock_ns(run));
    if (run->phase == PHASE_PARALLEL)
        pump_parallel(run);
    if (run->phase == PHASE_SERIAL)
        pump_serial(run);
    if (run->next_cell != cells)
        warm(run);
    budget_end(run);
}
