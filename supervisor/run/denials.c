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
#include "sandbox/notify/notify.h"
#include "sandbox/plan/plan.h"
#include "sandbox/seccomp/profile.h"
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
    struct denied_listener *listener = arg;
    struct run *run = listener->run;
    size_t test;

    if (!denial->profile)
        return NOTIFY_CONTINUE;
    test = test_of(run, denial->tid);
    /* Dead meanwhile: what was read may be about another task of that number. Nothing is counted then, either. */
    run->denied.test = notify_waits(listener->notify, denial) ? test : TEST_NONE;
    return NOTIFY_REFUSE;
}

static void denial_answered(void *arg, const struct notify_denial *denial)
{
    struct run *run = ((struct denied_listener *)arg)->run;

    denials_add(run->denials, run->denied.test, denial->name, denial->errnum, denial->profile);
}

static void denials_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct denied_listener *listener = watcher->data;

    (void)revents;
    if (notify_handle(listener->notify, ANSWERS_A_TURN) < 0)
        ev_io_stop(loop, watcher); /* -EPIPE: nobody is left under the filter */
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
    run->denials = denials_new(run->spec.name);
}

void denials_open(struct run *run, int fd)
{
    struct denied_listener *listener = mem_zalloc(sizeof(*listener));
    struct notify_options options = {.listener = fd,
                                     .programs = run->denied.programs,
                                     .names = run->denied.names,
                                     .decide = denial_decide,
                                     .answered = denial_answered,
                                     .arg = listener};
    struct err err = ERR_INIT;

    if (!run->denials)
        open_programs(run);
    options.nprograms = run->denied.nprograms;
    listener->run = run;
    if (notify_new(&options, &listener->notify, &err) < 0) {
        report_notice(run->report, "refused system calls stay unnamed: %s", err.message);
        free(listener);
        return;
    }
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
    struct denied_listener *listener;

    while ((listener = run->denied.listeners)) {
        run->denied.listeners = listener->next;
        ev_io_stop(run->loop, &listener->io);
        notify_free(listener->notify);
        free(listener);
    }
    denials_free(run->denials);
    run->denials = NULL;
    for (size_t i = 0; i < PLAN_PROFILES; i++) {
        seccomp_profile_done(&run->denied.programs[i]);
        free((char *)run->denied.names[i]);
        run->denied.names[i] = NULL;
    }
    run->denied.nprograms = 0;
}
