/* SPDX-License-Identifier: MIT */
/*
 * Idmapped mounts (mount_setattr(2), Linux 5.12): files that belong to one id on disk belong to another one in the
 * view, both ways, so that a worker of its own id may write the checkout and what it writes belongs to the caller. The
 * two ids are swapped and all others stay, so no file shows up as nobody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/newapi.h"

#define IDS_MAX 4294967295ULL /* the last id is no id */

static size_t print_extent(char *buf, size_t size, size_t at, uint64_t inside, uint64_t outside, uint64_t count)
{
    if (count > 0)
        at += (size_t)snprintf(buf + at, size - at, "%llu %llu %llu\n", (unsigned long long)inside,
                               (unsigned long long)outside, (unsigned long long)count);
    return at;
}

static int write_map(pid_t pid, const char *which, uint64_t low, uint64_t high)
{
    char path[64], map[256];
    size_t at = print_extent(map, sizeof(map), 0, 0, 0, low);

    at = print_extent(map, sizeof(map), at, low, high, 1);
    at = print_extent(map, sizeof(map), at, low + 1, low + 1, high - low - 1);
    at = print_extent(map, sizeof(map), at, high, low, 1);
    print_extent(map, sizeof(map), at, high + 1, high + 1, IDS_MAX - high - 1);
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
    return io_write_file_at(AT_FDCWD, path, map);
}

int mounts_idmap_open(uint32_t a, uint32_t b)
{
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    char path[64];
    /* A user namespace is made by making a process in it. No exit signal: whoever waits for children does not meet it.
     */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, NULL);
    int r;

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    r = write_map(pid, "uid_map", low, high);
    if (r == 0)
        r = write_map(pid, "gid_map", low, high);
    if (r == 0) {
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
        r = nm_result(open(path, O_RDONLY | O_CLOEXEC));
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
    return r;
}

int mounts_idmap_set(int tree, int userns)
{
    return nm_setattr(tree, NM_RECURSIVE, (struct nm_attr){.set = NM_IDMAP, .userns_fd = (uint64_t)userns});
}
