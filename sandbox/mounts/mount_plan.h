/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The file system of a sandbox: compiled before the clone from a spec and a few paths, applied afterwards in a new
 * mount namespace by a single-threaded child that allocates nothing.
 *
 * A run has three views, stacked: that of the run (MOUNTS_RUN, in which the run init lives and from which cells are
 * cloned), that of the command (MOUNTS_COMMAND: what only the payload must not see, such as masks over /proc, which in
 * the run's view would keep cells from mounting a /proc of their own), and that of a cell (MOUNTS_CELL: fresh /proc,
 * masks, /tmp and /dev/shm of one worker). `shunt exec` has one (MOUNTS_EXEC): all of it.
 *
 *   - EXEC: read-only root, fresh /proc and its masks, /sys, /dev, /tmp, named paths, working directory
 *   - RUN: the same without masks of /proc; a /tmp only if it is to be fresh, or the root is read-only
 *   - COMMAND: masks of /proc, and the layers of overlays hidden
 *   - CELL: fresh /proc and its masks, a /dev/shm, an overlay of the run's /tmp with what the run keeps there
 *
 * An overlaid /tmp is a worker's affair: in a RUN the command sees the host's, unless the root is read-only.
 *
 * Nothing is pivoted: a new mount namespace has copies of all mounts, and what turns them read-only or covers them does
 * so in place, so there is no old tree that could stay reachable. The sources of paths that stay writable are cloned
 * before.
 *
 * Who wins: of rules for the same path the later (system < keep < policy < working directory); else the longer path, so
 * a writable path inside a hidden one is visible and writable. Paths are resolved once when the plan is compiled; a
 * symbolic link that appears in one afterwards is an error (ELOOP), never followed.
 *
 * Needs Linux 5.2 (open_tree, move_mount). Without mount_setattr (5.12) mounts are remounted one by one, without
 * openat2 (5.6) paths are walked component by component.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/spec/spec.h"

struct err;
struct mount_plan;

enum mounts_for { MOUNTS_EXEC, MOUNTS_RUN, MOUNTS_COMMAND, MOUNTS_CELL };

/* For RUN, COMMAND and CELL of one run: the same but for `what`, compiled at the same time; they know of each other. */
struct mount_request {
    enum mounts_for what;
    const struct sandbox_spec *spec;
    const char *cwd;     /* the working directory outside, absolute; it is the same inside */
    const char *home;    /* for "~/"; NULL: such paths are errors */
    const char *scratch; /* existing directory on disk, owned by us, for upper layers of overlays; NULL: a tmpfs inside.
                            Hidden inside, so that no worker reaches the layers of another */
    const char *const *keep; /* NULL-terminated, may be NULL: paths below an overlaid or fresh /tmp, /var/tmp or
                                /dev/shm that are to stay what they are on the host, writable; those that do not exist
                                when the plan is applied are skipped */
    bool own_pid_ns;         /* /proc is mounted anew */
    bool own_net_ns;         /* /sys, where shown, is that of the host: network devices in it are hidden */
    bool initial_userns; /* the run (not the cell) is applied with CAP_SYS_ADMIN in the initial user namespace: idmapped
                            mounts are possible, overlays keep their marks in trusted.* attributes */
    uint32_t id_outside, id_inside; /* files of uid and gid `id_outside` on writable paths belong to `id_inside` inside,
                                       and the other way round (idmapped mounts); SPEC_ID_KEEP both: no mapping */
};

/* Checks every path now: what does not exist (and is not optional), or contradicts another is ERR_USAGE with its
 * origin; file systems that cannot map owners are ERR_SANDBOX. Owned by the caller. Holds a descriptor (close-on-exec)
 * when owners are mapped: keep the plan, and the descriptor in the child, until it is applied. */
int mount_plan_compile(const struct mount_request *request, struct mount_plan **ret, struct err *err);
void mount_plan_free(struct mount_plan *plan);
/* True when the file system of a path of `keep` cannot map owners (a tmpfs before Linux 6.3): it keeps its ids inside, so
 * the caller must give what is the payload's to `id_inside`. NULL: false. */
bool mount_plan_keeps_ids(const struct mount_plan *plan);
/* True when there is nothing to do. */
bool mount_plan_empty(const struct mount_plan *plan);
/* A line for each operation, as `shunt policy show --plan` and tests read it ("read-only /", "overlay on /tmp", ...).
 * The stages of mount_plan_apply() are the same texts. Malloc'ed. */
char *mount_plan_describe(const struct mount_plan *plan);

struct mount_apply {
    const char *scratch;     /* cells: this one's own directory for upper layers; NULL: that of the plan */
    const char *const *keep; /* more of them, parents before children; NULL-terminated, may be NULL; 32 at most */
};
/* In the child. Async-signal-safe. Makes propagation private first (slave, or private with a read-only root: what the
 * host mounts later would be writable), leaves the working directory at request.cwd in the new view and checks that it
 * is the same directory. `apply` may be NULL. Returns 0 or -errno; *ret_stage says where (it lives as long as the
 * plan). */
int mount_plan_apply(const struct mount_plan *plan, const struct mount_apply *apply, const char **ret_stage);
