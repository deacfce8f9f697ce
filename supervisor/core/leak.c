/* SPDX-License-Identifier: MIT */
#include "supervisor/core/leak.h"

#include <stdio.h>
#include <string.h>

static bool contains(const int *ids, size_t n, int id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

bool leak_is_kept(const struct leak_task *task, int main_inside_tgid, const int *kept, size_t nkept)
{
    if (task->inside_tid && contains(kept, nkept, task->inside_tid))
        return true;
    /* A server process may start threads and children of its own at any time. */
    if (task->inside_tgid && task->inside_tgid != main_inside_tgid &&
        contains(kept, nkept, task->inside_tgid))
        return true;
    return task->inside_ppid && task->inside_ppid != main_inside_tgid &&
           contains(kept, nkept, task->inside_ppid);
}

bool leak_wants_replacement(size_t survivors, uint64_t limit)
{
    return limit && survivors > limit / 4;
}

void leak_sum_text(const struct leak_sum *sum, char *buf, size_t size)
{
    const struct {
        size_t n;
        const char *one, *many;
    } parts[] = {{sum->tasks, "task", "tasks"},
                 {sum->sockets, "listening socket", "listening sockets"},
                 {sum->files, "file in /tmp", "files in /tmp"}};
    size_t left = (sum->tasks > 0) + (sum->sockets > 0) + (sum->files > 0);
    int at = snprintf(buf, size, "left");
    const char *glue = " ";

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!parts[i].n || at < 0 || (size_t)at >= size)
            continue;
        at += snprintf(buf + at, size - (size_t)at, "%s%zu %s", glue, parts[i].n,
                       parts[i].n == 1 ? parts[i].one : parts[i].many);
        glue = --left == 1 ? " and " : ", ";
    }
    if (at > 0 && (size_t)at < size)
        snprintf(buf + at, size - (size_t)at, " behind");
}

void leak_names_add(struct leak_names *names, const char *comm, bool process)
{
    struct leak_name *name;

    for (size_t i = 0; i < names->n; i++) {
        name = &names->list[i];
        if (name->process == process && strncmp(name->comm, comm, sizeof(name->comm) - 1) == 0) {
            name->count++;
            return;
        }
    }
    if (names->n == LEAK_NAMES)
        return;
    name = &names->list[names->n++];
    snprintf(name->comm, sizeof(name->comm), "%s", comm);
    name->process = process;
    name->count = 1;
}

void leak_names_text(const struct leak_names *names, char *buf, size_t size)
{
    int at = 0;

    *buf = '\0';
    for (size_t i = 0; i < names->n && at >= 0 && (size_t)at < size; i++) {
        const struct leak_name *name = &names->list[i];
        const char *kind = name->process ? name->count == 1 ? "process" : "processes"
                                         : name->count == 1 ? "thread" : "threads";

        at += snprintf(buf + at, size - (size_t)at, "%s%zu %s named %s", at ? ", " : "", name->count, kind, name->comm);
    }
}

bool leak_is_foreign_name(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strncmp(name, "pytest-of-", 10) == 0;
}
