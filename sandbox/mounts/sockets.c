/* SPDX-License-Identifier: MIT */
/*
 * A socket that is seen through an overlay cannot be connected to: unix(7) finds the listener by the inode, and the
 * overlay's is another one. So those that exist are bound through, one by one: at most two directories deep (as
 * /tmp/.X11-unix/X0 and /tmp/ssh-XXXX/agent.1), and no more than a start may cost.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
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

/* `path`: "name" or "directory/name" below both. */
static void bind_socket(int from, int to, const char *path)
{
    _cleanup_close_ int target = mounts_open_at(to, path);
    _cleanup_close_ int tree = -1;
    struct stat st;

    if (target < 0 || fstat(target, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    tree = nm_clone(from, path, 0);
    if (tree >= 0)
        nm_attach(tree, target);
}

/* One directory, `prefix` ("" or "directory/") below `from`. */
static void scan(struct walk *walk, int dir, int from, int to, const char *prefix)
{
    char buf[4096] __attribute__((aligned(8))), path[2 * NAME_MAX + 3];
    long n;

    while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
        for (long at = 0; at < n;) {
            const struct linux_dirent64 *entry = (const struct linux_dirent64 *)(buf + at);
            bool below = entry->d_type == DT_DIR && !*prefix && entry->d_name[0] && strcmp(entry->d_name, ".") != 0 &&
                         strcmp(entry->d_name, "..") != 0;
            _cleanup_close_ int next = -1;

            at += entry->d_reclen;
            if (walk->entries-- <= 0)
                return;
            snprintf(path, sizeof(path), "%s%s%s", prefix, entry->d_name, below ? "/" : "");
            if (entry->d_type == DT_SOCK && walk->sockets-- > 0)
                bind_socket(from, to, path);
            if (!below || walk->dirs-- <= 0)
                continue;
            next = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (next >= 0)
                scan(walk, next, from, to, path);
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
    scan(&walk, from, from, to, "");
    return 0;
}
