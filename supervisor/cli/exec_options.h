/* SPDX-License-Identifier: MIT */
#pragma once

/* `shunt exec`: its option table, and what the options make of it. */
#include <stdbool.h>

#include "supervisor/cli/options.h"
#include "supervisor/cli/sandbox_options.h"
#include "supervisor/exec/exec.h"

struct exec_options {
    struct sandbox_config sandbox; /* first: see sandbox_options.h */
    struct exec_config config;
    bool help;
};

extern const struct option_row exec_option_table[];

void exec_options_init(struct exec_options *options);
int exec_options_parse(struct exec_options *options, int argc, char **argv, struct err *err);
