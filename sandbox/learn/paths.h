/* SPDX-License-Identifier: MIT */
#pragma once

/* Which files a run changes, reduced to the paths that a policy names. Pure, but for
 * learn_paths_settle(). */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define LEARN_PATHS_MAX \
    512 /* outside of the working directory and of what a sandbox has of its own */
#define LEARN_OWN_MAX 8
#define LEARN_MANY_FILES 4 /* of one directory: the directory */

enum learn_need {
    LEARN_NEED_NONE,
    LEARN_NEED_OPEN,      /* as the flags say */
    LEARN_NEED_NEW,       /* fails when it exists: mkdir, symlink */
    LEARN_NEED_OLD,       /* fails when it does not: chmod, truncate */
    LEARN_NEED_OLD_ENTRY, /* likewise, and changes its directory: unlink, the old name of a rename
                           */
    LEARN_NEED_ENTRY      /* changes its directory: the new name of a rename */
};

enum learn_want {
    LEARN_WANT_NOTHING,
    LEARN_WANT_ITSELF,   /* the file (or directory) must be writable */
    LEARN_WANT_DIRECTORY /* the one that it is in */
};

struct learn_path {
    char *path;
    bool directory; /* with all below it */
};

struct learn_paths {
    const char *cwd, *home;   /* not owned; home may be NULL */
    char *own[LEARN_OWN_MAX]; /* left out, beside what each sandbox has of its own */
    size_t nown;
    bool cwd_written;
    struct learn_path *items; /* what was seen; settled: sorted, none below another */
    size_t n, room;
    unsigned long lost, odd;           /* did not fit; cannot be written down in a policy */
    bool root_written, kernel_written; /* "/" itself; files of /sys: never granted */
};

/* What a call needs. `st`: what is there now (lstat), NULL: nothing. `flags`: of open(2), for
 * NEED_OPEN. */
enum learn_want learn_path_want(enum learn_need need, unsigned long long flags,
                                const struct stat *st);
/* `base` (absolute) and `path` (maybe absolute), without ".", ".." and double slashes; malloc'ed. A
 * ".." behind a symbolic link is taken by its name. */
char *learn_path_join(const char *base, const char *path);
/* Is `path` the directory or below it? */
bool learn_path_below(const char *path, const char *directory);
/* Notes an absolute, normal path. */
void learn_paths_add(struct learn_paths *paths, const char *path, enum learn_want want);
/* At the end: symbolic links resolved, what has gone replaced by the directory that is there, what
 * the caller may not write anyway left out; then reduced. */
void learn_paths_settle(struct learn_paths *paths);
/* Sorts, takes many files of one directory together, drops what is below another. */
void learn_paths_reduce(struct learn_paths *paths);
/* As a policy says it: "~/x" below HOME, else absolute; malloc'ed. */
char *learn_path_text(const struct learn_paths *paths, const char *path);
void learn_paths_done(struct learn_paths *paths);
