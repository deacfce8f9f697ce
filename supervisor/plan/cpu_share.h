/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The share of the CPUs that one slot of the parallel lane has, and the variables that tell libraries about it. Pure.
 *
 * Two numbers that are the same on most machines: how many CPUs the slot's set names, and how many threads a library
 * should start. They differ where a quota gives less than the affinity mask does: then the sets are slices of the whole
 * mask (whoever else lives on the machine would be met on the first few CPUs again and again), and only the number of
 * threads follows the quota.
 */
#include <stdbool.h>
#include <stddef.h>

#define CPU_SHARE_AUTO 0 /* as `given`: what there is, divided by the slots */

/* Threads for one of `slots`, with `usable` CPUs (a quota counts) for all of them; at least 1. */
unsigned cpu_share_threads(double usable, unsigned slots, unsigned given);

struct cpu_range {
    unsigned first, count; /* positions in the list of CPUs that may be used; they go round at its end */
};

/* The CPUs of one slot out of `cpus` (at least 1). With more slots than CPUs several slots share one. */
struct cpu_range cpu_share_range(unsigned cpus, unsigned slots, unsigned slot, unsigned given);

/* A variable that some library takes the size of its pool from. */
struct cpu_variable {
    const char *name;
    const char *fallback; /* where it is not set, the library looks at this one; NULL */
};

/* Ends with a NULL name. */
extern const struct cpu_variable cpu_variables[];

/* Is this variable shunt's to set, for a payload whose environment is `env` otherwise? Not where it is there already, and
 * not where its fallback is: setting it would overrule what the user said. */
bool cpu_variable_is_ours(const struct cpu_variable *variable, char *const env[]);
