/* SPDX-License-Identifier: MIT */
#pragma once

/* Killing without cgroups and namespaces: by ancestry and session, as far as /proc tells. Best effort by nature. */
#include <sys/types.h>

/* SIGKILL for `pid`, all that descends from it, and all of its session. */
void kill_tree(pid_t pid);
/* SIGKILL for everything that descends from the caller. Returns how many were found. */
int kill_descendants(void);
