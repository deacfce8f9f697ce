/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/proc_task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/seccomp/profile.h"
#include "supervisor/report/report.h"

#define COMMAND_MAX 200

/* Group, and the id in the innermost namespace: the last column of "NSpid:\t4021\t31\t7". */
static void read_ids(pid_t tid, struct incident_task *ret)
{
    char path[64], buf[4096];
    const char *line, *end, *last;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return;
    line = strstr(buf, "\nTgid:");
    ret->tgid = line ? atoi(line + 6) : 0;
    line = strstr(buf, "\nNSpid:");
    if (!line)
        return;
    end = strchrnul(line + 1, '\n');
    for (last = end; last > line && last[-1] != '\t'; last--)
        ;
    ret->inside = atoi(last);
}

int proc_task_read(pid_t tid, struct incident_task *ret)
{
    char path[64], buf[1024];
    char *open, *close;
    unsigned long long start;
    int ppid;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return -ENOENT;
    open = strchr(buf, '(');
    close = strrchr(buf, ')'); /* the name may hold anything, parentheses included */
    if (!open || !close || close < open)
        return -EPROTO;
    *close = '\0';
    if (sscanf(close + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ret->state, &ppid, &start) != 3)
        return -EPROTO;
    ret->tgid = ret->inside = 0;
    ret->call = -1;
    ret->wchan[0] = ret->call_name[0] = '\0';
    ret->command = NULL;
    snprintf(ret->comm, sizeof(ret->comm), "%.23s", open + 1);
    ret->tid = tid;
    ret->ppid = ppid;
    ret->start_ticks = start;
    read_ids(tid, ret);
    return 0;
}

void proc_task_waits(struct incident_task *task)
{
    char path[64], buf[256];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/wchan", task->tid);
    n = io_read_file_at(AT_FDCWD, path, buf, sizeof(buf));
    if (n > 0 && strcmp(buf, "0") != 0)
        snprintf(task->wchan, sizeof(task->wchan), "%.31s", buf);
    snprintf(path, sizeof(path), "/proc/%d/syscall", task->tid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) <= 0 || *buf < '0' || *buf > '9')
        return;
    task->call = strtol(buf, NULL, 10);
    seccomp_syscall_name(seccomp_native_arch(), (uint32_t)task->call, buf, sizeof(buf));
    snprintf(task->call_name, sizeof(task->call_name), "%.23s", buf);
}

char *proc_task_command(pid_t pid)
{
    char path[64], buf[COMMAND_MAX + 1];
    _cleanup_close_ int fd = -1;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, buf, COMMAND_MAX) : 0; /* as much as fits: it may be megabytes */
    while (n > 0 && buf[n - 1] == '\0')
        n--;
    if (n <= 0)
        return NULL;
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] == '\0')
            buf[i] = ' ';
    buf[n] = '\0';
    return mem_strdup(buf);
}

bool proc_task_catches(pid_t pid, int signal)
{
    char path[64], buf[4096];
    const char *line;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0 || !(line = strstr(buf, "\nSigCgt:")))
        return false;
    return strtoull(line + 8, NULL, 16) >> (signal - 1) & 1;
}

/* The last column of a line such as "NSpid:\t4021\t31\t7": the id in the innermost namespace. */
static int innermost(const char *status, const char *key)
{
    const char *line = strstr(status, key), *end, *last;

    if (!line)
        return 0;
    end = strchrnul(line + 1, '\n');
    for (last = end; last > line && last[-1] != '\t'; last--)
        ;
    return atoi(last);
}

int proc_task_inside_id(pid_t tid, const char *key)
{
    char path[64], buf[4096];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    return tid > 0 && io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) > 0 ? innermost(buf, key) : 0;
}
