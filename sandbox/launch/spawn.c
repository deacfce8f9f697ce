/* SPDX-License-Identifier: MIT */
/* From fork to exec of the payload: a command or a cold worker, in the order of the launch rules. Only async-signal-safe
 * calls; everything was prepared in the plan. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/caps/caps.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/landlock/landlock.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/launch/wire.h"
#include "sandbox/mounts/mount_plan.h"
#include "sandbox/notify/notify.h"
#include "sandbox/plan/plan.h"
#include "sandbox/rlimits/rlimits.h"

static _Noreturn void fail(int report, const char *stage, int errnum)
{
    struct spawn_report failure = {.errnum = errnum};

    strncpy(failure.stage, stage, sizeof(failure.stage) - 1);
    if (write(report, &failure, sizeof(failure)) < 0)
        _exit(126);
    _exit(127);
}

static void check(int report, const char *stage, int r)
{
    if (r < 0)
        fail(report, stage, -r);
}

static void default_signals(void)
{
    sigset_t none;

    for (int s = 1; s < 65; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* stdin, stdout and stderr may lie in each other's way: move them up first. */
static int place_stdio(const int stdio[3])
{
    int high[3];

    for (int i = 0; i < 3; i++) {
        high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 64);
        if (high[i] < 0)
            return -errno;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], i) < 0)
            return -errno;
    return 0;
}

static int load_filter(const struct sock_fprog *program)
{
    if (!program->len)
        return 0;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0 ? -errno : 0;
}

static void join_cell(const struct spawn_plan *plan, int report)
{
    char cwd[4096];
    pid_t pid;

    if (!getcwd(cwd, sizeof(cwd)))
        fail(report, "getcwd", errno);
    for (int i = 0; i < (int)plan->nns; i++)
        if (plan->ns_fds[i] >= 0 && setns(plan->ns_fds[i], 0) < 0)
            fail(report, "entering the cell", errno);
    if (chdir(cwd) < 0)
        fail(report, "chdir in the cell", errno);
    /* Only a child is born in the pid namespace that was joined. */
    pid = fork();
    if (pid < 0)
        fail(report, "fork in the cell", errno);
    if (pid > 0) {
        struct spawn_report born = {.pid = pid};

        _exit(write(report, &born, sizeof(born)) == sizeof(born) ? 0 : 1);
    }
    setsid();
}

/* What only the payload must not see. The run init's own view stays whole: cells are cloned from it. */
static void own_view(const struct sandbox_plan *plan, int report)
{
    const struct mount_plan *mounts = plan->mounts[MOUNTS_COMMAND];
    const char *stage = "a view of its own";
    int r;

    if (!mounts)
        return;
    if (unshare(CLONE_NEWNS) < 0)
        fail(report, stage, errno);
    r = mount_plan_apply(mounts, NULL, &stage);
    check(report, stage, r);
}

/* The bounding set goes while there is CAP_SETPCAP. */
static void switch_ids(const struct sandbox_plan *plan, int report)
{
    if (plan->identity != PLAN_ID_SWITCH)
        return;
    check(report, "dropping capabilities", caps_bound(plan->spec.caps));
    if (setgroups(0, NULL) < 0)
        fail(report, "dropping groups", errno);
    /* By system call: the C library's functions would look for other threads. */
    if (syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0)
        fail(report, "setting the group id", errno);
    if (syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0)
        fail(report, "setting the user id", errno);
}

static void drop_privileges(const struct sandbox_plan *plan, int report)
{
    if (plan->spec.caps != UINT64_MAX)
        check(report, "dropping capabilities", caps_keep(plan->spec.caps));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(report, "no_new_privs", errno);
}

/* Last of all: from here on the payload's own rules hold, and only sendmsg() is sure to be allowed. */
static void load_filters(const struct spawn_plan *spawn, int report)
{
    const struct sandbox_plan *plan = spawn->setup->plan;
    int listener = -1;

    if (spawn->worker)
        check(report, "seccomp of a worker", load_filter(&plan->worker_filter));
    if (!plan->filter.len)
        return;
    /* Where a filter around us has a listener of its own (EBUSY), or the kernel has none, refusals stay without names. */
    if (plan->notify && notify_install(&plan->notifying, &listener) == 0)
        check(report, "handing over the listener", notify_send_listener(report, listener));
    else
        check(report, "seccomp", load_filter(&plan->filter));
}

_Noreturn void spawn_exec(const struct spawn_plan *spawn, int report)
{
    const struct wire_setup *setup = spawn->setup;
    const struct sandbox_plan *plan = setup->plan;

    default_signals();
    if (setup->payload)
        check(report, "joining the cgroup", cgroup_birth_join(setup->payload));
    /* A cell belongs to the payload's user, who owns the right to join it, and in it groups cannot be dropped any more. */
    if (spawn->ns_fds) {
        switch_ids(plan, report);
        join_cell(spawn, report);
    } else if (!setup->keep_session)
        setpgid(0, 0);
    check(report, "stdio", place_stdio(spawn->stdio));
    /* The report socket is close-on-exec by birth, and so is everything else; this is the belt to the braces. */
    syscall(SYS_close_range, 3, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
    if (!spawn->ns_fds)
        own_view(plan, report);
    if (plan->spec.umask != SPEC_UMASK_KEEP)
        umask(plan->spec.umask);
    check(report, "rlimits", rlimits_apply(&plan->spec, setup->nproc ? setup->nproc : UINT64_MAX));
    if (!spawn->ns_fds)
        switch_ids(plan, report);
    drop_privileges(plan, report);
    /* After the change of ids, which clears it. Where a pid namespace ends everything it is one guard of two; in a cell the
     * parent is an intermediate that has ended, or is about to. */
    if (!spawn->ns_fds)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (plan->landlock && !(plan->cell_namespaces && !spawn->worker))
        check(report, "landlock", landlock_apply(plan->landlock, plan->landlock->bytes));
    load_filters(spawn, report);
    execvpe(spawn->argv[0], spawn->argv, spawn->envp);
    fail(report, "exec", errno);
}
