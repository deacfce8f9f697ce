/* SPDX-License-Identifier: MIT */
#include "supervisor/core/leak.h"

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
