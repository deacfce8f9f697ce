/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of sandbox/probe/. A trial runs in a child of its own and writes into shared memory; nothing that it
 * does to itself outlives it. */
#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/probe/probe.h"

#define PROBE_TASKS 4      /* the limit that is set to see it hold */
#define PROBE_FORKS_MOST 8 /* how often it is tested */

/* Ids that nobody has: above what systemd hands to containers, below 2^31; where only 65536 ids are mapped, between
 * systemd's ranges. Counted upward from these. */
#define PROBE_POOL_ID 1879048192u
#define PROBE_POOL_ID_LOW 60999u

struct probe_trial {
    void (*run)(struct probe_rung *rungs);
    enum probe_id covers[20]; /* what a trial that dies or hangs leaves unanswered; ends with PROBE_RUNG_COUNT */
};

void probe_works(struct probe_rung *rung, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A positive errno; 0: no call failed, it just does not hold. Appends nothing to the text. */
void probe_fails(struct probe_rung *rung, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Forks at most PROBE_FORKS_MOST processes that wait, until one is refused. They die with the caller, or when `keep` is false before
 * it returns. Returns how many there were; *ret_errno is that of the refusal, 0: none. */
unsigned probe_fork_many(bool keep, int *ret_errno);
/* Judges that: the limit was PROBE_TASKS, the caller included. */
void probe_judge_forks(struct probe_rung *rung, unsigned forks, int errnum);
/* A forked child that runs `fn`; its result (0 or a positive errno below 256), or ECHILD when it died. */
int probe_in_child(int (*fn)(void *), void *arg);

/* Enters a user namespace with one id each mapped. 0 or an errno; *ret_stage names the call. */
int probe_enter_userns(unsigned inner_uid, unsigned inner_gid, const char **ret_stage);
/* Becomes the user `nth` of the pool, for good, and stays able to write its own /proc files. 0 or an errno. Each trial has
 * its own: tasks are counted by id. */
int probe_become_pool(unsigned nth, unsigned *ret_uid);

extern const struct probe_trial probe_trials_views[], probe_trials_limits[], probe_trials_seccomp[]; /* run NULL ends */

/* In the caller's process, since on v2 it is shunt itself that must make room. */
void probe_try_cgroup(const struct probe_options *options, struct probe_result *result);
void probe_find_facts(struct probe_result *result);
