/* SPDX-License-Identifier: MIT */
#include "sandbox/mounts/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/mountinfo.h"

int mounts_make_slave(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? -errno : 0;
}

int mounts_proc(void)
{
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno : 0;
}

static int make_readonly(const char *path)
{
    _cleanup_close_ int fd = mounts_open_path(path);
    int r = fd < 0 ? fd : mounts_set_readonly(fd, false, 0);
    const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    if (r == -ENOSYS)
        r = mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
    return r;
}

int mounts_cgroup_readonly(void)
{
    struct mountinfo info;
    struct mountinfo_line line;
    int r = mountinfo_open(&info), first = 0;

    if (r < 0)
        return r;
    while ((r = mountinfo_next(&info, &line)) > 0) {
        bool cgroup = strncmp(line.type, "cgroup", 6) == 0;
        bool holder = strcmp(line.type, "tmpfs") == 0 && strcmp(line.path, "/sys/fs/cgroup") == 0;

        if (!cgroup && !holder)
            continue;
        r = make_readonly(line.path);
        if (r < 0 && cgroup && first == 0)
            first = r;
    }
    mountinfo_close(&info);
    return r < 0 ? r : first;
}
