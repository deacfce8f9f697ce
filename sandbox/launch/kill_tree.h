/* SPDX-License-Identifier: MIT */
#pragma once

/* Killing without cgroups and namespaces: by ancestry and session, as far as /proc tells. Best effort by nature. */
#include <stdbool.h>
#include <sys/types.h>

/* SIGKILL for `pid`, all that descends from it, and all of its session. */
void kill_tree(pid_t pid);
/* A signal for everything that descends from `pid`, but not for itself. Returns how many got it. */
int signal_descendants(pid_t pid, int signum);
/* Does `pid` descend from `ancestor`? */
bool descends_from(pid_t pid, pid_t ancestor);
/* SIGKILL for everything that descends from the caller. Returns how many were found. */
int kill_descendants(void);
