/* SPDX-License-Identifier: MIT */
#include "sandbox/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"

ssize_t io_pread_fd(int fd, char *buf, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = pread(fd, buf + have, size - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) {
            buf[have] = '\0';
            return (ssize_t)have;
        }
        have += (size_t)n;
    }
    return -E2BIG;
}

ssize_t io_read_file_at(int dirfd, const char *path, char *buf, size_t size)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : io_pread_fd(fd, buf, size);
}

static int io_parse_u64(const char *text, uint64_t *ret)
{
    char *end;
    unsigned long long value;

    if (strncmp(text, "max", 3) == 0) {
        *ret = UINT64_MAX;
        return 0;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || end == text || *text == '-')
        return -EINVAL;
    *ret = value;
    return 0;
}

int io_read_u64_at(int dirfd, const char *path, uint64_t *ret)
{
    char buf[64];
    ssize_t n = io_read_file_at(dirfd, path, buf, sizeof(buf));

    return n < 0 ? (int)n : io_parse_u64(buf, ret);
}

int io_pread_u64(int fd, uint64_t *ret)
{
    char buf[64];
    ssize_t n = io_pread_fd(fd, buf, sizeof(buf));

    return n < 0 ? (int)n : io_parse_u64(buf, ret);
}

int io_write_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int io_write_file_at(int dirfd, const char *path, const char *text)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -errno;
    do
        n = write(fd, text, strlen(text));
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int io_write_u64_at(int dirfd, const char *path, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return io_write_file_at(dirfd, path, text);
}

int io_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

void io_attach_fds(struct msghdr *msg, union io_fds *room, const int *fds, size_t nfds)
{
    struct cmsghdr *c;

    if (!nfds)
        return;
    memset(room, 0, sizeof(*room));
    msg->msg_control = room->bytes;
    msg->msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
}

int io_no_cwd(struct err *err)
{
    err_set(err, ERR_SYSTEM, errno, "no working directory: %m");
    return err_hint(err, "it was removed, or what leads to it is closed to you: cd to a directory that is there");
}
