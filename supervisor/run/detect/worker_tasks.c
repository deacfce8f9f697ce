/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/worker_tasks.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/proc_tree.h"
#include "supervisor/run/detect/counted.h"
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
