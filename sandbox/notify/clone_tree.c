/* SPDX-License-Identifier: MIT */
/* The tasks of one worker where no cgroup counts them: its known processes, each by a kept descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/notify/clone_limit.h"

#define PROCESSES_MAX 2048
#define CHILDREN_TEXT 16384 /* of one task; those that do not fit are found through their own clones */

struct process {
    pid_t pid;
    int task_fd; /* /proc/PID/task; of a dead process it says so, also when its number is used again */
};

struct clone_limit {
    struct clone_count count;
    struct process *processes;
    size_t n, room;
    bool lost; /* a process could not be kept: no more may be born */
};

/* A zombie counts until it is reaped, as in a pids cgroup. */
static uint64_t tasks_of(const struct process *process)
{
    struct stat st;

    return fstat(process->task_fd, &st) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

static bool is_known(const struct clone_limit *limit, pid_t pid)
{
    for (size_t i = 0; i < limit->n; i++)
        if (limit->processes[i].pid == pid && tasks_of(&limit->processes[i]))
            return true;
    return false;
}

static void add(struct clone_limit *limit, pid_t pid)
{
    char path[32];
    int fd;

    if (is_known(limit, pid))
        return;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOMEM)
        return; /* it died */
    if (fd < 0 || limit->n >= PROCESSES_MAX) {
        limit->lost = true;
        if (fd >= 0)
            close(fd);
        return;
    }
    mem_grow(&limit->processes, &limit->room, limit->n + 1, sizeof(*limit->processes));
    limit->processes[limit->n++] = (struct process){pid, fd};
}

/* Counts, and forgets the dead. */
static uint64_t count_known(struct clone_limit *limit)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < limit->n;) {
        uint64_t tasks = tasks_of(&limit->processes[i]);

        sum += tasks;
        if (tasks) {
            i++;
            continue;
        }
        close(limit->processes[i].task_fd);
        limit->processes[i] = limit->processes[--limit->n];
    }
    return sum;
}

static void add_children(struct clone_limit *limit, pid_t pid, const char *tid)
{
    char path[64], text[CHILDREN_TEXT];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    n = io_pread_fd(fd, text, sizeof(text));
    close(fd);
    if (n <= 0)
        return;
    for (char *at = text, *end; *at; at = end) {
        long child = strtol(at, &end, 10);

        if (end == at)
            break;
        if (child > 0)
            add(limit, (pid_t)child);
    }
}

/* The list grows while it is walked: children of children. */
static void find_more(struct clone_limit *limit)
{
    for (size_t i = 0; i < limit->n; i++) {
        pid_t pid = limit->processes[i].pid;
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir)))
            if (entry->d_name[0] != '.')
                add_children(limit, pid, entry->d_name);
    }
}

static uint64_t recount(void *arg, bool deep)
{
    struct clone_limit *limit = arg;

    if (deep)
        find_more(limit);
    if (limit->lost) {
        limit->lost = false;
        return UINT64_MAX;
    }
    return count_known(limit);
}

int clone_limit_new(pid_t root, uint64_t limit, struct clone_limit **ret)
{
    struct clone_limit *l = mem_zalloc(sizeof(*l));

    l->count = (struct clone_count){.limit = limit, .at_most = UINT64_MAX, .recount = recount, .arg = l};
    add(l, root);
    if (l->n == 0) {
        clone_limit_free(l);
        return -ESRCH;
    }
    *ret = l;
    return 0;
}

void clone_limit_free(struct clone_limit *limit)
{
    if (!limit)
        return;
    for (size_t i = 0; i < limit->n; i++)
        close(limit->processes[i].task_fd);
    free(limit->processes);
    free(limit);
}

static pid_t process_of(pid_t tid)
{
    char path[32], text[4096], *line;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    if (io_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || !(line = strstr(text, "\nTgid:")))
        return 0;
    return (pid_t)strtol(line + 6, NULL, 10);
}

int clone_limit_decide(struct clone_limit *limit, pid_t tid)
{
    /* Orphans are found through what they do themselves. */
    if (!is_known(limit, tid)) {
        pid_t pid = process_of(tid);

        if (pid > 0)
            add(limit, pid);
    }
    return clone_count_decide(&limit->count);
}

void clone_limit_set(struct clone_limit *limit, uint64_t tasks)
{
    limit->count.limit = tasks;
}

uint64_t clone_limit_refused(const struct clone_limit *limit)
{
    return limit->count.refused;
}

uint64_t clone_limit_tasks(struct clone_limit *limit)
{
    return recount(limit, true);
}
