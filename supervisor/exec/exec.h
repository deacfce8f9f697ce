/* SPDX-License-Identifier: MIT */
#pragma once

/* `shunt exec`: one command in one sandbox. */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct sandbox_config;


struct exec_config {
    char *const *command;         /* NULL-terminated; points into argv */
    uint64_t tasks, memory_bytes; /* 0: none; SPEC_AUTO */
    bool tasks_given, memory_given, cpus_given, timeout_given; /* else the policy's */
    uint64_t cpu_milli, timeout_ns, grace_ns;
    const char *report_path;      /* NULL: none */
    bool quiet, verbose;
};

#define EXEC_STATUS_TIMEOUT 124 /* as timeout(1) */

/* Runs it. Returns the exit status of the program: the command's own, 128+n when a signal ended it, 124 when its time was
 * over; or -errno with `err`. */
/* The command did not come to run: its report says so, if there is to be one, instead of what an earlier command left there. */
void exec_not_started(const struct exec_config *config, const struct err *err);
int exec_main(const struct sandbox_config *sandbox, const struct exec_config *config, struct err *err);
