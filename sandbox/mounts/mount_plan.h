/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The file system of a sandbox: compiled before the clone from a spec and a few paths, applied afterwards in a new mount
 * namespace by a single-threaded child that allocates nothing.
 *
 * A run has three views, stacked: that of the run (MOUNTS_RUN, in which the run init lives and from which cells are
 * cloned), that of the command (MOUNTS_COMMAND: what only the payload must not see, such as masks over /proc, which in
 * the run's view would keep cells from mounting a /proc of their own), and that of a cell (MOUNTS_CELL: fresh /proc,
 * masks, /tmp and /dev/shm of one worker). `shunt exec` has one (MOUNTS_EXEC): all of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/spec/spec.h"

struct err;
struct mount_plan;

enum mounts_for { MOUNTS_EXEC, MOUNTS_RUN, MOUNTS_COMMAND, MOUNTS_CELL };

struct mount_request {
    enum mounts_for what;
    const struct sandbox_spec *spec;
    const char *cwd;     /* the working directory outside, absolute; it is the same inside */
    const char *home;    /* for "~/"; NULL: such paths are errors */
    const char *scratch; /* existing directory on disk, owned by us, for upper layers of overlays; NULL: a tmpfs inside */
    const char *const *keep; /* NULL-terminated, may be NULL: paths below an overlaid or fresh /tmp that are to stay what
                                they are on the host; those that do not exist when the plan is applied are skipped */
    bool own_pid_ns;     /* /proc is mounted anew */
    bool own_net_ns;     /* /sys, where shown, is that of the host: network devices in it are hidden */
    bool initial_userns; /* applied with CAP_SYS_ADMIN in the initial user namespace: idmapped mounts are possible */
    uint32_t id_outside, id_inside; /* files of uid `id_outside` on writable paths belong to `id_inside` inside (idmapped
                                       mounts); SPEC_ID_KEEP both: no mapping */
};

/* Checks every path now: what does not exist (and is not optional), is no directory, or is below a hidden one is
 * ERR_USAGE with its origin. Owned by the caller. */
int mount_plan_compile(const struct mount_request *request, struct mount_plan **ret, struct err *err);
void mount_plan_free(struct mount_plan *plan);
/* True when there is nothing to do. */
bool mount_plan_empty(const struct mount_plan *plan);
/* A line for each operation, as `shunt policy show --plan` and tests read it ("bind-ro /", "overlay /tmp", ...). Malloc'ed. */
char *mount_plan_describe(const struct mount_plan *plan);

struct mount_apply {
    const char *scratch;       /* cells: this one's own directory for upper layers; NULL: that of the plan */
    const char *const *keep;   /* more of them; NULL-terminated, may be NULL */
};
/* In the child. Async-signal-safe. Makes propagation private first (slave), leaves the working directory at
 * request.cwd in the new view and checks that it is the same directory. Returns 0 or -errno; *ret_stage says where. */
int mount_plan_apply(const struct mount_plan *plan, const struct mount_apply *apply, const char **ret_stage);
