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
#include "sandbox/base/mem.h"
#include "sandbox/learn/learn.h"
#include "sandbox/notify/notify.h"
#include "sandbox/plan/plan.h"
#include "sandbox/seccomp/profile.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/state.h"

/* A worker that does nothing but refused calls costs each turn of the loop about a millisecond. */
#define ANSWERS_A_TURN 64
#define PARENTS_MAX 64

struct denial_listener { /* of the command and all that it forks, or of one cold worker */
    struct denial_listener *next;
    struct run *run;
    struct notify *notify;
    ev_io io;
    size_t test; /* whose call is being answered */
};

/* Our cells are named below our own run's node, which has our pid in its name; a run around us, or one that a test
 * starts, has cells too. */
static struct worker *worker_by_cgroup(struct run *run, pid_t tid)
{
    char path[40], mine[32], text[4096], *save = NULL;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)tid);
    snprintf(mine, sizeof(mine), "/shunt-%d-", (int)getpid());
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *node = strstr(line, mine), *cell = node ? strstr(node, "/cell-") : NULL;

        if (cell)
            return worker_find(run, (unsigned)strtoul(cell + 6, NULL, 10));
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

    /* Its last reports may have arrived since this turn began, and its next test with them. */
    if (worker && worker->state == WORKER_RUNNING && worker->owed != TEST_NONE && worker->channel)
        channel_drain(worker->channel);
    return worker && worker->state == WORKER_RUNNING && worker->owed == TEST_NONE ? worker->test : TEST_NONE;
}

static enum notify_answer denial_decide(void *arg, struct notify_denial *denial)
{
    struct denial_listener *listener = arg;

    if (!denial->profile)
        return NOTIFY_CONTINUE;
    listener->test = test_of(listener->run, denial->tid);
    /* Dead meanwhile: what was read may be about another task of that number. Nothing is counted then, either. */
    if (!notify_waits(listener->notify, denial))
        listener->test = TEST_NONE;
    return NOTIFY_REFUSE;
}

static enum notify_answer denial_learn(void *arg, struct notify_denial *denial)
{
    struct denial_listener *listener = arg;
    struct run *run = listener->run;
    struct worker *worker;

    learn_call(run->learn, listener->notify, denial);
    if (run->cgroup && denial->tid > 0 && learn_starts_task(denial)) {
        worker = worker_by_cgroup(run, denial->tid);
        if (worker && worker->leaf)
            cgroup_leaf_read(worker->leaf, CGROUP_READ_TASKS, &worker->counters);
    }
    return NOTIFY_CONTINUE;
}

static void denial_answered(void *arg, const struct notify_denial *denial)
{
    struct denial_listener *listener = arg;

    denials_add(listener->run->denials, listener->test, denial->name, denial->errnum, denial->profile);
}

static void listener_free(struct denial_listener *listener)
{
    if (listener->notify)
        ev_io_stop(listener->run->loop, &listener->io);
    notify_free(listener->notify);
    free(listener);
}

static void listener_gone(struct denial_listener *listener)
{
    struct denial_listener **at = &listener->run->denied.listeners;

    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    listener_free(listener);
}

static void denials_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct denial_listener *listener = watcher->data;

    int r = notify_handle(listener->notify, ANSWERS_A_TURN);

    (void)loop;
    (void)revents;
    if (r >= 0)
        return;
    if (r != -EPIPE) /* that is: nobody is left under the filter */
        report_notice(listener->run->report, "refused system calls stay unnamed from here on: %s", strerror(-r));
    listener_gone(listener);
}

/* Compiled only when there is somebody to answer. */
static void open_programs(struct run *run)
{
    const struct sandbox_plan *plan = run_init_plan(run->init);
    struct run_denied *denied = &run->denied;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < PLAN_PROFILES && plan->profiles[i] && denied->nprograms == i; i++) {
        const char *slash = strrchr(plan->profiles[i], '/');

        if (plan_refusing(plan, i, &denied->programs[i], &err) < 0) {
            report_notice(run->report, "refused system calls get EPERM: %s", err.message);
            return;
        }
        denied->names[i] = mem_printf("seccomp/%s", slash ? slash + 1 : plan->profiles[i]);
        denied->nprograms++;
    }
}

void denials_open(struct run *run, int fd)
{
    struct denial_listener *listener = mem_zalloc(sizeof(*listener));
    struct notify_options options = {.listener = fd,
                                     .programs = run->denied.programs,
                                     .names = run->denied.names,
                                     .decide = denial_decide,
                                     .answered = denial_answered,
                                     .arg = listener};
    struct err err = ERR_INIT;

    if (run->learn) {
        options.learn = true;
        options.decide = denial_learn;
        options.answered = NULL;
    } else if (!run->denied.nprograms) {
        open_programs(run);
    }
    options.nprograms = run->denied.nprograms;
    listener->run = run;
    if (notify_new(&options, &listener->notify, &err) < 0) {
        report_notice(run->report, "refused system calls stay unnamed: %s", err.message);
        listener_free(listener);
        return;
    }
    if (!run->denials && !run->learn)
        run->denials = denials_new(run->spec.name);
    listener->next = run->denied.listeners;
    run->denied.listeners = listener;
    ev_io_init(&listener->io, denials_readable, notify_fd(listener->notify), EV_READ);
    listener->io.data = listener;
    /* After messages of the same turn: a worker's last reports of one test come before a call of the next one. */
    ev_set_priority(&listener->io, PRIORITY_DEATH);
    ev_io_start(run->loop, &listener->io);
}

void denials_close(struct run *run)
{
    while (run->denied.listeners)
        listener_gone(run->denied.listeners);
    denials_free(run->denials);
    run->denials = NULL;
    for (size_t i = 0; i < run->denied.nprograms; i++) {
        seccomp_profile_done(&run->denied.programs[i]);
        free((char *)run->denied.names[i]);
    }
    run->denied.nprograms = 0;
}
