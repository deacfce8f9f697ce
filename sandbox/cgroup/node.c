/* SPDX-License-Identifier: MIT */
/*
 * One directory in every used hierarchy. These are raw system calls: a leaf is made for every
 * worker generation, and mkdirat() takes 30 us where libcgroup takes 0.66 ms, writes the parents'
 * settings on v2, moves the processes of a removed group to its parent, and knows no descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

#define NEST_MAX 16u

void cgroup_node_close(struct cgroup_node *node)
{
    for (int i = 0; i < CGROUP_TREES_MAX; i++)
        close_fd(&node->dir[i]);
}

static int node_open_one(int parent, const char *name, bool make)
{
    int fd;

    if (make && mkdirat(parent, name, 0755) < 0)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        int saved = errno;

        if (make)
            unlinkat(parent, name, AT_REMOVEDIR);
        return -saved;
    }
    return fd;
}

int cgroup_node_open(const struct cgroup_node *parent, const char *name, bool make,
                     struct cgroup_node *ret)
{
    struct cgroup_node node = CGROUP_NODE_INIT;

    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        int fd;

        if (parent->dir[i] < 0)
            continue;
        fd = node_open_one(parent->dir[i], name, make);
        if (fd < 0) {
            for (int j = 0; make && j < i; j++)
                if (node.dir[j] >= 0)
                    unlinkat(parent->dir[j], name, AT_REMOVEDIR);
            cgroup_node_close(&node);
            return fd;
        }
        node.dir[i] = fd;
    }
    *ret = node;
    return 0;
}

int cgroup_node_attach(const struct cgroup_node *node, pid_t pid)
{
    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        int r;

        if (node->dir[i] < 0)
            continue;
        r = io_write_u64_at(node->dir[i], "cgroup.procs", (uint64_t)pid);
        if (r < 0)
            return r;
    }
    return 0;
}

int cgroup_dir_each_child(int dir, int (*visit)(int dir, const char *name, void *data), void *data)
{
    _cleanup_closedir_ DIR *d = NULL;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), sum = 0;
    const struct dirent *entry;

    if (fd < 0)
        return -errno;
    d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -ENOMEM;
    }
    while ((entry = readdir(d))) {
        int r;

        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
            continue;
        r = visit(dir, entry->d_name, data);
        if (r > 0)
            sum += r;
    }
    return sum;
}

static int dir_remove_child(int dir, const char *name, void *data)
{
    const unsigned *depth = data;

    return cgroup_dir_remove(dir, name, *depth) == 0;
}

int cgroup_dir_remove(int parent, const char *name, unsigned depth)
{
    _cleanup_close_ int fd = -1;
    unsigned deeper = depth + 1;
    struct stat st;

    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if ((errno != EBUSY && errno != ENOTEMPTY) || depth >= NEST_MAX)
        return -errno;
    /* EBUSY means processes or child cgroups; only the second can be mended here. kernfs counts
     * subdirectories as links, which spares the usual case (still dying) a reading of the
     * directory. */
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink <= 2)
        return -EBUSY;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (cgroup_dir_each_child(fd, dir_remove_child, &deeper) <= 0)
        return -EBUSY;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Stops at the first that is busy: callers try again, and every try takes the lock that the dying
 * need. */
int cgroup_node_remove(const struct cgroup_node *parent, const char *name)
{
    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        int r = parent->dir[i] < 0 ? 0 : cgroup_dir_remove(parent->dir[i], name, 0);

        if (r < 0)
            return r;
    }
    return 0;
}

ssize_t cgroup_dir_ids(int dir, const char *file, pid_t *ids, size_t room)
{
    _cleanup_close_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    _cleanup_fclose_ FILE *f = NULL;
    ssize_t n = 0;
    int id;

    if (fd < 0)
        return -errno;
    f = fdopen(fd, "re");
    if (!f)
        return -ENOMEM;
    take_fd(&fd);
    while (fscanf(f, "%d", &id) == 1) {
        if ((size_t)n < room)
            ids[n] = id;
        n++;
    }
    return n;
}

ssize_t cgroup_dir_all_ids(int dir, const char *file, pid_t **ret)
{
    size_t room = 256;

    for (;;) { /* until one reading fits: the number is the kernel's, bounded by pid_max */
        _cleanup_free_ pid_t *ids = mem_calloc(room, sizeof(*ids));
        ssize_t n = cgroup_dir_ids(dir, file, ids, room);

        if (n < 0)
            return n;
        if ((size_t)n <= room) {
            *ret = take_ptr(ids);
            return n;
        }
        room = (size_t)n * 2;
    }
}
