/* SPDX-License-Identifier: MIT */
/* What the surroundings can still give: numbers gathered here, the tightest chosen by a pure
 * function. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <sys/capability.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

#define CPUS_LEAST 0.01
#define NO_LIMIT_BYTES (UINT64_C(1) << 60) /* v1 writes "none" as the largest page count */

static uint64_t bound_free(const struct cgroup_bound *bound)
{
    if (bound->limit == UINT64_MAX)
        return UINT64_MAX;
    return bound->used >= bound->limit ? 0 : bound->limit - bound->used;
}

static const struct cgroup_bound *tightest(const struct cgroup_bound *bounds, size_t n)
{
    const struct cgroup_bound *best = NULL;

    for (size_t i = 0; i < n; i++)
        if (!best || bound_free(&bounds[i]) < bound_free(best))
            best = &bounds[i];
    return best;
}

void cgroup_budget_compute(const struct cgroup_numbers *numbers, struct cgroup_budget *ret)
{
    const struct cgroup_bound *tasks = tightest(numbers->tasks, numbers->n_tasks);
    const struct cgroup_bound *memory = tightest(numbers->memory, numbers->n_memory);

    *ret = (struct cgroup_budget){.tasks_free = UINT64_MAX,
                                  .tasks_total = UINT64_MAX,
                                  .memory_free_bytes = UINT64_MAX,
                                  .cpus = numbers->cpus_affinity};
    snprintf(ret->tasks_bound, sizeof(ret->tasks_bound), "none");
    snprintf(ret->memory_bound, sizeof(ret->memory_bound), "none");
    snprintf(ret->cpus_bound, sizeof(ret->cpus_bound), "affinity: %g", numbers->cpus_affinity);
    if (tasks && tasks->limit != UINT64_MAX) {
        ret->tasks_free = bound_free(tasks);
        ret->tasks_total = tasks->limit;
        snprintf(ret->tasks_bound, sizeof(ret->tasks_bound), "%s: %" PRIu64, tasks->name,
                 tasks->limit);
    }
    if (memory && memory->limit != UINT64_MAX) {
        ret->memory_free_bytes = bound_free(memory);
        snprintf(ret->memory_bound, sizeof(ret->memory_bound), "%s: %" PRIu64 " MiB", memory->name,
                 memory->limit >> 20);
    }
    if (numbers->cpus_quota > 0 && numbers->cpus_quota < ret->cpus) {
        ret->cpus = numbers->cpus_quota;
        snprintf(ret->cpus_bound, sizeof(ret->cpus_bound), "%s: %g", numbers->quota_name,
                 numbers->cpus_quota);
    }
    if (ret->cpus < CPUS_LEAST)
        ret->cpus = CPUS_LEAST;
}

static void add_bound(struct cgroup_bound **bounds, size_t *n, size_t *cap, const char *what,
                      const char *where, uint64_t limit, uint64_t used)
{
    struct cgroup_bound *bound;

    mem_grow(bounds, cap, *n + 1, sizeof(**bounds));
    bound = &(*bounds)[(*n)++];
    *bound = (struct cgroup_bound){.limit = limit, .used = used};
    snprintf(bound->name, sizeof(bound->name), "%s%s%.100s", what, *where ? " " : "", where);
}

static void add_tasks(struct cgroup_numbers *numbers, const char *what, const char *where,
                      uint64_t limit, uint64_t used)
{
    add_bound(&numbers->tasks, &numbers->n_tasks, &numbers->tasks_cap, what, where, limit, used);
}

static void add_memory(struct cgroup_numbers *numbers, const char *what, const char *where,
                       uint64_t limit, uint64_t used)
{
    add_bound(&numbers->memory, &numbers->n_memory, &numbers->memory_cap, what, where,
              limit >= NO_LIMIT_BYTES ? UINT64_MAX : limit, used);
}

struct walk {
    struct cgroup_numbers *numbers;
    size_t mount_len;
    bool v2;
};

static const char *walk_name(const struct walk *walk, const char *path)
{
    return path[walk->mount_len] ? path + walk->mount_len : "/";
}

static int visit_pids(int dir, const char *path, void *data)
{
    struct walk *walk = data;
    uint64_t limit, used;

    if (io_read_u64_at(dir, "pids.max", &limit) == 0 &&
        io_read_u64_at(dir, "pids.current", &used) == 0)
        add_tasks(walk->numbers, "pids cgroup", walk_name(walk, path), limit, used);
    return 0;
}

/* File pages that nobody has touched for a while go when memory is needed: they count as free. */
static uint64_t reclaimable(int dir)
{
    char text[16384];
    uint64_t value = 0;

    if (io_read_file_at(dir, "memory.stat", text, sizeof(text)) < 0)
        return 0;
    if (!cgroup_value_of_key(text, "total_inactive_file", &value))
        cgroup_value_of_key(text, "inactive_file", &value);
    return value;
}

static int visit_memory(int dir, const char *path, void *data)
{
    static const char *const files[][2] = {{"memory.limit_in_bytes", "memory.usage_in_bytes"},
                                           {"memory.max", "memory.current"},
                                           {"memory.high", "memory.current"}};
    struct walk *walk = data;

    for (size_t i = walk->v2, end = walk->v2 ? 3 : 1; i < end; i++) {
        uint64_t limit, used, soft;

        if (io_read_u64_at(dir, files[i][0], &limit) < 0 ||
            io_read_u64_at(dir, files[i][1], &used) < 0)
            continue;
        soft = limit >= NO_LIMIT_BYTES ? 0 : reclaimable(dir);
        add_memory(walk->numbers, "memory cgroup", walk_name(walk, path), limit,
                   used > soft ? used - soft : 0);
    }
    return 0;
}

static int visit_cpu(int dir, const char *path, void *data)
{
    struct walk *walk = data;
    char text[64], quota_text[32];
    uint64_t quota, period;
    double cpus;

    if (io_read_file_at(dir, "cpu.max", text, sizeof(text)) > 0) {
        if (sscanf(text, "%31s %" SCNu64, quota_text, &period) != 2 || quota_text[0] == 'm')
            return 0;
        quota = strtoull(quota_text, NULL, 10);
    } else if (io_read_file_at(dir, "cpu.cfs_quota_us", text, sizeof(text)) <= 0 ||
               text[0] == '-' || io_read_u64_at(dir, "cpu.cfs_period_us", &period) < 0) {
        return 0;
    } else {
        quota = strtoull(text, NULL, 10);
    }
    if (!period)
        return 0;
    cpus = (double)quota / (double)period;
    if (walk->numbers->cpus_quota <= 0 || cpus < walk->numbers->cpus_quota) {
        walk->numbers->cpus_quota = cpus;
        snprintf(walk->numbers->quota_name, sizeof(walk->numbers->quota_name),
                 "cpu quota of cgroup %.90s", walk_name(walk, path));
    }
    return 0;
}

/* All tasks of this real uid that we can see. */
static uint64_t count_own_tasks(void)
{
    _cleanup_closedir_ DIR *proc = opendir("/proc");
    const struct dirent *entry;
    uint64_t sum = 0;

    while (proc && (entry = readdir(proc))) {
        char path[300], text[4096];
        const char *uid, *threads;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof(path), "%s/status", entry->d_name);
        if (io_read_file_at(dirfd(proc), path, text, sizeof(text)) < 0)
            continue;
        uid = strstr(text, "\nUid:");
        threads = strstr(text, "\nThreads:");
        if (uid && strtoul(uid + 5, NULL, 10) == getuid())
            sum += threads ? strtoull(threads + 9, NULL, 10) : 1;
    }
    return sum;
}

static bool capable(cap_value_t capability)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;

    if (caps) {
        cap_get_flag(caps, capability, CAP_EFFECTIVE, &value);
        cap_free(caps);
    }
    return value == CAP_SET;
}

/* The kernel lets real uid 0 and these two capabilities pass (copy_process() in kernel/fork.c). */
static void gather_nproc(struct cgroup_numbers *numbers)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    if (getuid() == 0 || capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN))
        return;
    add_tasks(numbers, "RLIMIT_NPROC", "", limit.rlim_cur, count_own_tasks());
}

static void gather_kernel(struct cgroup_numbers *numbers)
{
    static const char *const files[][2] = {{"/proc/sys/kernel/threads-max", "threads-max"},
                                           {"/proc/sys/kernel/pid_max", "pid_max"}};
    char text[4096];
    uint64_t used = 0, limit;
    const char *slash;

    /* "0.20 0.18 0.12 1/80 11206": the number after the slash is all tasks there are. */
    if (io_read_file_at(AT_FDCWD, "/proc/loadavg", text, sizeof(text)) > 0 &&
        (slash = strchr(text, '/')))
        used = strtoull(slash + 1, NULL, 10);
    for (size_t i = 0; i < 2; i++)
        if (io_read_u64_at(AT_FDCWD, files[i][0], &limit) == 0)
            add_tasks(numbers, files[i][1], "", limit, used);
    if (io_read_file_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) > 0) {
        const char *available = strstr(text, "MemAvailable:"), *total = strstr(text, "MemTotal:");

        if (available && total) {
            uint64_t all = strtoull(total + 9, NULL, 10) << 10;

            limit = strtoull(available + 13, NULL, 10) << 10;
            add_memory(numbers, "memory of the machine", "", all, limit < all ? all - limit : 0);
        }
    }
}

/* The affinity that the kernel reports is cut down to our cpuset already. */
static double count_cpus(void)
{
    for (size_t n = 1024; n <= 1u << 20; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        size_t size = CPU_ALLOC_SIZE(n);
        int count = set && sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;

        CPU_FREE(set);
        if (count > 0)
            return count;
        if (errno != EINVAL)
            break;
    }
    return 1;
}

int cgroup_host_budget(const struct cgroup_host *host, struct cgroup_budget *ret, struct err *err)
{
    static int (*const visits[])(int, const char *, void *) = {
        [CGROUP_PIDS] = visit_pids, [CGROUP_MEMORY] = visit_memory, [CGROUP_CPU] = visit_cpu};
    struct cgroup_numbers numbers = {.cpus_affinity = count_cpus()};

    (void)err;
    for (enum cgroup_resource c = CGROUP_PIDS; c <= CGROUP_CPU; c++)
        for (int i = 0; i < host->n_trees; i++) {
            const struct cgroup_tree *tree = &host->trees[i];
            struct walk walk = {&numbers, strlen(tree->mount), tree->v2};

            /* A v2 cgroup's own files are governed by its parents: look for them, not at
             * controllers. The root of everything has no limits. */
            if (tree->v2 ? !tree->real_root : tree->controllers & 1u << c)
                cgroup_tree_walk_up(tree, visits[c], &walk);
        }
    gather_nproc(&numbers);
    gather_kernel(&numbers);
    cgroup_budget_compute(&numbers, ret);
    free(numbers.tasks);
    free(numbers.memory);
    return 0;
}

struct pressure {
    char *text;
    size_t size, mount_len;
};

static int visit_pressure(int dir, const char *path, void *data)
{
    struct pressure *pressure = data;
    uint64_t limit, used;

    if (io_read_u64_at(dir, "pids.max", &limit) < 0 || limit == UINT64_MAX ||
        io_read_u64_at(dir, "pids.current", &used) < 0 || used < limit)
        return 0;
    snprintf(pressure->text, pressure->size, "pids cgroup %s: %" PRIu64 " of %" PRIu64 " tasks",
             path[pressure->mount_len] ? path + pressure->mount_len : "/", used, limit);
    return 1;
}

bool cgroup_run_pressure(const struct cgroup_run *run, char *text, size_t size)
{
    char load[128];
    uint64_t limit, used;
    const char *slash;

    for (int i = 0; i < run->host->n_trees; i++) {
        const struct cgroup_tree *tree = &run->host->trees[i];
        struct pressure pressure = {text, size, strlen(tree->mount)};

        if (!tree->v2 && !(tree->controllers & 1u << CGROUP_PIDS))
            continue;
        if (cgroup_tree_walk_up(tree, visit_pressure, &pressure) > 0)
            return true;
        pressure.mount_len = 0;
        if (run->control.dir[i] >= 0 &&
            visit_pressure(run->control.dir[i], "control", &pressure) > 0)
            return true;
    }
    if (io_read_file_at(AT_FDCWD, "/proc/loadavg", load, sizeof(load)) > 0 &&
        (slash = strchr(load, '/')) &&
        io_read_u64_at(AT_FDCWD, "/proc/sys/kernel/threads-max", &limit) == 0 &&
        (used = strtoull(slash + 1, NULL, 10)) >= limit) {
        snprintf(text, size, "threads-max: %" PRIu64 " of %" PRIu64 " tasks", used, limit);
        return true;
    }
    if (size)
        text[0] = '\0';
    return false;
}
