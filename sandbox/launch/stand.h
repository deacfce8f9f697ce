/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

struct sandbox_plan;
struct wire_setup;

/* The run init makes itself and its surroundings what the plan says: cgroup, death with its parent, mounts, network, host
 * name. Returns 0 or -errno; then *ret_stage says where, and *ret_lost which SPEC_BIT()s a plan must do without to get
 * past it. */
int stand_up(const struct wire_setup *setup, int32_t *ret_lost, const char **ret_stage);
/* Its part for a network namespace, which may come later (setup->net_comes). */
int stand_up_net(const struct sandbox_plan *plan, int32_t *ret_lost, const char **ret_stage);
