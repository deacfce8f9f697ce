/* SPDX-License-Identifier: MIT */
/* The leaf of one worker generation: made with its limits before the worker exists, never reused.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

static int set_tasks(int dir, uint64_t tasks)
{
    return tasks == UINT64_MAX ? io_write_file_at(dir, "pids.max", "max")
                               : io_write_u64_at(dir, "pids.max", tasks);
}

int cgroup_set_limits(const struct cgroup_run *run, const struct cgroup_node *node,
                      const struct cgroup_limits *limits)
{
    const struct cgroup_tree *trees = run->host->trees;
    int pids = run->tree_of[CGROUP_PIDS], memory = run->tree_of[CGROUP_MEMORY];
    int cpu = run->tree_of[CGROUP_CPU], r;

    /* A limit that was asked for and cannot be set is an error, never silence. */
    if (limits->tasks) {
        r = pids < 0 ? -EOPNOTSUPP : set_tasks(node->dir[pids], limits->tasks);
        if (r < 0)
            return r;
    }
    if (limits->memory_bytes) {
        r = memory < 0 ? -EOPNOTSUPP
                       : cgroup_version_of(&trees[memory])
                             ->set_memory(node->dir[memory], limits->memory_bytes);
        if (r < 0)
            return r;
    }
    if (limits->cpu_milli) {
        r = cpu < 0 ? -EOPNOTSUPP : cgroup_version_of(&trees[cpu])->set_quota(node->dir[cpu], limits->cpu_milli);
        if (r < 0)
            return r;
    }
    if (limits->cpu_weight && cpu >= 0) {
        r = cgroup_version_of(&trees[cpu])->set_weight(node->dir[cpu], limits->cpu_weight);
        if (r < 0)
            return r;
    }
    return 0;
}

static void leaf_watch(struct cgroup_leaf *leaf)
{
    static const struct {
        enum cgroup_resource resource;
        const char *name, *instead;
    } events[] = {
        {CGROUP_PIDS, "pids.events.local", "pids.events"},
        {CGROUP_MEMORY, "memory.events.local", "memory.events"},
    };
    struct cgroup_run *run = leaf->run;

    for (size_t i = 0; i < 2; i++) {
        int tree = run->tree_of[events[i].resource];

        leaf->watches[i] = -1;
        if (run->notify_fd < 0 || tree < 0 || !run->host->trees[tree].v2)
            continue;
        /* By way of the descriptor, so that what is mounted where does not matter. */
        for (int k = 0; k < 2 && leaf->watches[i] < 0; k++) {
            char path[64];

            snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", leaf->node.dir[tree],
                     k ? events[i].instead : events[i].name);
            leaf->watches[i] = inotify_add_watch(run->notify_fd, path, IN_MODIFY);
        }
    }
}

static void leaf_free(struct cgroup_leaf *leaf)
{
    for (size_t i = 0; i < CGROUP_COUNTERS; i++)
        close_fd(&leaf->files[i].fd);
    cgroup_node_close(&leaf->node);
    free(leaf);
}

static int node_copy(const struct cgroup_node *from, struct cgroup_node *ret)
{
    struct cgroup_node node = CGROUP_NODE_INIT;

    for (int i = 0; i < CGROUP_TREES_MAX; i++)
        if (from->dir[i] >= 0 && (node.dir[i] = fcntl(from->dir[i], F_DUPFD_CLOEXEC, 3)) < 0) {
            int saved = errno;

            cgroup_node_close(&node);
            return -saved;
        }
    *ret = node;
    return 0;
}

int cgroup_leaf_create(struct cgroup_run *run, unsigned number, const struct cgroup_limits *limits,
                       struct cgroup_leaf **ret, struct err *err)
{
    struct cgroup_leaf *leaf = mem_zalloc(sizeof(*leaf));
    int r;

    leaf->run = run;
    snprintf(leaf->name, sizeof(leaf->name), "cell-%u", number);
    for (size_t i = 0; i < CGROUP_COUNTERS; i++)
        leaf->files[i].fd = -1;
    leaf->is_top = run->only != 0;
    r = leaf->is_top ? node_copy(&run->top, &leaf->node) : cgroup_node_open(&run->top, leaf->name, true, &leaf->node);
    if (r < 0) {
        leaf->node = (struct cgroup_node)CGROUP_NODE_INIT;
        leaf_free(leaf);
        return err_set(err, ERR_SYSTEM, -r, "cannot make cgroup %s/cell-%u: %m", run->name, number);
    }
    r = cgroup_set_limits(run, &leaf->node, limits);
    if (r < 0) {
        if (!leaf->is_top)
            cgroup_node_remove(&run->top, leaf->name);
        leaf_free(leaf);
        return err_set(err, ERR_SYSTEM, -r,
                       "cannot limit cgroup %s/cell-%u (tasks %" PRIu64 ", memory %" PRIu64 "): %m",
                       run->name, number, limits->tasks, limits->memory_bytes);
    }
    leaf_watch(leaf);
    *ret = leaf;
    return 0;
}

int cgroup_leaf_set_limits(struct cgroup_leaf *leaf, const struct cgroup_limits *limits)
{
    struct cgroup_limits all = *limits;

    /* None now, though there may have been one before. */
    if (!all.tasks && leaf->run->has & CGROUP_HAS_TASKS)
        all.tasks = UINT64_MAX;
    if (!all.memory_bytes && leaf->run->has & CGROUP_HAS_MEMORY)
        all.memory_bytes = UINT64_MAX;
    return cgroup_set_limits(leaf->run, &leaf->node, &all);
}

int cgroup_leaf_attach(struct cgroup_leaf *leaf, pid_t pid)
{
    return cgroup_node_attach(&leaf->node, pid);
}

int cgroup_leaf_remove(struct cgroup_leaf *leaf)
{
    int r;

    if (!leaf)
        return 0;
    if (leaf->is_top) {
        leaf_free(leaf);
        return 0;
    }
    r = cgroup_node_remove(&leaf->run->top, leaf->name);
    if (r < 0)
        return r == -ENOTEMPTY ? -EBUSY : r;
    /* Its inotify watches went with the files. */
    leaf_free(leaf);
    return 0;
}

ssize_t cgroup_leaf_processes(struct cgroup_leaf *leaf, pid_t *ids, size_t room)
{
    int dir = cgroup_node_listing(leaf->run, &leaf->node);

    return dir < 0 ? -ENOENT : cgroup_dir_ids(dir, "cgroup.procs", ids, room);
}

ssize_t cgroup_leaf_threads(struct cgroup_leaf *leaf, pid_t *ids, size_t room)
{
    int dir = cgroup_node_listing(leaf->run, &leaf->node);
    ssize_t n;

    if (dir < 0)
        return -ENOENT;
    n = cgroup_dir_ids(dir, "cgroup.threads", ids, room); /* v2 */
    return n == -ENOENT ? cgroup_dir_ids(dir, "tasks", ids, room) : n;
}
