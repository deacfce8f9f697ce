/* SPDX-License-Identifier: MIT */
/*
 * A cell: the namespaces of one worker generation, held by a keeper. The user namespace maps ids to themselves. It is
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
#include "sandbox/mounts/mount_plan.h"
#include "sandbox/net/loopback.h"
#include "sandbox/plan/plan.h"

#define PIDS_FIRST 1000
#define PIDS_APART 997
#define PIDS_RANGE 30000 /* below the smallest pid_max */
#define STAGE_MAX 64

struct keeper_report {
    int32_t errnum;
    char stage[STAGE_MAX];
};

/*
 * Workers may share directories, and names with a process id in them are common: no two cells of a run should begin with
 * the same ids. Where the kernel does not let us choose, each worker has id 2, and that is all.
 */
static void spread_pids(unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", PIDS_FIRST + number * PIDS_APART % PIDS_RANGE);
    io_write_file_at(AT_FDCWD, "/proc/sys/kernel/ns_last_pid", text);
}

static int keeper_build(const struct cell_request *request, const char **stage)
{
    const struct sandbox_plan *plan = request->plan;
    struct mount_apply apply = {.scratch = request->scratch, .keep = request->keep};
    int r = 0;

    /* Ours on the host, but not mapped here: be somebody. */
    *stage = "becoming the owner of a cell";
    if (plan->identity == PLAN_ID_SWITCH &&
        (syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
         syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0))
        return -errno;
    if (plan->cell_namespaces & CLONE_NEWNET && plan->spec.network == SPEC_NET_LOOPBACK) {
        *stage = "the loopback device of a cell";
        r = net_loopback_up();
    }
    *stage = "mounts of a cell";
    if (r == 0 && plan->mounts[MOUNTS_CELL])
        r = mount_plan_apply(plan->mounts[MOUNTS_CELL], &apply, stage);
    return r;
}

/* pid 1 of the cell: reaps what its worker's children leave behind. It ends when it is killed. */
static _Noreturn void keeper_main(const struct cell_request *request, int go, int ready)
{
    struct keeper_report report = {0};
    const char *stage = "";
    char byte;
    sigset_t set;

    prctl(PR_SET_NAME, "shunt-keeper", 0, 0, 0);
    if (read(go, &byte, 1) != 1)
        _exit(1);
    spread_pids(request->number); /* while /proc/sys may be written to */
    report.errnum = -keeper_build(request, &stage);
    snprintf(report.stage, sizeof(report.stage), "%s", stage);
    if (write(ready, &report, sizeof(report)) != sizeof(report) || report.errnum)
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

static int open_namespaces(pid_t pid, unsigned long flags, int ns_fd[CELL_NS])
{
    static const struct {
        const char *name;
        unsigned long flag;
    } namespaces[CELL_NS] = {{"user", 0}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID},
                             {"mnt", CLONE_NEWNS}};
    char path[64];

    for (int i = 0; i < CELL_NS; i++) {
        if (namespaces[i].flag && !(flags & namespaces[i].flag))
            continue;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, namespaces[i].name);
        ns_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (ns_fd[i] < 0)
            return -errno;
    }
    return 0;
}

static int keeper_stands(const struct cell_request *request, pid_t pid, int go, int ready, int ns_fd[CELL_NS],
                         const char **stage)
{
    static struct keeper_report report; /* its text outlives the call */
    int r;

    *stage = "mapping the ids of a cell";
    r = userns_map_ids(pid, request->plan);
    if (r < 0)
        return r;
    *stage = "opening the namespaces of a cell";
    r = open_namespaces(pid, request->plan->cell_namespaces, ns_fd);
    if (r < 0)
        return r;
    *stage = "the keeper of a cell";
    if (write(go, "g", 1) != 1 || read(ready, &report, sizeof(report)) != sizeof(report))
        return -EPIPE;
    report.stage[STAGE_MAX - 1] = '\0';
    if (report.errnum)
        *stage = report.stage;
    return -report.errnum;
}

/* The keeper's files in /proc, its id maps among them, are ours to write only while it is dumpable. */
static pid_t clone_dumpable(unsigned long flags)
{
    pid_t pid;
    int saved;

    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    saved = errno;
    if (pid != 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return pid < 0 ? -saved : pid;
}

/* The owner of the new user namespace is whom the template runs as: only so can it join. A change of our own ids would
 * disarm our death signal, which is all that ends us while we are frozen, so a child takes that id, keeps the capabilities
 * with which to clone, and makes the keeper in our place. */
static pid_t clone_as_owner(const struct cell_request *request)
{
    const struct sandbox_plan *plan = request->plan;
    unsigned long flags = CLONE_NEWUSER | plan->cell_namespaces | SIGCHLD;
    pid_t helper, pid;
    int said[2];

    if (plan->identity != PLAN_ID_SWITCH)
        return clone_dumpable(flags);
    if (pipe2(said, O_CLOEXEC) < 0)
        return -errno;
    helper = fork();
    if (helper == 0) {
        prctl(PR_SET_SECUREBITS, 1 << 2 /* SECBIT_NO_SETUID_FIXUP */, 0, 0, 0);
        pid = syscall(SYS_setresuid, -1, plan->uid, -1) < 0 ? -errno : clone_dumpable(flags | CLONE_PARENT);
        if (pid == 0)
            return 0;
        _exit(write(said[1], &pid, sizeof(pid)) != sizeof(pid));
    }
    pid = helper < 0 ? -errno : -EPIPE;
    close(said[1]);
    if (helper > 0 && read(said[0], &pid, sizeof(pid)) != sizeof(pid))
        pid = -EPIPE;
    close(said[0]);
    if (helper > 0)
        waitpid(helper, NULL, 0);
    return pid;
}

pid_t cell_create(const struct cell_request *request, int ns_fd[CELL_NS], const char **stage)
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
    pid = clone_as_owner(request);
    if (pid == 0) {
        close(go[1]);
        close(ready[0]);
        keeper_main(request, go[0], ready[1]);
    }
    r = pid < 0 ? pid : 0;
    close_fd(&go[0]);
    close_fd(&ready[1]);
    if (r == 0) {
        r = keeper_stands(request, pid, go[1], ready[0], ns_fd, stage);
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
