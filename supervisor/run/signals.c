/* SPDX-License-Identifier: MIT */
/*
 * Signals to shunt. The run lives in a session of its own, so the terminal's ^C and ^Z reach shunt alone, and it
 * decides what they mean for everybody else.
 */
#include <signal.h>
#include <stdlib.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "sandbox/launch/kill_tree.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/outside.h"
#include "supervisor/run/state.h"
#include "supervisor/run/terminal.h"
#include "supervisor/run/watcher.h"

static void stop_now(struct run *run, const char *reason)
{
    /* Asked twice: no more patience with the framework's own end. */
    if (run->phase == PHASE_STOPPING) {
        run->stop_deadline_ns = clock_now_ns();
        return;
    }
    run->interrupted = true;
    run_abort(run, reason);
}

static void on_interrupt(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    (void)loop;
    (void)revents;
    stop_now(watcher->data, "interrupted");
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    (void)loop;
    (void)revents;
    stop_now(watcher->data, watcher->signum == SIGHUP    ? "the terminal went away (SIGHUP)"
                             : watcher->signum == SIGQUIT ? "interrupted (SIGQUIT)"
                                                          : "terminated (SIGTERM)");
}

/* Workers are in sessions of their own, where the terminal's ^Z does not come. */
static void hold_everything(struct run *run, bool held)
{
    if (run->cgroup) {
        cgroup_run_freeze(run->cgroup, held);
        return;
    }
    /* Twice, as what is not stopped yet may fork meanwhile. */
    for (int i = 0; i < (held ? 2 : 1); i++)
        signal_descendants(run_init_pid(run->init), held ? SIGSTOP : SIGCONT);
}

/* ^Z: everything of the run is frozen first, and the run's clock with it; then shunt stops like any other job. */
static void on_suspend(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    struct run *run = watcher->data;

    (void)loop;
    (void)revents;
    if (terminal_is_taken(run))
        return; /* ^Z is the debugger's */
    watcher_pause(run);
    run->frozen_since_ns = clock_now_ns();
    hold_everything(run, true);
    budget_pause(run);
    raise(SIGSTOP);
    hold_everything(run, false);
    run->frozen_ns += clock_now_ns() - run->frozen_since_ns;
    run->frozen_since_ns = 0;
}

static int longest_first(const void *a, const void *b)
{
    const struct report_running *x = a, *y = b;

    return x->elapsed_ns < y->elapsed_ns ? 1 : x->elapsed_ns > y->elapsed_ns ? -1 : 0;
}

void signals_say_status(struct run *run)
{
    struct report_running *rows = mem_calloc(run->limits.workers + 1, sizeof(*rows));
    size_t n = 0;

    for (struct worker *w = run->workers; w && n <= run->limits.workers; w = w->next) {
        if (w->state != WORKER_RUNNING)
            continue;
        if (w->leaf)
            cgroup_leaf_read(w->leaf, CGROUP_READ_ALL, &w->counters);
        rows[n++] = (struct report_running){.slot = w->slot->index,
                                            .generation = w->generation,
                                            .serial = w->slot->serial,
                                            .test = w->test,
                                            .elapsed_ns = run_clock_ns(run) - w->go_ns,
                                            .tasks_now = w->counters.tasks_now,
                                            .memory_now_bytes = w->counters.memory_now_bytes,
                                            .cpu_ns = w->counters.cpu_ns - w->at_start.cpu_ns};
    }
    qsort(rows, n, sizeof(*rows), longest_first);
    report_status(run->report, &run->suite, rows, n, run->lanes ? lanes_queued(run->lanes) : 0,
                  run->lanes ? lanes_serial_queued(run->lanes) : 0);
    free(rows);
    outside_say(run);
}

static void on_status(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    (void)loop;
    (void)revents;
    signals_say_status(watcher->data);
}

static void watch(struct run *run, ev_signal *watcher, int signum,
                  void (*callback)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(watcher, callback, signum);
    watcher->data = run;
    ev_set_priority(watcher, PRIORITY_SIGNAL);
    ev_signal_start(run->loop, watcher);
}

void signals_init(struct run *run)
{
    signal(SIGPIPE, SIG_IGN);
    watch(run, &run->on_int, SIGINT, on_interrupt);
    watch(run, &run->on_term, SIGTERM, on_terminate);
    watch(run, &run->on_hup, SIGHUP, on_terminate);
    watch(run, &run->on_quit, SIGQUIT, on_terminate);
    watch(run, &run->on_usr1, SIGUSR1, on_status);
    watch(run, &run->on_tstp, SIGTSTP, on_suspend);
}

void signals_done(struct run *run)
{
    ev_signal_stop(run->loop, &run->on_int);
    ev_signal_stop(run->loop, &run->on_term);
    ev_signal_stop(run->loop, &run->on_hup);
    ev_signal_stop(run->loop, &run->on_quit);
    ev_signal_stop(run->loop, &run->on_usr1);
    ev_signal_stop(run->loop, &run->on_tstp);
}
