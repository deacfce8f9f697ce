/* SPDX-License-Identifier: MIT */
#pragma once

/* The resource limits of a policy, setrlimit(2), on the calling process. */
#include <stdint.h>

struct sandbox_spec;

/* Sets soft and hard limit to the spec's value, or to the hard limit that is in force where that is lower. `nproc`
 * bounds RLIMIT_NPROC besides (the launcher's rung for tasks); UINT64_MAX: nothing but the spec. Async-signal-safe.
 * Returns 0 or -errno; every limit is tried. */
int rlimits_apply(const struct sandbox_spec *spec, uint64_t nproc);
