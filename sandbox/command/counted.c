/* SPDX-License-Identifier: MIT */
#include "sandbox/command/counted.h"

#include <stdlib.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/proc_tree.h"

#define PROCESSES_MAX 4096
#define SHARE 20 /* looking takes at most one part of so many of the time */

static void note(struct counted *counted, uint64_t tasks, uint64_t limit)
{
    /* What was born while we looked, in the place of what had gone, was counted twice. */
    if (limit && tasks > limit)
        tasks = limit;
    if (tasks > counted->peak)
        counted->peak = tasks;
}

void counted_look(struct counted *counted, pid_t init, uint64_t limit, uint64_t now_ns)
{
    pid_t few[64], *list = few;
    size_t room = sizeof(few) / sizeof(*few), n;
    uint64_t tasks = 0, cost;

    if (now_ns < counted->next_ns)
        return;
    n = proc_tree_list(init, list, room);
    if (n == room) {
        room = PROCESSES_MAX;
        list = mem_calloc(room, sizeof(*list));
        n = proc_tree_list(init, list, room);
    }
    for (size_t i = 1; i < n; i++)
        tasks += proc_tree_threads(list[i]);
    if (list != few)
        free(list);
    note(counted, tasks, limit);
    cost = clock_now_ns() - now_ns;
    counted->next_ns = now_ns + (cost * SHARE > COUNTED_TICK_NS ? cost * SHARE : COUNTED_TICK_NS);
}

void counted_left(struct counted *counted, uint64_t tasks, uint64_t limit)
{
    note(counted, tasks + 1, limit); /* itself, until a moment before */
}
