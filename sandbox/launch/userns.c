/* SPDX-License-Identifier: MIT */
/* Id maps. An id is always mapped to itself: files keep their owners, and names of users stay right. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/launch/wire.h"
#include "sandbox/plan/plan.h"

/* "0 0 4294967295" on a host; inside a container the same extents that we have ourselves, identically. */
static int map_all(pid_t pid, const char *which)
{
    char path[64], ours[2048], map[2048], *line, *save = NULL;
    size_t at = 0;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/self/%s", which);
    n = io_read_file_at(AT_FDCWD, path, ours, sizeof(ours));
    if (n < 0)
        return (int)n;
    for (line = strtok_r(ours, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long inside, outside, count;

        if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 && at < sizeof(map))
            at += (size_t)snprintf(map + at, sizeof(map) - at, "%lu %lu %lu\n", inside, inside, count);
    }
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
    return io_write_file_at(AT_FDCWD, path, map);
}

static int map_one(pid_t pid, const char *which, uint32_t id)
{
    char path[64], map[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
    snprintf(map, sizeof(map), "%u %u 1\n", id, id);
    return io_write_file_at(AT_FDCWD, path, map);
}

int userns_map_ids(pid_t pid, const struct sandbox_plan *plan)
{
    bool one = plan->identity == PLAN_ID_SWITCH || geteuid() != 0;
    char path[64];
    int r;

    if (!one) {
        r = map_all(pid, "uid_map");
        return r < 0 ? r : map_all(pid, "gid_map");
    }
    /* CVE-2014-8989: a group that was meant to take rights away could be dropped otherwise. */
    snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
    r = io_write_file_at(AT_FDCWD, path, "deny");
    if (r == 0)
        r = map_one(pid, "uid_map", plan->uid);
    return r < 0 ? r : map_one(pid, "gid_map", plan->gid);
}
