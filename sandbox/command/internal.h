/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of sandbox/command/. */
#include <linux/filter.h>

#include "sandbox/cgroup/cgroup.h"
#include "sandbox/command/counted.h"
#include "sandbox/plan/plan.h"
#include "sandbox/sandbox.h"

struct clone_limit;
struct notify;
struct run_init;

struct sandbox {
    struct sandbox_spec spec;
    struct run_init *init;
    int epoll_fd;
    uint64_t start_ns;
    bool over, timeout, hasty;
    bool adopt; /* see struct sandbox_options */
    bool swept; /* what dead runs left of their cgroups */
    char *scratch;

    struct cgroup_host *host;
    struct cgroup_run *cgroup; /* NULL: none */
    struct cgroup_leaf *leaf;
    struct cgroup_birth birth;
    struct cgroup_counters counters;
    unsigned has;                   /* enum cgroup_has; what is to be expected until the cgroup is made */
    struct counted counted;         /* where no cgroup tells of tasks */
    char cgroup_missing[600], missing[1200], limits_by[200];

    struct learn *learn;   /* not owned; NULL: off */
    struct notify *notify; /* NULL until something is refused */
    struct clone_limit *clones; /* PLAN_TASKS_NOTIFY; NULL until something is cloned */
    bool notify_over;
    bool listened; /* one came */
    int listener; /* -1 until it arrives, and once notify has it */
    struct sock_fprog refusing[PLAN_PROFILES];
    const char *profile_names[PLAN_PROFILES];

    int failed_errnum;
    char failed_stage[64], closed[800];
    struct sandbox_denial *denials;
    struct sandbox_left *left;
    size_t left_room;
    struct sandbox_result result;
};

/* limits.c: looks what there is to hold the spec's limits; SPEC_AUTO is resolved in sandbox->spec. */
int command_open_limits(struct sandbox *sandbox, bool adopt, struct err *err);
/* A cgroup with these limits, as far as it is to be had, where there is none yet: sandbox->leaf, else why not. */
void command_make_cgroup(struct sandbox *sandbox);
/* SPEC_BIT()s that the cgroup gives. */
unsigned command_limits(const struct sandbox *sandbox);
/* Once the plan is known: how the limits hold, in words. */
void command_describe_limits(struct sandbox *sandbox);
void command_tick(struct sandbox *sandbox);
void command_read_limits(struct sandbox *sandbox);
void command_close_limits(struct sandbox *sandbox);
