/* SPDX-License-Identifier: MIT */
/* A run's subtree, really made: a leaf with a limit, a child that meets it, and a kill. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/probe/internal.h"

#define MEMORY_LIMIT (64u << 20)
#define CPU_WEIGHT 50
#define DEATH_WAIT_US 5000000

static const enum probe_id all[] = {PROBE_TASKS_CGROUP_V2,  PROBE_TASKS_CGROUP_V1, PROBE_MEMORY_CGROUP_V2,
                                    PROBE_MEMORY_CGROUP_V1, PROBE_CPU_CGROUP_V2,   PROBE_CPU_CGROUP_V1,
                                    PROBE_KILL_CGROUP,      PROBE_KILL_LOOP,       PROBE_ABLE_NOTIFY_TASKS};

struct forks {
    unsigned n;
    int errnum;
};

static void refuse_all(struct probe_result *result, const struct err *err)
{
    result->cgroup_errnum = err->errnum;
    snprintf(result->cgroup_problem, sizeof(result->cgroup_problem), "%s", err->message);
    snprintf(result->cgroup_hint, sizeof(result->cgroup_hint), "%s", err->hint);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        probe_fails(&result->rungs[all[i]], err->errnum, "%.190s", err->message);
}

/* Waits to be moved, forks until refused, says how far it came, and waits to be killed. */
static _Noreturn void forker(int go, int answer)
{
    struct forks forks;
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(go, &byte, 1) != 1)
        _exit(1);
    forks.n = probe_fork_many(true, &forks.errnum);
    if (write(answer, &forks, sizeof(forks)) != sizeof(forks))
        _exit(1);
    for (;;)
        pause();
}

static void try_tasks(struct cgroup_leaf *leaf, struct probe_rung *rung, pid_t *ret_child)
{
    int go[2] = {-1, -1}, answer[2] = {-1, -1};
    struct forks forks;
    pid_t pid;
    int r;

    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        probe_fails(rung, errno, "cannot start a process to be limited: %m");
        goto out;
    }
    if (pid == 0) {
        close(go[1]);
        close(answer[0]);
        forker(go[0], answer[1]);
    }
    *ret_child = pid;
    close_fd(&answer[1]);
    r = cgroup_leaf_attach(leaf, pid);
    if (r < 0)
        probe_fails(rung, -r, "cannot move a process into it: %s", strerror(-r));
    else if (write(go[1], "", 1) != 1 || read(answer[0], &forks, sizeof(forks)) != sizeof(forks))
        probe_fails(rung, 0, "the limited process did not answer");
    else
        probe_judge_forks(rung, forks.n, forks.errnum);
out:
    close_fd(&go[0]);
    close_fd(&go[1]);
    close_fd(&answer[0]);
    close_fd(&answer[1]);
}

/* The directory can only be removed when all that was forked in there is dead. Takes the leaf. */
static void try_kill(struct cgroup_leaf *leaf, struct probe_rung *rung, pid_t child)
{
    int r = cgroup_leaf_kill(leaf);

    if (child > 0) {
        if (r < 0)
            kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (r < 0) {
        probe_fails(rung, -r, "cannot kill what lives in it: %s", strerror(-r));
        return;
    }
    for (unsigned waited = 0; (r = cgroup_leaf_remove(leaf)) < 0 && waited < DEATH_WAIT_US; waited += 500)
        usleep(500);
    if (r < 0)
        probe_fails(rung, -r, "something in it survived the kill");
    else
        probe_works(rung, "%s", "");
}

static void try_limit(struct cgroup_leaf *leaf, const struct cgroup_limits *limits, bool has, const char *controller,
                      struct probe_rung *rung)
{
    int r = has ? cgroup_leaf_set_limits(leaf, limits) : 0;

    if (!has)
        probe_fails(rung, ENOENT, "the %s controller is not to be had here", controller);
    else if (r < 0)
        probe_fails(rung, -r, "the limit is refused: %s", strerror(-r));
    else
        probe_works(rung, "%s", "");
}

static void try_leaf(struct cgroup_run *run, struct cgroup_leaf *leaf, bool v2, struct probe_rung *rungs)
{
    struct probe_rung *tasks = &rungs[v2 ? PROBE_TASKS_CGROUP_V2 : PROBE_TASKS_CGROUP_V1];
    unsigned has = cgroup_run_has(run);
    pid_t child = 0;

    try_limit(leaf, &(struct cgroup_limits){.memory_bytes = MEMORY_LIMIT}, has & CGROUP_HAS_MEMORY, "memory",
              &rungs[v2 ? PROBE_MEMORY_CGROUP_V2 : PROBE_MEMORY_CGROUP_V1]);
    try_limit(leaf, &(struct cgroup_limits){.cpu_weight = CPU_WEIGHT}, has & CGROUP_HAS_CPU, "cpu",
              &rungs[v2 ? PROBE_CPU_CGROUP_V2 : PROBE_CPU_CGROUP_V1]);
    try_limit(leaf, &(struct cgroup_limits){.tasks = PROBE_TASKS}, has & CGROUP_HAS_TASKS, "pids", tasks);
    if (tasks->works)
        try_tasks(leaf, tasks, &child);
    try_kill(leaf, &rungs[has & CGROUP_HAS_KILL ? PROBE_KILL_CGROUP : PROBE_KILL_LOOP], child);
    if (has & CGROUP_HAS_NOTIFY)
        probe_works(&rungs[PROBE_ABLE_NOTIFY_TASKS], "%s", "");
    else
        probe_fails(&rungs[PROBE_ABLE_NOTIFY_TASKS], 0, "counters are read on a timer");
}

void probe_try_cgroup(const struct probe_options *options, struct probe_result *result)
{
    struct cgroup_run_options run_options = {.adopt = options->adopt_cgroup};
    struct cgroup_host *host;
    struct cgroup_run *run;
    struct cgroup_leaf *leaf;
    struct err err = ERR_INIT;

    if (cgroup_host_open(&host, &err) < 0) {
        refuse_all(result, &err);
        return;
    }
    if (cgroup_run_create(host, &run_options, &run, &err) < 0) {
        refuse_all(result, &err);
    } else {
        if (cgroup_leaf_create(run, 1, &(struct cgroup_limits){0}, &leaf, &err) < 0)
            refuse_all(result, &err);
        else
            try_leaf(run, leaf, cgroup_host_mode(host) == CGROUP_V2, result->rungs);
        cgroup_run_destroy(run, 500);
    }
    cgroup_host_free(host);
}
