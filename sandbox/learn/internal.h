/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of sandbox/learn/. */
#include <jansson.h>
#include <linux/filter.h>

#include "sandbox/learn/address.h"
#include "sandbox/learn/learn.h"
#include "sandbox/learn/paths.h"

#define LEARN_CALLS 1024 /* numbers above are x32's, or of no kernel yet */
#define LEARN_NO_ROW 0xff

struct learn {
    struct sock_fprog base; /* what the base's filter refuses */
    json_t *profile;        /* the base's, as it was read */
    char *base_name, *cwd, *home;
    bool workers;
    bool base_confines;           /* the base has a network of its own */
    unsigned base_demands;        /* SPEC_BIT()s: what it cannot do without */
    unsigned char row[LEARN_CALLS];   /* into learn_rows */
    bool seen[LEARN_CALLS];
    unsigned char refused[LEARN_CALLS]; /* the errno that the base's filter gives at least once; 0:
                                           never refused */
    bool foreign;                       /* calls of another architecture, which no policy allows */
    enum learn_reach reach;
    struct learn_paths paths;
    uint64_t tasks, memory_bytes;
};

/* What becomes of the calls: names, sorted, as JSON arrays of strings. */
struct learn_calls {
    json_t *granted;       /* seen, and those of learn_always */
    json_t *added;         /* of those: the base's profile has no rule that allows them */
    json_t *dangerous;     /* seen, and left out */
    json_t *arguments;     /* allowed, but not with all arguments that were seen */
    size_t nseen, nunused; /* allowed by the base's profile, and not granted */
};

void learn_sort_calls(const struct learn *learn, struct learn_calls *ret);
void learn_calls_done(struct learn_calls *calls);
/* The profile: the base's rules for the calls that are granted, conditions on arguments included,
 * and one rule for those that it has none for. Text, malloc'ed. */
char *learn_profile_text(const json_t *base, const json_t *granted, const json_t *added);

/* Numbers of the policy, with room above what was measured; 0: not known. */
uint64_t learn_tasks_limit(uint64_t peak);
uint64_t learn_memory_limit_mib(uint64_t peak_bytes);

/* The policy. `profile_name`: its file, as the policy says it. Malloc'ed. */
char *learn_policy_text(const struct learn *learn, const struct learn_calls *calls,
                        const struct learn_output *output, const char *profile_name);

/* A unified diff of two short texts; "" when they are the same. Malloc'ed. */
char *learn_diff(const char *before, const char *after, const char *before_name,
                 const char *after_name);
