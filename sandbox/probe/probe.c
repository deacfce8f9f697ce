/* SPDX-License-Identifier: MIT */
/* Runs the trials beside each other, each in a child, and gathers what they found. */
#include "sandbox/probe/probe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/probe/internal.h"

#define TRIALS_MAX 24
/* It ends trials that hang, and must never end slow ones: a single processor in user-mode Linux, on a machine with ten times the
 * work that it can do, has needed more than six seconds for all of them. */
#define TIME_LIMIT_NS (20 * NS_PER_SEC)

struct running {
    const struct probe_trial *trial;
    struct probe_rung *rungs; /* shared with the child */
    pid_t pid;
};

static void __attribute__((format(printf, 2, 0))) rung_say(struct probe_rung *rung, const char *fmt, va_list args)
{
    vsnprintf(rung->detail, sizeof(rung->detail), fmt, args);
    rung->tried = true;
}

void probe_works(struct probe_rung *rung, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    rung_say(rung, fmt, args);
    va_end(args);
    rung->errnum = 0;
    rung->works = true;
}

void probe_fails(struct probe_rung *rung, int errnum, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    rung_say(rung, fmt, args);
    va_end(args);
    rung->errnum = errnum;
    rung->works = false;
}

int probe_in_child(int (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        return errno;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(fn(arg) & 0xff);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

static int start(const struct probe_trial *trial, struct running *ret)
{
    size_t size = sizeof(struct probe_rung) * PROBE_RUNG_COUNT;
    struct probe_rung *rungs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid;

    if (rungs == MAP_FAILED)
        return -errno;
    pid = fork();
    if (pid < 0) {
        munmap(rungs, size);
        return -errno;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        trial->run(rungs);
        _exit(0);
    }
    setpgid(pid, pid); /* whoever comes first; killing the group must find it */
    *ret = (struct running){trial, rungs, pid};
    return 0;
}

/* Whether it ended by itself and in time. */
static bool await(const struct running *running, uint64_t deadline, int *ret_status)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, running->pid, 0);
    struct pollfd pfd = {fd, POLLIN, 0};
    bool in_time = fd < 0;

    while (!in_time) {
        uint64_t now = clock_now_ns();
        int r = poll(&pfd, 1, now < deadline ? (int)((deadline - now) / NS_PER_MS + 1) : 0);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        in_time = true;
    }
    /* What it forked shares its group; that which left the group dies by its own PDEATHSIG. */
    if (!in_time)
        kill(-running->pid, SIGKILL);
    while (waitpid(running->pid, ret_status, 0) < 0)
        if (errno != EINTR)
            break;
    return in_time;
}

static void note_unanswered(const struct running *running, bool in_time, int status)
{
    for (const enum probe_id *id = running->trial->covers; *id != PROBE_RUNG_COUNT; id++) {
        struct probe_rung *rung = &running->rungs[*id];

        if (rung->tried)
            continue;
        if (!in_time)
            probe_fails(rung, ETIMEDOUT, "no answer in time");
        else if (WIFSIGNALED(status))
            probe_fails(rung, 0, "the trial died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
}

/* Some rungs are tried as root and in a user namespace: what works counts, else what was tried last. */
static void merge(struct probe_rung *into, const struct probe_rung *from)
{
    for (int i = 0; i < PROBE_RUNG_COUNT; i++) {
        if (!from[i].tried || into[i].works)
            continue;
        into[i].tried = true;
        into[i].works = from[i].works;
        into[i].errnum = from[i].errnum;
        memcpy(into[i].detail, from[i].detail, sizeof(into[i].detail));
    }
}

static bool concerns(const struct probe_trial *trial, const struct probe_rung *rungs, unsigned only)
{
    for (const enum probe_id *id = trial->covers; *id != PROBE_RUNG_COUNT; id++)
        if (rungs[*id].guarantee != PROBE_ABILITY && only & SPEC_BIT(rungs[*id].guarantee))
            return true;
    return !only;
}

static int start_all(const struct probe_result *result, unsigned only, struct running *running, size_t *ret_n)
{
    static const struct probe_trial *const groups[] = {probe_trials_views, probe_trials_seccomp, probe_trials_limits};
    size_t n = 0;
    int r;

    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
        for (const struct probe_trial *trial = groups[g]; trial->run && n < TRIALS_MAX; trial++) {
            if (!concerns(trial, result->rungs, only))
                continue;
            r = start(trial, &running[n]);
            if (r < 0) {
                *ret_n = n;
                return r;
            }
            n++;
        }
    *ret_n = n;
    return 0;
}

static void gather(struct running *running, size_t n, uint64_t deadline, struct probe_result *result)
{
    for (size_t i = 0; i < n; i++) {
        int status = 0;
        bool in_time = await(&running[i], deadline, &status);

        note_unanswered(&running[i], in_time, status);
        merge(result->rungs, running[i].rungs);
        munmap(running[i].rungs, sizeof(struct probe_rung) * PROBE_RUNG_COUNT);
    }
}

#define BY_CGROUP (SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU) | SPEC_BIT(SPEC_KILL))

int probe_machine(const struct probe_options *options, struct probe_result *ret, struct err *err)
{
    struct probe_options with = options ? *options : (struct probe_options){0};
    struct running running[TRIALS_MAX];
    uint64_t begin = clock_now_ns();
    bool cgroup = !with.only || with.only & BY_CGROUP, early;
    size_t n;
    int r;

    probe_init(ret);
    probe_find_facts(ret);
    fflush(NULL);
    /* On v2 shunt and all its children are moved to make room, which wants them to stand still. */
    early = cgroup && strcmp(ret->cgroup_mode, cgroup_mode_name(CGROUP_V2)) != 0;
    r = start_all(ret, with.only, running, &n);
    if (early)
        probe_try_cgroup(&with, ret);
    gather(running, n, begin + TIME_LIMIT_NS, ret);
    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "cannot start a process to try what this machine can do: %m");
    if (cgroup && !early)
        probe_try_cgroup(&with, ret);
    ret->took_ms = (unsigned)((clock_now_ns() - begin) / NS_PER_MS);
    return 0;
}
