/* SPDX-License-Identifier: MIT */
/* From fork to exec of the command or a cold worker, in the order of the launch rules. Only async-signal-safe calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/caps/caps.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/launch/wire.h"

static _Noreturn void fail(int report, const char *stage, int errnum)
{
    struct spawn_report failure = {.errnum = errnum};

    strncpy(failure.stage, stage, sizeof(failure.stage) - 1);
    if (write(report, &failure, sizeof(failure)) < 0)
        _exit(126);
    _exit(127);
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
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0 ? -errno : 0;
}

static void join_cell(const struct spawn_plan *plan, int report)
{
    char cwd[4096];
    pid_t pid;

    if (!getcwd(cwd, sizeof(cwd)))
        fail(report, "getcwd", errno);
    for (int i = 0; i < (int)plan->nns; i++)
        if (setns(plan->ns_fds[i], 0) < 0)
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

_Noreturn void spawn_exec(const struct spawn_plan *plan, int report)
{
    const struct wire_setup *setup = plan->setup;
    int r;

    default_signals();
    if (plan->ns_fds)
        join_cell(plan, report);
    else
        setpgid(0, 0);
    r = place_stdio(plan->stdio);
    if (r < 0)
        fail(report, "stdio", -r);
    /* The report pipe is close-on-exec by birth, and so is everything else; this is the belt to the braces. */
    syscall(SYS_close_range, 3, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
    if (setup->want & RUN_INIT_CAPS) {
        r = caps_drop();
        if (r < 0)
            fail(report, "dropping capabilities", -r);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(report, "no_new_privs", errno);
    for (unsigned i = 0; i < setup->nrun_filters; i++)
        if ((r = load_filter(&setup->run_filters[i])) < 0)
            fail(report, "seccomp", -r);
    if (plan->worker && setup->worker_filter && (r = load_filter(setup->worker_filter)) < 0)
        fail(report, "seccomp of a worker", -r);
    execvpe(plan->argv[0], plan->argv, plan->envp);
    fail(report, plan->argv[0], errno);
}
