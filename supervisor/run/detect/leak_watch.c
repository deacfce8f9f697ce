/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/leak_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/blame.h"
#include "supervisor/core/leak.h"
#include "supervisor/run/detect/held_result.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/worker_tasks.h"
#include "supervisor/run/state.h"

/* The kernel forgets a joined thread up to some 17 ms late (measured); three times that is no leak yet. */
#define SETTLE_NS (50 * NS_PER_MS)
#define FORGOTTEN_NS (20 * NS_PER_MS) /* where there is no time left to wait */
/* Where a test fails for it, what is about to end gets longer: on a busy machine a pool takes its time. */
#define SETTLE_FAIL_NS (500 * NS_PER_MS)
#define KNOWN_MAX 4096
#define VERIFIED_MAX 16 /* so many are looked at, 7 us each, at a boundary at which others live */
#define KEPT_MAX 256
/* When a process ends, its threads are gone before it is: what was seen to have ended so short a time before a death is part
 * of that death. */
#define JUST_ENDED_NS (500 * NS_PER_MS)
#define ENDED_EARLY_NS (50 * NS_PER_MS) /* likewise for one that was no leak yet */
#define JUST_ENDED_MAX 32
#define LEFT_MAX 16
#define SOCKETS_SHOWN 2
#define ORIGINS_MAX 32 /* earlier tests of a worker whose starts are remembered */

struct known {
    pid_t tid;
    uint64_t start_ticks;
    bool leaked; /* by a test, not kept on purpose */
    struct blame_survivor survivor;
};

struct just_ended {
    struct blame_survivor survivor;
    uint64_t until_ns;
};

/* What an earlier test noted of its starts. */
struct origin {
    size_t test;
    char text[256];
};

/* Alive at a boundary, not known: judged when due, and charged to the test of that boundary whatever runs then. A task, or a
 * listening socket (tid 0), which whatever ends late may still close. */
struct candidate {
    int fd;
    uint64_t inode;
    char socket[200];
    pid_t tid;
    uint64_t start_ticks;
    size_t test;
    int inside;
    uint64_t since_ns;
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

static uint64_t settle_ns(const struct run *run)
{
    return run->config->leaks == LEAKS_FAIL ? SETTLE_FAIL_NS : SETTLE_NS;
}

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

static int add_socket(struct leak_watch *watch, size_t test, json_t *entry)
{
    json_int_t fd, inode;
    const char *text;
    size_t length;

    if (json_unpack(entry, "{s:I, s:I, s:s%}", "fd", &fd, "inode", &inode, "text", &text, &length) < 0 || fd < 0 ||
        fd > 1 << 30 || inode < 1 || length >= sizeof(watch->candidates->socket))
        return -EPROTO;
    mem_grow(&watch->candidates, &watch->candidates_room, watch->ncandidates + 1, sizeof(*watch->candidates));
    watch->candidates[watch->ncandidates] = (struct candidate){
        .fd = (int)fd, .inode = (uint64_t)inode, .test = test, .since_ns = clock_now_ns()};
    memcpy(watch->candidates[watch->ncandidates].socket, text, length + 1);
    watch->ncandidates++;
    return 0;
}

int leak_watch_left(struct worker *worker, const json_t *left)
{
    size_t i;
    json_t *entry;

    if (!left || json_is_null(left))
        return 0;
    if (!json_is_array(left) || json_array_size(left) > LEFT_MAX)
        return -EPROTO;
    json_array_foreach (left, i, entry)
        if (add_socket(watch_of(worker), worker->test, entry) < 0)
            return -EPROTO;
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

/* Reads what the task is now; false when it has ended (its id may belong to another one). */
static bool still_lives(pid_t tid, uint64_t start_ticks, struct incident_task *now)
{
    return proc_task_read(tid, now) == 0 && now->start_ticks == start_ticks && now->state != 'Z' &&
           now->state != 'X';
}

/* How many tasks besides the worker's own are explained. What has ended in between counts no more, else the next leak would
 * take its place unseen, and be charged to the test after it. Looked at only where something lives. */
static size_t accounted(const struct leak_watch *watch, uint64_t others)
{
    struct incident_task now;
    size_t n = 0, all = watch->nknown + watch->ncandidates;

    for (size_t i = 0; i < watch->nknown; i++)
        n += all > VERIFIED_MAX || still_lives(watch->known[i].tid, watch->known[i].start_ticks, &now);
    for (size_t i = 0; i < watch->ncandidates && n < others; i++)
        n += watch->candidates[i].tid &&
             (all > VERIFIED_MAX || still_lives(watch->candidates[i].tid, watch->candidates[i].start_ticks, &now));
    return n;
}

static bool is_accounted_for(const struct leak_watch *watch, const struct incident_task *task)
{
    for (size_t i = 0; i < watch->nknown; i++)
        if (watch->known[i].tid == task->tid && watch->known[i].start_ticks == task->start_ticks)
            return true;
    for (size_t i = 0; i < watch->ncandidates; i++)
        if (watch->candidates[i].tid == task->tid && watch->candidates[i].start_ticks == task->start_ticks)
            return true;
    return false;
}

static bool is_kept(const struct worker *worker, const struct incident_task *task)
{
    struct leak_task leak = {.tid = task->tid,
                             .tgid = task->tgid,
                             .ppid = task->ppid,
                             .inside_tid = proc_task_inside_id(task->tid, "\nNSpid:"),
                             .inside_tgid = proc_task_inside_id(task->tid, "\nNStgid:"),
                             .inside_ppid = proc_task_inside_id(task->ppid, "\nNStgid:")};

    return leak_is_kept(&leak, proc_task_inside_id(worker->pid, "\nNStgid:"), worker->leak->kept,
                        worker->leak->nkept);
}

static struct blame_survivor survivor_of(const struct candidate *candidate)
{
    return (struct blame_survivor){.test = candidate->test,
                                   .task = candidate->inside,
                                   .tid = candidate->tid,
                                   .since_ns = candidate->since_ns};
}

/* What a leftover of an earlier test starts while another test runs is no leak of the latter. */
static bool is_of_a_leftover(struct worker *worker, const struct incident_task *task, size_t test)
{
    struct leak_watch *watch = worker->leak;
    pid_t parent = task->tgid == task->tid ? task->ppid : task->tgid;
    struct incident_task now;
    struct known of = {.tid = 0};

    if (parent == worker->pid)
        return false;
    for (size_t i = 0; i < watch->nknown && !of.tid; i++)
        if (watch->known[i].leaked && watch->known[i].tid == parent && still_lives(parent, watch->known[i].start_ticks, &now))
            of = watch->known[i];
    for (size_t i = 0; i < watch->ncandidates && !of.tid; i++)
        if (watch->candidates[i].tid == parent && watch->candidates[i].test != test &&
            still_lives(parent, watch->candidates[i].start_ticks, &now) && !is_kept(worker, &now))
            of = (struct known){.tid = parent, .leaked = true, .survivor = survivor_of(&watch->candidates[i])};
    if (!of.tid)
        return false;
    of.survivor.task = task->inside;
    of.survivor.tid = task->tid;
    of.tid = task->tid;
    of.start_ticks = task->start_ticks;
    *remember(watch, task) = of;
    return true;
}

void leak_watch_boundary(struct worker *worker, size_t test)
{
    struct leak_watch *watch = worker->leak;
    pid_t tids[INCIDENT_MAX_TASKS];
    uint64_t others;
    size_t before;
    ssize_t n;

    worker_tasks_count(worker);
    others = worker->counters.tasks_now > 1 ? worker->counters.tasks_now - 1 : 0;
    if (!others || (watch && others <= accounted(watch, others)))
        return;
    n = worker_tasks_list(worker, tids, INCIDENT_MAX_TASKS);
    if (n <= 0)
        return;
    if (n > INCIDENT_MAX_TASKS)
        n = INCIDENT_MAX_TASKS;
    watch = watch_of(worker);
    before = watch->ncandidates;
    for (ssize_t i = 0; i < n; i++) {
        struct incident_task task;

        if (tids[i] == worker->pid || proc_task_read(tids[i], &task) < 0 || is_accounted_for(watch, &task) ||
            is_of_a_leftover(worker, &task, test))
            continue;
        mem_grow(&watch->candidates, &watch->candidates_room, watch->ncandidates + 1,
                 sizeof(*watch->candidates));
        watch->candidates[watch->ncandidates++] =
            (struct candidate){.tid = tids[i], .start_ticks = task.start_ticks, .test = test, .inside = task.inside,
                               .since_ns = clock_now_ns()};
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
    ssize_t n = worker->counters.tasks_now > 1 ? worker_tasks_list(worker, tids, INCIDENT_MAX_TASKS) : 0;

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

/* Is that descriptor of the worker's still the same socket? */
static bool still_listens(const struct worker *worker, const struct candidate *candidate)
{
    char path[64], link[64], wanted[64];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)worker->pid, candidate->fd);
    n = worker->pid > 0 ? readlink(path, link, sizeof(link) - 1) : -1;
    if (n <= 0)
        return false;
    link[n] = '\0';
    snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)candidate->inode);
    return strcmp(link, wanted) == 0;
}

/* `sockets`: "127.0.0.1:8080 opened at a.py:7"; "". */
static void describe_leak(struct worker *worker, struct incident *incident, const struct leak_sum *sum,
                          const struct leak_names *names, const char *sockets)
{
    const char *origin = sum->tasks ? leak_watch_origin(worker, incident->test) : "";
    char text[256] = "";
    bool seen = *origin || (!sum->tasks && sum->sockets); /* the line that made it was noted when it did */

    if (!*origin && sum->tasks)
        leak_names_text(names, text, sizeof(text));
    leak_sum_text(sum, incident->text, sizeof(incident->text));
    snprintf(incident->evidence, sizeof(incident->evidence), "%s%s%s", *origin ? origin : text,
             sum->tasks && *sockets ? "; " : "", sockets);
    incident->blame.confidence = seen ? BLAME_DIRECT : BLAME_WINDOW;
}

static void report_leak(struct worker *worker, size_t test, const struct leak_sum *sum, const struct leak_names *names,
                        const char *sockets)
{
    struct run *run = worker->run;
    struct incident *incident;

    if (run->config->leaks == LEAKS_IGNORE)
        return;
    incident = incident_new(worker, VERDICT_LEAK, test);
    incident->counters = (struct detector_counters){0}; /* those of another test, by now */
    incident->next = INCIDENT_NOTHING;
    describe_leak(worker, incident, sum, names, sockets);
    held_result_leaked(worker, incident);
    report_incident(run->report, &run->suite, incident);
}

static void note_ended(struct leak_watch *watch, struct blame_survivor survivor, uint64_t counts_ns)
{
    watch->ended[watch->nended++ % JUST_ENDED_MAX] = (struct just_ended){survivor, clock_now_ns() + counts_ns};
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
            note_ended(watch, watch->known[i].survivor, JUST_ENDED_NS);
    watch->nknown = left;
}

size_t leak_watch_survivors(const struct worker *worker, struct blame_survivor *ret, size_t room)
{
    const struct leak_watch *watch = worker->leak;
    uint64_t now = clock_now_ns();
    size_t n = 0;

    for (size_t i = 0; watch && i < watch->nended && i < JUST_ENDED_MAX && n < room; i++)
        if (now < watch->ended[i].until_ns)
            ret[n++] = watch->ended[i].survivor;
    for (size_t i = 0; watch && i < watch->nknown && n < room; i++)
        if (watch->known[i].leaked)
            ret[n++] = watch->known[i].survivor;
    for (size_t i = 0; watch && i < watch->ncandidates && n < room; i++)
        if (watch->candidates[i].tid)
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
    size_t test = watch->candidates[at].test;
    struct leak_sum sum = {0};
    struct leak_names names = {0};
    char sockets[SOCKETS_SHOWN * (sizeof(watch->candidates->socket) + 2)] = "";

    for (; at < watch->ncandidates && watch->candidates[at].test == test; at++) {
        const struct candidate *then = &watch->candidates[at];
        struct incident_task now;
        struct known *known;

        if (!then->tid) {
            if (still_listens(worker, then) && sum.sockets++ < SOCKETS_SHOWN)
                snprintf(sockets + strlen(sockets), sizeof(sockets) - strlen(sockets), "%s%s", *sockets ? ", " : "", then->socket);
            continue;
        }
        if (!still_lives(then->tid, then->start_ticks, &now)) {
            note_ended(watch, survivor_of(then), ENDED_EARLY_NS);
            continue;
        }
        known = remember(watch, &now);
        known->survivor = survivor_of(then);
        if (!is_kept(worker, &now)) {
            known->leaked = true;
            sum.tasks++;
            if (now.tgid == now.tid || now.tgid == worker->pid)
                leak_names_add(&names, now.comm, now.tgid == now.tid);
        }
    }
    worker->leaked += sum.tasks;
    if (sum.tasks || sum.sockets)
        report_leak(worker, test, &sum, &names, sockets);
    return at;
}

static void settle_since(struct worker *worker, uint64_t age_ns)
{
    struct leak_watch *watch = worker->leak;
    uint64_t now = clock_now_ns();
    size_t at = 0;

    while (at < watch->ncandidates && watch->candidates[at].since_ns + age_ns <= now)
        at = settle_test(worker, at);
    watch->ncandidates -= at;
    if (at)
        memmove(watch->candidates, watch->candidates + at, watch->ncandidates * sizeof(*watch->candidates));
}

void leak_watch_tick(struct worker *worker)
{
    if (!worker->leak)
        return;
    worker_tasks_count(worker);
    forget_ended(worker);
    if (worker->result.test != TEST_NONE)
        leak_watch_pending(worker); /* it is waited for: what has ended is dropped at once */
    settle_since(worker, settle_ns(worker->run));
    held_result_settle(worker);
}

void leak_watch_last_look(struct worker *worker)
{
    if (worker->leak && !worker->exited && worker->result.test == TEST_NONE)
        settle_since(worker, FORGOTTEN_NS);
}

bool leak_watch_pending(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;
    struct incident_task now;
    size_t left = 0;

    if (!watch)
        return false;
    for (size_t i = 0; i < watch->ncandidates; i++) {
        const struct candidate *candidate = &watch->candidates[i];

        if (candidate->tid ? still_lives(candidate->tid, candidate->start_ticks, &now) : still_listens(worker, candidate)) {
            watch->candidates[left++] = *candidate;
        } else if (candidate->tid) {
            note_ended(watch, survivor_of(candidate), ENDED_EARLY_NS);
        }
    }
    watch->ncandidates = left;
    return left > 0;
}

bool leak_watch_is_pending_of(const struct worker *worker, size_t test)
{
    const struct leak_watch *watch = worker->leak;

    for (size_t i = 0; watch && i < watch->ncandidates; i++)
        if (watch->candidates[i].test == test)
            return true;
    return false;
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
