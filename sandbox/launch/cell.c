/* SPDX-License-Identifier: MIT */
/*
 * A cell: the namespaces of one worker generation, held by a keeper. The user namespace maps every id to itself. It is
 * there since only the owner of a user namespace may setns() into namespaces of it without holding CAP_SYS_ADMIN on
 * the host, and the template must not hold that.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/launch/wire.h"
#include "sandbox/mounts/mounts.h"

#define PIDS_FIRST 1000
#define PIDS_APART 997
#define PIDS_RANGE 30000 /* below the smallest pid_max */
#define CELL_FLAGS (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD)

/*
 * Workers share /tmp, and names with a process id in them are common: no two cells of a run should begin with the same ids.
 * Where the kernel does not let us choose, each worker has id 2, and that is all.
 */
static void spread_pids(unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", PIDS_FIRST + number * PIDS_APART % PIDS_RANGE);
    io_write_file_at(AT_FDCWD, "/proc/sys/kernel/ns_last_pid", text);
}

/* pid 1 of the cell: reaps what its worker's children leave behind. It ends when it is killed. */
static _Noreturn void keeper_main(unsigned number, int go, int ready)
{
    char byte;
    int32_t result;
    sigset_t set;

    prctl(PR_SET_NAME, "shunt-keeper", 0, 0, 0);
    if (read(go, &byte, 1) != 1)
        _exit(1);
    result = mounts_make_slave();
    if (result == 0)
        result = mounts_proc();
    if (result == 0)
        spread_pids(number);
    if (write(ready, &result, sizeof(result)) != sizeof(result) || result < 0)
        _exit(1);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    syscall(SYS_close_range, 0, ~0U, 0);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        sigwaitinfo(&set, NULL);
    }
}

/* "0 0 4294967295" on a host; inside a container the same extents that we have ourselves, identically. */
static int map_ids(pid_t pid, const char *which)
{
    char path[64], ours[2048], map[2048], *line, *save = NULL;
    size_t at = 0;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/self/%s", which);
    n = io_read_file_at(AT_FDCWD, path, ours, sizeof(ours));
    if (n < 0)
        return (int)n;
    for (line = strtok_r(ours, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long inside, outside, count;

        if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 && at < sizeof(map))
            at += (size_t)snprintf(map + at, sizeof(map) - at, "%lu %lu %lu\n", inside, inside, count);
    }
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
    return io_write_file_at(AT_FDCWD, path, map);
}

static int open_namespaces(pid_t pid, int ns_fd[4])
{
    static const char *const names[] = {"user", "ipc", "pid", "mnt"};
    char path[64];

    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, names[i]);
        ns_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (ns_fd[i] < 0)
            return -errno;
    }
    return 0;
}

static int keeper_stands(pid_t pid, int go, int ready, int ns_fd[4], const char **stage)
{
    int32_t result = -EPIPE;
    int r;

    *stage = "mapping the ids of a cell";
    r = map_ids(pid, "uid_map");
    if (r == 0)
        r = map_ids(pid, "gid_map");
    if (r < 0)
        return r;
    *stage = "opening the namespaces of a cell";
    r = open_namespaces(pid, ns_fd);
    if (r < 0)
        return r;
    *stage = "mounting /proc in a cell";
    if (write(go, "g", 1) != 1 || read(ready, &result, sizeof(result)) != sizeof(result))
        return -EPIPE;
    return result;
}

pid_t cell_create(unsigned number, int ns_fd[4], const char **stage)
{
    int go[2] = {-1, -1}, ready[2] = {-1, -1};
    pid_t pid;
    int r;

    *stage = "pipe";
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0) {
        r = -errno;
        goto out;
    }
    *stage = "making the namespaces of a cell";
    pid = (pid_t)syscall(SYS_clone, CELL_FLAGS, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        close(go[1]);
        close(ready[0]);
        keeper_main(number, go[0], ready[1]);
    }
    r = pid < 0 ? -errno : 0;
    close_fd(&go[0]);
    close_fd(&ready[1]);
    if (r == 0) {
        r = keeper_stands(pid, go[1], ready[0], ns_fd, stage);
        if (r < 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        } else {
            r = pid;
        }
    }
out:
    for (int i = 0; i < 2; i++) {
        close_fd(&go[i]);
        close_fd(&ready[i]);
    }
    return r;
}
