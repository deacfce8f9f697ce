/* SPDX-License-Identifier: MIT */
/*
 * A /dev with what every program expects and nothing else. The nodes are bound from the host's, since a user namespace
 * cannot make device nodes; /dev/shm is a place of its own in the plan.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

#define DEV_BYTES (64 << 10) /* directories, links and mount points only */

static int bind_node(int old, const char *from, int dev, const char *name)
{
    _cleanup_close_ int tree = nm_clone(old, from, NM_RECURSIVE);
    _cleanup_close_ int target = -1;
    struct stat st;

    if (tree < 0)
        return tree;
    if (fstat(tree, &st) < 0)
        return -errno;
    if ((S_ISDIR(st.st_mode) ? mkdirat(dev, name, 0755) : mknodat(dev, name, S_IFREG | 0666, 0)) < 0 && errno != EEXIST)
        return -errno;
    target = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return target < 0 ? -errno : nm_attach(tree, target);
}

/* Terminals of one's own. `gid` 5 is tty's everywhere; where it is not mapped, or not mountable: without, or the
 * host's. */
static int new_pts(int dev)
{
    static const char *const with_gid[] = {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5", NULL};
    static const char *const without[] = {"newinstance", "ptmxmode=0666", "mode=0620", NULL};
    _cleanup_close_ int target = -1;
    _cleanup_close_ int pts = mounts_new_fs("devpts", with_gid, NM_NOSUID | NM_NOEXEC);

    if (pts < 0)
        pts = mounts_new_fs("devpts", without, NM_NOSUID | NM_NOEXEC);
    if (pts < 0)
        return pts;
    if (mkdirat(dev, "pts", 0755) < 0)
        return -errno;
    target = openat(dev, "pts", O_PATH | O_CLOEXEC);
    return target < 0 ? -errno : nm_attach(pts, target);
}

/* The caller's terminal, which may be kept, belongs to the host's devpts and has no name in ours; ttyname(3) finds it
 * as the console. /dev/ptmx cannot be bound, it looks for the pts beside itself in its own mount. */
static void bind_console(int old, int dev)
{
    char link[32], name[64];

    for (int fd = 0; fd < 3; fd++) {
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = isatty(fd) ? readlink(link, name, sizeof(name) - 1) : -1;
        name[n > 0 ? n : 0] = '\0';
        if (strncmp(name, "/dev/", 5) == 0 && bind_node(old, name + 5, dev, "console") == 0)
            return;
    }
}

static int make_links(int dev)
{
    static const struct {
        const char *name, *to;
    } links[] = {
        {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
    };

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (symlinkat(links[i].to, dev, links[i].name) < 0 && errno != EEXIST)
            return -errno;
    return 0;
}

int mounts_do_dev(struct mount_state *state, const struct mount_op *op)
{
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    _cleanup_close_ int old = mounts_open_path(op->path);
    _cleanup_close_ int dev = old < 0 ? -1 : mounts_tmpfs(DEV_BYTES, 0755, 0);
    int r;

    (void)state;
    if (old < 0 || dev < 0)
        return old < 0 ? old : dev;
    r = nm_attach(dev, old);
    for (size_t i = 0; r == 0 && i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        r = bind_node(old, nodes[i], dev, nodes[i]);
        if (r == -ENOENT && i > 0)
            r = 0;
    }
    if (r == 0) {
        if (new_pts(dev) < 0)
            bind_node(old, "pts", dev, "pts");
        if (op->flags & MOP_TTY)
            bind_console(old, dev);
        r = make_links(dev);
    }
    return r;
}
