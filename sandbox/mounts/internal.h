/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A plan is a flat list of operations: made by compile.c (which may allocate and knows the spec), executed in order by
 * apply.c (which does neither). A *place* is what a rule wants at a path; sorted, they become operations.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/mounts/mount_plan.h"

#define MOUNTS_SLOTS 192      /* descriptors that an operation opens for a later one */
#define MOUNTS_MORE 32        /* paths of mount_apply.keep */
#define MOUNTS_ASIDE ".shunt" /* in /dev/shm, where no scratch directory is */

enum mount_op_kind {
    OP_PROPAGATION,
    OP_OPEN,     /* path -> slot: a clone of the tree, or (MOP_PLAIN) the directory itself */
    OP_ROOT,     /* everything becomes read-only */
    OP_READONLY, /* the mount at path and all below it, in place */
    OP_PROC,
    OP_DEV,
    OP_MQUEUE,
    OP_TMPFS,
    OP_SEAL, /* a tmpfs becomes read-only, now that it holds its mount points */
    OP_HIDE,
    OP_FREEZE,  /* path, as it is in this view, becomes read-only */
    OP_BIND,    /* slot -> path */
    OP_OVERLAY, /* slot: the lower directory; upper: slot of the scratch directory or -1 */
    OP_SOCKETS, /* those below slot become connectable below path */
    OP_ASIDE,   /* a second mount of path -> slot, before anything is mounted below path */
    OP_MORE_OPEN,
    OP_MORE_BIND,
    OP_CHDIR,
};

enum {
    MOP_OPTIONAL = 1 << 0, /* what is not there is passed over */
    MOP_RDONLY = 1 << 1,
    MOP_IDMAP = 1 << 2,
    MOP_CREATE = 1 << 3, /* the mount point may have to be made: it is inside a file system of ours */
    MOP_PLAIN = 1 << 4,
    MOP_PRIVATE = 1 << 5,
    MOP_TTY = 1 << 6,
    MOP_OWN_SCRATCH = 1 << 7, /* mount_apply.scratch comes first */
    MOP_KEEP = 1 << 8,        /* a symbolic link there is passed over, too: whoever put it there gains nothing */
};

struct mount_op {
    enum mount_op_kind kind;
    unsigned flags;
    int slot, upper; /* or -1 */
    char *path;
    const char *name; /* OP_OVERLAY: of its upper directory in the scratch directory */
    uint64_t size_bytes;
    mode_t mode;
    uid_t uid;  /* OP_TMPFS: or -1 */
    char *text; /* what is described, and the stage of a failure */
};

struct mount_plan {
    struct mount_op *ops;
    size_t nops, room;
    int nslots;
    bool keeps_ids; /* see mount_plan_keeps_ids() */
    int idmap_fd; /* user namespace whose maps swap two ids; or -1 */
    bool userxattr;
    char *sockets;  /* /proc/net/unix of outside, where it will be another inside; NULL: it is read when needed */
    char *cover[3]; /* of the operations: below what mount_apply.keep counts */
    dev_t cwd_dev;
    ino_t cwd_ino;
    bool cwd_overlaid;
};

/* What travels through one application. */
struct mount_state {
    const struct mount_plan *plan;
    const struct mount_apply *apply;
    int slots[MOUNTS_SLOTS];
    int more[MOUNTS_MORE];
    int empty; /* an empty read-only tmpfs that is mounted somewhere already, or -1 */
};

/* paths.c: all by descriptor (O_PATH), no symbolic link is followed: -ELOOP. */
int mounts_open_path(const char *path);
int mounts_open_at(int dirfd, const char *path);
/* The same, and makes what is missing: directories, and a file at the end when !dir. */
int mounts_make_path(const char *path, bool dir);
bool mounts_is_below(const char *path, const char *dir); /* or the same */

/* attach.c */
/* A file system of that type with "key=value" or "flag" options (NULL at the end): its mount, not attached yet. */
int mounts_new_fs(const char *type, const char *const *options, unsigned attr);
int mounts_tmpfs(uint64_t size_bytes, mode_t mode, unsigned attr);
/* Read-only (with all below, when `recursive`), by descriptor; -ENOSYS where the call is missing. */
int mounts_set_readonly(int fd, bool recursive, unsigned more_attr);
/* The same for a path and everything below it, one mount after the other, for older kernels. */
int mounts_remount_readonly(const char *prefix);
/* Attaches a tree of mounts, closes nothing. MOP_RDONLY in `flags`: read-only. */
int mounts_attach_readonly(int tree, int target, const char *path);

/* Each executes one operation. */
int mounts_do_hide(struct mount_state *state, const struct mount_op *op);
int mounts_do_overlay(struct mount_state *state, const struct mount_op *op);
/* The text of /proc/net/unix; NULL: no memory. Malloc'ed. */
char *mounts_read_sockets(void);
int mounts_do_sockets(struct mount_state *state, const struct mount_op *op);
int mounts_do_dev(struct mount_state *state, const struct mount_op *op);

/* idmap.c */
/* A user namespace in which ids a and b are swapped and all others stay: its descriptor, or -errno. */
int mounts_idmap_open(uint32_t a, uint32_t b);
int mounts_idmap_set(int tree, int userns);
