/* SPDX-License-Identifier: MIT */
/* Limits without a cgroup, the kill by descent, capabilities. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/caps/caps.h"
#include "sandbox/probe/internal.h"

#define RESERVED_PIDS 300 /* of the kernel: ids below are given only once in a namespace */

static _Noreturn void wait_for_death(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

unsigned probe_fork_many(bool keep, int *ret_errno)
{
    pid_t pids[PROBE_FORKS_MOST];
    unsigned n = 0;

    *ret_errno = 0;
    while (n < PROBE_FORKS_MOST) {
        pids[n] = fork();
        if (pids[n] < 0) {
            *ret_errno = errno;
            break;
        }
        if (pids[n] == 0)
            wait_for_death();
        n++;
    }
    for (unsigned i = 0; i < n && !keep; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    return n;
}

void probe_judge_forks(struct probe_rung *rung, unsigned forks, int errnum)
{
    if (errnum == EAGAIN && forks == PROBE_TASKS - 1)
        probe_works(rung, "tried: a limit of %d refused the next", PROBE_TASKS);
    else if (errnum)
        probe_fails(rung, errnum, "a limit of %d refused fork %u: %s", PROBE_TASKS, forks + 1, strerror(errnum));
    else
        probe_fails(rung, 0, "a limit of %d was passed: %u processes", PROBE_TASKS, forks + 1);
}

static int set_nproc(void)
{
    struct rlimit limit = {PROBE_TASKS, PROBE_TASKS};

    return setrlimit(RLIMIT_NPROC, &limit) < 0 ? errno : 0;
}

static void judge_nproc(struct probe_rung *rung)
{
    int errnum = set_nproc();
    unsigned forks;

    if (errnum) {
        probe_fails(rung, errnum, "RLIMIT_NPROC: %s", strerror(errnum));
        return;
    }
    forks = probe_fork_many(false, &errnum);
    probe_judge_forks(rung, forks, errnum);
}

/* The limit counts the tasks of one id in one user namespace, and does not bind root of the first. So the id is mapped
 * first, and then the limit is set. */
static void try_userns(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_TASKS_USERNS];
    const char *stage;
    int errnum = probe_enter_userns(getuid(), getgid(), &stage);

    if (errnum) {
        probe_fails(rung, errnum, "%s: %s", stage, strerror(errnum));
        return;
    }
    judge_nproc(rung);
    if (!rung->works && !rung->errnum)
        snprintf(rung->detail, sizeof(rung->detail), "RLIMIT_NPROC does not bind root's id on the host");
}

int probe_become_pool(unsigned nth, unsigned *ret_uid)
{
    static const unsigned ids[] = {PROBE_POOL_ID, PROBE_POOL_ID_LOW};
    int errnum = EPERM;

    for (size_t i = 0; i < 2; i++) {
        unsigned id = ids[i] + nth;

        if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0) {
            errnum = errno;
            continue;
        }
        /* Another id makes a process undumpable, and its files in /proc root's. */
        prctl(PR_SET_DUMPABLE, 1);
        *ret_uid = id;
        return 0;
    }
    return errnum;
}

static void try_uid(struct probe_rung *rungs)
{
    unsigned uid;
    int errnum;

    if (geteuid() != 0) {
        probe_fails(&rungs[PROBE_TASKS_UID], EPERM, "needs root");
        probe_fails(&rungs[PROBE_USER_POOL], EPERM, "needs root");
        probe_works(&rungs[PROBE_USER_OWN], "uid %u", geteuid());
        return;
    }
    probe_fails(&rungs[PROBE_USER_OWN], 0, "it is root's");
    errnum = probe_become_pool(0, &uid);
    if (errnum) {
        probe_fails(&rungs[PROBE_TASKS_UID], errnum, "setresuid: %s", strerror(errnum));
        probe_fails(&rungs[PROBE_USER_POOL], errnum, "setresuid: %s", strerror(errnum));
        return;
    }
    probe_works(&rungs[PROBE_USER_POOL], "tried: uid %u", uid);
    judge_nproc(&rungs[PROBE_TASKS_UID]);
}

/* Ids from RESERVED_PIDS up are all that is given once that many were; so pid_max leaves room for so many tasks. */
static int pid_max_init(void *arg)
{
    struct probe_rung *rung = arg;
    int errnum, r = io_write_u64_at(AT_FDCWD, "/proc/sys/kernel/pid_max", RESERVED_PIDS + PROBE_TASKS - 1);
    unsigned forks;

    if (r == 0)
        r = io_write_u64_at(AT_FDCWD, "/proc/sys/kernel/ns_last_pid", RESERVED_PIDS - 1);
    if (r < 0) {
        probe_fails(rung, -r, "%s",
                    r == -EACCES || r == -EPERM ? "this kernel has one pid_max for all namespaces" : strerror(-r));
        return 0;
    }
    forks = probe_fork_many(false, &errnum);
    probe_judge_forks(rung, forks, errnum);
    return 0;
}

/* Before 6.14 pid_max is one for the whole machine. It must never be written by the host's root, so this runs as somebody
 * else, whom such a kernel refuses. */
static void try_pid_max(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_TASKS_PID_MAX];
    const char *stage = "setresuid";
    unsigned uid;
    int errnum = geteuid() == 0 ? probe_become_pool(1, &uid) : 0;

    if (!errnum)
        errnum = probe_enter_userns(0, 0, &stage);
    if (!errnum && unshare(CLONE_NEWPID) < 0) {
        stage = "unshare(CLONE_NEWPID)";
        errnum = errno;
    }
    if (errnum) {
        probe_fails(rung, errnum, "%s: %s", stage, strerror(errnum));
        return;
    }
    errnum = probe_in_child(pid_max_init, rung);
    if (errnum && !rung->tried)
        probe_fails(rung, errnum, "the namespace's init: %s", strerror(errnum));
}

static void try_count(struct probe_rung *rungs)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)getppid());
    if (stat(path, &st) < 0)
        probe_fails(&rungs[PROBE_TASKS_COUNT], errno, "%s: %m", path);
    else if (st.st_nlink < 3)
        probe_fails(&rungs[PROBE_TASKS_COUNT], 0, "%s does not show how many", path);
    else
        probe_works(&rungs[PROBE_TASKS_COUNT], "%s", "");
}

static void try_rlimit(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_MEMORY_RLIMIT];
    struct rlimit limit = {1 << 20, 1 << 20};
    void *got = MAP_FAILED;

    if (setrlimit(RLIMIT_AS, &limit) < 0)
        probe_fails(rung, errno, "RLIMIT_AS: %m");
    else if ((got = mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
        probe_fails(rung, 0, "RLIMIT_AS was passed");
    else
        probe_works(rung, "%s", "");
}

static void try_affinity(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_CPU_AFFINITY];
    cpu_set_t set, one, now;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(set), &set) < 0) {
        probe_fails(rung, errno, "sched_getaffinity: %m");
        return;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &set))
            CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) < 0 || sched_getaffinity(0, sizeof(now), &now) < 0)
        probe_fails(rung, errno, "sched_setaffinity: %m");
    else if (!CPU_EQUAL(&now, &one))
        probe_fails(rung, 0, "the affinity that was set is not there");
    else
        probe_works(rung, "%d CPUs", CPU_COUNT(&set));
}

static int exit_leaving_a_child(void *arg)
{
    (void)arg;
    return fork() < 0 ? errno : 0; /* the child runs on into _exit(0) as well */
}

static void try_descent(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_KILL_DESCENT];

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || probe_in_child(exit_leaving_a_child, NULL) != 0)
        probe_fails(rung, errno, "PR_SET_CHILD_SUBREAPER: %m");
    else if (waitpid(-1, NULL, 0) < 0)
        probe_fails(rung, errno, "an orphan did not come to us");
    else
        probe_works(rung, "%s", "");
}

static bool has_capabilities(void)
{
    char text[4096];
    const char *line;

    if (io_read_file_at(AT_FDCWD, "/proc/self/status", text, sizeof(text)) < 0)
        return true;
    line = strstr(text, "CapPrm:");
    return !line || strspn(line + 7, "\t 0") < strcspn(line + 7, "\n");
}

static void try_caps(struct probe_rung *rungs)
{
    int r;

    if (!has_capabilities()) {
        probe_works(&rungs[PROBE_CAPS_NONE], "%s", "");
        return;
    }
    r = caps_keep(CAPS_DOCKER);
    if (r < 0)
        probe_fails(&rungs[PROBE_CAPS_DROP], -r, "%s", strerror(-r));
    else
        probe_works(&rungs[PROBE_CAPS_DROP], "%s", "");
}

#define END PROBE_RUNG_COUNT

const struct probe_trial probe_trials_limits[] = {
    {try_userns, {PROBE_TASKS_USERNS, END}},
    {try_uid, {PROBE_TASKS_UID, PROBE_USER_POOL, PROBE_USER_OWN, END}},
    {try_pid_max, {PROBE_TASKS_PID_MAX, END}},
    {try_count, {PROBE_TASKS_COUNT, END}},
    {try_rlimit, {PROBE_MEMORY_RLIMIT, END}},
    {try_affinity, {PROBE_CPU_AFFINITY, END}},
    {try_descent, {PROBE_KILL_DESCENT, END}},
    {try_caps, {PROBE_CAPS_DROP, END}},
    {.run = NULL},
};
