/* SPDX-License-Identifier: MIT */
/* Executes a plan. Nothing here allocates, and nothing is decided that the plan could have decided. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

static int do_propagation(struct mount_state *state, const struct mount_op *op)
{
    (void)state;
    return mount(NULL, "/", NULL, MS_REC | (op->flags & MOP_PRIVATE ? MS_PRIVATE : MS_SLAVE), NULL) < 0 ? -errno : 0;
}

static bool may_skip(unsigned flags, int r)
{
    return (flags & MOP_OPTIONAL) &&
           (r == -ENOENT || r == -ENOTDIR || r == -EACCES || (r == -ELOOP && (flags & MOP_KEEP)));
}

/* A clone is made by descriptor, too, so that the path is walked once, without links. */
static int open_tree_at(const char *path, unsigned flags, int idmap_fd)
{
    _cleanup_close_ int fd = mounts_open_path(path);
    _cleanup_close_ int tree = -1;
    int r;

    if (fd < 0 || (flags & MOP_PLAIN))
        return fd < 0 ? fd : take_fd(&fd);
    tree = nm_clone(fd, "", NM_RECURSIVE);
    if (tree < 0)
        return tree;
    r = flags & MOP_IDMAP ? mounts_idmap_set(tree, idmap_fd) : 0;
    return r < 0 ? r : take_fd(&tree);
}

static int do_open(struct mount_state *state, const struct mount_op *op)
{
    const char *own = state->apply ? state->apply->scratch : NULL;
    const char *path = (op->flags & MOP_OWN_SCRATCH) && own ? own : op->path;
    int fd;

    if (!path)
        return 0;
    fd = open_tree_at(path, op->flags, state->plan->idmap_fd);
    if (fd < 0)
        return may_skip(op->flags, fd) ? 0 : fd;
    state->slots[op->slot] = fd;
    return 0;
}

/* NOSUID besides: no_new_privs says the same, but not for whoever joins the view from outside. */
static int do_root(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = root < 0 ? -errno : mounts_set_readonly(root, true, NM_NOSUID);

    (void)state;
    return r == -ENOSYS ? mounts_remount_readonly(op->path) : r;
}

static int do_freeze(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int target = mounts_open_path(op->path);
    _cleanup_close_ int tree = target < 0 ? -1 : nm_clone(target, "", NM_RECURSIVE);

    (void)state;
    if (target < 0)
        return target;
    return tree < 0 ? tree : mounts_attach_readonly(tree, target, op->path);
}

/* What is no mount of its own (EINVAL) is made one. */
static int do_readonly(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int target = mounts_open_path(op->path);
    int r = target < 0 ? target : mounts_set_readonly(target, true, 0);

    if (r == -ENOSYS)
        return mounts_remount_readonly(op->path);
    return r == -EINVAL ? do_freeze(state, op) : r;
}

static int attach_new(int tree, const char *path, bool make)
{
    _cleanup_close_ int fd = tree;
    _cleanup_close_ int target = fd < 0 ? -1 : make ? mounts_make_path(path, true) : mounts_open_path(path);

    if (fd < 0)
        return fd;
    return target < 0 ? target : nm_attach(fd, target);
}

static int do_proc(struct mount_state *state, const struct mount_op *op)
{
    (void)state;
    return attach_new(mounts_new_fs("proc", NULL, NM_NOSUID | NM_NODEV | NM_NOEXEC), op->path, false);
}

static int do_mqueue(struct mount_state *state, const struct mount_op *op)
{
    (void)state;
    return attach_new(mounts_new_fs("mqueue", NULL, NM_NOSUID | NM_NODEV | NM_NOEXEC), op->path,
                      op->flags & MOP_CREATE);
}

static int do_tmpfs(struct mount_state *state, const struct mount_op *op)
{
    int fs = mounts_tmpfs(op->size_bytes, op->mode, 0);

    (void)state;
    /* In a user namespace the owner may not be mapped; then the mode has to do. */
    if (fs >= 0 && op->uid != (uid_t)-1 && fchownat(fs, "", op->uid, (gid_t)-1, AT_EMPTY_PATH) < 0 && errno != EINVAL &&
        errno != EPERM) {
        int r = -errno;

        close(fs);
        return r;
    }
    return attach_new(fs, op->path, op->flags & MOP_CREATE);
}

static int do_seal(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int fd = mounts_open_path(op->path);
    int r = fd < 0 ? fd : mounts_set_readonly(fd, false, 0);
    const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;

    (void)state;
    if (r == -ENOSYS)
        r = mount(NULL, op->path, NULL, flags, NULL) < 0 ? -errno : 0;
    return r;
}

int mounts_do_hide(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int target = mounts_open_path(op->path);
    _cleanup_close_ int tree = -1;
    struct stat st;
    int r;

    if (target < 0)
        return target;
    if (fstat(target, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode)) {
        tree = nm_clone(AT_FDCWD, "/dev/null", 0);
        return tree < 0 ? tree : nm_attach(tree, target);
    }
    /* One empty file system serves all; a clone costs a tenth of a new one. */
    tree = state->empty >= 0 ? nm_clone(state->empty, "", 0) : mounts_tmpfs(4096, 0555, NM_RDONLY);
    r = tree < 0 ? tree : nm_attach(tree, target);
    if (r == 0 && state->empty < 0)
        state->empty = take_fd(&tree);
    return r;
}

static int bind_tree(int tree, const char *path, unsigned flags)
{
    _cleanup_close_ int target = -1;
    struct stat st;

    if (fstat(tree, &st) < 0)
        return -errno;
    target = flags & MOP_CREATE ? mounts_make_path(path, S_ISDIR(st.st_mode)) : mounts_open_path(path);
    if (target < 0)
        return target;
    return flags & MOP_RDONLY ? mounts_attach_readonly(tree, target, path) : nm_attach(tree, target);
}

static int do_bind(struct mount_state *state, const struct mount_op *op)
{
    int tree = state->slots[op->slot];

    return tree < 0 ? 0 : bind_tree(tree, op->path, op->flags);
}

/* The clone has no mounts below it, and is attached before the original gets any: in the user namespace of a cell those
 * would be locked, and a directory with locked mounts below it cannot be the lower layer of an overlay. */
static int do_aside(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int from = mounts_open_path(op->path);

    if (from < 0)
        return from;
    state->slots[op->slot] = nm_clone(from, "", 0);
    return state->slots[op->slot] < 0 ? state->slots[op->slot] : 0;
}

static bool is_covered(const struct mount_plan *plan, const char *path)
{
    for (size_t i = 0; i < sizeof(plan->cover) / sizeof(plan->cover[0]); i++)
        if (plan->cover[i] && mounts_is_below(path, plan->cover[i]))
            return true;
    return false;
}

static int do_more_open(struct mount_state *state, const struct mount_op *op)
{
    const char *const *keep = state->apply ? state->apply->keep : NULL;

    for (size_t i = 0; keep && keep[i]; i++) {
        int fd;

        if (i >= MOUNTS_MORE)
            return -E2BIG;
        fd = is_covered(state->plan, keep[i]) ? open_tree_at(keep[i], op->flags, state->plan->idmap_fd) : -ENOENT;
        if (fd < 0 && !may_skip(op->flags, fd))
            return fd;
        state->more[i] = fd;
    }
    return 0;
}

static int do_more_bind(struct mount_state *state, const struct mount_op *op)
{
    const char *const *keep = state->apply ? state->apply->keep : NULL;

    for (size_t i = 0; keep && keep[i]; i++) {
        int r = state->more[i] < 0 ? 0 : bind_tree(state->more[i], keep[i], op->flags);

        if (r < 0 && !may_skip(op->flags, r))
            return r;
    }
    return 0;
}

static int do_chdir(struct mount_state *state, const struct mount_op *op)
{
    _cleanup_close_ int fd = mounts_open_path(op->path);
    const struct mount_plan *plan = state->plan;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fchdir(fd) < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!plan->cwd_overlaid && (st.st_dev != plan->cwd_dev || st.st_ino != plan->cwd_ino))
        return -ESTALE;
    return 0;
}

static int execute(struct mount_state *state, const struct mount_op *op)
{
    static int (*const execute_op[])(struct mount_state *, const struct mount_op *) = {
        [OP_PROPAGATION] = do_propagation,
        [OP_OPEN] = do_open,
        [OP_ROOT] = do_root,
        [OP_READONLY] = do_readonly,
        [OP_PROC] = do_proc,
        [OP_DEV] = mounts_do_dev,
        [OP_MQUEUE] = do_mqueue,
        [OP_TMPFS] = do_tmpfs,
        [OP_SEAL] = do_seal,
        [OP_HIDE] = mounts_do_hide,
        [OP_FREEZE] = do_freeze,
        [OP_BIND] = do_bind,
        [OP_OVERLAY] = mounts_do_overlay,
        [OP_SOCKETS] = mounts_do_sockets,
        [OP_ASIDE] = do_aside,
        [OP_MORE_OPEN] = do_more_open,
        [OP_MORE_BIND] = do_more_bind,
        [OP_CHDIR] = do_chdir,
    };
    int r = execute_op[op->kind](state, op);

    return r < 0 && may_skip(op->flags, r) ? 0 : r;
}

int mount_plan_apply(const struct mount_plan *plan, const struct mount_apply *apply, const char **ret_stage)
{
    struct mount_state state = {.plan = plan, .apply = apply, .empty = -1};
    mode_t mask = umask(022);
    int r = 0;

    memset(state.slots, 0xff, sizeof(state.slots));
    memset(state.more, 0xff, sizeof(state.more));
    for (size_t i = 0; r == 0 && i < plan->nops; i++) {
        r = execute(&state, &plan->ops[i]);
        if (r < 0)
            *ret_stage = plan->ops[i].text;
    }
    for (int i = 0; i < MOUNTS_SLOTS; i++)
        close_fd(&state.slots[i]);
    for (int i = 0; i < MOUNTS_MORE; i++)
        close_fd(&state.more[i]);
    close_fd(&state.empty);
    umask(mask);
    return r;
}
