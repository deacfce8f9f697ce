/* SPDX-License-Identifier: MIT */
/* What is noted about a slot while it still lives: its tasks, in one pass over /proc, bounded. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/blackbox.h"
#include "supervisor/run/proc_task.h"
#include "supervisor/run/state.h"

#define NAMES_MAX 4

struct name_count {
    char comm[24];
    size_t threads;
};

static void count_name(struct name_count *names, size_t *n, const char *comm)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i].comm, comm) == 0) {
            names[i].threads++;
            return;
        }
    if (*n < NAMES_MAX) {
        snprintf(names[*n].comm, sizeof(names[*n].comm), "%s", comm);
        names[(*n)++].threads = 1;
    }
}

/* "61 threads in 3 processes: 58 python3, 3 sh". */
static void describe(struct incident *incident, size_t processes)
{
    struct name_count names[NAMES_MAX];
    size_t n = 0, at;
    const char *glue = ": ";

    for (size_t i = 0; i < incident->ntasks; i++)
        count_name(names, &n, incident->tasks[i].comm);
    at = (size_t)snprintf(incident->evidence, sizeof(incident->evidence),
                          "%zu task%s in %zu process%s when it was stopped", incident->ntasks_total,
                          incident->ntasks_total == 1 ? "" : "s", processes,
                          processes == 1 ? "" : "es");
    for (size_t i = 0; i < n && at < sizeof(incident->evidence); i++) {
        at += (size_t)snprintf(incident->evidence + at, sizeof(incident->evidence) - at, "%s%zu %s",
                               glue, names[i].threads, names[i].comm);
        glue = ", ";
    }
}

/* What the worker noted itself says more than what the kernel calls its tasks. */
void evidence_of_starts(const struct worker *worker, char *buf, size_t size)
{
    unsigned char page[BLACKBOX_SIZE];
    ssize_t n = worker->box_fd >= 0 ? pread(worker->box_fd, page, sizeof(page), 0) : 0;

    blackbox_describe(page, n > 0 ? (size_t)n : 0, buf, size);
}

void evidence_take(struct worker *worker, struct incident *incident)
{
    pid_t ids[INCIDENT_MAX_TASKS];
    ssize_t total, processes;

    evidence_of_starts(worker, incident->evidence, sizeof(incident->evidence));
    if (!worker->leaf)
        return;
    processes = cgroup_leaf_processes(worker->leaf, ids, INCIDENT_MAX_TASKS);
    total = cgroup_leaf_threads(worker->leaf, ids, INCIDENT_MAX_TASKS);
    if (total <= 0)
        return;
    incident->ntasks_total = (size_t)total;
    incident->tasks = mem_calloc((size_t)total < INCIDENT_MAX_TASKS ? (size_t)total
                                                                    : INCIDENT_MAX_TASKS,
                                 sizeof(*incident->tasks));
    for (ssize_t i = 0; i < total && i < INCIDENT_MAX_TASKS; i++)
        if (proc_task_read(ids[i], &incident->tasks[incident->ntasks]) == 0)
            incident->ntasks++;
    if (!incident->evidence[0] && total > 1)
        describe(incident, processes > 0 ? (size_t)processes : 0);
}
