/* SPDX-License-Identifier: MIT */
/*
 * Moving a process into a cgroup takes a lock that all hierarchies share and whose writer first waits for an RCU grace
 * period: 8 to 33 ms were measured for the first move and 20 us for the next ones. A child does the waiting.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

static void move_oneself(const struct cgroup_node *node)
{
    for (int i = 0; i < CGROUP_TREES_MAX; i++)
        if (node->dir[i] >= 0) {
            io_write_file_at(node->dir[i], "cgroup.procs", "0");
            return;
        }
}

void cgroup_run_warm(struct cgroup_run *run)
{
    sigset_t all, before;

    if (run->warm_pid > 0 && waitpid(run->warm_pid, NULL, WNOHANG) == 0)
        return;
    /* The child must not run the parent's signal handlers. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    run->warm_pid = fork();
    if (run->warm_pid == 0) {
        /* ^Z may freeze it on arrival, and then nobody thaws it if shunt is killed. */
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        move_oneself(&run->control);
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void cgroup_run_warm_end(struct cgroup_run *run)
{
    if (run->warm_pid > 0)
        waitpid(run->warm_pid, NULL, 0);
    run->warm_pid = 0;
}
