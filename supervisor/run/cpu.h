/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The CPUs of each slot: what the command and its workers are told, so that they start no more threads than their share;
 * and with --cpu-view=share what they see.
 * Prevention, not a fence: a test may widen its affinity mask again.
 */
struct run;
struct slot;

/* Once the cgroup host is open: looks which CPUs there are. */
void cpu_open(struct run *run);
void cpu_close(struct run *run);
/* Once the number of workers is known. */
void cpu_resolve(struct run *run);
/* `env` (from spec_environment(), freed here) with the variables of the share. `slot`: of a cold worker; NULL: for the
 * command. Free with spec_environment_free(). */
char **cpu_environment(const struct run *run, char **env, const struct slot *slot);
/* What to say when asked for the number of CPUs, in the command (`slot` NULL) or a worker of `slot`; 0: the machine's. */
unsigned cpu_count_told(const struct run *run, const struct slot *slot);
/* Members of the `assign` message, beginning with `"env":`; malloc'ed. */
char *cpu_assignment(const struct run *run, const struct slot *slot);
