/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The run sandbox and its pid 1.
 *
 * run_init_start() forks the *run init*: trusted C, a child of shunt, born into the run's control cgroup, and
 * pid 1 of a pid namespace of its own. It builds what the plan says (mounts, network, host name), starts the command,
 * prepares *cells* (the namespaces of one worker generation, each held by a *keeper*, trusted C and pid 1 of the cell),
 * reaps every orphan of the run, and reports each death with its wait status. When shunt dies, in whatever way, the run
 * init dies, and the kernel ends the rest. Without the right to make namespaces the run init is a child subreaper
 * instead and kills all its descendants when its channel to shunt closes.
 *
 * What it starts runs as the plan says: identity, capabilities, no_new_privs, Landlock, a seccomp filter, with every
 * descriptor but stdin, stdout and stderr closed.
 *
 * The caller's side is not blocking, but for run_init_start(). One thread uses it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/spec/spec.h"

struct cgroup_birth;
struct cgroup_run;
struct err;
struct run_init;
struct sandbox_plan;

struct run_init_first { /* a command that is started as soon as the run init stands, without being asked for */
    uint64_t tag;
    char *const *argv, *const *envp;
    int stdio[3];
};

struct run_init_spec {
    const struct sandbox_spec *spec;
    struct cgroup_run *cgroup;    /* its control leaf is where the run init goes; NULL: stays with shunt */
    struct cgroup_birth *payload; /* where the command is born; NULL: beside the run init. Lives as long as the run init */
    bool cgroup_tasks;            /* the payload's (or the workers') cgroup limits tasks */
    bool cells;                   /* workers get namespaces of their own */
    bool learn;                   /* every system call notifies */
    bool keep_session;            /* the command may share the caller's terminal and process group (spec.tty) */
    bool watch_left;              /* LEFT events when the command exits */
    const struct run_init_first *first; /* NULL: none */
    /* Called once while the run init builds its view, and may make there what only the payload needs, its cgroup above
     * all: so that costs no time. It sets `payload` and, where they are not as promised, cgroup_tasks, limits and
     * limits_missing, and returns whether that is so: then all is tried again with these. NULL: nothing to do. */
    bool (*meanwhile)(struct run_init_spec *spec);
    void *arg;
    unsigned limits;              /* SPEC_BIT()s of TASKS, MEMORY, CPU, KILL that a cgroup gives: what of them spec->demands
                                     names besides is an error before anything is started */
    const char *limits_missing;   /* why not more of them; NULL or "": nothing to say */
    const char *cwd, *home, *scratch; /* see struct mount_request */
    const char *const *keep;
    const char *guard_profile, *worker_profile, *seal_profile; /* see struct plan_request; NULL: none */
};

/* Starts the run init and waits until it stands (or has failed: stage and errno are in `err`).
 * Rungs are tried, not guessed: what the kernel refuses is left out, one thing after the other, and said by
 * run_init_missing(); what spec->demands names and cannot be had is ERR_SANDBOX. Owned by the caller. */
int run_init_start(const struct run_init_spec *spec, struct run_init **ret, struct err *err);
/* ERR_SANDBOX for a demand that is not met: the policy does not ask for it, or `why` ("": nobody knows). -errno. */
int run_init_refuse(const struct sandbox_spec *spec, enum spec_guarantee g, const char *why, struct err *err);
/* What is in force. */
const struct sandbox_plan *run_init_plan(const struct run_init *init);
bool run_init_cells(const struct run_init *init);
/* The kernel ends everything of the run with the run init. */
bool run_init_contained(const struct run_init *init);
/* Why something wanted is missing, for people: "pid namespace: EPERM (needs CAP_SYS_ADMIN)". "" when nothing is. */
const char *run_init_missing(const struct run_init *init);
/* The run init's own pid, as shunt sees it. */
pid_t run_init_pid(const struct run_init *init);
/* Is `pid`, as shunt sees it, a process of this run, running as whom the command runs? */
bool run_init_owns(const struct run_init *init, pid_t pid, unsigned uid);

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
/* From now on cells keep `path` as it is outside of their own /tmp, if it exists. */
int run_init_keep(struct run_init *init, const char *path);
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
    RUN_INIT_LISTENER, /* tag, fd: of seccomp notifications; the receiver owns it */
    RUN_INIT_LEFT,    /* tag, pid_inside, stage (its name): lives on after the command's exit; before its EXITED */
    RUN_INIT_EXITED,  /* pid, status (as of waitpid), tag when it was started by spawn, else 0 */
    RUN_INIT_GONE     /* the run init itself died: status */
};

#define RUN_INIT_CELL_NS 5

struct run_init_event {
    enum run_init_event_type type;
    uint64_t tag;
    pid_t pid;       /* as shunt sees it where known (STARTED, PENDING); EXITED: pid_inside is certain */
    pid_t pid_inside; /* as the run init sees it: the key for matching deaths with workers */
    int status;
    int errnum;
    char stage[64];
    uint64_t cpu_ns, peak_bytes; /* EXITED: of it and of the children that it waited for */
    uint64_t left_tasks;         /* EXITED, with watch_left: tasks that live on */
    int fd;                      /* LISTENER; else -1 */
    int ns_fd[RUN_INIT_CELL_NS];           /* -1: none */
    char ns_name[RUN_INIT_CELL_NS][8];     /* "user", "ipc", "net", "pid", "mnt": in the order in which to join */
};

/* Poll this for reading; then call run_init_next() until it gives RUN_INIT_NONE. */
int run_init_fd(const struct run_init *init);
int run_init_next(struct run_init *init, struct run_init_event *ret);

/* A process's id in the run init's pid namespace, from /proc/PID/status NSpid. Returns the id or -errno. */
pid_t run_init_pid_inside(const struct run_init *init, pid_t pid);

/* A memfd with what a worker does to itself last (sandbox/launch/seal.h). Owned by `init`. See shunt_enter_seal() in
 * sandbox/launch/enter.c. */
int run_init_seal_fd(const struct run_init *init);

/* The same without waiting, where the kernel ends all of it for certain and nothing but the run init lives. */
void run_init_abandon(struct run_init *init);
/* Kills the run init (and so everything), reaps it, frees. Accepts NULL. */
void run_init_free(struct run_init *init);
