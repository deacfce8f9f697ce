/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * libshunt-sandbox: one command in one sandbox. `shunt exec` is a thin program around it, and `shunt run` uses the same
 * policies, plans and launcher.
 *
 *   struct sandbox_spec spec;                           what the sandbox shall be: from a policy, or by hand
 *   policy_load(&source, "hardened", NULL, &spec, &err);
 *   sandbox_start(&options, &sandbox, &err);            starts it
 *   while (sandbox_dispatch(sandbox) == 0)              poll sandbox_fd() for reading in between
 *       ...
 *   sandbox_result(sandbox)                             what became of it
 *   sandbox_free(sandbox);                              nothing of it is left afterwards
 *
 * A process may have several; one thread uses each. The library changes no signal handlers and logs nothing. It needs
 * SIGCHLD not to be ignored, and reaps only its own child. When the calling process dies, in whatever way, everything in
 * the sandbox dies with it (where the machine has pid namespaces; else as far as descent can be followed).
 *
 * Functions return 0 or -errno, and fill `err` (message: what happened; hint: what to do) where a person must act.
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/base/err.h"
#include "sandbox/policy/policy.h"
#include "sandbox/spec/spec.h"

struct learn;
struct sandbox;

struct sandbox_options {
    const struct sandbox_spec *spec; /* SPEC_AUTO limits are resolved here; copied */
    char *const *argv;               /* argv[0] is looked up in PATH */
    char *const *envp;               /* the environment before the policy's rules */
    int stdio[3];                    /* the command's 0, 1 and 2; stay the caller's */
    const char *cwd;                 /* absolute; NULL: the caller's */
    const char *home;                /* for "~/" in policies; NULL: $HOME of envp */
    const char *policies;            /* directory with seccomp/guard.json; NULL: no argument rules beside the profile */
    bool adopt_cgroup;               /* cgroup v2: foreign processes in our cgroup may be moved into a leaf beside us */
    bool hasty;                      /* the caller exits right after sandbox_free(): nobody waits until the kernel has taken
                                        the namespaces of an ended command down, and its first process is left to init */
    struct learn *learn;             /* NULL; else every call goes on and is noted there (sandbox/learn/learn.h, whose
                                        learn_relax() the spec has been through); stays the caller's */
};

int sandbox_start(const struct sandbox_options *options, struct sandbox **ret, struct err *err);
/* Kills what lives, removes its cgroups and files. Accepts NULL. */
void sandbox_free(struct sandbox *sandbox);

/* Poll for reading. sandbox_dispatch() never blocks: 0 while the command runs, 1 once everything is over, or -errno (shunt
 * broke). Call it at least every sandbox_tick_ns() (0: no need). */
int sandbox_fd(const struct sandbox *sandbox);
int sandbox_dispatch(struct sandbox *sandbox);
uint64_t sandbox_tick_ns(const struct sandbox *sandbox);

/* A signal for the command's first process. */
int sandbox_signal(struct sandbox *sandbox, int signum);
/* Its time is over, and it has been asked to end: remembered in the result. */
void sandbox_timed_out(struct sandbox *sandbox);
/* SIGKILL for all of it; sandbox_dispatch() still says when it is over. `timeout` is remembered in the result. */
int sandbox_kill(struct sandbox *sandbox, bool timeout);

enum sandbox_verdict {
    SANDBOX_OK,      /* exit status 0 */
    SANDBOX_EXIT,    /* another status, and no limit had to do with it */
    SANDBOX_SIGNAL,  /* died of a signal, likewise */
    SANDBOX_TIMEOUT, /* wall time */
    SANDBOX_MEMORY,  /* the kernel killed something in it for its memory limit, and it failed */
    SANDBOX_TASKS,   /* threads or processes were refused at its limit (or it was seen there), and it failed */
    SANDBOX_DENIED   /* a system call was answered with SIGSYS */
};
const char *sandbox_verdict_name(enum sandbox_verdict verdict); /* "ok", "exit", ... */

struct sandbox_denial {
    const char *call, *profile; /* "io_uring_setup", "seccomp/tight.json" */
    int errnum;
    uint64_t count;
};

struct sandbox_left { /* outlived the command, and was killed */
    int pid;          /* as the sandbox saw it */
    char comm[16];
};

struct sandbox_result {
    enum sandbox_verdict verdict;
    int wait_status;               /* as of waitpid(2) */
    uint64_t wall_ns, cpu_ns;
    uint64_t tasks_peak, tasks_limit, tasks_refused; /* limit 0: none */
    bool tasks_peak_exact, tasks_known;              /* not exact: at least; not known: nothing counted them */
    bool tasks_counted; /* by looking now and then: nothing tells of refusals, so at the limit it was refused, or nearly */
    uint64_t memory_peak_bytes, memory_limit_bytes, oom_kills;
    bool memory_known;             /* of the whole sandbox; else the largest process */
    const struct sandbox_denial *denials;
    size_t ndenials;
    const struct sandbox_left *left;
    size_t nleft;
};

/* Valid once sandbox_dispatch() has returned 1, as long as the sandbox. */
const struct sandbox_result *sandbox_result(const struct sandbox *sandbox);

/* After sandbox_dispatch() failed: where; "exec" when the command itself could not be run. */
const char *sandbox_failed_stage(const struct sandbox *sandbox);
/* Whom the command runs as. */
unsigned sandbox_uid(const struct sandbox *sandbox);
/* Why that user cannot come to a path (absolute, without links), for people; "" when nothing is known to be in the way. Valid
 * until the next call. */
const char *sandbox_closed(struct sandbox *sandbox, const char *path);

/* What is in force, and what was wanted and is not: SPEC_BIT()s, and a text for people ("" when nothing is missing). */
unsigned sandbox_gives(const struct sandbox *sandbox);
const char *sandbox_missing(const struct sandbox *sandbox);
/* "hybrid (tasks, memory)", "user namespace + RLIMIT_NPROC", ...: how the limits are enforced. */
const char *sandbox_limits_by(const struct sandbox *sandbox);
