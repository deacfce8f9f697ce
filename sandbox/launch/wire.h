/* SPDX-License-Identifier: MIT */
#pragma once

/* What shunt and its run init say to each other over their SOCK_SEQPACKET pair: both ends are the same program, and
 * both are trusted, so these are plain structs. Descriptors travel with the message. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum wire_op {
    WIRE_SPAWN,      /* fds: memfd of argv and envp, stdin, stdout, stderr */
    WIRE_CELL,       /* tag */
    WIRE_SPAWN_CELL, /* as SPAWN, into the cell of this tag */
    WIRE_PROCEED,    /* tag */
    WIRE_DROP,       /* tag */
    WIRE_KILL_TREE,  /* arg: pid as the run init sees it */
    WIRE_SIGNAL      /* tag, arg: signal number */
};

struct wire_request {
    uint32_t op;
    int32_t arg;
    uint64_t tag;
};

struct wire_event {
    uint32_t type; /* enum run_init_event_type; READY below */
    int32_t pid;   /* as the run init sees it */
    int32_t status;
    int32_t errnum;
    uint64_t tag;
    char stage[48];
};

#define WIRE_READY 100 /* status: enum run_init_has */

struct wire_command { /* the memfd: this, then argc + envc NUL-terminated strings */
    uint32_t argc, envc;
    uint64_t bytes;
};

#define WIRE_COMMAND_MAX (16ULL << 20)
#define WIRE_FDS_MAX 5
#define WIRE_CHILDREN_MAX 2048

struct sock_fprog;

struct wire_setup { /* what the child inherits from shunt's memory */
    int channel;
    int go;                      /* readable once the child is in its cgroup; EOF: give up */
    unsigned want;               /* enum run_init_has: what was asked of clone() and is to be done */
    const struct sock_fprog *run_filters;
    unsigned nrun_filters;
    const struct sock_fprog *worker_filter;
};

/* The run init. Never returns. */
_Noreturn void init_main(const struct wire_setup *setup);

/* --- pieces of the run init, each in its own file --- */

/* spawn.c: after fork, in the child. Reports a failure as stage + errno on `report` and exits. */
struct spawn_plan {
    char **argv, **envp;
    int stdio[3];
    bool worker;       /* a cold worker: the worker's filter on top */
    const int *ns_fds; /* to join, in order; NULL: none */
    unsigned nns;
    const struct wire_setup *setup;
};
_Noreturn void spawn_exec(const struct spawn_plan *plan, int report);
struct spawn_report { /* errnum 0: not a failure, but the pid of the process that was born in the cell */
    int32_t errnum;
    int32_t pid;
    char stage[48];
};

/* cell.c: makes the keeper. Returns its pid or -errno with `stage` set; fills the namespace descriptors. */
pid_t cell_create(unsigned number, int ns_fd[4], const char **stage);
