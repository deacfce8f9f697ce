/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The mount calls by descriptor (open_tree(2), move_mount(2), fsopen(2): Linux 5.2; mount_setattr(2): 5.12; openat2(2):
 * 5.6), as plain system calls: glibc has them only since 2.36, and <linux/mount.h> cannot be included beside
 * <sys/mount.h> there. All return a descriptor or 0, or -errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NM_RECURSIVE 0x8000 /* AT_RECURSIVE */
#define NM_OPEN_TREE_CLONE 1
#define NM_MOVE_FROM_EMPTY 0x4
#define NM_MOVE_TO_EMPTY 0x40
#define NM_FSCONFIG_FLAG 0
#define NM_FSCONFIG_STRING 1
#define NM_FSCONFIG_CREATE 6
#define NM_RDONLY 0x1
#define NM_NOSUID 0x2
#define NM_NODEV 0x4
#define NM_NOEXEC 0x8
#define NM_IDMAP 0x00100000
#define NM_RESOLVE_NO_SYMLINKS 0x04

struct nm_attr {
    uint64_t set, clear, propagation, userns_fd;
};

static inline int nm_result(long r)
{
    return r < 0 ? -errno : (int)r;
}

/* A clone of the tree below `path`, not attached anywhere; symbolic links are not followed at the end. */
static inline int nm_clone(int dirfd, const char *path, unsigned flags)
{
    unsigned all = flags | NM_OPEN_TREE_CLONE | O_CLOEXEC | AT_SYMLINK_NOFOLLOW;

    return nm_result(syscall(SYS_open_tree, dirfd, path, *path ? all : all | AT_EMPTY_PATH));
}

static inline int nm_attach(int tree, int target)
{
    return nm_result(syscall(SYS_move_mount, tree, "", target, "", NM_MOVE_FROM_EMPTY | NM_MOVE_TO_EMPTY));
}

static inline int nm_setattr(int fd, unsigned flags, struct nm_attr attr)
{
    return nm_result(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)));
}

static inline int nm_fsopen(const char *type)
{
    return nm_result(syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */));
}

static inline int nm_fsconfig(int fs, unsigned command, const char *key, const char *value)
{
    return nm_result(syscall(SYS_fsconfig, fs, command, key, value, 0));
}

static inline int nm_fsmount(int fs, unsigned attr)
{
    return nm_result(syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, attr));
}

static inline int nm_open_nofollow(int dirfd, const char *path, uint64_t flags)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = flags | O_CLOEXEC, .resolve = NM_RESOLVE_NO_SYMLINKS};

    return nm_result(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}
