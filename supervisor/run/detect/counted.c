/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/counted.h"

#include <errno.h>
#include <sys/resource.h>

#include "sandbox/base/proc_tree.h"
#include "supervisor/core/blackbox.h"
#include "supervisor/run/state.h"

#define PROCESSES_MAX 1024
#define KEEPERS 1 /* of the cell: counted by the kernel as well */

bool counted_tasks(const struct run *run)
{
    return !run->cgroup && run->init && run_init_cells(run->init) &&
           run_init_plan(run->init)->task_limit == PLAN_TASKS_NPROC;
}

/* The hard limit stays, since a later test may have a wider one: this holds whoever does not lift it on purpose. */
void counted_set_limit(const struct worker *worker, uint64_t tasks)
{
    struct rlimit limit;

    if (worker->pid <= 0 || prlimit(worker->pid, RLIMIT_NPROC, NULL, &limit) < 0)
        return;
    limit.rlim_cur = tasks && tasks + KEEPERS < limit.rlim_max ? tasks + KEEPERS : limit.rlim_max;
    prlimit(worker->pid, RLIMIT_NPROC, &limit, NULL);
}

size_t counted_processes(const struct worker *worker, pid_t *ret, size_t room)
{
    return proc_tree_list(worker->pid, ret, room);
}

void counted_read(struct worker *worker)
{
    pid_t list[PROCESSES_MAX];
    struct cgroup_counters *counters = &worker->counters;
    uint64_t tasks = 0;
    size_t n = counted_processes(worker, list, PROCESSES_MAX);

    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        tasks += proc_tree_threads(list[i]);
    counters->tasks_now = tasks;
    counters->tasks_peak_exact = false;
    if (tasks > counters->tasks_peak)
        counters->tasks_peak = tasks;
    /* One is what is sure: whoever stands at the limit is refused the next. */
    if (worker->limits.tasks && tasks >= worker->limits.tasks)
        counters->tasks_refused = worker->at_start.tasks_refused + 1;
}

/* Looking now and then may have missed the moment: what it says that it started before it was refused counts as well. */
static uint64_t peak_noted(const struct blackbox *box, uint64_t limit)
{
    uint64_t started = 1;

    for (size_t i = 0; i < box->nstarts; i++)
        started += box->starts[i].count;
    return !box->refused ? 0 : started < limit ? started : limit;
}

void counted_refused(struct worker *worker, int errnum)
{
    struct cgroup_counters *counters = &worker->counters;
    uint64_t seen, noted, limit = worker->limits.tasks;
    struct blackbox box;

    evidence_read_box(worker, &box);
    seen = box.refused ? box.refused : errnum == EAGAIN;
    if (!seen || !limit || counters->tasks_refused > worker->at_start.tasks_refused)
        return;
    noted = peak_noted(&box, limit);
    if (noted > counters->tasks_peak)
        counters->tasks_peak = noted;
    /* Far from it something else refused: another limit, or the test itself. */
    if (counters->tasks_peak >= limit / 2)
        counters->tasks_refused += seen;
}
