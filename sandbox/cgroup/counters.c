/* SPDX-License-Identifier: MIT */
/* Reading a leaf's counters, each by one pread() of a kept descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

/* Opened at the first use: leaves are made ahead in a pool, and many descriptors would lie idle. */
static int counter_open(struct cgroup_leaf *leaf, enum cgroup_counter counter)
{
    const struct cgroup_run *run = leaf->run;
    const struct cgroup_source *source = &cgroup_v1.sources[counter];
    int tree = run->tree_of[source->resource], fd;

    if (tree < 0)
        return -EOPNOTSUPP;
    source = &cgroup_version_of(&run->host->trees[tree])->sources[counter];
    if (!source->file)
        return -EOPNOTSUPP;
    /* Write access matters to memory.peak only, where a reset counts for one open file (6.12). */
    fd = openat(leaf->node.dir[tree], source->file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fd = openat(leaf->node.dir[tree], source->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && source->instead)
        fd = openat(leaf->node.dir[tree], source->instead, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int counter_fd(struct cgroup_leaf *leaf, enum cgroup_counter counter)
{
    int fd;

    if (leaf->files[counter].fd >= 0)
        return leaf->files[counter].fd;
    if (leaf->files[counter].absent)
        return -EOPNOTSUPP;
    fd = counter_open(leaf, counter);
    if (fd >= 0)
        leaf->files[counter].fd = fd;
    else if (fd == -ENOENT || fd == -EOPNOTSUPP)
        leaf->files[counter].absent = true; /* this kernel has none; EMFILE and the like may pass */
    return fd;
}

/* Leaves `ret` alone when this kernel has no such counter. */
static int counter_read(struct cgroup_leaf *leaf, enum cgroup_counter counter, uint64_t *ret)
{
    char text[1024];
    const struct cgroup_source *source = &cgroup_v1.sources[counter];
    int fd = counter_fd(leaf, counter);
    uint64_t value;
    ssize_t n;

    if (fd == -EOPNOTSUPP || fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fd;
    source = &cgroup_version_of(&leaf->run->host->trees[leaf->run->tree_of[source->resource]])
                  ->sources[counter];
    n = pread(fd, text, sizeof(text) - 1,
              0); /* such files come whole: no second call to see the end */
    if (n < 0)
        return -errno;
    text[n] = '\0';
    if (!source->key)
        value = strtoull(text, NULL, 10);
    else if (!cgroup_value_of_key(text, source->key, &value))
        return 0;
    *ret = value * source->scale;
    return 0;
}

/*
 * The kernel's own peak cannot be restarted for tasks (nor for memory on v2 before 6.12). So after
 * a reset it is the answer again as soon as it has grown beyond what it was then; until that
 * happens the peak is the highest value that was read, which is exact only if it equals the
 * kernel's.
 */
static int peak_read(struct cgroup_leaf *leaf, enum cgroup_counter counter, uint64_t base,
                     uint64_t now, uint64_t *peak, bool *exact)
{
    uint64_t kernel = 0;
    int r = counter_read(leaf, counter, &kernel);

    if (r < 0)
        return r;
    if (now > *peak)
        *peak = now;
    if (leaf->files[counter].absent)
        *exact = false;
    else if (kernel > base)
        *peak = kernel;
    if (!leaf->files[counter].absent)
        *exact = *peak >= kernel;
    return 0;
}

static int read_tasks(struct cgroup_leaf *leaf, struct cgroup_counters *counters)
{
    int r = counter_read(leaf, CGROUP_COUNT_TASKS_REFUSED, &counters->tasks_refused);

    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_TASKS, &counters->tasks_now);
    if (r == 0)
        r = peak_read(leaf, CGROUP_COUNT_TASKS_PEAK, leaf->tasks_peak_base, counters->tasks_now,
                      &counters->tasks_peak, &counters->tasks_peak_exact);
    return r;
}

static int read_memory(struct cgroup_leaf *leaf, struct cgroup_counters *counters)
{
    int r = counter_read(leaf, CGROUP_COUNT_MEMORY, &counters->memory_now_bytes);

    if (r == 0)
        r = peak_read(leaf, CGROUP_COUNT_MEMORY_PEAK, leaf->memory_peak_base,
                      counters->memory_now_bytes, &counters->memory_peak_bytes,
                      &counters->memory_peak_exact);
    return r;
}

static int read_cpu_waits(struct cgroup_leaf *leaf, struct cgroup_counters *counters)
{
    int r = counter_read(leaf, CGROUP_COUNT_THROTTLED, &counters->throttled);

    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_THROTTLED_NS, &counters->throttled_ns);
    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_STARVED_NS, &counters->starved_ns);
    counters->starved_known = r == 0 && !leaf->files[CGROUP_COUNT_STARVED_NS].absent;
    return r;
}

/* The kernel's own peaks can wait for the boundary; values below them (see peak_read()) cannot. */
static int read_watch(struct cgroup_leaf *leaf, struct cgroup_counters *counters)
{
    int r = counter_read(leaf, CGROUP_COUNT_TASKS_REFUSED, &counters->tasks_refused);

    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_TASKS, &counters->tasks_now);
    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_MEMORY, &counters->memory_now_bytes);
    if (r == 0)
        r = counter_read(leaf, CGROUP_COUNT_OOM_KILLS, &counters->oom_kills);
    if (counters->tasks_now > counters->tasks_peak)
        counters->tasks_peak = counters->tasks_now;
    if (counters->memory_now_bytes > counters->memory_peak_bytes)
        counters->memory_peak_bytes = counters->memory_now_bytes;
    return r;
}

int cgroup_leaf_read(struct cgroup_leaf *leaf, unsigned what, struct cgroup_counters *counters)
{
    int r = 0;

    if (what & CGROUP_READ_WATCH)
        r = read_watch(leaf, counters);
    if (r == 0 && what & CGROUP_READ_TASKS)
        r = read_tasks(leaf, counters);
    if (r == 0 && what & CGROUP_READ_MEMORY)
        r = read_memory(leaf, counters);
    if (r == 0 && what & (CGROUP_READ_OOM | CGROUP_READ_MEMORY))
        r = counter_read(leaf, CGROUP_COUNT_OOM_KILLS, &counters->oom_kills);
    if (r == 0 && what & CGROUP_READ_CPU)
        r = counter_read(leaf, CGROUP_COUNT_CPU, &counters->cpu_ns);
    if (r == 0 && what & CGROUP_READ_CPU_WAITS)
        r = read_cpu_waits(leaf, counters);
    return r;
}

int cgroup_leaf_reset_peaks(struct cgroup_leaf *leaf, struct cgroup_counters *counters)
{
    const struct cgroup_run *run = leaf->run;
    int memory = run->tree_of[CGROUP_MEMORY], fd;

    leaf->tasks_peak_base = leaf->memory_peak_base = 0;
    counter_read(leaf, CGROUP_COUNT_TASKS_PEAK, &leaf->tasks_peak_base);
    if (memory >= 0 && (fd = counter_fd(leaf, CGROUP_COUNT_MEMORY_PEAK)) >= 0 &&
        cgroup_version_of(&run->host->trees[memory])->reset_memory_peak(fd) < 0)
        counter_read(leaf, CGROUP_COUNT_MEMORY_PEAK, &leaf->memory_peak_base);
    counters->tasks_peak = counters->tasks_now;
    counters->memory_peak_bytes = counters->memory_now_bytes;
    return 0;
}
