/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What this machine can enforce, found out by trying it in children with a time limit, never by versions or names. For
 * `shunt doctor`, for `--require`, and for the choice of rungs. Changes nothing that outlives the call.
 *
 * probe_machine() is the shell: it forks, so call it from a process with one thread, before anything else was started.
 * Everything else here is pure: a struct probe_result may as well be made up (tests/unit/test_probe.c does).
 */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/spec/spec.h"

struct err;

/* The ways in which a guarantee can be met, best first for each guarantee.
 * WHOLE: the kernel enforces the guarantee as its text says. PART: only some of it, or it is only observed: such a rung is
 * used where there is no better one, but satisfies neither a policy nor --require.
 * X(id, guarantee, "id in JSON" (never changes), WHOLE or PART, "name for people") */
#define PROBE_RUNGS(X)                                                                                                  \
    X(TASKS_CGROUP_V2, TASKS, "cgroup-v2", WHOLE, "cgroup v2 pids")                                                     \
    X(TASKS_CGROUP_V1, TASKS, "cgroup-v1", WHOLE, "cgroup v1 pids, read every 3 ms")                                    \
    X(TASKS_USERNS, TASKS, "userns-nproc", WHOLE, "user namespace + RLIMIT_NPROC")                                      \
    X(TASKS_PID_MAX, TASKS, "pid-max", WHOLE, "pid_max of a pid namespace (shunt exec)")                                \
    X(TASKS_UID, TASKS, "uid-nproc", WHOLE, "a uid of its own + RLIMIT_NPROC (a policy with one)")                       \
    X(TASKS_NOTIFY, TASKS, "notify", WHOLE, "seccomp notification on clone")                                            \
    X(TASKS_COUNT, TASKS, "count", PART, "counted in /proc, not limited")                                               \
    X(MEMORY_CGROUP_V2, MEMORY, "cgroup-v2", WHOLE, "cgroup v2 memory")                                                 \
    X(MEMORY_CGROUP_V1, MEMORY, "cgroup-v1", WHOLE, "cgroup v1 memory")                                                 \
    X(MEMORY_RLIMIT, MEMORY, "rlimit", PART, "RLIMIT_AS and RLIMIT_DATA: of each process, where a policy sets rlimits")                  \
    X(CPU_CGROUP_V2, CPU, "cgroup-v2", WHOLE, "cgroup v2 cpu")                                                          \
    X(CPU_CGROUP_V1, CPU, "cgroup-v1", WHOLE, "cgroup v1 cpu")                                                          \
    X(CPU_AFFINITY, CPU, "affinity", PART, "CPU affinity: whole CPUs, and a process may change it")                     \
    X(KILL_PIDNS, KILL, "pidns", WHOLE, "pid namespace: its init takes all with it")                                    \
    X(KILL_CGROUP, KILL, "cgroup-kill", WHOLE, "cgroup.kill")                                                           \
    X(KILL_LOOP, KILL, "cgroup-loop", WHOLE, "cgroup v1: killed in a loop")                                             \
    X(KILL_DESCENT, KILL, "descent", PART, "by descent (child subreaper): best effort")                                 \
    X(PID_ROOT, PID, "root", WHOLE, "pid namespace with its own /proc, as root")                                        \
    X(PID_USERNS, PID, "userns", WHOLE, "pid namespace with its own /proc, in a user namespace")                        \
    X(PID_BARE, PID, "bare", PART, "pid namespace without its own /proc: no signals, but they can be seen")             \
    X(MOUNT_ROOT, MOUNT, "root", WHOLE, "mount namespace, as root")                                                     \
    X(MOUNT_USERNS, MOUNT, "userns", WHOLE, "mount namespace, in a user namespace")                                     \
    X(IPC_ROOT, IPC, "root", WHOLE, "ipc namespace, as root")                                                           \
    X(IPC_USERNS, IPC, "userns", WHOLE, "ipc namespace, in a user namespace")                                           \
    X(UTS_ROOT, UTS, "root", WHOLE, "uts namespace, as root")                                                           \
    X(UTS_USERNS, UTS, "userns", WHOLE, "uts namespace, in a user namespace")                                           \
    X(NET_ROOT, NET, "root", WHOLE, "net namespace with loopback, as root")                                             \
    X(NET_USERNS, NET, "userns", WHOLE, "net namespace with loopback, in a user namespace")                             \
    X(USER_POOL, USER, "pool", WHOLE, "a user id of shunt's pool")                                                      \
    X(USER_USERNS, USER, "userns", PART, "user namespace: no power outside, but the caller's own id")                   \
    X(USER_OWN, USER, "own", PART, "the caller's own id, which is not root's")                                          \
    X(READONLY_RECURSIVE, READONLY, "recursive", WHOLE, "read-only root, recursive (mount_setattr)")                    \
    X(READONLY_REMOUNT, READONLY, "remount", WHOLE, "read-only mounts, one by one")                                     \
    X(READONLY_LANDLOCK, READONLY, "landlock", WHOLE, "Landlock alone")                                                 \
    X(TMP_OVERLAY, TMP, "overlay", WHOLE, "overlay over /tmp, or tmpfs")                                                \
    X(TMP_TMPFS, TMP, "tmpfs", WHOLE, "tmpfs; no overlay, so what was there is hidden")                                 \
    X(CAPS_DROP, CAPS, "drop", WHOLE, "all capability sets cut")                                                        \
    X(CAPS_NONE, CAPS, "none", WHOLE, "no capabilities to begin with")                                                  \
    X(SECCOMP_FILTER, SECCOMP, "filter", WHOLE, "seccomp filter")                                                       \
    X(DENIALS_NOTIFY, DENIALS, "notify", WHOLE, "user notification")                                                    \
    X(DENIALS_LOG, DENIALS, "log", PART, "the kernel's log, which drops lines under load")                              \
    X(LANDLOCK_RULES, LANDLOCK, "rules", WHOLE, "Landlock")                                                             \
    X(ABLE_NO_NEW_PRIVS, GUARANTEE_COUNT, "no-new-privs", WHOLE, "no_new_privs")                                        \
    X(ABLE_PROC, GUARANTEE_COUNT, "proc", WHOLE, "a /proc of its own")                                                  \
    X(ABLE_IDMAP, GUARANTEE_COUNT, "idmap", WHOLE, "idmapped mounts")                                                   \
    X(ABLE_NOTIFY_TASKS, GUARANTEE_COUNT, "cgroup-notify", WHOLE, "limit hits wake shunt")

enum probe_id {
#define X(id, guarantee, key, strength, name) PROBE_##id,
    PROBE_RUNGS(X)
#undef X
        PROBE_RUNG_COUNT
};

/* Rungs of no guarantee, which help others (PROBE_ABLE_x). */
#define PROBE_ABILITY ((enum spec_guarantee)SPEC_GUARANTEE_COUNT)

struct probe_rung {
    enum spec_guarantee guarantee; /* or PROBE_ABILITY */
    const char *key;               /* "cgroup-v2": for JSON */
    const char *name;              /* "cgroup v2 pids" */
    bool exact;                    /* WHOLE */
    bool tried;
    bool works;
    int errnum;       /* why not; 0 when it works, was not tried, or no system call failed */
    char detail[200]; /* why not, or how well ("refused at 4 of 4"), for people; may be "" */
};

struct probe_result {
    struct probe_rung rungs[PROBE_RUNG_COUNT]; /* by enum probe_id */

    char cgroup_mode[16];                      /* "v1", "hybrid", "v2", "none" */
    char cgroup_problem[512];                  /* why no cgroup can be made; "" */
    char cgroup_hint[512];                     /* and what to do about that */
    int cgroup_errnum;
    bool cgroup2;                              /* /sys/fs/cgroup is v2, whether or not we may write there */
    bool cgroup_readonly;                      /* and mounted read-only, as containers have it */
    char kernel[72];                           /* "6.18.44", as uname(2) has it */
    unsigned uid;                              /* effective */
    bool sysadmin;                             /* CAP_SYS_ADMIN is effective */
    bool in_container;                         /* as far as can be told */
    char container[16];                        /* "docker", "podman", "kubernetes", "lxc", ...; "": none or unknown */
    bool systemd;                              /* runs this machine */
    bool in_userns;                            /* we live in a user namespace that is not the first */
    int userns_clone;                          /* kernel.unprivileged_userns_clone; -1: no such setting */
    int userns_apparmor;                       /* kernel.apparmor_restrict_unprivileged_userns; -1 likewise */
    long userns_max;                           /* user.max_user_namespaces; -1 likewise */
    bool filtered;                             /* a seccomp filter of somebody else is on us */
    bool proc_masked;                          /* something is mounted below /proc */
    char proc_mask[48];                        /* the first such place */
    char confined[48];                         /* the AppArmor profile on us, "docker-default"; "": none */
    char lsm[128];                             /* /sys/kernel/security/lsm; "": not readable */
    int landlock_abi;
    unsigned took_ms;
};

struct probe_options {
    bool adopt_cgroup; /* as --adopt-cgroup of run: foreign processes may be moved for a moment */
    unsigned only;     /* SPEC_BIT()s that somebody asks for; 0: all. Rungs of others may stay untried. */
};

/* `options` NULL: defaults. About 100 ms on two processors; a trial that hangs is given up after twenty seconds. */
int probe_machine(const struct probe_options *options, struct probe_result *ret, struct err *err);

/* An empty result: every rung named, none tried. */
void probe_init(struct probe_result *result);
/* The best working rung of a guarantee; NULL: none. */
const struct probe_rung *probe_best(const struct probe_result *result, enum spec_guarantee guarantee);
/* Is the whole guarantee enforced here? */
bool probe_has(const struct probe_result *result, enum spec_guarantee guarantee);
/* SPEC_BIT()s of what the spec wants (spec_wants) and does not get here. A user id that the policy leaves to us
 * (SPEC_ID_AUTO) is met by an ordinary user's own. */
unsigned probe_unmet(const struct probe_result *result, const struct sandbox_spec *spec);

struct probe_advice {
    char better[80];   /* what would be had: "cgroup v2 pids" */
    char command[640]; /* an exact command, Docker flag or Kubernetes field for this machine */
};
/* What to do to get a guarantee (or a better rung of it) here. False when nothing better is to be had. */
bool probe_advise(const struct probe_result *result, enum spec_guarantee guarantee, struct probe_advice *ret);
/* One command for all of `bits` that is missing, where a container engine decides about it; false elsewhere. */
bool probe_advise_all(const struct probe_result *result, unsigned bits, char *buf, size_t size);
/* The command of the advice alone. */
bool probe_remedy(const struct probe_result *result, enum spec_guarantee guarantee, char *buf, size_t size);
/* Why no rung of a guarantee does all of it, in one line: errno and reason. */
void probe_reason(const struct probe_result *result, enum spec_guarantee guarantee, char *buf, size_t size);

/* "tasks,memory,net" for --require. An unknown name is ERR_USAGE with the nearest one. */
int probe_parse_requirements(const char *list, unsigned *ret_bits, unsigned *ret_without, struct err *err);
/* ERR_SANDBOX with what is missing, why, and the remedy, when not all of `bits` is enforced here. */
int probe_require(const struct probe_result *result, unsigned bits, struct err *err);
