/* SPDX-License-Identifier: MIT */
/* Which hierarchies there are, and where we live in each. Looks only. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

#define MOUNTINFO_MAX (4u << 20)

const char *cgroup_mode_name(enum cgroup_mode mode)
{
    static const char *const names[] = {
        [CGROUP_NONE] = "none",
        [CGROUP_V1] = "v1",
        [CGROUP_HYBRID] = "hybrid",
        [CGROUP_V2] = "v2",
    };

    return names[mode];
}

/* Machines with thousands of mounts exist, so the buffer grows. */
static int read_whole(const char *path, char **ret)
{
    for (size_t size = 64 << 10; size <= MOUNTINFO_MAX; size *= 4) {
        _cleanup_free_ char *text = malloc(size);
        ssize_t n = text ? io_read_file_at(AT_FDCWD, path, text, size) : -ENOMEM;

        if (n >= 0) {
            *ret = take_ptr(text);
            return 0;
        }
        if (n != -E2BIG)
            return (int)n;
    }
    return -E2BIG;
}

static int tree_check_writable(const struct cgroup_tree *tree)
{
    if (faccessat(tree->fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return errno;
    /* On v2 a process moves only by somebody who may write the common ancestor's cgroup.procs: that
     * is what delegation hands over, and a directory alone is not enough. */
    if (tree->v2 && faccessat(tree->fd, "cgroup.procs", W_OK, AT_EACCESS) < 0)
        return errno;
    return 0;
}

/* Both are taken. */
static void tree_set(struct cgroup_tree *tree, char *own, int fd)
{
    char text[512];

    tree->own = own;
    tree->fd = fd;
    if (tree->v2) {
        tree->controllers = 0;
        if (io_read_file_at(fd, "cgroup.controllers", text, sizeof(text)) > 0)
            tree->controllers = cgroup_parse_controllers(text, " \n") & ~(1u << CGROUP_CPUACCT);
        /* Only the root of everything has no cgroup.events; that of a namespace does. */
        tree->real_root = faccessat(fd, "cgroup.events", F_OK, 0) < 0;
    }
    tree->why = tree_check_writable(tree);
    tree->writable = tree->why == 0;
}

/* Opens our place of one mount. False: not visible there, or not what it says it is. */
static bool tree_open(const struct cgroup_mount *mount, const char *path, struct cgroup_tree *ret)
{
    _cleanup_free_ char *own = cgroup_locate(mount->root, mount->point, path);
    _cleanup_close_ int fd = -1;
    struct statfs fs;

    if (!own)
        return false;
    fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &fs) < 0)
        return false; /* something was mounted over it */
    if (fs.f_type != (mount->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
        return false;
    *ret = (struct cgroup_tree){.v2 = mount->v2, .controllers = mount->controllers};
    ret->mount = mem_strdup(mount->point);
    tree_set(ret, take_ptr(own), take_fd(&fd));
    return true;
}

int cgroup_tree_move(struct cgroup_tree *tree, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    close(tree->fd);
    free(tree->own);
    tree_set(tree, mem_strdup(path), fd);
    return 0;
}

static bool host_has(const struct cgroup_host *host, const struct cgroup_mount *mount)
{
    for (int i = 0; i < host->n_trees; i++)
        if (mount->v2 ? host->trees[i].v2 : (host->trees[i].controllers & mount->controllers) != 0)
            return true;
    return false;
}

static void host_find_trees(struct cgroup_host *host, const struct cgroup_mounts *mounts,
                            const char *self)
{
    for (size_t i = 0; i < mounts->n && host->n_trees < CGROUP_TREES_MAX; i++) {
        const struct cgroup_mount *mount = &mounts->items[i];
        _cleanup_free_ char *path = NULL;

        if ((!mount->v2 && !mount->controllers) || host_has(host, mount))
            continue;
        path = cgroup_self_path(self, mount->v2,
                                mount->v2 ? 0 : (unsigned)__builtin_ctz(mount->controllers));
        if (!path || !tree_open(mount, path, &host->trees[host->n_trees]))
            continue;
        if (mount->v2)
            host->unified = host->n_trees;
        host->n_trees++;
    }
}

int cgroup_host_tree(const struct cgroup_host *host, enum cgroup_resource controller, bool writable)
{
    for (int i = 0; i < host->n_trees; i++)
        if (host->trees[i].controllers & 1u << controller && (!writable || host->trees[i].writable))
            return i;
    return -1;
}

static enum cgroup_mode host_decide(const struct cgroup_host *host)
{
    bool v1 = false, v2 = false;
    bool unified = host->unified >= 0 && host->trees[host->unified].writable;

    for (enum cgroup_resource c = CGROUP_PIDS; c <= CGROUP_CPU; c++) {
        int i = cgroup_host_tree(host, c, true);

        if (i >= 0 && host->trees[i].v2)
            v2 = true;
        else if (i >= 0)
            v1 = true;
    }
    if (v1)
        return unified ? CGROUP_HYBRID : CGROUP_V1;
    return v2 || unified ? CGROUP_V2 : CGROUP_NONE;
}

static int host_identify(struct cgroup_id *ret)
{
    char text[1024];
    pid_t parent;
    struct stat st;

    if (io_read_file_at(AT_FDCWD, "/proc/self/stat", text, sizeof(text)) < 0 ||
        !cgroup_stat_parse(text, &parent, &ret->start_ticks) || stat("/proc/self/ns/pid", &st) < 0)
        return -ENOENT;
    ret->pid = getpid();
    ret->pidns = st.st_ino;
    return 0;
}

int cgroup_host_open(struct cgroup_host **ret, struct err *err)
{
    struct cgroup_host *host = mem_zalloc(sizeof(*host));
    _cleanup_free_ char *mountinfo = NULL, *self = NULL;
    struct cgroup_mounts mounts;

    host->unified = -1;
    if (host_identify(&host->id) < 0) {
        cgroup_host_free(host);
        return err_set(err, ERR_SYSTEM, ENOENT, "cannot read /proc: is it mounted?");
    }
    if (read_whole("/proc/self/mountinfo", &mountinfo) == 0 &&
        read_whole("/proc/self/cgroup", &self) == 0) {
        cgroup_mounts_parse(mountinfo, &mounts);
        host_find_trees(host, &mounts, self);
        cgroup_mounts_done(&mounts);
    }
    host->mode = host_decide(host);
    *ret = host;
    return 0;
}

void cgroup_host_free(struct cgroup_host *host)
{
    if (!host)
        return;
    for (int i = 0; i < host->n_trees; i++) {
        free(host->trees[i].mount);
        free(host->trees[i].own);
        close(host->trees[i].fd);
    }
    free(host);
}

enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host)
{
    return host->mode;
}

int cgroup_tree_walk_up(const struct cgroup_tree *tree,
                        int (*visit)(int dir, const char *path, void *data), void *data)
{
    _cleanup_free_ char *path = mem_strdup(tree->own);
    size_t base = strlen(tree->mount);
    int r = 0;

    for (;;) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *slash;

        if (fd >= 0 && (r = visit(fd, path, data)) != 0)
            return r;
        if (strlen(path) <= base || !(slash = strrchr(path, '/')))
            return 0;
        *slash = '\0';
    }
}
