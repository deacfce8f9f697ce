/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/memory_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "supervisor/core/stacks.h"
#include "supervisor/report/text.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/stack_dump.h"
#include "supervisor/run/state.h"

#define CLOSE_PERCENT 80
#define ASK_PERCENT 90
#define ASK_NS (5 * NS_PER_MS)
#define LOOK_EVERY_NS (20 * NS_PER_MS)
#define PROCESSES_MAX 64

void memory_watch_start(struct worker *worker)
{
    worker->memory = (struct memory_watch){0};
}

static uint64_t resident_of(pid_t pid)
{
    unsigned long long pages;
    char path[64], text[128];

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || sscanf(text, "%*u %llu", &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void look(struct worker *worker)
{
    pid_t pids[PROCESSES_MAX], biggest = 0;
    ssize_t n = cgroup_leaf_processes(worker->leaf, pids, PROCESSES_MAX);
    struct incident_task task;
    uint64_t most = 0;

    for (ssize_t i = 0; i < n && i < PROCESSES_MAX; i++) {
        uint64_t resident = resident_of(pids[i]);

        if (resident > most) {
            most = resident;
            biggest = pids[i];
        }
    }
    if (!biggest || proc_task_read(biggest, &task) < 0)
        return;
    worker->memory.pid = biggest;
    worker->memory.resident_bytes = most;
    memcpy(worker->memory.comm, task.comm, sizeof(worker->memory.comm));
}

static void ask_where(struct worker *worker)
{
    const struct suite *suite = &worker->run->suite;
    const char *file = worker->test != TEST_NONE && suite->tests[worker->test].file ? suite->tests[worker->test].file : "";
    struct memory_watch *memory = &worker->memory;
    size_t size;
    char *text;

    memory->asked = true;
    text = stack_dump_of(worker, memory->pid, ASK_NS, &size);
    if (text && suite->root)
        stacks_line(text, size, STACKS_MAIN, suite->root, file, memory->at, sizeof(memory->at));
    free(text);
}

void memory_watch_tick(struct worker *worker)
{
    uint64_t limit = worker->limits.memory_bytes, now;

    if (!worker->leaf || !limit)
        return;
    worker->memory.close = worker->counters.memory_now_bytes / CLOSE_PERCENT > limit / 100;
    if (!worker->memory.close)
        return;
    now = clock_now_ns();
    if (now - worker->memory.looked_ns < LOOK_EVERY_NS)
        return;
    worker->memory.looked_ns = now;
    look(worker);
    if (!worker->memory.asked && worker->memory.pid && worker->counters.memory_now_bytes / ASK_PERCENT > limit / 100)
        ask_where(worker);
}

void memory_watch_say(const struct worker *worker, struct incident *incident)
{
    char size[32], ago[32], text[500];

    if (incident->verdict != VERDICT_MEMORY || !worker->memory.pid)
        return;
    units_print_size(size, sizeof(size), worker->memory.resident_bytes);
    units_print_time(ago, sizeof(ago), clock_now_ns() - worker->memory.looked_ns);
    snprintf(text, sizeof(text), "biggest process: %s (pid %d), %s resident %s before%s%s", worker->memory.comm,
             (int)worker->memory.pid, size, ago, *worker->memory.at ? ", at " : "", worker->memory.at);
    evidence_put_first(incident, text);
}
