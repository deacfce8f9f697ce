/* SPDX-License-Identifier: MIT */
/* Mounts, old and new calls, and namespaces. The runner gives a mount namespace of its own, which propagates nothing,
 * under every policy and without one: what is mounted here goes away with it. */
#include "tests/escape/attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_tmpfs(char *const args[], struct outcome *out)
{
    if (outcome_of(out, mount("attack", args[0], "tmpfs", 0, "size=64k")))
        umount2(args[0], MNT_DETACH);
}

static void mount_bind(char *const args[], struct outcome *out)
{
    if (outcome_of(out, mount("/", args[0], NULL, MS_BIND | MS_REC, NULL)))
        umount2(args[0], MNT_DETACH);
}

static void mount_proc(char *const args[], struct outcome *out)
{
    if (outcome_of(out, mount("attack", args[0], "proc", 0, NULL)))
        umount2(args[0], MNT_DETACH);
}

static void mount_sysfs(char *const args[], struct outcome *out)
{
    if (outcome_of(out, mount("attack", args[0], "sysfs", 0, NULL)))
        umount2(args[0], MNT_DETACH);
}

/* What is read-only becomes writable. */
static void remount(char *const args[], struct outcome *out)
{
    outcome_of(out, mount(NULL, args[0], NULL, MS_REMOUNT | MS_BIND, NULL));
}

static void make_shared(char *const args[], struct outcome *out)
{
    outcome_of(out, mount(NULL, args[0], NULL, MS_SHARED, NULL));
}

static void unmount(char *const args[], struct outcome *out)
{
    outcome_of(out, umount2(args[0], MNT_DETACH));
}

static void pivot(char *const args[], struct outcome *out)
{
    outcome_of(out, syscall(SYS_pivot_root, args[0], args[0]));
}

static void tree_open(char *const args[], struct outcome *out)
{
    outcome_of(out, syscall(SYS_open_tree, AT_FDCWD, args[0], OPEN_TREE_CLONE | AT_RECURSIVE));
}

/* A tree that is detached already, if there is one; else our own directory. The right to mount is asked for first. */
static void tree_move(char *const args[], struct outcome *out)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev", OPEN_TREE_CLONE);
    if (tree < 0)
        tree = open(args[0], O_PATH | O_DIRECTORY);
    outcome_of(out, syscall(SYS_move_mount, tree, "", AT_FDCWD, args[0], MOVE_MOUNT_F_EMPTY_PATH));
}

static void filesystem_open(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, syscall(SYS_fsopen, "tmpfs", 0));
}

static void filesystem_mount(char *const args[], struct outcome *out)
{
    (void)args;
    int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
    if (fd >= 0)
        syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    outcome_of(out, syscall(SYS_fsmount, fd >= 0 ? fd : 0, 0, 0));
}

static void filesystem_pick(char *const args[], struct outcome *out)
{
    outcome_of(out, syscall(SYS_fspick, AT_FDCWD, args[0], 0));
}

static void attributes(char *const args[], struct outcome *out)
{
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};
    outcome_of(out, syscall(SYS_mount_setattr, AT_FDCWD, args[0], 0, &attr, sizeof attr));
}

static const struct {
    const char *name;
    uint64_t flag;
} kinds[] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},         {"pid", CLONE_NEWPID},   {"net", CLONE_NEWNET},
    {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},         {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

/* "user" or "user,mnt" as flags. */
static uint64_t flags_of(const char *list)
{
    uint64_t flags = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strstr(list, kinds[i].name))
            flags |= kinds[i].flag;
    return flags;
}

static void unshare_one(char *const args[], struct outcome *out)
{
    outcome_of(out, syscall(SYS_unshare, flags_of(args[0])));
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

static void clone_one(char *const args[], struct outcome *out)
{
    long pid = syscall(SYS_clone, flags_of(args[0]) | SIGCHLD, 0, 0, 0, 0);
    if (!pid)
        _exit(0);
    if (outcome_of(out, pid))
        reap((pid_t)pid);
}

static void clone3_one(char *const args[], struct outcome *out)
{
    struct clone_args how = {.flags = flags_of(args[0]), .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &how, sizeof how);
    if (!pid)
        _exit(0);
    if (outcome_of(out, pid))
        reap((pid_t)pid);
}

/* All that a nested user namespace is good for: a mount of one's own over the given directory. */
static void nested_mount(char *const args[], struct outcome *out)
{
    if (outcome_of(out, syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS)))
        outcome_of(out, mount("attack", args[0], "tmpfs", 0, "size=64k"));
}

/* Namespaces of everybody whom we can see, but for those that are our own. */
static void join_others(char *const args[], struct outcome *out)
{
    (void)args;
    DIR *proc = opendir("/proc");
    outcome_refused(out, proc ? ENOENT : errno);
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        char path[300];
        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
            continue;
        snprintf(path, sizeof path, "/proc/%s/ns/mnt", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            outcome_refused(out, errno);
            continue;
        }
        bool joined = outcome_of(out, setns(fd, CLONE_NEWNS));
        close(fd);
        if (joined)
            break;
    }
    if (proc)
        closedir(proc);
}

static void join_pidfd(char *const args[], struct outcome *out)
{
    int fd = (int)syscall(SYS_pidfd_open, attack_number(args[0]), 0);
    if (outcome_of(out, fd))
        outcome_of(out, setns(fd, CLONE_NEWNS));
}

const struct attack attacks_namespaces[] = {
    {"mount-tmpfs", "DIRECTORY", 1, mount_tmpfs, true},
    {"mount-bind", "DIRECTORY", 1, mount_bind, true},
    {"mount-proc", "DIRECTORY", 1, mount_proc, true},
    {"mount-sysfs", "DIRECTORY", 1, mount_sysfs, true},
    {"remount", "MOUNT", 1, remount, true},
    {"make-shared", "MOUNT", 1, make_shared, true},
    {"umount", "MOUNT", 1, unmount, true},
    {"pivot-root", "MOUNT", 1, pivot, true},
    {"open-tree", "PATH", 1, tree_open, false},
    {"move-mount", "DIRECTORY", 1, tree_move, true},
    {"fsopen", "", 0, filesystem_open, false},
    {"fsmount", "", 0, filesystem_mount, false},
    {"fspick", "MOUNT", 1, filesystem_pick, false},
    {"mount-setattr", "MOUNT", 1, attributes, true},
    {"unshare", "KIND[,KIND]", 1, unshare_one, false},
    {"clone", "KIND[,KIND]", 1, clone_one, false},
    {"clone3", "KIND[,KIND]", 1, clone3_one, false},
    {"nested-mount", "DIRECTORY", 1, nested_mount, false},
    {"setns-others", "", 0, join_others, false},
    {"setns-pidfd", "PID", 1, join_pidfd, false},
    {0},
};
