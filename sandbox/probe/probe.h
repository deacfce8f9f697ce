/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What this machine can enforce, found out by trying it in children, never by versions or names. For `shunt doctor`, for
 * `--require`, and for the choice of rungs. Changes nothing that outlives the call.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/spec/spec.h"

struct err;

/* The ways in which a guarantee can be met, best first for each guarantee; probe.c has the table. */
struct probe_rung {
    enum spec_guarantee guarantee;
    const char *name;    /* "cgroup v2 pids", "user namespace + RLIMIT_NPROC", ... */
    bool works;
    int errnum;          /* why not; 0 when it works or does not apply */
    char detail[200];    /* why not, or how well ("counted every 3 ms"), for people */
    bool exact;          /* enforced by the kernel, not only observed */
};

struct probe_result {
    struct probe_rung *rungs;
    size_t n;
    char cgroup_mode[16]; /* "v1", "hybrid", "v2", "none" */
    char kernel[72];
    unsigned uid;
    bool in_container;   /* as far as can be told */
    int landlock_abi;
};

int probe_machine(struct probe_result *ret, struct err *err);
void probe_done(struct probe_result *result);
/* The best working rung of a guarantee; NULL: none. */
const struct probe_rung *probe_best(const struct probe_result *result, enum spec_guarantee guarantee);
/* What to do to get a guarantee (or a better rung of it) on this machine: an exact command, Docker flag or Kubernetes field.
 * Returns false when nothing better is to be had. */
bool probe_remedy(const struct probe_result *result, enum spec_guarantee guarantee, char *buf, size_t size);
