/* SPDX-License-Identifier: MIT */
#include "sandbox/mounts/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"

#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
#endif

int mounts_make_slave(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? -errno : 0;
}

int mounts_proc(void)
{
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno : 0;
}

/* mount_setattr(2) changes one flag and keeps the others; it came with Linux 5.12, glibc 2.36. */
static int make_readonly(const char *path)
{
    struct {
        unsigned long long set, clear, propagation, userns_fd;
    } attr = {.set = MOUNT_ATTR_RDONLY};

    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &attr, sizeof(attr)) == 0)
        return 0;
    if (errno != ENOSYS)
        return -errno;
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 NULL) < 0
               ? -errno
               : 0;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as three octal digits. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (s[0] == '\\' && s[1] && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

int mounts_cgroup_readonly(void)
{
    _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    int r = 0;

    if (!f)
        return -errno;
    while (getline(&line, &room, f) > 0) {
        char *dash = strstr(line, " - "), *type = dash ? dash + 3 : NULL, *save = NULL, *path;
        bool cgroup = type && strncmp(type, "cgroup", 6) == 0;
        bool holder = type && strncmp(type, "tmpfs ", 6) == 0;

        if (!cgroup && !holder)
            continue;
        path = strtok_r(line, " ", &save);
        for (int field = 0; path && field < 4; field++)
            path = strtok_r(NULL, " ", &save);
        if (!path || (holder && strcmp(path, "/sys/fs/cgroup") != 0))
            continue;
        unescape(path);
        if (make_readonly(path) < 0 && cgroup)
            r = -errno;
    }
    return r;
}
