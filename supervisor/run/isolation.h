/* SPDX-License-Identifier: MIT */
#pragma once

/* The two boundaries of a run: its cgroup and its run sandbox, as far as this machine gives them. */
#include <stddef.h>

struct err;
struct run;

/* Fills run->host, cgroup, init and missing. What is not to be had is noted, not refused. */
int isolation_open(struct run *run, struct err *err);
/* "pid, mount and ipc namespaces; seccomp; 14 capabilities; no_new_privs". */
void isolation_describe(unsigned has, char *text, size_t size);
