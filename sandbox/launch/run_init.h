/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The run sandbox and its pid 1.
 *
 * run_init_start() forks the *run init*: trusted C, a child of shunt, born into the run's control cgroup, and
 * pid 1 of a pid namespace of its own with its own mount namespace (fresh /proc, all cgroup file systems
 * read-only), ipc namespace. It starts the command, prepares *cells* (the namespaces of one worker
 * generation, each held by a *keeper*, trusted C and pid 1 of the cell), reaps every orphan of the run, and
 * reports each death with its wait status. When shunt dies, in whatever way, the run init dies, and the
 * kernel ends the rest. Without the right to make namespaces the run init is a child subreaper instead and kills
 * all its descendants when its channel to shunt closes.
 *
 * What it starts runs with no_new_privs, Docker's default fourteen capabilities at most, and a seccomp filter,
 * with every descriptor but stdin, stdout and stderr closed.
 *
 * The caller's side is not blocking, but for run_init_start(). One thread uses it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct run_init;
struct cgroup_run;
struct sock_fprog;

enum run_init_has { /* isolation in force */
    RUN_INIT_PID_NS = 1 << 0,
    RUN_INIT_MOUNT_NS = 1 << 1,
    RUN_INIT_IPC_NS = 1 << 2,
    RUN_INIT_CELLS = 1 << 3, /* cells have namespaces of their own */
    RUN_INIT_CGROUP_RO = 1 << 4, /* cgroup files are read-only inside */
    RUN_INIT_SECCOMP = 1 << 5,
    RUN_INIT_CAPS = 1 << 6
};

struct run_init_spec {
    struct cgroup_run *cgroup;   /* NULL: none */
    unsigned want;               /* enum run_init_has; what cannot be had is left out and said by run_init_has() */
    const char *seccomp_profile; /* path of a profile in the OCI format; NULL: no filter */
};

/* Starts the run init and waits until it stands (or has failed: stage and errno are in `err`).
 * Rungs are tried, not guessed: a namespace that is refused is left out. Owned by the caller. */
int run_init_start(const struct run_init_spec *spec, struct run_init **ret, struct err *err);
unsigned run_init_has(const struct run_init *init);
/* Why something wanted is missing, for people: "pid namespace: EPERM (needs CAP_SYS_ADMIN)". "" when nothing is. */
const char *run_init_missing(const struct run_init *init);
/* The run init's own pid, as shunt sees it. */
pid_t run_init_pid(const struct run_init *init);

/* Runs the command in the run sandbox, in shunt's working directory, with the given environment and stdio
 * (descriptors stay the caller's). The answer is an event: STARTED or FAILED. `tag` comes back in it. */
int run_init_spawn(struct run_init *init, uint64_t tag, char *const argv[], char *const envp[],
                   const int stdio[3]);
/* Prepares the namespaces of cell `tag`. The answer is CELL or FAILED. */
int run_init_prepare_cell(struct run_init *init, uint64_t tag);
/* The same as spawn, inside a prepared cell (cold workers): the process enters the namespaces of the cell and gets
 * the worker's stacked filter. Answer PENDING first: the caller moves `pid` into its cgroup and calls
 * run_init_proceed(), then STARTED with the final pid, or FAILED. */
int run_init_spawn_in_cell(struct run_init *init, uint64_t tag, char *const argv[],
                           char *const envp[], const int stdio[3]);
int run_init_proceed(struct run_init *init, uint64_t tag);
/* Ends a cell's keeper, and with its pid namespace everything inside. */
int run_init_drop_cell(struct run_init *init, uint64_t tag);
/* Without cgroups: kills process `pid` (as run init sees it) and all that descends from it or shares its session. */
int run_init_kill_tree(struct run_init *init, pid_t pid);
/* Sends a signal to the command that `tag` started, if it lives. */
int run_init_signal(struct run_init *init, uint64_t tag, int signum);

enum run_init_event_type {
    RUN_INIT_NONE,    /* nothing more to read now */
    RUN_INIT_STARTED, /* tag, pid */
    RUN_INIT_PENDING, /* tag, pid */
    RUN_INIT_FAILED,  /* tag, stage, errnum */
    RUN_INIT_CELL,    /* tag, fds: namespaces; the receiver owns them */
    RUN_INIT_EXITED,  /* pid, status (as of waitpid), tag when it was started by spawn, else 0 */
    RUN_INIT_GONE     /* the run init itself died: status */
};

#define RUN_INIT_CELL_NS 4

struct run_init_event {
    enum run_init_event_type type;
    uint64_t tag;
    pid_t pid;       /* as shunt sees it where known (STARTED, PENDING); EXITED: pid_inside is certain */
    pid_t pid_inside; /* as the run init sees it: the key for matching deaths with workers */
    int status;
    int errnum;
    char stage[48];
    int ns_fd[RUN_INIT_CELL_NS];           /* -1: none */
    char ns_name[RUN_INIT_CELL_NS][8];     /* "user", "ipc", "pid", "mnt": in the order in which to join */
};

/* Poll this for reading; then call run_init_next() until it gives RUN_INIT_NONE. */
int run_init_fd(const struct run_init *init);
int run_init_next(struct run_init *init, struct run_init_event *ret);

/* A process's id in the run init's pid namespace, from /proc/PID/status NSpid. Returns the id or -errno. */
pid_t run_init_pid_inside(const struct run_init *init, pid_t pid);

/* A memfd holding the BPF program that a worker stacks on top (denies setns, unshare, mount…); -1: none.
 * Owned by `init`. See shunt_enter_seal() in sandbox/launch/enter.c. */
int run_init_worker_filter_fd(const struct run_init *init);

/* Kills the run init (and so everything), reaps it, frees. Accepts NULL. */
void run_init_free(struct run_init *init);
