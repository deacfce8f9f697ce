/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * GNU make's jobserver as MAKEFLAGS tells of it (make's manual, "Sharing Job Slots with GNU make"). Pure.
 *
 * make -jN keeps N-1 bytes in a pipe or a fifo. Whoever is started by make may run one job without asking; for each further
 * one it reads a byte, and writes the same byte back when that job has ended.
 */
enum jobserver_kind {
    JOBSERVER_NONE,
    JOBSERVER_FIFO, /* --jobserver-auth=fifo:PATH (4.4 and later) */
    JOBSERVER_FDS,  /* --jobserver-auth=R,W; --jobserver-fds=R,W before 4.2 */
    JOBSERVER_BAD   /* there is one, in words that are not understood */
};

struct jobserver {
    enum jobserver_kind kind;
    int read_fd, write_fd;
    char path[256];
};

/* The last one that `makeflags` (may be NULL) names; descriptors that make has marked as closed (-2,-2) are none. */
void jobserver_parse(const char *makeflags, struct jobserver *ret);

/* `makeflags` without the jobserver and the -j that goes with it, for those who cannot reach it; malloc'ed. Text without a
 * jobserver comes back as it is. */
char *jobserver_strip(const char *makeflags);
