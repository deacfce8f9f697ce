/* SPDX-License-Identifier: MIT */
#pragma once

#include "sandbox/sandbox.h"

/* From everything else in `result`. `timeout`: it was killed for its wall time. */
enum sandbox_verdict sandbox_decide(const struct sandbox_result *result, bool timeout);
