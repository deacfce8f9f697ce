/* SPDX-License-Identifier: MIT */
#pragma once

/* The supervisor's side of the run init, shared by start.c and run_init.c. */
#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/launch/run_init.h"

struct run_init {
    pid_t pid;
    bool reaped, cells;
    int channel;
    int seal_fd;
    char missing[512];
    struct sandbox_plan *plan;
};

/* Kills and reaps it. */
void run_init_end_child(struct run_init *init);
