/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Can whom a plan runs its payload as come to a path? Root with a policy that gives another user id is not held up by the
 * modes of directories, and that user is: what is below /root (0700) is closed to it. Found out by trying, in a child with
 * those ids, outside of the sandbox; what the sandbox covers with a /tmp of its own, and owners that an idmapped mount
 * changes, are taken into account.
 */
#include <limits.h>
#include <sys/types.h>

struct err;
struct sandbox_plan;

struct reach {
    char closed[PATH_MAX]; /* what of the path stands in the way */
    mode_t mode;
    uid_t owner;
};

/* 0: it can, or that is not known; -EACCES: `ret` says what is closed. `path`: absolute, without links. */
int reach_path(const struct sandbox_plan *plan, const char *path, struct reach *ret);
/* ERR_USAGE for such a path, which is `called` so ("the working directory"). */
int reach_refuse(const struct sandbox_plan *plan, const char *called, const char *path, const struct reach *reach,
                 struct err *err);
/* "/root/x cannot be reached by uid 1900000001: of /root the mode is 0700, the owner uid 0"; returns `buf`. */
const char *reach_text(const struct sandbox_plan *plan, const char *path, const struct reach *reach, char *buf, size_t size);
