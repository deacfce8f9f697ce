/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A spec made ready for this machine: which namespaces, as whom, with which mounts, filters and rules. Everything is read,
 * parsed and allocated here; what comes after clone() only executes it. A plan does not know whether the kernel will play
 * along: where it does not, the launcher leaves the guarantee out and asks for another plan.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/mounts/mount_plan.h"
#include "sandbox/spec/spec.h"

struct err;
struct landlock_rules;

enum plan_identity {
    PLAN_ID_KEEP,   /* the caller's own */
    PLAN_ID_SWITCH, /* as root: another uid and gid on the host, no user namespace */
    PLAN_ID_USERNS  /* a user namespace: one id mapped to itself, or as root all of them */
};

enum plan_task_limit { /* how the limit on tasks is enforced, best first */
    PLAN_TASKS_NONE,
    PLAN_TASKS_CGROUP,
    PLAN_TASKS_NPROC,   /* RLIMIT_NPROC, counted for an id or a user namespace of its own */
    PLAN_TASKS_PID_MAX, /* the pid namespace has no more ids */
    PLAN_TASKS_NOTIFY   /* clone waits for an answer: `notifying` asks for it, whoever has the listener counts */
};

#define PLAN_WITHOUT_USERNS (1u << 30)     /* beside SPEC_BIT()s in plan_request.without */
#define PLAN_WITHOUT_NAMESPACES (1u << 31)
#define PLAN_WITHOUT_PID_MAX (1u << 29)

struct plan_request {
    const struct sandbox_spec *spec;
    unsigned without;    /* what was found not to be had */
    bool cells;          /* `run`: workers get namespaces of their own */
    bool cgroup_tasks;   /* a cgroup enforces the limit on tasks */
    bool learn;          /* with spec->notify: every system call notifies */
    const char *cwd;     /* absolute */
    const char *home;    /* may be NULL */
    const char *scratch; /* may be NULL: see mount_request */
    const char *const *keep;
    const char *guard_profile;  /* paths of deny lists beside the policy's profile; NULL: none */
    const char *worker_profile; /* with cells: what nobody of a run may do */
    const char *seal_profile;   /* with cells: what only the template may do, stacked in each worker */
};

#define PLAN_PROFILES 3

struct sandbox_plan {
    struct sandbox_spec spec; /* a copy, less what was left out */
    enum plan_identity identity;
    uint32_t uid, gid; /* the payload's, as it will see them */
    enum plan_task_limit task_limit;
    unsigned long namespaces;      /* CLONE_NEW* of the run sandbox, without NEWUSER */
    bool quiet_start; /* no filter asks anybody between its loading and exec */
    unsigned long cell_namespaces; /* CLONE_NEW* of a cell; 0: no cells */
    struct mount_plan *mounts[4];  /* by enum mounts_for; NULL: nothing to do */
    struct landlock_rules *landlock; /* NULL: none */
    struct sock_fprog filter;        /* the payload's */
    struct sock_fprog notifying;     /* the same, whose refusals notify; used where a listener is to be had, if `notify` */
    char *profiles[PLAN_PROFILES];   /* that it was made of; NULL: no more */
    struct sock_fprog worker_filter; /* stacked in workers */
    bool notify;
    char *cwd;
    char *scratch; /* cells have directories of their own below it; NULL: none */
    unsigned gives; /* SPEC_BIT()s that hold once it is applied (limits excepted) */
};

int plan_compile(const struct plan_request *request, struct sandbox_plan **ret, struct err *err);
void plan_free(struct sandbox_plan *plan);

/* The refusing form of profiles[i], from which notifications are answered. Compiled only when something is refused. */
int plan_refusing(const struct sandbox_plan *plan, size_t i, struct sock_fprog *ret, struct err *err);

/* What a forked worker needs for its last steps (see sandbox/launch/seal.h), in a sealed memfd. Owned by the caller; -errno. */
int plan_seal_fd(const struct sandbox_plan *plan);
