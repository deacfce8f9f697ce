/* SPDX-License-Identifier: MIT */
/*
 * Holding processes still. Through the v2 tree where there is one: its frozen tasks still die by
 * SIGKILL. The freezer of v1 is never used: its frozen tasks do not, and if shunt were killed in
 * that moment they would stay for ever. SIGSTOP does what is needed there; a process could see it,
 * and that is harmless.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

#define STOP_PASSES 8

/* Passes until nobody new shows up: a process may fork before it is stopped. */
static int stop_all(int dir, bool stop)
{
    ssize_t last = -1;

    for (int pass = 0; pass < (stop ? STOP_PASSES : 1); pass++) {
        _cleanup_free_ pid_t *ids = NULL;
        ssize_t n = cgroup_dir_all_ids(dir, "cgroup.procs", &ids);

        if (n < 0)
            return (int)n;
        for (ssize_t i = 0; i < n; i++)
            if (ids[i] > 0 && ids[i] != getpid())
                kill(ids[i], stop ? SIGSTOP : SIGCONT);
        if (n == last)
            break;
        last = n;
    }
    return 0;
}

int cgroup_node_freeze(const struct cgroup_run *run, const struct cgroup_node *node, bool frozen)
{
    int listing;

    if (run->has & CGROUP_HAS_FREEZE)
        return io_write_file_at(node->dir[run->unified], "cgroup.freeze", frozen ? "1" : "0");
    listing = cgroup_node_listing(run, node);
    return listing < 0 ? -ENOENT : stop_all(listing, frozen);
}

int cgroup_leaf_freeze(struct cgroup_leaf *leaf, bool frozen)
{
    return cgroup_node_freeze(leaf->run, &leaf->node, frozen);
}

static int freeze_child(int dir, const char *name, void *data)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0)
        stop_all(fd, *(const bool *)data);
    return 0;
}

int cgroup_run_freeze(struct cgroup_run *run, bool frozen)
{
    int listing;

    if (run->has & CGROUP_HAS_FREEZE)
        return cgroup_node_freeze(run, &run->top, frozen);
    listing = cgroup_node_listing(run, &run->top);
    return listing < 0 ? -ENOENT : cgroup_dir_each_child(listing, freeze_child, &frozen);
}
