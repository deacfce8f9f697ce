/* SPDX-License-Identifier: MIT */
#include "supervisor/run/proc_task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/io.h"
#include "supervisor/report/report.h"

static int read_tgid(pid_t tid)
{
    char path[64], buf[4096];
    const char *line;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return 0;
    line = strstr(buf, "\nTgid:");
    return line ? atoi(line + 6) : 0;
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
    snprintf(ret->comm, sizeof(ret->comm), "%.23s", open + 1);
    ret->tid = tid;
    ret->ppid = ppid;
    ret->tgid = read_tgid(tid);
    ret->start_ticks = start;
    return 0;
}
