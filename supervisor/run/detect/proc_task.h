/* SPDX-License-Identifier: MIT */
#pragma once

/* One task as /proc/TID/stat and status tell it. */
#include <stdbool.h>
#include <sys/types.h>

struct incident_task;

/* 0, or -ENOENT when it is gone. */
int proc_task_read(pid_t tid, struct incident_task *ret);
/* Adds what it waits for: wait channel and system call, as far as this kernel tells. */
void proc_task_waits(struct incident_task *task);
/* The command line of a process, its arguments parted by blanks, at most some 200 bytes; NULL: none. malloc'ed. */
char *proc_task_command(pid_t pid);
/* Does the process handle this signal? */
bool proc_task_catches(pid_t pid, int signal);
/* A column of /proc/TID/status, "\nNSpid:" or "\nNStgid:", in the innermost namespace; 0 when it is gone. */
int proc_task_inside_id(pid_t tid, const char *key);
