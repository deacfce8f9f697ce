/* SPDX-License-Identifier: MIT */
#pragma once

/* What shunt and its run init say to each other over their SOCK_SEQPACKET pair: both ends are the same program, and
 * both are trusted, so these are plain structs. Descriptors travel with the message. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_birth;
struct sandbox_plan;

enum wire_op {
    WIRE_SPAWN,      /* fds: memfd of argv and envp, stdin, stdout, stderr */
    WIRE_CELL,       /* tag */
    WIRE_SPAWN_CELL, /* as SPAWN, into the cell of this tag */
    WIRE_PROCEED,    /* tag */
    WIRE_DROP,       /* tag */
    WIRE_KILL_TREE,  /* arg: pid as the run init sees it */
    WIRE_SIGNAL,     /* tag, arg: signal number */
    WIRE_KEEP,       /* text: a path that cells keep as it is outside their /tmp */
    WIRE_NET,        /* fd: the network namespace to enter */
    WIRE_PAYLOAD     /* arg: WIRE_HAS_*, number of `tasks`; fds of a cgroup_birth: those, then what it has besides */
};

#define WIRE_HAS_INTO 0x100
#define WIRE_HAS_PROCS 0x200

#define WIRE_PATH_MAX 1024

struct wire_request {
    uint32_t op;
    int32_t arg;
    uint64_t tag;
    char text[WIRE_PATH_MAX]; /* sent only as far as it is used */
};

struct wire_event {
    uint32_t type; /* enum run_init_event_type; READY below */
    int32_t pid;   /* as the run init sees it */
    int32_t status;
    int32_t errnum;
    uint64_t tag;
    uint64_t cpu_ns, peak_bytes; /* EXITED: of it and the children it waited for */
    uint64_t left_tasks;         /* EXITED: that live on */
    char stage[64];
};

#define WIRE_READY 100 /* status: SPEC_BIT()s that failed, where errnum is set */

struct wire_command { /* the memfd: this, then argc + envc NUL-terminated strings */
    uint32_t argc, envc;
    uint64_t bytes;
};

#define WIRE_COMMAND_MAX (16ULL << 20)
#define WIRE_FDS_MAX 8
#define WIRE_CHILDREN_MAX 2048
#define WIRE_KEEP_MAX 16

struct wire_setup { /* what the child inherits from shunt's memory */
    int channel;
    int go; /* readable once the child's ids are mapped; EOF: give up; -1: do not wait */
    const struct sandbox_plan *plan;
    const struct cgroup_birth *birth; /* the run init's own; NULL: none */
    struct cgroup_birth *payload;     /* where its payload is born; NULL: beside the run init */
    bool net_comes;     /* the network namespace was not made by clone(): NET brings it */
    bool payload_comes; /* PAYLOAD says that once it is known; nothing is started before */
    bool keep_session; /* the payload shares the caller's terminal and process group */
    uint64_t nproc;    /* RLIMIT_NPROC of the payload; 0: leave */
    bool watch_left;   /* say what the payload leaves behind when it exits */
    const struct run_init_first *first; /* started at once; NULL: none */
};

/* The run init. Never returns. */
_Noreturn void init_main(struct wire_setup *setup);

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
/* `report` is a socket: the listener of the filter travels over it. */
_Noreturn void spawn_exec(const struct spawn_plan *plan, int report);
struct spawn_report { /* errnum 0: not a failure, but the pid of the process that was born in the cell, or a listener */
    int32_t errnum;
    int32_t pid;
    char stage[48];
};

/* cell.c: makes the keeper. Returns its pid or -errno with `stage` set; fills the namespace descriptors. */
struct cell_request {
    const struct sandbox_plan *plan;
    unsigned number;
    const char *const *keep; /* NULL-terminated */
    const char *scratch;     /* this cell's own directory; NULL: none */
};
#define CELL_NS 5
pid_t cell_create(const struct cell_request *request, int ns_fd[CELL_NS], const char **stage);
/* Writes the id maps of a child's user namespace. */
int userns_map_ids(pid_t pid, const struct sandbox_plan *plan);
