/* SPDX-License-Identifier: MIT */
/*
 * Being born in a cgroup, or moving oneself there. A process that moves another one by its id takes a lock whose first
 * taker waits for an RCU grace period (8 to 33 ms were measured). A thread that writes "0" into `tasks` of cgroup v1 moves
 * only itself and skips that lock (Linux 5.18 and later; 0.01 ms), and on v2 clone3() puts the child there at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/cgroup/internal.h"

int cgroup_node_birth(const struct cgroup_run *run, const struct cgroup_node *node, struct cgroup_birth *ret)
{
    struct cgroup_birth birth = CGROUP_BIRTH_INIT;

    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        bool v2 = i < run->host->n_trees && run->host->trees[i].v2;
        int fd;

        if (node->dir[i] < 0)
            continue;
        fd = openat(node->dir[i], v2 ? "cgroup.procs" : "tasks", O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            int saved = errno;

            cgroup_birth_done(&birth);
            return -saved;
        }
        if (v2) {
            birth.into_fd = node->dir[i];
            birth.procs_fd = fd;
        } else {
            birth.tasks_fd[birth.ntasks++] = fd;
        }
    }
    *ret = birth;
    return 0;
}

int cgroup_leaf_birth(const struct cgroup_leaf *leaf, struct cgroup_birth *ret)
{
    return cgroup_node_birth(leaf->run, &leaf->node, ret);
}

int cgroup_run_birth_control(const struct cgroup_run *run, struct cgroup_birth *ret)
{
    return cgroup_node_birth(run, &run->control, ret);
}

void cgroup_birth_done(struct cgroup_birth *birth)
{
    for (unsigned i = 0; i < birth->ntasks; i++)
        close_fd(&birth->tasks_fd[i]);
    close_fd(&birth->procs_fd);
    *birth = (struct cgroup_birth)CGROUP_BIRTH_INIT;
}

pid_t cgroup_birth_clone(struct cgroup_birth *birth, unsigned long flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    pid_t pid;

    if (birth)
        birth->born = false;
    if (birth && birth->into_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)birth->into_fd;
        birth->born = true; /* as the child sees it; undone below for the parent's next try */
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (pid >= 0 || (errno != ENOSYS && errno != E2BIG && errno != EINVAL && errno != EACCES))
            return pid < 0 ? -errno : pid;
        birth->born = false;
    }
    pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    return pid < 0 ? -errno : pid;
}

int cgroup_birth_join(const struct cgroup_birth *birth)
{
    for (unsigned i = 0; i < birth->ntasks; i++)
        if (write(birth->tasks_fd[i], "0", 1) < 0)
            return -errno;
    if (birth->procs_fd >= 0 && !birth->born && write(birth->procs_fd, "0", 1) < 0)
        return -errno;
    return 0;
}
