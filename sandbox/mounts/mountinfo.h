/* SPDX-License-Identifier: MIT */
#pragma once

/* /proc/self/mountinfo, line by line, without allocation (proc_pid_mountinfo(5)). */
#include <stddef.h>

struct mountinfo {
    int fd;
    size_t at, end;
    char buf[16384]; /* a path is at most 4095 bytes, four times that when every one is escaped */
};

struct mountinfo_line { /* lives until the next call */
    char *path;
    char *options; /* "rw,nosuid,relatime" */
    char *type;    /* "cgroup2" */
};

/* 0 or -errno. */
int mountinfo_open(struct mountinfo *info);
void mountinfo_close(struct mountinfo *info);
/* 1, 0 at the end, or -errno. Lines that do not fit or make no sense are passed over. */
int mountinfo_next(struct mountinfo *info, struct mountinfo_line *ret);
/* mount(2)'s flags, those which a remount must repeat: they are locked in a user namespace. */
unsigned long mountinfo_flags(const char *options);
