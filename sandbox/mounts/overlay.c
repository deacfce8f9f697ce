/* SPDX-License-Identifier: MIT */
/*
 * Overlays (overlayfs.rst): changes go into an upper directory in the scratch directory, or into a tmpfs where there is
 * none. In a user namespace overlayfs keeps its marks in user.* attributes (userxattr, Linux 5.11); a tmpfs has those
 * only since 6.6, before that a directory that was removed cannot be made again. Layers are named by /proc/self/fd,
 * which needs no escaping and follows no link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

#define NAME_ROOM 64

static int make_dir(int dirfd, const char *name, mode_t mode)
{
    return mkdirat(dirfd, name, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* The root of an overlay has owner and mode of the upper directory. Who may not give files away (a user namespace with
 * one id) keeps what it made. */
static int make_layers(int dirfd, const char *name, int lower, int ret_fds[2])
{
    char upper[NAME_ROOM], work[NAME_ROOM];
    struct stat st;
    int r;

    snprintf(upper, sizeof(upper), "%s.upper", name);
    snprintf(work, sizeof(work), "%s.work", name);
    if (fstat(lower, &st) < 0)
        return -errno;
    if ((r = make_dir(dirfd, upper, 0700)) < 0 || (r = make_dir(dirfd, work, 0700)) < 0)
        return r;
    ret_fds[0] = openat(dirfd, upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ret_fds[1] = openat(dirfd, work, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ret_fds[0] < 0 || ret_fds[1] < 0)
        return -errno;
    if (fchown(ret_fds[0], st.st_uid, st.st_gid) < 0 && errno != EPERM && errno != EINVAL)
        return -errno;
    return fchmod(ret_fds[0], st.st_mode & 07777) < 0 ? -errno : 0;
}

static int mount_overlay(const struct mount_plan *plan, int lower, const int layers[2])
{
    char lower_text[48], upper_text[48], work_text[48];
    /* Nobody wants these layers after the run: without `volatile` (Linux 5.10) taking the overlay down would write the whole
     * file system below it to disk first. */
    const char *options[] = {"source=shunt", lower_text, upper_text, work_text, "volatile",
                             plan->userxattr ? "userxattr" : NULL, NULL};
    unsigned attr = NM_NOSUID | NM_NODEV;
    struct statvfs vfs;
    int r;

    snprintf(lower_text, sizeof(lower_text), "lowerdir=/proc/self/fd/%d", lower);
    snprintf(upper_text, sizeof(upper_text), "upperdir=/proc/self/fd/%d", layers[0]);
    snprintf(work_text, sizeof(work_text), "workdir=/proc/self/fd/%d", layers[1]);
    if (fstatvfs(lower, &vfs) == 0 && (vfs.f_flag & ST_NOEXEC))
        attr |= NM_NOEXEC;
    r = mounts_new_fs("overlay", options, attr);
    if (r != -EINVAL)
        return r;
    options[4] = options[5];
    options[5] = NULL;
    return mounts_new_fs("overlay", options, attr);
}

int mounts_do_overlay(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int target = op->flags & MOP_CREATE ? mounts_make_path(op->path, true) : mounts_open_path(op->path);
    _cleanup_close_ int upper_fs = -1;
    _cleanup_close_ int overlay = -1;
    int layers[2] = {-1, -1}, lower, r;

    if (target < 0)
        return target;
    lower = op->slot >= 0 ? state->slots[op->slot] : target;
    if (op->upper < 0 || state->slots[op->upper] < 0) {
        /* Layers must be attached somewhere: the tmpfs goes where the overlay will cover it. */
        upper_fs = mounts_tmpfs(op->size_bytes, 0700, 0);
        r = upper_fs < 0 ? upper_fs : nm_attach(upper_fs, target);
        if (r == 0)
            r = make_layers(upper_fs, op->name, lower, layers);
    } else {
        r = make_layers(state->slots[op->upper], op->name, lower, layers);
    }
    if (r == 0) {
        overlay = mount_overlay(state->plan, lower, layers);
        r = overlay < 0 ? overlay : nm_attach(overlay, upper_fs >= 0 ? upper_fs : target);
    }
    close_fd(&layers[0]);
    close_fd(&layers[1]);
    return r;
}
