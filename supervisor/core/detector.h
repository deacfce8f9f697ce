/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What happened to a worker: a pure function of limits, counters and time. It decides nothing about what to do
 * next (the verdict's reroute bit and the lanes do).
 *
 * `tasks` means: a fork was refused in this leaf AND the leaf was at its own limit. A refusal without that is
 * pressure from around us: the result is void, nobody is blamed, the test runs again in its own lane. At a death
 * counters outrank signal and exit: a test that dies of a refused thread is a `tasks`, one that the kernel's OOM
 * killer shot is a `memory`.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/verdict.h"

struct detector_counters { /* as read from the leaf; see sandbox/cgroup/cgroup.h for each */
    uint64_t tasks_now, tasks_peak, tasks_refused;
    uint64_t memory_now_bytes, memory_peak_bytes, oom_kills;
    uint64_t cpu_ns; /* of all tasks of the worker */
    bool tasks_peak_exact, memory_peak_exact;
};

struct detector_limits {
    uint64_t tasks, memory_bytes; /* 0: none */
    uint64_t timeout_ns, stall_ns; /* 0: none */
};

enum detector_moment { DETECTOR_BUSY, DETECTOR_BOUNDARY, DETECTOR_DEATH };

struct detector_view {
    enum detector_moment moment;
    struct detector_limits limits;
    struct detector_counters at_start; /* when the test was started (or the worker assigned) */
    struct detector_counters now;
    bool counters_valid;      /* false: no cgroup */
    bool oom_unknown;         /* no cgroup counts what OOM killers have killed */
    bool counted;             /* by looking now and then, without a cgroup: how many were refused is not known */
    bool pressure;            /* a cgroup around us is at its limit now */
    const char *pressure_text;
    bool in_test;             /* a test runs (else: between tests, at start, or in session finish) */
    bool session_end;         /* no test runs, and none will: the worker finishes its session */
    bool own_cpu_known;
    uint64_t own_cpu_ns;      /* of the test alone: without what earlier tests left in its worker */
    uint64_t elapsed_ns;      /* of the running test, frozen time not counted */
    uint64_t stalled_ns;      /* for so long every task has been waiting for another one, without CPU time */
    const char *stall_text;   /* "4 tasks wait for each other: futex, pipe" or NULL */
    const char *protocol_text; /* non-NULL: the worker broke the protocol so */
    int wait_status;          /* DEATH: as of waitpid */
    bool wait_status_valid;   /* false: gone, but nobody said how */
    bool timeout_plugin;      /* the framework's own timeout plugin ended it (exit 1 after its banner) */
    const char *denied_name;  /* DEATH by SIGSYS: the call that did it, where somebody knows; NULL */
    bool killed_by_us;        /* we sent the SIGKILL (for a verdict that was given before) */
};

struct detector_result {
    enum verdict verdict; /* NONE: nothing wrong */
    bool is_void;         /* pressure from outside: void, no verdict against the test */
    char text[256];       /* the numbers in one line: "64 of 64 tasks, 337 more refused" */
};

/* Order: protocol, tasks, memory, (busy) timeout, stall, (death) denied, external, signal, exit. A refusal with an
 * errno is no verdict: what the test makes of it is its outcome. */
void detector_judge(const struct detector_view *view, struct detector_result *ret);

/* For a `signal` by SIGKILL that we did not send and no counter explains: "external"; see text. */

/* --- stall: what each task of a slot waits for, given what /proc says; pure --- */

enum stall_wait {
    STALL_RUNS,      /* on a CPU or runnable, or a wait that we do not understand: no stall */
    STALL_TIMED,     /* sleeps, or waits with a time limit */
    STALL_OUTSIDE,   /* waits for somebody outside of the slot (network, terminal, shunt) */
    STALL_FUTEX,     /* untimed futex */
    STALL_CHILD,     /* untimed wait for a child */
    STALL_PIPE       /* untimed read, write or poll on pipes or eventfds among its own tasks */
};
const char *stall_wait_name(enum stall_wait wait);

/* One line of /proc/PID/task/TID/syscall ("202 0x7f.. 0x80 ...", "running", "-1 ...") plus state letter of stat.
 * `fds_inside` answers whether descriptor `fd` of that task leads only to the slot's own tasks. For poll and select
 * `poll_inside` has already been decided by the caller from the descriptors it found (NULL text: unknown). */
struct stall_task {
    char state;            /* R S D T Z ... */
    long number;           /* system call, -1 none, -2 running */
    uint64_t args[6];
};
int stall_parse_syscall(const char *line, struct stall_task *ret);
typedef bool (*stall_fd_inside_fn)(void *arg, int fd);
/* For poll/select/epoll with an untimed wait: true when all descriptors waited for are inside. */
typedef bool (*stall_set_inside_fn)(void *arg, const struct stall_task *task);
enum stall_wait stall_classify(const struct stall_task *task, stall_fd_inside_fn fd_inside,
                               stall_set_inside_fn set_inside, void *arg);
