/* SPDX-License-Identifier: MIT */
#pragma once

/* `--learn FILE`, the same for `shunt run` and `shunt exec`. */
#include <stdbool.h>

struct err;
struct learn;
struct sandbox_config;
struct sandbox_spec;

/* Nothing was asked for: *ret is NULL. Else: checks FILE, and that this machine tells system calls
 * (ERR_SANDBOX), relaxes `spec`, and gets ready to learn what it needs beyond `hardened`. The
 * caller's to learn_free(). */
int learning_open(const struct sandbox_config *config, bool workers, struct sandbox_spec *spec,
                  struct learn **ret, struct err *err);
