/* SPDX-License-Identifier: MIT */
#pragma once

/* Who descends from a process, and how many tasks these are, where no cgroup lists them. A few microseconds a process
 * (/proc/PID/task/TID/children), while others come and go: what is told is never more than there was in that time. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* `root` first, then its descendants, children of all threads: as many as fit. */
size_t proc_tree_list(pid_t root, pid_t *ret, size_t room);
/* Threads of a process; 0: it is gone. */
uint64_t proc_tree_threads(pid_t pid);
