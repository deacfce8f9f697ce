/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A chain of policies, from the most general one to the one that was named, laid over each other into one spec. What can only
 * be judged once all of them have spoken (the profile's file, demands that nothing meets) is kept with the line that said it.
 */
#include "sandbox/spec/spec.h"

struct err;
struct place;
struct policy_source;
struct raw_machine;
struct raw_policy;

struct resolution {
    struct sandbox_spec spec;
    char *seccomp;           /* as the policy names it; NULL: none */
    char *seccomp_directory; /* of the file that named it */
    char *seccomp_at;        /* "file:line" of it, and of the others below */
    char *hostname_at;
    char *demand_at[SPEC_GUARANTEE_COUNT];
};

void resolution_init(struct resolution *res);
void resolution_done(struct resolution *res);

/* Lays one policy over what is there; `directory` is that of its file. Not its `extends` and `machine`. */
int resolution_apply(struct resolution *res, const struct raw_policy *raw, const struct place *place,
                     const char *directory, struct err *err);
int resolution_apply_machine(struct resolution *res, const struct raw_machine *raw, const struct place *place,
                             struct err *err);
/* `clear` comes before everything else of a policy, its machine included. */
int resolution_clear(struct resolution *res, const struct raw_policy *raw, const struct place *place, struct err *err);
/* Finds the profile and refuses contradictions. */
int resolution_finish(struct resolution *res, const struct policy_source *source, struct err *err);
