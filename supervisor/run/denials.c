/* SPDX-License-Identifier: MIT */
/* Refused system calls of this run: answered as their profile says, and charged to the test that made them. */
#include "supervisor/core/denials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/notify/notify.h"
#include "supervisor/run/proc_task.h"
#include "supervisor/run/state.h"

/* A worker that does nothing but refused calls costs each turn of the loop about a millisecond. */
#define ANSWERS_A_TURN 64
#define PARENTS_MAX 64

/* Our cells are named below our own run's node, which has our pid in its name; a run around us, or one that a test
 * starts, has cells too. */
static struct worker *worker_by_cgroup(struct run *run, pid_t tid)
{
    char path[40], mine[32], text[4096], *node, *cell;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)tid);
    snprintf(mine, sizeof(mine), "/shunt-%d-", (int)getpid());
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return NULL;
    for (node = strstr(text, mine); node; node = strstr(node + 1, mine)) {
        node[strcspn(node, "\n")] = '\0';
        cell = strstr(node, "/cell-");
        return cell ? worker_find(run, (unsigned)strtoul(cell + 6, NULL, 10)) : NULL;
    }
    return NULL;
}

/* Without cgroups: whose child it is. An orphan's is not known. */
static struct worker *worker_by_parents(struct run *run, pid_t tid)
{
    struct incident_task task;

    for (int i = 0; i < PARENTS_MAX && tid > 1 && proc_task_read(tid, &task) == 0; i++) {
        for (struct worker *w = run->workers; w; w = w->next)
            if (w->pid > 0 && w->pid == task.tgid)
                return w;
        tid = task.ppid;
    }
    return NULL;
}

/* The test whose call it is; TEST_NONE: the controller's, the template's, or between two tests. */
static size_t test_of(struct run *run, pid_t tid)
{
    struct worker *worker = tid > 0 ? (run->cgroup ? worker_by_cgroup(run, tid) : worker_by_parents(run, tid)) : NULL;

    return worker && worker->state == WORKER_RUNNING && worker->owed == TEST_NONE ? worker->test : TEST_NONE;
}

static enum notify_answer denial_decide(void *arg, struct notify_denial *denial)
{
    struct run *run = arg;
    size_t test;

    if (!denial->profile)
        return NOTIFY_CONTINUE;
    test = test_of(run, denial->tid);
    /* Dead meanwhile: what was read may be about another task of that number. Nothing is counted then, either. */
    run->denied.test = notify_waits(run->denied.notify, denial) ? test : TEST_NONE;
    return NOTIFY_REFUSE;
}

static void denial_answered(void *arg, const struct notify_denial *denial)
{
    struct run *run = arg;

    denials_add(run->denials, run->denied.test, denial->name, denial->errnum, denial->profile);
}

static void denials_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct run *run = watcher->data;

    (void)revents;
    if (notify_handle(run->denied.notify, ANSWERS_A_TURN) < 0)
        ev_io_stop(loop, watcher); /* -EPIPE: nobody is left under the filter */
}

void denials_open(struct run *run, int listener)
{
    struct notify_options options = {.listener = listener,
                                     .programs = run->denied.programs,
                                     .names = run->denied.names,
                                     .nprograms = run->denied.nprograms,
                                     .decide = denial_decide,
                                     .answered = denial_answered,
                                     .arg = run};
    struct err err = ERR_INIT;

    if (notify_new(&options, &run->denied.notify, &err) < 0) {
        report_notice(run->report, "refused system calls stay unnamed: %s", err.message);
        return;
    }
    run->denials = denials_new(run->denied.policy ? run->denied.policy : "standard");
    ev_io_init(&run->denied.io, denials_readable, notify_fd(run->denied.notify), EV_READ);
    run->denied.io.data = run;
    /* After messages of the same turn: a worker's last reports of one test come before a call of the next one. */
    ev_set_priority(&run->denied.io, PRIORITY_DEATH);
    ev_io_start(run->loop, &run->denied.io);
}

void denials_close(struct run *run)
{
    if (run->denied.notify)
        ev_io_stop(run->loop, &run->denied.io);
    notify_free(run->denied.notify);
    run->denied.notify = NULL;
    denials_free(run->denials);
    run->denials = NULL;
}
