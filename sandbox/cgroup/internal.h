/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of sandbox/cgroup/ and their unit tests; nobody else includes it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/cgroup/cgroup.h"

enum cgroup_resource {
    CGROUP_PIDS,
    CGROUP_MEMORY,
    CGROUP_CPU,
    CGROUP_CPUACCT, /* v1 only: on v2 every cgroup has cpu.stat */
    CGROUP_RESOURCES
};

extern const char *const cgroup_controller_names[CGROUP_RESOURCES];
/* "pids,memory" as a mask of 1 << enum cgroup_resource; unknown names are skipped. */
unsigned cgroup_parse_controllers(const char *text, const char *separators);

/* ---- text.c: pure parsing ---- */

struct cgroup_mount {
    bool v2;
    unsigned controllers; /* v1: those of its super block */
    char *root, *point;   /* unescaped */
};

struct cgroup_mounts {
    struct cgroup_mount *items;
    size_t n, cap;
};

/* Cgroup mounts in the text of /proc/self/mountinfo; other lines and malformed ones are skipped. */
void cgroup_mounts_parse(const char *text, struct cgroup_mounts *ret);
void cgroup_mounts_done(struct cgroup_mounts *mounts);

/* The path in the text of /proc/self/cgroup: of the v2 tree, or of the v1 hierarchy that has
 * `controller`. NULL when there is none; else the caller's to free. */
char *cgroup_self_path(const char *text, bool v2, enum cgroup_resource controller);

/* Where cgroup `path` shows up in the file system. NULL: not below this mount (a container that
 * sees only a part, or a cgroup namespace that we are above of). */
char *cgroup_locate(const char *mount_root, const char *mount_point, const char *path);

enum cgroup_leftover { CGROUP_LEFT_TOP, CGROUP_LEFT_SUPERVISOR, CGROUP_LEFT_ADOPTED };

struct cgroup_id {
    pid_t pid;
    uint64_t start_ticks; /* /proc/PID/stat, field 22 */
    uint64_t pidns;       /* inode */
};

#define CGROUP_NAME_MAX 96

void cgroup_id_print(const struct cgroup_id *id, enum cgroup_leftover what,
                     char name[CGROUP_NAME_MAX]);
/* False when `name` is not exactly one of ours. */
bool cgroup_id_parse(const char *name, struct cgroup_id *ret_id, enum cgroup_leftover *ret_what);

/* Field 4 (parent) and 22 (start time) of the text of /proc/PID/stat. */
bool cgroup_stat_parse(const char *text, pid_t *ret_parent, uint64_t *ret_start_ticks);

/* The number after `key` at the start of a line ("oom_kill 3"), or its total ("full avg10=0.00 … total=3"). */
bool cgroup_value_of_key(const char *text, const char *key, uint64_t *ret);

/* ---- host.c ---- */

#define CGROUP_TREES_MAX 5

struct cgroup_tree { /* one hierarchy that is of use */
    bool v2;
    bool writable;
    bool real_root; /* v2: ours is the root of everything, which may have both processes and
                       controllers */
    unsigned controllers;
    char *mount;
    char *own; /* our cgroup's directory */
    int fd;    /* the same, O_DIRECTORY */
    int why;   /* not writable: errno */
};

struct cgroup_host {
    enum cgroup_mode mode;
    struct cgroup_tree trees[CGROUP_TREES_MAX];
    int n_trees;
    int unified; /* index of the v2 tree, or -1 */
    struct cgroup_id id;
};

/* Takes the cgroup at `path` of the same mount for our place from now on. */
int cgroup_tree_move(struct cgroup_tree *tree, const char *path);

/* Index of the tree that has this controller, or -1; `writable` ones only, if so wanted. */
int cgroup_host_tree(const struct cgroup_host *host, enum cgroup_resource controller,
                     bool writable);

/* Calls `visit` for the own cgroup of a tree and each one above it up to the mount. Stops at
 * non-zero. */
int cgroup_tree_walk_up(const struct cgroup_tree *tree,
                        int (*visit)(int dir, const char *path, void *data), void *data);

/* ---- budget.c ---- */

struct cgroup_bound { /* `used` of `limit`; limit UINT64_MAX: none */
    uint64_t limit, used;
    char name[128];
};

struct cgroup_numbers {
    struct cgroup_bound *tasks, *memory;
    size_t n_tasks, n_memory, tasks_cap, memory_cap;
    double cpus_affinity;
    double cpus_quota; /* 0: none */
    char quota_name[128];
};

/* Pure: the tightest of the numbers. */
void cgroup_budget_compute(const struct cgroup_numbers *numbers, struct cgroup_budget *ret);

/* ---- node.c: one directory in every used hierarchy ---- */

struct cgroup_node {
    int dir[CGROUP_TREES_MAX]; /* -1 where the hierarchy is not used */
};

#define CGROUP_NODE_INIT       \
    {                          \
        {                      \
            -1, -1, -1, -1, -1 \
        }                      \
    }

void cgroup_node_close(struct cgroup_node *node);
/* Opens (after making, if `make`) `name` below each directory of `parent`. Undoes what it made on
 * failure. */
int cgroup_node_open(const struct cgroup_node *parent, const char *name, bool make,
                     struct cgroup_node *ret);
int cgroup_node_attach(const struct cgroup_node *node, pid_t pid);
/* rmdir in every hierarchy, nested cgroups first. Ends at the first error. */
int cgroup_node_remove(const struct cgroup_node *parent, const char *name);
int cgroup_dir_remove(int parent, const char *name, unsigned depth);
/* Ids in a cgroup.procs-like file. Returns how many there are, which may exceed `room`; or -errno.
 */
ssize_t cgroup_dir_ids(int dir, const char *file, pid_t *ids, size_t room);
/* The same, all of them; the caller frees. */
ssize_t cgroup_dir_all_ids(int dir, const char *file, pid_t **ret);
/* Calls `visit` for each child cgroup; its sum of non-negative results. */
int cgroup_dir_each_child(int dir, int (*visit)(int dir, const char *name, void *data), void *data);

/* ---- v1.c, v2.c: what differs between the versions ---- */

enum cgroup_counter {
    CGROUP_COUNT_TASKS,
    CGROUP_COUNT_TASKS_PEAK,
    CGROUP_COUNT_TASKS_REFUSED,
    CGROUP_COUNT_MEMORY,
    CGROUP_COUNT_MEMORY_PEAK,
    CGROUP_COUNT_OOM_KILLS,
    CGROUP_COUNT_CPU,
    CGROUP_COUNT_THROTTLED,
    CGROUP_COUNT_THROTTLED_NS,
    CGROUP_COUNT_STARVED_NS,
    CGROUP_COUNTERS
};

struct cgroup_source {   /* where a counter is read */
    const char *file;    /* preferred; may not exist on older kernels */
    const char *instead; /* then this one, or NULL */
    const char *key;     /* a line of it, or NULL: the whole file is the number */
    uint64_t scale;
    enum cgroup_resource resource;
};

struct cgroup_version {
    struct cgroup_source sources[CGROUP_COUNTERS];
    int (*set_memory)(int dir, uint64_t bytes);  /* UINT64_MAX: none */
    int (*set_weight)(int dir, unsigned weight); /* 1..10000, 100 the default */
    int (*set_quota)(int dir, uint64_t milli);   /* thousandths of a CPU, in periods of 100 ms; 10 at least */
    /* Starts a new memory peak on the open peak file. */
    int (*reset_memory_peak)(int fd);
};

extern const struct cgroup_version cgroup_v1, cgroup_v2;

static inline const struct cgroup_version *cgroup_version_of(const struct cgroup_tree *tree)
{
    return tree->v2 ? &cgroup_v2 : &cgroup_v1;
}

/* ---- libcg.c ---- */

/* Makes `<name>` (relative to the mount) in the v1 hierarchy of `controller` through libcgroup,
 * with memory.use_hierarchy where `memory`. -ENOSYS when libcgroup cannot say where that hierarchy
 * is. */
int cgroup_libcg_make(const char *controller, const char *mount, const char *name, bool memory);

/* ---- room.c ---- */

struct cgroup_room {          /* what was done to our own v2 cgroup, to be undone */
    bool supervisor, adopted; /* leaves made */
    unsigned enabled;         /* controllers turned on in its subtree_control */
};

/* Makes room for a cgroup with controllers below our own v2 cgroup; undone on failure. */
int cgroup_room_make(const struct cgroup_host *host, const struct cgroup_run_options *options,
                     struct cgroup_room *ret, struct err *err);
/* Puts everything back. */
int cgroup_room_undo(const struct cgroup_host *host, struct cgroup_room *room);
/* The same for what a dead run left: `id` is its. */
int cgroup_room_restore(const struct cgroup_tree *tree, const struct cgroup_id *id, bool adopted,
                        unsigned enabled);
/* Turns controllers on in a directory, one by one; returns those that were off and are on now. */
unsigned cgroup_room_enable(int dir, unsigned controllers);
/* Fails with the reason why no hierarchy can be used and what to do. */
int cgroup_room_refuse(const struct cgroup_host *host, struct err *err);

/* ---- run.c ---- */

struct cgroup_run {
    const struct cgroup_host *host;
    bool used[CGROUP_TREES_MAX];
    int tree_of[CGROUP_RESOURCES]; /* index of a used tree whose leaves have it, or -1 */
    int unified;                   /* index of the used v2 tree, or -1 */
    char name[CGROUP_NAME_MAX];
    struct cgroup_node top, control;
    struct cgroup_room room;
    unsigned only; /* cgroup_run_options.only */
    unsigned has;
    int notify_fd;
    pid_t warm_pid; /* warm.c; 0: none */
    char describe[160];
};

struct cgroup_leaf {
    struct cgroup_run *run;
    bool is_top; /* cgroup_run_options.only: the run's own directory, removed with it */
    char name[32];
    struct cgroup_node node;
    struct {
        int fd;
        bool absent;
    } files[CGROUP_COUNTERS];
    uint64_t tasks_peak_base, memory_peak_base; /* the kernel's at the last reset */
    int watches[2];
};

/* The directory whose cgroup.procs lists what lives in a node. */
int cgroup_node_listing(const struct cgroup_run *run, const struct cgroup_node *node);
int cgroup_set_limits(const struct cgroup_run *run, const struct cgroup_node *node,
                      const struct cgroup_limits *limits);

/* ---- birth.c ---- */

int cgroup_node_birth(const struct cgroup_run *run, const struct cgroup_node *node, struct cgroup_birth *ret);

/* ---- warm.c ---- */

/* Waits for the child of cgroup_run_warm(). */
void cgroup_run_warm_end(struct cgroup_run *run);

/* ---- kill.c, freeze.c ---- */

int cgroup_dir_kill(int dir); /* cgroup.kill, v2 */
void cgroup_dir_kill_by_pid(int dir,
                            int pids_dir); /* by SIGKILL; `pids_dir` (or -1) stops forks first */
int cgroup_node_kill(const struct cgroup_run *run, const struct cgroup_node *node);
int cgroup_node_freeze(const struct cgroup_run *run, const struct cgroup_node *node, bool frozen);
