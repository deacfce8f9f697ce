/* SPDX-License-Identifier: MIT */
/*
 * Looks for a worker without progress. Only when its CPU time has stood still for a while are its tasks examined: what
 * each waits for is in /proc/PID/task/TID/syscall, and whether a pipe leads to anybody else is a matter of who holds it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "supervisor/core/blame.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/worker_tasks.h"
#include "supervisor/run/state.h"

#define IDLE_BEFORE_PROBE_NS (500 * NS_PER_MS)
#define PROBE_EVERY_NS (500 * NS_PER_MS)
/* A blocked Python still wakes for some microseconds now and then. */
#define CPU_PROGRESS_NS (2 * NS_PER_MS)
#define TASKS_MAX 512
#define PIPES_MAX 256
#define FDS_MAX 512

struct pipe_end {
    unsigned long inode;
    bool reader, writer; /* held for it by a task of the slot */
};

struct leftovers { /* tasks that earlier tests of this worker left behind, as the worker sees them */
    struct blame_survivor tasks[TASKS_MAX];
    size_t n;
};

struct probe {
    pid_t tid, tgid;
    pid_t tgids[TASKS_MAX];
    size_t ntgids;
    bool pipes_known;
    struct pipe_end pipes[PIPES_MAX];
    size_t npipes;
};

/* "pipe:[123]" gives 123; 0 for anything else. */
static unsigned long pipe_inode(pid_t pid, int fd)
{
    char path[64], target[64];
    unsigned long inode = 0;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return 0;
    target[n] = '\0';
    return sscanf(target, "pipe:[%lu]", &inode) == 1 ? inode : 0;
}

static void note_pipe(struct probe *probe, pid_t pid, int fd)
{
    char path[64], buf[256];
    unsigned long inode = pipe_inode(pid, fd);
    struct pipe_end *end = NULL;
    const char *flags;

    if (!inode)
        return;
    for (size_t i = 0; i < probe->npipes && !end; i++)
        if (probe->pipes[i].inode == inode)
            end = &probe->pipes[i];
    if (!end) {
        if (probe->npipes == PIPES_MAX)
            return;
        end = &probe->pipes[probe->npipes++];
        *end = (struct pipe_end){.inode = inode};
    }
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0 || !(flags = strstr(buf, "flags:")))
        return;
    if ((strtoul(flags + 6, NULL, 8) & O_ACCMODE) == O_RDONLY)
        end->reader = true;
    else
        end->writer = true;
}

static void know_pipes(struct probe *probe)
{
    if (probe->pipes_known)
        return;
    probe->pipes_known = true;
    for (size_t i = 0; i < probe->ntgids; i++) {
        char path[64];
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int seen = 0;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)probe->tgids[i]);
        dir = opendir(path);
        while (dir && (entry = readdir(dir)) && seen++ < FDS_MAX)
            if (entry->d_name[0] != '.')
                note_pipe(probe, probe->tgids[i], atoi(entry->d_name));
    }
}

/* Both ends are held in the slot: nobody else is expected to move it. (The worker's stdout leads to shunt: its read end is
 * not held here.) */
static bool fd_inside(void *arg, int fd)
{
    struct probe *probe = arg;
    unsigned long inode = pipe_inode(probe->tgid, fd);

    if (!inode)
        return false;
    know_pipes(probe);
    for (size_t i = 0; i < probe->npipes; i++)
        if (probe->pipes[i].inode == inode)
            return probe->pipes[i].reader && probe->pipes[i].writer;
    return false;
}

/* A pidfd of a process of the slot is one that its own tasks can end; so is an eventfd. */
static bool fd_harmless(struct probe *probe, int fd)
{
    char path[64], target[64];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)probe->tgid, fd);
    n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    return strcmp(target, "anon_inode:[pidfd]") == 0 || strcmp(target, "anon_inode:[eventfd]") == 0;
}

static bool set_inside(void *arg, const struct stall_task *task)
{
    struct probe *probe = arg;
    struct pollfd fds[128];
    size_t n = (size_t)task->args[1];
    struct iovec local = {fds, n * sizeof(fds[0])};
    struct iovec remote = {(void *)(uintptr_t)task->args[0], local.iov_len};

#ifdef SYS_poll
    if (task->number != SYS_ppoll && task->number != SYS_poll)
        return false;
#else
    if (task->number != SYS_ppoll)
        return false;
#endif
    if (n == 0 || n > 128 ||
        process_vm_readv(probe->tid, &local, 1, &remote, 1, 0) != (ssize_t)local.iov_len)
        return false;
    for (size_t i = 0; i < n; i++)
        if (fds[i].fd >= 0 && !fd_inside(probe, fds[i].fd) && !fd_harmless(probe, fds[i].fd))
            return false;
    return true;
}

static enum stall_wait probe_task(struct probe *probe, pid_t tid, char state)
{
    char path[64], line[256];
    struct stall_task task = {.state = state};

    probe->tid = tid;
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
    if (io_read_file_at(AT_FDCWD, path, line, sizeof(line)) < 0 || stall_parse_syscall(line, &task) < 0)
        return STALL_RUNS;
    return stall_classify(&task, fd_inside, set_inside, probe);
}

/* --- leftovers of earlier tests --- */

static void know_leftovers(const struct worker *worker, struct leftovers *ret)
{
    ret->n = leak_watch_survivors(worker, ret->tasks, TASKS_MAX);
}

static bool is_leftover(const struct leftovers *leftovers, const struct incident_task *task)
{
    for (size_t i = 0; task->inside && i < leftovers->n; i++)
        if (leftovers->tasks[i].task == task->inside)
            return true;
    return false;
}

/* The slot used its CPU. Was it the test, or only what earlier tests left behind? That is looked at now and then. */
static bool test_progressed(struct worker *worker, uint64_t now_ns)
{
    static struct leftovers leftovers; /* large, and used by one thread */
    pid_t tids[TASKS_MAX];
    uint64_t cpu = 0, before = worker->own_cpu_ns;
    size_t own = 0;
    bool known = worker->own_cpu_read_ns >= worker->go_ns && worker->own_cpu_read_ns;
    ssize_t total;

    know_leftovers(worker, &leftovers);
    if (!leftovers.n)
        return true;
    if (known && now_ns - worker->own_cpu_read_ns < PROBE_EVERY_NS)
        return false;
    total = cgroup_leaf_threads(worker->leaf, tids, TASKS_MAX);
    if (total <= 0 || total > TASKS_MAX)
        return true;
    for (ssize_t i = 0; i < total; i++) {
        struct incident_task task;

        if (proc_task_read(tids[i], &task) < 0 || is_leftover(&leftovers, &task))
            continue;
        cpu += worker_tasks_cpu_of(tids[i]);
        own++;
    }
    known = known && own == worker->own_tasks && cpu;
    worker->own_cpu_ns = cpu;
    worker->own_tasks = own;
    worker->own_cpu_read_ns = now_ns;
    return !known || cpu > before + CPU_PROGRESS_NS;
}

/* "4 tasks wait for each other (3 futex, 1 pipe)". */
static void describe(const size_t counts[], size_t n, size_t left_out, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, n == 1 ? "its only task waits for itself"
                                                    : "%zu tasks wait for each other", n);
    const char *glue = " (";

    for (int w = STALL_FUTEX; w <= STALL_PIPE && at < size; w++)
        if (counts[w]) {
            at += (size_t)snprintf(text + at, size - at, "%s%zu %s", glue, counts[w],
                                   stall_wait_name((enum stall_wait)w));
            glue = ", ";
        }
    if (at < size)
        at += (size_t)snprintf(text + at, size - at, ")");
    if (left_out && at < size)
        snprintf(text + at, size - at, "; %zu that earlier tests left behind do not count", left_out);
}

static bool probe_worker(struct worker *worker)
{
    static struct probe probe; /* large, and used by one thread */
    static struct leftovers leftovers;
    pid_t tids[TASKS_MAX];
    size_t counts[STALL_PIPE + 1] = {0}, n = 0, left_out = 0;
    ssize_t processes = cgroup_leaf_processes(worker->leaf, probe.tgids, TASKS_MAX);
    ssize_t total = cgroup_leaf_threads(worker->leaf, tids, TASKS_MAX);

    if (processes <= 0 || total <= 0 || total > TASKS_MAX)
        return false;
    probe.ntgids = (size_t)processes;
    probe.npipes = 0;
    probe.pipes_known = false;
    know_leftovers(worker, &leftovers);
    for (ssize_t i = 0; i < total; i++) {
        struct incident_task task;
        enum stall_wait wait;

        if (proc_task_read(tids[i], &task) < 0 || task.state == 'Z')
            continue;
        if (worker->run->native && task.tgid == worker->pid)
            continue; /* the runner waits for its test, whatever that waits for */
        probe.tgid = task.tgid;
        wait = probe_task(&probe, tids[i], task.state);
        /* Of an ended test: the running one does not wait for it, by intention. */
        if ((wait == STALL_TIMED || wait == STALL_OUTSIDE) && is_leftover(&leftovers, &task)) {
            left_out++;
            continue;
        }
        if (wait < STALL_FUTEX)
            return false;
        counts[wait]++;
        n++;
    }
    if (!n)
        return false;
    worker->beside_leftovers = left_out > 0;
    describe(counts, n, left_out, worker->stall_text, sizeof(worker->stall_text));
    return true;
}

const char *stall_why_not(const struct run *run)
{
    if (!run->config->stall_ns)
        return "";
    if (!run->cgroup)
        return "stall detection: that needs a cgroup";
    /* Absent without CONFIG_HAVE_ARCH_TRACEHOOK (user-mode Linux), and in some containers' own kernels. */
    if (access("/proc/self/syscall", R_OK) < 0)
        return "stall detection: this kernel has no /proc/PID/syscall";
    return "";
}

/* A leftover that wakes now and then might wake the test's tasks, unlikely as it is. */
static bool is_over(const struct worker *worker, uint64_t now_ns)
{
    uint64_t needed = worker->limits.stall_ns * (worker->beside_leftovers ? 2 : 1);

    return worker->stalled && now_ns - worker->idle_since_ns >= needed;
}

bool stall_check(struct worker *worker, uint64_t now_ns)
{
    if (!worker->leaf || !worker->limits.stall_ns)
        return false;
    cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU, &worker->counters);
    if (worker->counters.cpu_ns > worker->idle_cpu_ns + CPU_PROGRESS_NS) {
        worker->idle_cpu_ns = worker->counters.cpu_ns;
        if (test_progressed(worker, now_ns)) {
            worker->idle_since_ns = now_ns;
            worker->stalled = false;
            return false;
        }
    }
    if (now_ns - worker->idle_since_ns < IDLE_BEFORE_PROBE_NS ||
        now_ns - worker->stall_probed_ns < PROBE_EVERY_NS)
        return is_over(worker, now_ns);
    worker->stall_probed_ns = now_ns;
    worker->stalled = probe_worker(worker);
    return is_over(worker, now_ns);
}
