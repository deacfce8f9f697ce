/* SPDX-License-Identifier: MIT */
#include "sandbox/learn/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u /* no architecture has smaller ones */

int peek_bytes(pid_t tid, uint64_t address, void *buf, size_t size)
{
    struct iovec local = {buf, size}, remote = {(void *)(uintptr_t)address, size};
    ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);

    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -EFAULT;
}

/* Page by page, since the one behind the string need not be there. */
int peek_string(pid_t tid, uint64_t address, char *buf, size_t room)
{
    size_t have = 0;

    while (have < room) {
        size_t size = PAGE - (size_t)(address + have) % PAGE;
        int r;

        if (size > room - have)
            size = room - have;
        r = peek_bytes(tid, address + have, buf + have, size);
        if (r < 0)
            return r;
        if (memchr(buf + have, '\0', size))
            return 0;
        have += size;
    }
    return -ENAMETOOLONG;
}

int peek_descriptor(pid_t tid, int fd, char *buf, size_t room)
{
    char link[64];
    ssize_t n;

    if (fd == AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/%d/cwd", (int)tid);
    else
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)tid, fd);
    n = readlink(link, buf, room);
    if (n < 0)
        return -errno;
    if ((size_t)n == room)
        return -ENAMETOOLONG;
    buf[n] = '\0';
    return *buf == '/' ? 0 : -ENOTDIR;
}

/* Symbolic links to absolute paths on the way are followed in our own root, which differs from the
 * task's in /tmp and a few places that do not matter here. */
bool peek_stat(pid_t tid, const char *path, struct stat *ret)
{
    char whole[PATH_MAX + 64];

    snprintf(whole, sizeof(whole), "/proc/%d/root%s", (int)tid, path);
    return lstat(whole, ret) == 0;
}
