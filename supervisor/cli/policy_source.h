/* SPDX-License-Identifier: MIT */
#pragma once

/* Where this program finds policies: its own, and those of the project it stands in (./shunt.yaml, when it exists). */
#include "sandbox/policy/policy.h"

struct policy_places {
    char *directory;
    const char *directories[2];
    struct policy_source source; /* points into this struct, which must not move */
};

void policy_places_init(struct policy_places *places);
void policy_places_done(struct policy_places *places);

/* The policy that counts when none is named: the project's, else "standard". Malloc'ed. */
int policy_places_default(const struct policy_places *places, char **ret, struct err *err);
