/* SPDX-License-Identifier: MIT */
#pragma once

struct err;
struct run_config;

/* Runs the suite. Returns the exit status (0 or more), or -errno with `err` filled. */
int run_main(const struct run_config *config, struct err *err);
