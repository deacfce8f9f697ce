/* SPDX-License-Identifier: MIT */
/* Files of cgroup v1 (Documentation/admin-guide/cgroup-v1/). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

static int v1_write_bytes(int dir, const char *file, uint64_t bytes)
{
    return bytes == UINT64_MAX ? io_write_file_at(dir, file, "-1")
                               : io_write_u64_at(dir, file, bytes);
}

/* The kernel keeps memory <= memory+swap, so the order of the two writes depends on the direction:
 * the one that stays the larger is raised first and lowered last. */
static int v1_set_memory(int dir, uint64_t bytes)
{
    static const char limit[] = "memory.limit_in_bytes", swap[] = "memory.memsw.limit_in_bytes";
    uint64_t both;
    int r = io_read_u64_at(dir, swap, &both);

    if (r == -ENOENT || r == -EOPNOTSUPP) /* without swap accounting */
        return v1_write_bytes(dir, limit, bytes);
    if (r < 0)
        return r;
    if (bytes > both) {
        r = v1_write_bytes(dir, swap, bytes);
        return r < 0 ? r : v1_write_bytes(dir, limit, bytes);
    }
    r = v1_write_bytes(dir, limit, bytes);
    return r < 0 ? r : v1_write_bytes(dir, swap, bytes);
}

static int v1_set_weight(int dir, unsigned weight)
{
    uint64_t shares = (uint64_t)weight * 1024 / 100; /* both defaults are "1" */

    return io_write_u64_at(dir, "cpu.shares", shares < 2 ? 2 : shares);
}

static int v1_set_quota(int dir, uint64_t milli)
{
    int r = io_write_u64_at(dir, "cpu.cfs_period_us", 100000);

    return r < 0 ? r : io_write_u64_at(dir, "cpu.cfs_quota_us", milli * 100 < 1000 ? 1000 : milli * 100);
}

static int v1_reset_memory_peak(int fd)
{
    return pwrite(fd, "0", 1, 0) < 0 ? -errno : 0;
}

const struct cgroup_version cgroup_v1 = {
    .sources =
        {
            [CGROUP_COUNT_TASKS] = {"pids.current", NULL, NULL, 1, CGROUP_PIDS},
            [CGROUP_COUNT_TASKS_PEAK] = {"pids.peak", NULL, NULL, 1, CGROUP_PIDS},
            /* Every fork that failed *from* this cgroup, whosever limit it was: also those above.
             */
            [CGROUP_COUNT_TASKS_REFUSED] = {"pids.events", NULL, "max", 1, CGROUP_PIDS},
            [CGROUP_COUNT_MEMORY] = {"memory.usage_in_bytes", NULL, NULL, 1, CGROUP_MEMORY},
            [CGROUP_COUNT_MEMORY_PEAK] = {"memory.max_usage_in_bytes", NULL, NULL, 1,
                                          CGROUP_MEMORY},
            [CGROUP_COUNT_OOM_KILLS] = {"memory.oom_control", NULL, "oom_kill", 1, CGROUP_MEMORY},
            [CGROUP_COUNT_CPU] = {"cpuacct.usage", NULL, NULL, 1, CGROUP_CPUACCT},
            [CGROUP_COUNT_THROTTLED] = {"cpu.stat", NULL, "nr_throttled", 1, CGROUP_CPU},
            [CGROUP_COUNT_THROTTLED_NS] = {"cpu.stat", NULL, "throttled_time", 1, CGROUP_CPU},
            [CGROUP_COUNT_STARVED_NS] = {NULL, NULL, NULL, 1, CGROUP_CPUACCT},
        },
    .set_memory = v1_set_memory,
    .set_weight = v1_set_weight,
    .set_quota = v1_set_quota,
    .reset_memory_peak = v1_reset_memory_peak,
};
