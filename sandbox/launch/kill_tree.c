/* SPDX-License-Identifier: MIT */
#include "sandbox/launch/kill_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"

struct process {
    pid_t pid, ppid, session;
    bool marked;
};

static bool read_process(const char *name, struct process *ret)
{
    char path[300], buf[1024];
    char *end;

    snprintf(path, sizeof(path), "/proc/%s/stat", name);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return false;
    end = strrchr(buf, ')');
    *ret = (struct process){.pid = atoi(name)};
    return end && sscanf(end + 1, " %*c %d %*d %d", &ret->ppid, &ret->session) == 2;
}

static struct process *list_processes(size_t *ret_n)
{
    _cleanup_closedir_ DIR *dir = opendir("/proc");
    struct process *list = NULL;
    size_t n = 0, room = 0;
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        mem_grow(&list, &room, n + 1, sizeof(*list));
        if (read_process(entry->d_name, &list[n]))
            n++;
    }
    *ret_n = n;
    return list;
}

/* Marks the children of what is marked until nothing new is found; returns the number that got the signal. */
static int signal_marked(struct process *list, size_t n, pid_t spare, int signum)
{
    bool more = true;
    int reached = 0;

    while (more) {
        more = false;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n && !list[i].marked; j++)
                if (list[j].marked && list[i].ppid == list[j].pid)
                    more = list[i].marked = true;
    }
    for (size_t i = 0; i < n; i++)
        if (list[i].marked && list[i].pid != spare && kill(list[i].pid, signum) == 0)
            reached++;
    return reached;
}

void kill_tree(pid_t pid)
{
    size_t n;
    struct process *list = list_processes(&n);

    for (size_t i = 0; i < n; i++)
        list[i].marked = list[i].pid == pid || list[i].session == pid;
    signal_marked(list, n, getpid(), SIGKILL);
    free(list);
}

int signal_descendants(pid_t pid, int signum)
{
    size_t n;
    struct process *list = list_processes(&n);
    int reached;

    for (size_t i = 0; i < n; i++)
        list[i].marked = list[i].pid == pid;
    reached = signal_marked(list, n, pid, signum);
    free(list);
    return reached;
}

int kill_descendants(void)
{
    return signal_descendants(getpid(), SIGKILL);
}

bool descends_from(pid_t pid, pid_t ancestor)
{
    char name[16];
    struct process process;

    for (int depth = 0; depth < 1000 && pid > 1; depth++) {
        if (pid == ancestor)
            return depth > 0;
        snprintf(name, sizeof(name), "%d", (int)pid);
        if (!read_process(name, &process))
            return false;
        pid = process.ppid;
    }
    return false;
}
