/* SPDX-License-Identifier: MIT */
/* Files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst). */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

static int v2_set_memory(int dir, uint64_t bytes)
{
    bool none = bytes == UINT64_MAX;
    int r = none ? io_write_file_at(dir, "memory.max", "max")
                 : io_write_u64_at(dir, "memory.max", bytes);

    if (r < 0)
        return r;
    /* Without its own limit swap would take what the memory limit pushes out. A kernel without swap
     * accounting lacks the file. */
    r = io_write_file_at(dir, "memory.swap.max", none ? "max" : "0");
    if (r < 0 && r != -ENOENT)
        return r;
    /* A worker of which the OOM killer took one process is of no use: all or none (since 4.19). */
    r = io_write_file_at(dir, "memory.oom.group", none ? "0" : "1");
    return r == -ENOENT ? 0 : r;
}

static int v2_set_weight(int dir, unsigned weight)
{
    return io_write_u64_at(dir, "cpu.weight", weight);
}

static int v2_set_quota(int dir, uint64_t milli)
{
    char text[64];

    snprintf(text, sizeof(text), "%llu 100000", (unsigned long long)(milli * 100 < 1000 ? 1000 : milli * 100));
    return io_write_file_at(dir, "cpu.max", text);
}

/* Since 6.12 any text written to memory.peak starts a new peak for this open file; before, the file
 * is read-only and the descriptor could not even be opened for writing. */
static int v2_reset_memory_peak(int fd)
{
    return pwrite(fd, "reset\n", 6, 0) < 0 ? -errno : 0;
}

const struct cgroup_version cgroup_v2 = {
    .sources =
        {
            [CGROUP_COUNT_TASKS] = {"pids.current", NULL, NULL, 1, CGROUP_PIDS},
            [CGROUP_COUNT_TASKS_PEAK] = {"pids.peak", NULL, NULL, 1, CGROUP_PIDS},
            /* With pids.events.local (6.12) "max" means this cgroup's own limit. Before, it counts
             * forks that failed from here, also for a limit above: see cgroup_run_pressure(). */
            [CGROUP_COUNT_TASKS_REFUSED] = {"pids.events.local", "pids.events", "max", 1,
                                            CGROUP_PIDS},
            [CGROUP_COUNT_MEMORY] = {"memory.current", NULL, NULL, 1, CGROUP_MEMORY},
            [CGROUP_COUNT_MEMORY_PEAK] = {"memory.peak", NULL, NULL, 1, CGROUP_MEMORY},
            [CGROUP_COUNT_OOM_KILLS] = {"memory.events", NULL, "oom_kill", 1, CGROUP_MEMORY},
            [CGROUP_COUNT_CPU] = {"cpu.stat", NULL, "usage_usec", 1000, CGROUP_CPUACCT},
            [CGROUP_COUNT_THROTTLED] = {"cpu.stat", NULL, "nr_throttled", 1, CGROUP_CPU},
            [CGROUP_COUNT_THROTTLED_NS] = {"cpu.stat", NULL, "throttled_usec", 1000, CGROUP_CPU},
            [CGROUP_COUNT_STARVED_NS] = {"cpu.pressure", NULL, "full", 1000, CGROUP_CPUACCT},
        },
    .set_memory = v2_set_memory,
    .set_weight = v2_set_weight,
    .set_quota = v2_set_quota,
    .reset_memory_peak = v2_reset_memory_peak,
};
