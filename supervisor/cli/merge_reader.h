/* SPDX-License-Identifier: MIT */
#pragma once

/* Event files of several runs (docs/events.md) as one ledger. What is no event of ours is an error with file and line. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/suite.h"
#include "supervisor/plan/shard.h"

struct err;

struct merged {
    struct suite suite;    /* every test that a file speaks of, in the order of the files */
    uint64_t wall_ns;      /* of the longest run */
    unsigned restarts;
    unsigned shards;       /* as the files say; 0: they are no shards */
    bool has[SHARDS_MAX];  /* shard i + 1 is among the files */
    uint64_t plans;        /* different plans: more than one, and tests may have been run twice or not at all */
    size_t twice;          /* tests with a result in more than one file */
    size_t unended;        /* runs without an end */
    int worst_status;      /* of the runs */
    char plan[20];
    struct merge_index *index;
};

void merged_done(struct merged *merged);
int merge_read(struct merged *merged, const char *path, struct err *err);
/* Once all files are read: who was in no file's results is not-run, with the reason. Returns how many. */
size_t merge_close(struct merged *merged);
