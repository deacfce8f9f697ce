/* SPDX-License-Identifier: MIT */
#pragma once

/* The supervisor's side of the run init, shared by start.c and run_init.c. */
#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/launch/run_init.h"

struct run_init {
    pid_t pid;
    bool reaped, cells;
    bool met;          /* `meanwhile` was called */
    bool net_by_clone; /* a network namespace is not made beside */
    int channel;
    int seal_fd;
    char missing[512];
    struct sandbox_plan *plan;
};

int run_init_send_net(struct run_init *init, int fd);
/* PAYLOAD; NULL: it stays beside the run init. */
int run_init_send_payload(struct run_init *init, const struct cgroup_birth *birth);
/* Kills and reaps it. */
void run_init_end_child(struct run_init *init);
