/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of the run init: its children, and how it speaks. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/launch/run_init.h"
#include "sandbox/launch/wire.h"

enum child_kind { CHILD_KEEPER, CHILD_COMMAND, CHILD_WORKER, CHILD_INTERMEDIATE };

struct child {
    enum child_kind kind;
    pid_t pid;
    uint64_t tag;
    int ns_fd[CELL_NS]; /* KEEPER */
    int go, report;     /* INTERMEDIATE: to let it proceed, and what it says */
};

struct init {
    struct wire_setup *setup;
    int channel, net_fd;
    struct child children[WIRE_CHILDREN_MAX];
    size_t n;
    char keep[WIRE_KEEP_MAX][WIRE_PATH_MAX];
    const char *keep_list[WIRE_KEEP_MAX + 1];
    size_t nkeep;
};

struct child *init_child_add(struct init *init, enum child_kind kind, pid_t pid, uint64_t tag);
struct child *init_child_find(struct init *init, enum child_kind kind, uint64_t tag);

void init_send(struct init *init, const struct wire_event *event, const int *fds, size_t nfds);
void init_send_failed(struct init *init, uint64_t tag, const char *stage, int errnum);
/* A pid of ours means nothing to shunt; a pidfd does. */
void init_send_pid(struct init *init, uint32_t type, uint64_t tag, pid_t pid);

/* init_spawn.c */
void init_start_command(struct init *init, uint64_t tag, int *fds);
void init_start_first(struct init *init);
void init_start_cold(struct init *init, uint64_t tag, int *fds);
void init_proceed(struct init *init, uint64_t tag);
/* Says which processes outlive the payload; returns how many tasks these are. */
uint64_t init_report_left(struct init *init, uint64_t tag);
