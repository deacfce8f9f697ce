/* SPDX-License-Identifier: MIT */
/*
 * Who enters a new network namespace may not be able to come back: root of a user namespace has no rights over the one
 * that it came from. So a child is born in it, which opens it for us and ends. It shares our memory and descriptors,
 * and we stand still meanwhile, so it costs little.
 */
#include "sandbox/net/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#define STACK_BYTES 16384

static int open_own(void *arg)
{
    int *ret = arg, fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    *ret = fd < 0 ? -errno : fd;
    return 0;
}

int net_namespace_make(void)
{
    _Alignas(16) char stack[STACK_BYTES];
    int fd = -EIO;
    /* No signal at its end: the program that we are a library of may count its children. */
    pid_t pid = clone(open_own, stack + sizeof(stack), CLONE_NEWNET | CLONE_VM | CLONE_VFORK | CLONE_FILES, &fd);

    if (pid < 0)
        return -errno;
    while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
        ;
    return fd;
}
