/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/worker_tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/proc_tree.h"
#include "supervisor/run/detect/blame.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/state.h"

#define PROCESSES_MAX 512

size_t worker_tasks_add_threads(pid_t pid, pid_t *ids, size_t n, size_t room)
{
    char path[64];
    _cleanup_closedir_ DIR *dir = NULL;
    const struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (dir && n < room && (entry = readdir(dir)))
        if (*entry->d_name != '.' && atoi(entry->d_name) != (int)pid)
            ids[n++] = atoi(entry->d_name);
    return n;
}

ssize_t worker_tasks_list(const struct worker *worker, pid_t *ret, size_t room)
{
    pid_t processes[PROCESSES_MAX];
    size_t n, processes_n;

    if (worker->leaf)
        return cgroup_leaf_threads(worker->leaf, ret, room);
    processes_n = counted_processes(worker, processes, PROCESSES_MAX < room ? PROCESSES_MAX : room);
    for (n = 0; n < processes_n; n++)
        ret[n] = processes[n];
    for (size_t i = 0; i < processes_n; i++)
        if (proc_tree_threads(processes[i]) > 1)
            n = worker_tasks_add_threads(processes[i], ret, n, room);
    return (ssize_t)n;
}

void worker_tasks_count(struct worker *worker)
{
    pid_t processes[PROCESSES_MAX];
    uint64_t tasks = 0;
    size_t n;

    if (worker->leaf || worker->exited)
        return;
    n = counted_processes(worker, processes, PROCESSES_MAX);
    for (size_t i = 0; i < n; i++)
        tasks += proc_tree_threads(processes[i]);
    worker->counters.tasks_now = tasks;
}

uint64_t worker_tasks_cpu_of(pid_t tid)
{
    char path[64], text[128];

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)tid); /* "run wait slices" */
    return io_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

static uint64_t cpu_of_leftovers(const struct worker *worker)
{
    struct blame_survivor left[BLAME_SURVIVORS];
    size_t n = worker->leak ? leak_watch_survivors(worker, left, BLAME_SURVIVORS) : 0;
    uint64_t ns = 0;

    for (size_t i = 0; i < n; i++)
        ns += left[i].tid > 0 ? worker_tasks_cpu_of(left[i].tid) : 0;
    return ns;
}

static uint64_t cpu_of_process(pid_t pid)
{
    struct timespec time;
    clockid_t id;

    if (pid <= 0 || clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_nsec;
}

/* `alone`: it has no descendants, as far as is known. */
static uint64_t cpu_of_tree(const struct worker *worker, bool alone)
{
    pid_t processes[PROCESSES_MAX];
    size_t n = alone ? 0 : counted_processes(worker, processes, PROCESSES_MAX);
    uint64_t ns = alone ? cpu_of_process(worker->pid) : 0;

    for (size_t i = 0; i < n; i++)
        ns += cpu_of_process(processes[i]);
    return ns;
}

void worker_tasks_cpu_start(struct worker *worker)
{
    worker->others_cpu_ns = cpu_of_leftovers(worker);
    worker->process_cpu_ns = worker->leaf ? 0 : cpu_of_tree(worker, !worker->leak);
}

bool worker_tasks_cpu(const struct worker *worker, uint64_t *ret_ns)
{
    uint64_t all, others = cpu_of_leftovers(worker), before = worker->leaf ? worker->at_start.cpu_ns : worker->process_cpu_ns;

    if (!worker->leaf && (worker->exited || !before))
        return false;
    all = worker->leaf ? worker->counters.cpu_ns : cpu_of_tree(worker, false);
    all = all > before ? all - before : 0;
    others = others > worker->others_cpu_ns ? others - worker->others_cpu_ns : 0;
    *ret_ns = all > others ? all - others : 0;
    return true;
}
