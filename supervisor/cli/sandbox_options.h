/* SPDX-License-Identifier: MIT */
#pragma once

/* Options that `shunt run` and `shunt exec` share. Their targets begin with a struct sandbox_config. */
#include "supervisor/cli/options.h"
#include "supervisor/config/sandbox_config.h"

int sandbox_option_policy(void *target, const char *text, struct err *err);
int sandbox_option_machine(void *target, const char *text, struct err *err);
int sandbox_option_userns(void *target, const char *text, struct err *err);
int sandbox_option_require(void *target, const char *text, struct err *err);
int sandbox_option_write(void *target, const char *text, struct err *err);
int sandbox_option_read_only(void *target, const char *text, struct err *err);
int sandbox_option_hide(void *target, const char *text, struct err *err);
int sandbox_option_learn(void *target, const char *text, struct err *err);
int sandbox_option_adopt(void *target, const char *text, struct err *err);

#define SANDBOX_OPTION_ROWS                                                                                            \
    {"policy", 0, "NAME",                                                                                              \
     "what the sandbox allows: standard (default), hardened, container,\n"                                             \
     "observe, one of the project's shunt.yaml, or a file",                                                            \
     sandbox_option_policy, "Sandbox"},                                                                                \
        {"machine", 0, "NAME", "limits of a known CI machine, e.g. github-hosted (shunt policy list)",                 \
         sandbox_option_machine, NULL},                                                                                \
        {"require", 0, "LIST",                                                                                         \
         "tasks,memory,net,...: end with status 6 where one is not to be had,\n"                                        \
         "or -memory: go on without (shunt doctor lists them)",                                                                             \
         sandbox_option_require, NULL},                                                                                \
        {"write", 0, "PATH", "may be written to, where the policy makes the rest read-only", sandbox_option_write,     \
         NULL},                                                                                                        \
        {"read-only", 0, "PATH", "may not be written to", sandbox_option_read_only, NULL},                             \
        {"hide", 0, "PATH", "is empty inside", sandbox_option_hide, NULL},                                             \
        {"userns", 0, "WHEN", "user namespaces: auto (where no other way gives the limits), never, always",            \
         sandbox_option_userns, NULL},                                                                                 \
        {"learn", 0, "FILE", "refuse nothing, and write the smallest policy that this needs",                          \
         sandbox_option_learn, NULL},                                                                                  \
    {                                                                                                                  \
        "adopt-cgroup", 0, NULL,                                                                                       \
            "cgroup v2: foreign processes beside shunt may be moved into a\n"                                          \
            "leaf, so that shunt can divide its cgroup",                                                               \
            sandbox_option_adopt, NULL                                                                                 \
    }

void sandbox_config_init(struct sandbox_config *config);
