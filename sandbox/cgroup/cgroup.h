/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Control groups for one run.
 *
 * A `cgroup_host` is what was found by looking: which hierarchies exist (statfs and mountinfo, never
 * names), and where this process lives in each of them (on v1 the places differ). A `cgroup_run` is the
 * subtree of one run, nested below our own place in every hierarchy that is used, so that the limits
 * around us stay in force:
 *
 *     <own>/shunt-<id>/            inner node
 *         control                  run init, controller, template, keepers
 *         cell-<n>                 one worker generation each; never reused
 *     <own>/shunt-<id>-supervisor  v2 only, and only when shunt had to leave <own> (no inner processes)
 *
 * The id is "<pid>-<start time>-<inode of our pid namespace>": the name itself is the journal from which a
 * later run knows that nobody owns a leftover any more.
 *
 * One thread uses these objects. Unless said otherwise functions return 0 or -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct cgroup_host;
struct cgroup_run;
struct cgroup_leaf;

enum cgroup_mode {
    CGROUP_NONE,   /* no hierarchy is mounted, or none is writable for us */
    CGROUP_V1,     /* controllers on v1, no v2 tree */
    CGROUP_HYBRID, /* controllers on v1, and a v2 tree beside them (kill, freeze and cpu.stat come from it) */
    CGROUP_V2
};

const char *cgroup_mode_name(enum cgroup_mode mode);

/* Looks at this process's surroundings; changes nothing. A machine without cgroups is not an error
 * (mode CGROUP_NONE). Owned by the caller; free with cgroup_host_free(). */
int cgroup_host_open(struct cgroup_host **ret, struct err *err);
void cgroup_host_free(struct cgroup_host *host);
enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host);

/* What the surroundings can still give: the minimum over all cgroups from ours up to the root of what is
 * mounted, RLIMIT_NPROC (where it counts for us), threads-max and pid_max; memory likewise, with MemAvailable;
 * CPUs from affinity, cpuset and quota. `*_bound` names what was the tightest ("pids cgroup /ci: 200"). */
struct cgroup_budget {
    uint64_t tasks_free;
    uint64_t tasks_total; /* the bound itself */
    uint64_t memory_free_bytes;
    double cpus; /* at least 0.01 */
    char tasks_bound[160], memory_bound[160], cpus_bound[160];
};
int cgroup_host_budget(const struct cgroup_host *host, struct cgroup_budget *ret, struct err *err);

/* True when shunt would gain by starting itself anew in a systemd scope of its own (pure v2; others live in
 * our cgroup or it is not ours to write; systemd is there and can be asked). Fills `argv_prefix` (NULL at the
 * end, static strings, room for 8): the caller sets SHUNT_SCOPE=1 in the environment, which ends the asking,
 * and execvp()s the prefix followed by its own argv, before anything else was started. */
bool cgroup_host_scope_command(const struct cgroup_host *host, const char *argv_prefix[], size_t n);

/* Removes what dead runs left in our place: kills what still lives in it, removes the directories. Where a
 * dead run had moved us into a leaf of its own (--adopt-cgroup), we and all others in it go back first, and
 * `host` means that place from then on. Returns the number of runs removed. Never touches a run whose owner
 * lives. */
int cgroup_host_sweep(struct cgroup_host *host);

struct cgroup_run_options {
    bool adopt; /* --adopt-cgroup: foreign processes in our v2 cgroup may be moved into a leaf beside us */
    unsigned only; /* enum cgroup_has of the limits that are wanted (`shunt exec`): other hierarchies are left alone, there is
                      no control leaf, and the only leaf is the run's own directory; 0: everything */
};

/* Which limits of `wanted` (enum cgroup_has) a run of these alone will have, as far as that is certain before it is made and
 * takes no moving of processes: 0 where a v2 tree has controllers. */
unsigned cgroup_host_offers(const struct cgroup_host *host, unsigned wanted);
/* Creates the subtree with its control leaf, and on v2 makes room for it. Where cgroups cannot be had, fails
 * with ERR_SANDBOX and an exact remedy in `err`, having undone everything. */
int cgroup_run_create(const struct cgroup_host *host, const struct cgroup_run_options *options,
                      struct cgroup_run **ret, struct err *err);
/* Kills what lives in it, removes all directories (waiting up to `timeout_ms` for the dying), moves shunt
 * back to where it was, frees. Accepts NULL. Returns -EBUSY when something was left. */
int cgroup_run_destroy(struct cgroup_run *run, unsigned timeout_ms);
/* Moving a process waits up to tens of milliseconds for a grace period of the kernel, unless another move has just
 * waited for it. This lets a child wait, beside other work, shortly before processes are going to be moved. */
void cgroup_run_warm(struct cgroup_run *run);
/* Moves a process into the control leaf (attach before it execs or forks). */
int cgroup_run_attach_control(struct cgroup_run *run, pid_t pid);
/* Limits for the control leaf; 0 or UINT64_MAX means none. */
int cgroup_run_limit_control(struct cgroup_run *run, uint64_t tasks, uint64_t memory_bytes);
/* Freezes or thaws everything of the run but shunt (^Z). On pure v1 it stops the processes with SIGSTOP and
 * SIGCONT instead, since a frozen v1 task survives SIGKILL. */
int cgroup_run_freeze(struct cgroup_run *run, bool frozen);
/* One line for the header: "v2 (tasks, memory, cpu)", "hybrid …: no memory controller". */
const char *cgroup_run_describe(const struct cgroup_run *run);

enum cgroup_has { /* what the run's leaves can limit or do */
    CGROUP_HAS_TASKS = 1 << 0,
    CGROUP_HAS_MEMORY = 1 << 1,
    CGROUP_HAS_CPU = 1 << 2,
    CGROUP_HAS_KILL = 1 << 3,    /* cgroup.kill; otherwise cgroup_leaf_kill() loops over the processes */
    CGROUP_HAS_FREEZE = 1 << 4,
    CGROUP_HAS_NOTIFY = 1 << 5 /* pids.events and memory.events wake cgroup_run_notify_fd() */
};
unsigned cgroup_run_has(const struct cgroup_run *run);

/* A descriptor to poll (-1: none, counters must be read on a timer). After it became readable call
 * cgroup_run_notify_clear(), then read the counters of every busy leaf. */
int cgroup_run_notify_fd(const struct cgroup_run *run);
void cgroup_run_notify_clear(struct cgroup_run *run);

struct cgroup_limits {
    uint64_t tasks;        /* 0: none */
    uint64_t memory_bytes; /* 0: none; the swap limit goes with it */
    unsigned cpu_weight;   /* 1..10000 as in v2's cpu.weight, 100 is the default; 0: leave */
    uint64_t cpu_milli;    /* thousandths of a CPU that it may use; 0: leave */
};

/* Creates "cell-<number>" in every hierarchy, limits set, nothing in it. */
int cgroup_leaf_create(struct cgroup_run *run, unsigned number, const struct cgroup_limits *limits,
                       struct cgroup_leaf **ret, struct err *err);
int cgroup_leaf_set_limits(struct cgroup_leaf *leaf, const struct cgroup_limits *limits);
/* Moves a single-threaded process (and what it forks later) in. All hierarchies or an error. */
int cgroup_leaf_attach(struct cgroup_leaf *leaf, pid_t pid);
/* Kills everything in it, however often it forks; a call returns at once, death follows within milliseconds. */
int cgroup_leaf_kill(struct cgroup_leaf *leaf);
int cgroup_leaf_freeze(struct cgroup_leaf *leaf, bool frozen);
/* Removes the directories and frees on success. -EBUSY while something in it has not died: try again later. */
int cgroup_leaf_remove(struct cgroup_leaf *leaf);

/* How a child comes into a cgroup without the wait of a move: prepared by the parent, used by clone and in the child. */
#define CGROUP_BIRTH_MAX 5
struct cgroup_birth {
    int into_fd;  /* v2 directory, borrowed; -1 */
    int procs_fd; /* its cgroup.procs, for kernels without CLONE_INTO_CGROUP; -1 */
    int tasks_fd[CGROUP_BIRTH_MAX]; /* `tasks` on v1 */
    unsigned ntasks;
    bool born; /* set by cgroup_birth_clone() */
};
#define CGROUP_BIRTH_INIT {.into_fd = -1, .procs_fd = -1}

int cgroup_leaf_birth(const struct cgroup_leaf *leaf, struct cgroup_birth *ret);
int cgroup_run_birth_control(const struct cgroup_run *run, struct cgroup_birth *ret);
void cgroup_birth_done(struct cgroup_birth *birth);
/* clone(2) without a new stack; `birth` may be NULL. Returns the pid, 0 in the child, or -errno. */
pid_t cgroup_birth_clone(struct cgroup_birth *birth, unsigned long flags);
/* In the child, single-threaded: the rest of the way. Async-signal-safe. */
int cgroup_birth_join(const struct cgroup_birth *birth);

struct cgroup_counters {
    uint64_t tasks_now;
    uint64_t tasks_peak;      /* highest seen by reading (or the kernel's own where it keeps one) since reset */
    bool tasks_peak_exact;    /* kept by the kernel; otherwise print it with "≥" */
    uint64_t tasks_refused;   /* forks and clones refused in this leaf, ever ("max" of pids.events) */
    uint64_t memory_now_bytes, memory_peak_bytes;
    bool memory_peak_exact;
    uint64_t oom_kills;       /* ever */
    uint64_t cpu_ns;          /* ever */
    uint64_t throttled, throttled_ns; /* periods in which its quota was used up, and for how long it waited; ever */
    uint64_t starved_ns;      /* it wanted a CPU, and none of its tasks had one (pressure "full" of v2); ever */
    bool starved_known;
};

enum cgroup_read { /* what to read; unread fields keep their value */
    CGROUP_READ_TASKS = 1 << 0,  /* tasks_now, tasks_peak, tasks_refused: about 2 us */
    CGROUP_READ_MEMORY = 1 << 1, /* now, peak, oom_kills */
    CGROUP_READ_OOM = 1 << 2,    /* oom_kills only */
    CGROUP_READ_CPU = 1 << 3,
    CGROUP_READ_CPU_WAITS = 1 << 4, /* throttled, starved_ns; not part of ALL */
    CGROUP_READ_ALL = 0xf,
    CGROUP_READ_WATCH = 1 << 5, /* for a short timer: tasks_refused, oom_kills, what is now, and peaks as far as that shows them */
};
/* Reads by pread on kept descriptors. `counters` is the caller's, zeroed before the first call. */
int cgroup_leaf_read(struct cgroup_leaf *leaf, unsigned what, struct cgroup_counters *counters);
/* Starts a new peak for tasks and memory (where the kernel can; else by reading) from the values in `counters`, which the
 * caller has just read. */
int cgroup_leaf_reset_peaks(struct cgroup_leaf *leaf, struct cgroup_counters *counters);

/* Is some cgroup around us (visible, from our own upward, control leaf included) at its task limit now?
 * Then a refusal in a leaf with room came from there. `text` gets its name and numbers. */
bool cgroup_run_pressure(const struct cgroup_run *run, char *text, size_t size);

/* Fills up to `room` thread ids (or process ids) of the leaf, in the ids of our pid namespace. Returns the
 * number found (which may be larger than room), or -errno. */
ssize_t cgroup_leaf_threads(struct cgroup_leaf *leaf, pid_t *ids, size_t room);
ssize_t cgroup_leaf_processes(struct cgroup_leaf *leaf, pid_t *ids, size_t room);
