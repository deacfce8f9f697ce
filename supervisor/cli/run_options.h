/* SPDX-License-Identifier: MIT */
#pragma once

/* `shunt run`: its option table, and what the options make of a struct run_config. */
#include <stdbool.h>

#include "supervisor/cli/options.h"
#include "supervisor/cli/project_file.h"
#include "supervisor/cli/sandbox_options.h"
#include "supervisor/config/rules.h"
#include "supervisor/config/run_config.h"
#include "supervisor/config/setup.h"

struct run_options {
    struct sandbox_config sandbox; /* first: see sandbox_options.h */
    struct run_config config;
    char *from_command[2]; /* what stands for the command with --from */
    struct project_file file;      /* texts of its profile are used above */
    struct rules rules;
    struct setup_scripts setup;
    const char *profile;           /* --profile; NULL: default */
    bool help; /* --help was given: nothing else counts */
};

extern const struct option_row run_option_table[];

void run_options_init(struct run_options *options);
void run_options_done(struct run_options *options);
/* Parses argv (argv[0] is the name of the command) on top of what the profile of the project's shunt.yaml says. */
int run_options_parse(struct run_options *options, int argc, char **argv, struct err *err);
/* Is there a program of that name? Else ERR_USAGE with the remedy. */
int run_options_check_command(char *const *command, bool suite, struct err *err);
