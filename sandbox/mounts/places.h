/* SPDX-License-Identifier: MIT */
#pragma once

/* What the rules want at which path: collected from the request in the order of their authority, then sorted so that
 * parents come before children. compile.c makes operations of them. */
#include "sandbox/mounts/internal.h"

enum place_kind {
    PLACE_NOTHING, /* takes the place of a rule of less authority */
    PLACE_BIND,    /* what is there outside: MOP_RDONLY, MOP_IDMAP */
    PLACE_KEEP,    /* likewise, if /tmp or the like would cover it */
    PLACE_HIDE,
    PLACE_TMPFS,
    PLACE_OVERLAY,
    PLACE_DEV,
    PLACE_MQUEUE,
    PLACE_FREEZE,  /* what is there inside, read-only */
    PLACE_READONLY /* a mount that is there inside, read-only with all below it */
};

struct place {
    enum place_kind kind;
    unsigned flags; /* MOP_ */
    unsigned seq;
    bool cover; /* a /tmp, /var/tmp or /dev/shm of our own, which PLACE_KEEP looks through */
    char *path;
    const char *name;   /* PLACE_OVERLAY */
    const char *origin; /* or NULL */
    uint64_t size_bytes;
    mode_t mode;
    uid_t uid;
    int slot;
};

struct places {
    struct place *items;
    size_t n, room;
    char *cwd;          /* resolved */
    char *scratch;      /* resolved, or NULL */
    char *tmp[3];       /* /tmp, /var/tmp, /dev/shm resolved; NULL where there is none of its own */
    bool root_readonly; /* the spec's word, or that of a rule for "/" */
    bool map_ids;
};

int places_collect(struct places *places, const struct mount_request *request, struct err *err);
void places_done(struct places *places);

/* Parents before children; of several for a path the last word stays. */
void places_sort(struct places *places);
/* The index of the innermost place that contains place `i` (before it, once sorted), or -1. */
int places_parent(const struct places *places, size_t i);
/* True when something (not PLACE_NOTHING) is strictly below `dir`. */
bool places_any_below(const struct places *places, const char *dir);
/* True when the view has a /tmp (/var/tmp) that is an overlay. */
bool places_overlays_tmp(const struct mount_request *request, bool root_readonly);
/* How many of the first two of `tmp` are overlaid: 0, 1 or 2. What is written to /var/tmp is meant to stay
 * (file-hierarchy(7)), so an overlay is there only where it makes it writable, or where the workers' own is fresh. Each
 * one costs half a millisecond a worker. */
size_t places_overlaid_tmps(const struct mount_request *request, bool root_readonly);
/* "tmp", "var-tmp", "shm" */
const char *places_tmp_name(size_t which);

/* Shared with policy_places.c. The place stays valid until the next one is added. */
struct place *places_add(struct places *places, enum place_kind kind, const char *path, unsigned flags);
/* A path that stays as it is where a /tmp or the like of our own would cover it; else nothing. It need not exist. */
void places_add_keep(struct places *places, const char *path, unsigned flags);
/* Bytes, 0: no bound. */
uint64_t places_tmpfs_room(const struct mount_request *request);
/* Who says so, for errors. */
const char *places_origin(const struct spec_path *path);
/* Malloc'ed; NULL when it may be missing, and is. ERR_USAGE with the remedy. */
int places_resolve(const struct places *places, const struct mount_request *request, const struct spec_path *path,
                   char **ret, struct err *err);
int places_add_policy(struct places *places, const struct mount_request *request, struct err *err);

/* settle.c, in this order, on sorted places. Drops what would change nothing, and marks those whose mount points may have
 * to be made. */
void places_settle(struct places *places, enum mounts_for what);
/* ERR_USAGE where the working directory would be hidden. */
int places_check_cwd(const struct places *places, struct mount_plan *plan, struct err *err);
/* Tries the idmapped mounts that are wanted; ERR_SANDBOX where a file system has none. */
int places_prepare_idmap(struct places *places, const struct mount_request *request, struct mount_plan *plan,
                         struct err *err);
