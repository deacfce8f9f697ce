/* SPDX-License-Identifier: MIT */
#pragma once

/* What the command line says of the sandbox, the same for `shunt run` and `shunt exec`, and the spec that comes of it:
 * the policy, the machine whose numbers it takes, and what the options change. */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/spec/spec.h"

struct err;

#define SANDBOX_CONFIG_PATHS 64

struct sandbox_config {
    const char *policy;  /* NULL: the project's own, else "standard" */
    const char *machine; /* NULL: none */
    int userns;          /* enum spec_userns; -1: the policy's */
    unsigned require;    /* SPEC_BIT()s */
    unsigned unrequire;  /* those that the policy requires and that may be missing all the same */
    bool adopt_cgroup;   /* cgroup v2: foreign processes beside shunt may be moved into a leaf */
    const char *learn_path; /* --learn: where the smallest policy is written; NULL: off */
    struct {
        enum spec_path_kind kind;
        const char *path;
    } paths[SANDBOX_CONFIG_PATHS];
    size_t npaths;
};

/* The resolved spec; the caller's to spec_done(). ERR_USAGE for what is wrong in files or options. */
int sandbox_config_load(const struct sandbox_config *config, struct sandbox_spec *ret, struct err *err);
/* Shows `path` (absolute) read-only where it lies below a /tmp, /var/tmp or /dev/shm that is fresh inside; else nothing. */
void sandbox_config_show(struct sandbox_spec *spec, const char *path, const char *origin);
/* Directory of shunt's own policies; NULL: not found. Malloc'ed. */
char *sandbox_config_policies(void);
