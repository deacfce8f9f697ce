/* SPDX-License-Identifier: MIT */
#pragma once

/* One task as /proc/TID/stat and status tell it. */
#include <sys/types.h>

struct incident_task;

/* 0, or -ENOENT when it is gone. */
int proc_task_read(pid_t tid, struct incident_task *ret);
