/* SPDX-License-Identifier: MIT */
#pragma once

/* The two boundaries of a run: its cgroup and its run sandbox, as far as this machine gives them. */
#include <stddef.h>

struct err;
struct run;

/* Fills run->spec: what the policy and the options say. */
int isolation_load(struct run *run, struct err *err);
/* Fills host, cgroup, init and missing. What is not to be had is noted, or refused where the policy demands it.
 * run->scratch is there already. */
int isolation_open(struct run *run, struct err *err);
/* SPEC_BIT()s that hold. */
unsigned isolation_gives(const struct run *run);
/* Once nothing of the run lives: files that it needed. */
void isolation_close(struct run *run);
/* "standard: pid namespace, mount namespace, ...; seccomp; 14 capabilities; no_new_privs". */
void isolation_describe(const struct run *run, char *text, size_t size);
