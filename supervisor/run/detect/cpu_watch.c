/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/cpu_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "supervisor/core/starve.h"
#include "supervisor/run/state.h"

#define SAMPLE_EVERY_NS (500 * NS_PER_MS)
#define TASKS_MAX 512

/* CPUs of the slot: what its libraries were told, else its part of those that may be used. */
static uint64_t share_milli(const struct worker *worker)
{
    const struct run_limits *limits = &worker->run->limits;
    double cpus = worker->slot->serial || limits->workers <= 1 ? limits->cpus : limits->cpus / limits->workers;

    if (!worker->slot->serial && limits->threads)
        cpus = limits->threads;
    return cpus < 1 ? 1000 : (uint64_t)(cpus * 1000);
}

static uint64_t run_delay(const struct worker *worker)
{
    char path[64], text[128];
    uint64_t ns = 0;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)worker->pid);
    if (worker->pid <= 0 || io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return 0;
    return starve_parse_schedstat(text, &ns) ? ns : 0;
}

static uint64_t memory_pressure(void)
{
    char text[256];
    uint64_t ns = 0;

    if (io_read_file_at(AT_FDCWD, "/proc/pressure/memory", text, sizeof(text)) <= 0)
        return 0;
    return starve_parse_pressure(text, &ns) ? ns : 0;
}

void cpu_watch_test_starts(struct worker *worker)
{
    worker->watch = (struct cpu_watch){0};
}

static void begin(struct worker *worker, uint64_t now_ns)
{
    struct cpu_watch *watch = &worker->watch;

    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU | CGROUP_READ_CPU_WAITS, &worker->counters);
    watch->since_ns = watch->sampled_ns = now_ns;
    watch->cpu_ns = watch->sampled_cpu_ns = worker->counters.cpu_ns;
    watch->starved_ns = worker->counters.starved_ns;
    watch->throttled = worker->counters.throttled;
    watch->throttled_ns = worker->counters.throttled_ns;
    watch->delay_ns = run_delay(worker);
    watch->memory_ns = memory_pressure();
}

static uint64_t count_runnable(struct worker *worker)
{
    pid_t tids[TASKS_MAX];
    ssize_t n = cgroup_leaf_threads(worker->leaf, tids, TASKS_MAX);
    uint64_t runnable = 0;

    for (ssize_t i = 0; i < n && i < TASKS_MAX; i++) {
        char path[64], text[512];
        const char *close;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)tids[i]);
        if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 && (close = strrchr(text, ')')))
            runnable += close[1] == ' ' && close[2] == 'R';
    }
    return runnable;
}

void cpu_watch_tick(struct worker *worker, uint64_t now_ns)
{
    struct cpu_watch *watch = &worker->watch;
    struct oversubscription_sample sample;

    if (!watch->since_ns) {
        begin(worker, now_ns);
        return;
    }
    if (!worker->leaf || now_ns - watch->sampled_ns < SAMPLE_EVERY_NS)
        return;
    cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU, &worker->counters);
    sample = (struct oversubscription_sample){.span_ns = now_ns - watch->sampled_ns,
                                              .cpu_ns = worker->counters.cpu_ns - watch->sampled_cpu_ns,
                                              .share_milli = share_milli(worker)};
    watch->sampled_ns = now_ns;
    watch->sampled_cpu_ns = worker->counters.cpu_ns;
    if (worker->counters.tasks_now <= oversubscription_limit(sample.share_milli))
        return; /* as nearly always */
    sample.runnable = count_runnable(worker);
    oversubscription_add(&watch->over, &sample);
}

bool cpu_watch_starved(struct worker *worker, char *text, size_t size)
{
    const struct cpu_watch *watch = &worker->watch;
    struct starve starve = {.elapsed_ns = run_clock_ns(worker->run) - watch->since_ns};
    uint64_t cpu, delay = run_delay(worker), memory = memory_pressure();

    if (!watch->since_ns || !worker->leaf)
        return false;
    cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU | CGROUP_READ_CPU_WAITS, &worker->counters);
    cpu = worker->counters.cpu_ns - watch->cpu_ns;
    if (worker->counters.starved_known)
        starve.cpu_wait_ns = worker->counters.starved_ns - watch->starved_ns;
    /* The kernel adds up pressure every two seconds only (psi_show() in kernel/sched/psi.c): of a short test it may know
     * nothing yet. What the main thread waited for it knows at once. */
    if (delay > watch->delay_ns) {
        uint64_t main_ns = starve_cpu_wait(delay - watch->delay_ns, starve.elapsed_ns, cpu);

        starve.cpu_wait_ns = main_ns > starve.cpu_wait_ns ? main_ns : starve.cpu_wait_ns;
    }
    starve.memory_wait_ns = memory > watch->memory_ns ? memory - watch->memory_ns : 0;
    return starve_judge(&starve, text, size);
}

bool cpu_watch_oversubscribed(struct worker *worker, char *text, size_t size)
{
    const struct cpu_watch *watch = &worker->watch;

    if (!watch->over.over_ns)
        return false;
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU_WAITS, &worker->counters);
    return oversubscription_judge(&watch->over, share_milli(worker), worker->counters.throttled - watch->throttled,
                                  worker->counters.throttled_ns - watch->throttled_ns, text, size);
}
