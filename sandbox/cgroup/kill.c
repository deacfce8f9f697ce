/* SPDX-License-Identifier: MIT */
/* Killing all that lives in cgroups of ours, however often it forks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

#define KILL_PASSES 50

int cgroup_dir_kill(int dir)
{
    return io_write_file_at(dir, "cgroup.kill",
                            "1"); /* since 5.14; whole subtree, forks included */
}

static int kill_child_by_pid(int dir, const char *name, void *data)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    (void)data;
    if (fd >= 0)
        cgroup_dir_kill_by_pid(fd, -1);
    return 0;
}

/* One pass over the list. Returns how many were signalled. A pid read from the list can only be
 * somebody else's if its owner dies and the whole pid range goes by before the next line. */
static int kill_pass(int dir)
{
    _cleanup_free_ pid_t *ids = NULL;
    ssize_t n = cgroup_dir_all_ids(dir, "cgroup.procs", &ids);
    pid_t self = getpid();
    int killed = 0;

    for (ssize_t i = 0; i < n; i++)
        if (ids[i] > 0 && ids[i] != self && kill(ids[i], SIGKILL) == 0)
            killed++;
    return killed;
}

void cgroup_dir_kill_by_pid(int dir, int pids_dir)
{
    /* With no task allowed a fork fails, so each pass finds fewer and the loop ends. Forks under
     * way have been charged already and show up in a later pass. */
    if (pids_dir >= 0)
        io_write_file_at(pids_dir, "pids.max", "0");
    for (int pass = 0; pass < KILL_PASSES && kill_pass(dir) > 0; pass++)
        if (pass > 2)
            usleep(200); /* those signalled are still listed until they have died */
    cgroup_dir_each_child(dir, kill_child_by_pid, NULL);
}

int cgroup_node_kill(const struct cgroup_run *run, const struct cgroup_node *node)
{
    int pids = run->tree_of[CGROUP_PIDS], listing;

    if (run->has & CGROUP_HAS_KILL) {
        int r = cgroup_dir_kill(node->dir[run->unified]);

        if (r == 0)
            return 0;
    }
    listing = cgroup_node_listing(run, node);
    if (listing < 0)
        return -ENOENT;
    cgroup_dir_kill_by_pid(listing, pids >= 0 ? node->dir[pids] : -1);
    return 0;
}

int cgroup_leaf_kill(struct cgroup_leaf *leaf)
{
    return cgroup_node_kill(leaf->run, &leaf->node);
}
