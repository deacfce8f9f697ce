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
#include "supervisor/core/leak.h"
#include "supervisor/run/proc_task.h"
#include "supervisor/run/state.h"

/* The kernel forgets a joined thread up to some 17 ms late (measured); three times that is no leak yet. */
#define SETTLE_NS (50 * NS_PER_MS)
#define KNOWN_MAX 4096
#define KEPT_MAX 256

struct known {
    pid_t tid;
    uint64_t start_ticks;
};

struct leak_watch {
    struct known *known; /* tasks that outlived an earlier boundary and are accounted for */
    size_t nknown, known_room;
    int kept[KEPT_MAX];
    size_t nkept;
    struct incident_task *candidates; /* alive at the last boundary and not known */
    size_t ncandidates;
    size_t test;
    uint64_t due_ns;
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

static bool is_known(const struct leak_watch *watch, pid_t tid)
{
    for (size_t i = 0; i < watch->nknown; i++)
        if (watch->known[i].tid == tid)
            return true;
    return false;
}

static void drop_candidates(struct leak_watch *watch)
{
    free(watch->candidates);
    watch->candidates = NULL;
    watch->ncandidates = 0;
}

void leak_watch_boundary(struct worker *worker, size_t test)
{
    struct leak_watch *watch;
    pid_t tids[INCIDENT_MAX_TASKS];
    ssize_t n;

    if (!worker->leaf || worker->counters.tasks_now <= 1 + (worker->leak ? worker->leak->nknown : 0))
        return;
    watch = watch_of(worker);
    if (watch->due_ns)
        leak_watch_tick(worker); /* what the last test left is settled before this one's is noted */
    n = cgroup_leaf_threads(worker->leaf, tids, INCIDENT_MAX_TASKS);
    if (n <= 0)
        return;
    if (n > INCIDENT_MAX_TASKS)
        n = INCIDENT_MAX_TASKS;
    drop_candidates(watch);
    watch->candidates = mem_calloc((size_t)n, sizeof(*watch->candidates));
    for (ssize_t i = 0; i < n; i++)
        if (tids[i] != worker->pid && !is_known(watch, tids[i]) &&
            proc_task_read(tids[i], &watch->candidates[watch->ncandidates]) == 0)
            watch->ncandidates++;
    watch->test = test;
    watch->due_ns = watch->ncandidates ? clock_now_ns() + SETTLE_NS : 0;
}

void leak_watch_test_starts(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;

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

static void report_leak(struct worker *worker, size_t leaked)
{
    struct run *run = worker->run;
    struct incident *incident;

    mem_grow(&run->incidents, &run->incidents_room, run->nincidents + 1, sizeof(*run->incidents));
    incident = &run->incidents[run->nincidents++];
    *incident = (struct incident){.number = (unsigned)run->nincidents,
                                  .verdict = VERDICT_LEAK,
                                  .test = worker->leak->test,
                                  .slot = worker->slot ? worker->slot->index : 0,
                                  .serial = worker->slot && worker->slot->serial,
                                  .generation = worker->generation,
                                  .next = INCIDENT_NOTHING,
                                  .time_ns = run_elapsed_ns(run),
                                  .limits = worker->limits};
    snprintf(incident->text, sizeof(incident->text), "left %zu task%s behind", leaked,
             leaked == 1 ? "" : "s");
    report_incident(run->report, &run->suite, incident);
}

void leak_watch_tick(struct worker *worker)
{
    struct leak_watch *watch = worker->leak;
    size_t leaked = 0;

    if (!watch->due_ns || clock_now_ns() < watch->due_ns)
        return;
    watch->due_ns = 0;
    for (size_t i = 0; i < watch->ncandidates; i++) {
        struct incident_task now, *then = &watch->candidates[i];

        if (proc_task_read(then->tid, &now) < 0 || now.start_ticks != then->start_ticks ||
            now.state == 'Z' || now.state == 'X')
            continue;
        leaked += !is_kept(worker, &now);
        if (watch->nknown < KNOWN_MAX) {
            mem_grow(&watch->known, &watch->known_room, watch->nknown + 1, sizeof(*watch->known));
            watch->known[watch->nknown++] = (struct known){now.tid, now.start_ticks};
        }
    }
    drop_candidates(watch);
    if (!leaked)
        return;
    worker->leaked += leaked;
    report_leak(worker, leaked);
}

void leak_watch_free(struct worker *worker)
{
    if (!worker->leak)
        return;
    drop_candidates(worker->leak);
    free(worker->leak->known);
    free(worker->leak);
    worker->leak = NULL;
}
