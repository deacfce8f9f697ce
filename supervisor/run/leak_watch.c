/* SPDX-License-Identifier: MIT */
#include "supervisor/run/leak_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/blame.h"
#include "supervisor/core/leak.h"
#include "supervisor/run/proc_task.h"
#include "supervisor/run/state.h"

/* The kernel forgets a joined thread up to some 17 ms late (measured); three times that is no leak yet. */
#define SETTLE_NS (50 * NS_PER_MS)
#define KNOWN_MAX 4096
#define KEPT_MAX 256
/* When a process ends, its threads are gone before it is: what was seen to have ended so short a time before a death is part
 * of that death. */
#define JUST_ENDED_NS (500 * NS_PER_MS)
#define JUST_ENDED_MAX 32
#define ORIGINS_MAX 32 /* earlier tests of a worker whose starts are remembered */

struct known {
    pid_t tid;
    uint64_t start_ticks;
    bool leaked; /* by a test, not kept on purpose */
    struct blame_survivor survivor;
};

struct just_ended {
    struct blame_survivor survivor;
    uint64_t ended_ns;
};

/* What an earlier test noted of its starts. */
struct origin {
    size_t test;
    char text[256];
};

/* Alive at a boundary, not known: judged when due, and charged to the test of that boundary whatever runs then. */
struct candidate {
    pid_t tid;
    uint64_t start_ticks;
    size_t test;
    int inside;
    uint64_t due_ns;
};

struct leak_watch {
    struct known *known; /* tasks that outlived an earlier boundary and are accounted for */
    size_t nknown, known_room;
    struct just_ended ended[JUST_ENDED_MAX]; /* of those that leaked; a ring */
    size_t nended;
    int kept[KEPT_MAX];
    size_t nkept;
    struct candidate *candidates; /* by test, the earliest first */
    size_t ncandidates, candidates_room;
    uint64_t tasks_seen; /* at the last look for known ones that have ended */
    struct origin origins[ORIGINS_MAX]; /* a ring */
    size_t norigins;
};

static struct leak_watch *watch_of(struct worker *worker)
{
    if (!worker->leak)
        worker->leak = mem_zalloc(sizeof(*worker->leak));
    return worker->leak;
}

int leak_watch_kept(struct worker *worker, const json_t *kept)
{
    struct leak_watch *watch;
    size_t i;
    json_t *id;

    if (!kept || json_is_null(kept))
        return 0;
    if (!json_is_array(kept) || json_array_size(kept) > KEPT_MAX)
        return -EPROTO;
    watch = watch_of(worker);
    json_array_foreach (kept, i, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 1 || json_integer_value(id) > 1 << 22)
            return -EPROTO;
        if (watch->nkept < KEPT_MAX)
            watch->kept[watch->nkept++] = (int)json_integer_value(id);
    }
    return 0;
}

static struct known *remember(struct leak_watch *watch, const struct incident_task *task)
{
    static struct known none; /* more than can be known: nobody reads it */

    if (watch->nknown >= KNOWN_MAX)
        return &none;
    mem_grow(&watch->known, &watch->known_room, watch->nknown + 1, sizeof(*watch->known));
    watch->known[watch->nknown] = (struct known){.tid = task->tid, .start_ticks = task->start_ticks};
    return &watch->known[watch->nknown++];
}

static bool is_accounted_for(const struct leak_watch *watch, pid_t tid)
{
    for (size_t i = 0; i < watch->nknown; i++)
        if (watch->known[i].tid == tid)
            return true;
    for (size_t i = 0; i < watch->ncandidates; i++)
        if (watch->candidates[i].tid == tid)
            return true;
    return false;
}

void leak_watch_boundary(struct worker *worker, size_t test)
{
    struct leak_watch *watch = worker->leak;
    pid_t tids[INCIDENT_MAX_TASKS];
    size_t before;
    ssize_t n;

    if (!worker->leaf ||
        worker->counters.tasks_now <= 1 + (watch ? watch->nknown + watch->ncandidates : 0))
        return;
    n = cgroup_leaf_threads(worker->leaf, tids, INCIDENT_MAX_TASKS);
    if (n <= 0)
        return;
    if (n > INCIDENT_MAX_TASKS)
        n = INCIDENT_MAX_TASKS;
    watch = watch_of(worker);
    before = watch->ncandidates;
    for (ssize_t i = 0; i < n; i++) {
        struct incident_task task;

        if (tids[i] == worker->pid || is_accounted_for(watch, tids[i]) ||
            proc_task_read(tids[i], &task) < 0)
            continue;
        mem_grow(&watch->candidates, &watch->candidates_room, watch->ncandidates + 1,
                 sizeof(*watch->candidates));
        watch->candidates[watch->ncandidates++] =
            (struct candidate){tids[i], task.start_ticks, test, task.inside, clock_now_ns() + SETTLE_NS};
    }
    if (watch->ncandidates > before) {
        struct origin *origin = &watch->origins[watch->norigins++ % ORIGINS_MAX];

        origin->test = test;
        evidence_of_starts(worker, origin->text, sizeof(origin->text));
    }
}

/* Before the first test: what the suite's imports started is nobody's leak. */
static void know_what_there_is(struct worker *worker)
{
    pid_t tids[INCIDENT_MAX_TASKS];
    ssize_t n = worker->counters.tasks_now > 1 ? cgroup_leaf_threads(worker->leaf, tids, INCIDENT_MAX_TASKS) : 0;

    for (ssize_t i = 0; i < n && i < INCIDENT_MAX_TASKS; i++) {
        struct incident_task task;

        if (tids[i] != worker->pid && proc_task_read(tids[i], &task) == 0)
            remember(watch_of(worker), &task);
    }
}

void leak_watch_test_starts(struct worker *worker)
{
    struct leak_watch *watch;

    if (worker->last_test == TEST_NONE)
        know_what_there_is(worker);
    watch = worker->leak;
    /* Alone again: whatever was known is gone, and its ids may come back for something else. */
    if (watch && worker->counters.tasks_now <= 1)
        watch->nknown = watch->nkept = 0;
}

/* The last column of a line such as "NSpid:\t4021\t31\t7": the id in the innermost namespace. */
static int innermost(const char *status, const char *key)
{
    const char *line = strstr(status, key), *end, *last;

    if (!line)
        return 0;
    end = strchrnul(line + 1, '\n');
    for (last = end; last > line && last[-1] != '\t'; last--)
        ;
    return atoi(last);
}

static int inside_id(pid_t tid, const char *key)
{
    char path[64], buf[4096];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    return tid > 0 && io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) > 0 ? innermost(buf, key) : 0;
}

static bool is_kept(const struct worker *worker, const struct incident_task *task)
{
    struct leak_task leak = {.tid = task->tid,
                             .tgid = task->tgid,
                             .ppid = task->ppid,
                             .inside_tid = inside_id(task->tid, "\nNSpid:"),
                             .inside_tgid = inside_id(task->tid, "\nNStgid:"),
                             .inside_ppid = inside_id(task->ppid, "\nNStgid:")};

    return leak_is_kept(&leak, inside_id(worker->pid, "\nNStgid:"), worker->leak->kept,
                        worker->leak->nkept);
}

static void report_leak(struct worker *worker, size_t test, size_t leaked, const char *names)
{
    struct run *run = worker->run;
    struct incident *incident;

    mem_grow(&run->incidents, &run->incidents_room, run->nincidents + 1, sizeof(*run->incidents));
    incident = &run->incidents[run->nincidents++];
    *incident = (struct incident){.number = (unsigned)run->nincidents,
                                  .verdict = VERDICT_LEAK,
                                  .test = test,
                                  .slot = worker->slot ? worker->slot->index : 0,
                                  .serial = worker->slot && worker->slot->serial,
                                  .generation = worker->generation,
                                  .next = INCIDENT_NOTHING,
                                  .time_ns = run_elapsed_ns(run),
                                  .limits = worker->limits,
                                  .blame = {.confidence = BLAME_WINDOW, .during = TEST_NONE, .culprit = TEST_NONE}};
    snprintf(incident->text, sizeof(incident->text), "left %zu task%s behind", leaked,
             leaked == 1 ? "" : "s");
    snprintf(incident->evidence, sizeof(incident->evidence), "%s", leak_watch_origin(worker, test));
    if (incident->evidence[0])
        incident->blame.confidence = BLAME_DIRECT;
    else
        snprintf(incident->evidence, sizeof(incident->evidence), "called %s", names);
    report_incident(run->report, &run->suite, incident);
}

/* Reads what the task is now; false when it has ended (its id may belong to another one). */
static bool still_lives(pid_t tid, uint64_t start_ticks, struct incident_task *now)
{
    return proc_task_read(tid, now) == 0 && now->start_ticks == start_ticks && now->state != 'Z' &&
           now->state != 'X';
}

/* Ids come back: who has ended is no longer known. */
static void forget_ended(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;
    struct incident_task now;
    size_t left = 0;

    if (!watch->nknown || worker->counters.tasks_now == watch->tasks_seen)
        return;
    watch->tasks_seen = worker->counters.tasks_now;
    for (size_t i = 0; i < watch->nknown; i++)
        if (still_lives(watch->known[i].tid, watch->known[i].start_ticks, &now))
            watch->known[left++] = watch->known[i];
        else if (watch->known[i].leaked)
            watch->ended[watch->nended++ % JUST_ENDED_MAX] =
                (struct just_ended){watch->known[i].survivor, clock_now_ns()};
    watch->nknown = left;
}

static struct blame_survivor survivor_of(const struct candidate *candidate)
{
    return (struct blame_survivor){.test = candidate->test,
                                   .task = candidate->inside,
                                   .since_ns = candidate->due_ns - SETTLE_NS};
}

size_t leak_watch_survivors(const struct worker *worker, struct blame_survivor *ret, size_t room)
{
    const struct leak_watch *watch = worker->leak;
    uint64_t now = clock_now_ns();
    size_t n = 0;

    for (size_t i = 0; watch && i < watch->nended && i < JUST_ENDED_MAX && n < room; i++)
        if (now - watch->ended[i].ended_ns < JUST_ENDED_NS)
            ret[n++] = watch->ended[i].survivor;
    for (size_t i = 0; watch && i < watch->nknown && n < room; i++)
        if (watch->known[i].leaked)
            ret[n++] = watch->known[i].survivor;
    for (size_t i = 0; watch && i < watch->ncandidates && n < room; i++)
        ret[n++] = survivor_of(&watch->candidates[i]);
    return n;
}

const char *leak_watch_origin(const struct worker *worker, size_t test)
{
    const struct leak_watch *watch = worker->leak;

    for (size_t i = 0; watch && i < watch->norigins && i < ORIGINS_MAX; i++)
        if (watch->origins[i].test == test)
            return watch->origins[i].text;
    return "";
}

/* The candidates of one test that are due, from `at`; returns where the next test's begin. */
static size_t settle_test(struct worker *worker, size_t at)
{
    struct leak_watch *watch = worker->leak;
    size_t test = watch->candidates[at].test, leaked = 0;
    char names[128] = "";

    for (; at < watch->ncandidates && watch->candidates[at].test == test; at++) {
        const struct candidate *then = &watch->candidates[at];
        struct incident_task now;
        struct known *known;

        if (!still_lives(then->tid, then->start_ticks, &now))
            continue;
        known = remember(watch, &now);
        known->survivor = survivor_of(then);
        if (!is_kept(worker, &now)) {
            known->leaked = true;
            leaked++;
            if (!strstr(names, now.comm) && strlen(names) + sizeof(now.comm) + 3 < sizeof(names))
                snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "", now.comm);
        }
    }
    if (leaked) {
        worker->leaked += leaked;
        report_leak(worker, test, leaked, names);
    }
    return at;
}

void leak_watch_tick(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;
    uint64_t now = clock_now_ns();
    size_t at = 0;

    if (!watch)
        return;
    forget_ended(worker);
    while (at < watch->ncandidates && watch->candidates[at].due_ns <= now)
        at = settle_test(worker, at);
    watch->ncandidates -= at;
    if (at)
        memmove(watch->candidates, watch->candidates + at, watch->ncandidates * sizeof(*watch->candidates));
}

bool leak_watch_pending(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;
    struct incident_task now;
    size_t left = 0;

    if (!watch)
        return false;
    for (size_t i = 0; i < watch->ncandidates; i++)
        if (still_lives(watch->candidates[i].tid, watch->candidates[i].start_ticks, &now))
            watch->candidates[left++] = watch->candidates[i];
    watch->ncandidates = left;
    return left > 0;
}

void leak_watch_free(struct worker *worker)
{
    if (!worker->leak)
        return;
    free(worker->leak->candidates);
    free(worker->leak->known);
    free(worker->leak);
    worker->leak = NULL;
}
