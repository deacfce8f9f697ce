/* SPDX-License-Identifier: MIT */
/*
 * A socket that is seen through an overlay cannot be connected to: unix(7) finds the listener by the inode, and the
 * overlay's is another one. So those that exist are bound through, one by one: at most two directories deep (as
 * /tmp/.X11-unix/X0 and /tmp/ssh-XXXX/agent.1), and no more than a start may cost.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

#define SOCKETS_MAX 64
#define DIRS_MAX 128
#define ENTRIES_MAX 4096

struct walk {
    int sockets, dirs, entries; /* what may still be looked at */
};

struct linux_dirent64 { /* getdents64(2) */
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

static void bind_socket(int from, int to, const char *name)
{
    _cleanup_close_ int target = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int tree = -1;
    struct stat st;

    if (target < 0 || fstat(target, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    tree = nm_clone(from, name, 0);
    if (tree >= 0)
        nm_attach(tree, target);
}

static void scan(struct walk *walk, int from, int to, int depth);

static void scan_below(struct walk *walk, int from, int to, const char *name, int depth)
{
    const int how = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int below = -1;
    _cleanup_close_ int below_to = -1;

    if (walk->dirs-- <= 0)
        return;
    below = openat(from, name, O_RDONLY | how);
    if (below < 0)
        return;
    below_to = openat(to, name, O_PATH | how);
    if (below_to >= 0)
        scan(walk, below, below_to, depth);
}

static void scan(struct walk *walk, int from, int to, int depth)
{
    char buf[4096] __attribute__((aligned(8)));
    long n;

    while ((n = syscall(SYS_getdents64, from, buf, sizeof(buf))) > 0)
        for (long at = 0; at < n;) {
            const struct linux_dirent64 *entry = (const struct linux_dirent64 *)(buf + at);

            at += entry->d_reclen;
            if (walk->entries-- <= 0)
                return;
            if (entry->d_type == DT_SOCK && walk->sockets-- > 0)
                bind_socket(from, to, entry->d_name);
            else if (entry->d_type == DT_DIR && depth > 0 && strcmp(entry->d_name, ".") != 0 &&
                     strcmp(entry->d_name, "..") != 0)
                scan_below(walk, from, to, entry->d_name, depth - 1);
        }
}

int mounts_do_sockets(struct mount_state *state, const struct mount_op *op)
{
    struct walk walk = {SOCKETS_MAX, DIRS_MAX, ENTRIES_MAX};
    _cleanup_close_ int from = openat(state->slots[op->slot], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int to = mounts_open_path(op->path);

    if (from < 0)
        return -errno;
    if (to < 0)
        return to;
    scan(&walk, from, to, 2);
    return 0;
}
