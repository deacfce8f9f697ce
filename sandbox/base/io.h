/* SPDX-License-Identifier: MIT */
#pragma once

/* Small file and descriptor helpers. All return 0 (or a count) or -errno, and retry on EINTR. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct err;

/* Reads a whole small file into `buf`, NUL-terminated. Returns its length, or -E2BIG when it does not fit. */
ssize_t io_read_file_at(int dirfd, const char *path, char *buf, size_t size);
/* The same from offset 0 of an open descriptor (kernel files are re-read so, without reopening). */
ssize_t io_pread_fd(int fd, char *buf, size_t size);
/* A single unsigned number; "max" gives UINT64_MAX. */
int io_read_u64_at(int dirfd, const char *path, uint64_t *ret);
int io_pread_u64(int fd, uint64_t *ret);
/* One write(2) of the whole string to an existing file (cgroup and /proc files want it in one piece). */
int io_write_file_at(int dirfd, const char *path, const char *text);
int io_write_u64_at(int dirfd, const char *path, uint64_t value);
int io_write_all(int fd, const void *data, size_t size);
int io_set_nonblock(int fd, bool on);

#define IO_FDS_MAX 8

/* Room for the descriptors of one message. */
union io_fds {
    char bytes[CMSG_SPACE(sizeof(int) * IO_FDS_MAX)];
    struct cmsghdr align;
};
/* Makes `msg` carry `nfds` descriptors (at most IO_FDS_MAX; 0: none), written into `room`. */
void io_attach_fds(struct msghdr *msg, union io_fds *room, const int *fds, size_t nfds);

/* getcwd() failed: errno is its. Returns -errno. */
int io_no_cwd(struct err *err);
