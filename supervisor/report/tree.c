/* SPDX-License-Identifier: MIT */
/* The tasks of an incident for people: processes as a tree, each with its threads below it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define DEPTH_MAX 32

static const char *state_word(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'S':
        return "sleeping";
    case 'D':
        return "uninterruptible";
    case 'T':
    case 't':
        return "stopped";
    case 'Z':
        return "zombie";
    default:
        return "ending";
    }
}

static void print_task(FILE *out, int depth, const char *kind, const struct incident_task *task)
{
    _cleanup_free_ char *comm = text_clean(task->comm, strlen(task->comm), 0);
    _cleanup_free_ char *command =
        task->command ? text_clean(task->command, strlen(task->command), 0) : NULL;

    fprintf(out, "%*s%s %d %s, %s", 2 * depth, "", kind, task->tid, comm, state_word(task->state));
    if (*task->call_name)
        fprintf(out, " in %s", task->call_name);
    if (*task->wchan)
        fprintf(out, " (%s)", task->wchan);
    fprintf(out, ", started at tick %llu", (unsigned long long)task->start_ticks);
    if (command)
        fprintf(out, ": %s", command);
    fputc('\n', out);
}

static bool has_leader(const struct incident *incident, int pid)
{
    for (size_t i = 0; i < incident->ntasks; i++)
        if (incident->tasks[i].tid == pid)
            return true;
    return false;
}

static void print_process(FILE *out, const struct incident *incident, int depth,
                          const struct incident_task *leader)
{
    print_task(out, depth, "process", leader);
    for (size_t i = 0; i < incident->ntasks; i++)
        if (incident->tasks[i].tgid == leader->tid && incident->tasks[i].tid != leader->tid)
            print_task(out, depth + 1, "thread", &incident->tasks[i]);
    for (size_t i = 0; i < incident->ntasks && depth < DEPTH_MAX; i++) {
        const struct incident_task *task = &incident->tasks[i];

        if (task->tgid == task->tid && task->ppid == leader->tid && task->tid != leader->tid)
            print_process(out, incident, depth + 1, task);
    }
}

char *incident_tree(const struct incident *incident)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    for (size_t i = 0; i < incident->ntasks; i++) {
        const struct incident_task *task = &incident->tasks[i];

        if (task->tgid == task->tid && !has_leader(incident, task->ppid))
            print_process(out, incident, 0, task);
        else if (task->tgid != task->tid && !has_leader(incident, task->tgid))
            print_task(out, 0, "thread", task);
    }
    if (incident->ntasks_total > incident->ntasks)
        fprintf(out, "and %zu more\n", incident->ntasks_total - incident->ntasks);
    fclose(out);
    return text;
}
