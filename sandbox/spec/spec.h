/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a sandbox shall be: the resolved content of a policy, and nothing about this machine. Policies fill it
 * (sandbox/policy), options of the command line change it, the plan (sandbox/plan) makes of it what the kernel is told.
 * Plain data: every pointer is owned by the spec; strings are never NULL unless said otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPEC_AUTO UINT64_MAX /* a limit that follows from the surroundings */
#define SPEC_ID_KEEP ((uint32_t)-1) /* user.uid: the caller's own */
#define SPEC_ID_AUTO ((uint32_t)-2) /* user.uid: as root an id of shunt's pool, else the caller's own */
#define SPEC_UMASK_KEEP ((mode_t)-1)

/* Guarantees: what a policy may demand, what `--require` names, what `shunt doctor` lists. One word each, in the order
 * in which they are shown. */
#define SPEC_GUARANTEES(X)                                                                         \
    X(TASKS, "tasks", "a limit on threads and processes")                                          \
    X(MEMORY, "memory", "a limit on memory")                                                       \
    X(CPU, "cpu", "a share of the CPUs")                                                           \
    X(KILL, "kill", "everything ends with the run, whatever it forked")                            \
    X(PID, "pid", "processes outside cannot be seen or signalled")                                 \
    X(MOUNT, "mount", "a file system view of its own")                                             \
    X(IPC, "ipc", "System V IPC and message queues of its own")                                    \
    X(UTS, "uts", "a host name of its own")                                                        \
    X(NET, "net", "a network of its own: loopback only")                                           \
    X(USER, "user", "not the caller's or root's user id on the host")                              \
    X(READONLY, "readonly", "files outside the named paths cannot be written")                     \
    X(TMP, "tmp", "a /tmp and a /dev/shm of its own")                                              \
    X(CAPS, "caps", "no more capabilities than the policy names")                                  \
    X(SECCOMP, "seccomp", "a filter of system calls")                                              \
    X(DENIALS, "denials", "refused system calls are named")                                        \
    X(LANDLOCK, "landlock", "Landlock rules on files, as a second wall")

enum spec_guarantee {
#define X(id, name, text) SPEC_##id,
    SPEC_GUARANTEES(X)
#undef X
        SPEC_GUARANTEE_COUNT
};

#define SPEC_BIT(g) (1u << (g))

const char *spec_guarantee_name(enum spec_guarantee g); /* "tasks" */
const char *spec_guarantee_text(enum spec_guarantee g); /* "a limit on threads and processes" */
/* The line of a policy that asks for it: "network: loopback". */
const char *spec_guarantee_key(enum spec_guarantee g);
/* The guarantee of that name, or -EINVAL. */
int spec_guarantee_parse(const char *name);

enum spec_userns { SPEC_USERNS_AUTO, SPEC_USERNS_NEVER, SPEC_USERNS_ALWAYS };
enum spec_network { SPEC_NET_HOST, SPEC_NET_LOOPBACK, SPEC_NET_NONE };
enum spec_workdir { SPEC_WORKDIR_AS_IS, SPEC_WORKDIR_READONLY, SPEC_WORKDIR_OVERLAY };
/* /tmp and /var/tmp: the host's, an overlay of it whose changes are thrown away, or a fresh tmpfs. */
enum spec_tmp { SPEC_TMP_HOST, SPEC_TMP_OVERLAY, SPEC_TMP_FRESH };

enum spec_path_kind { SPEC_PATH_READONLY, SPEC_PATH_WRITABLE, SPEC_PATH_HIDDEN, SPEC_PATH_TMPFS };

struct spec_path {
    enum spec_path_kind kind;
    char *path;          /* absolute, or relative to the working directory; "~/" is the caller's HOME */
    uint64_t size_bytes; /* TMPFS: its limit; 0: the default of sandbox/mounts */
    bool optional;       /* it need not exist */
    char *origin;        /* for messages: "policies/hardened.yaml:12", "--write"; may be NULL */
};

struct spec_list { /* of strings */
    char **items;
    size_t n, room;
};

#define SPEC_RLIMITS(X) \
    X(AS, "as") X(CORE, "core") X(CPU, "cpu") X(DATA, "data") X(FSIZE, "fsize") X(LOCKS, "locks") X(MEMLOCK, "memlock") \
    X(MSGQUEUE, "msgqueue") X(NICE, "nice") X(NOFILE, "nofile") X(NPROC, "nproc") X(RSS, "rss") X(RTPRIO, "rtprio") \
    X(RTTIME, "rttime") X(SIGPENDING, "sigpending") X(STACK, "stack")

#define SPEC_RLIMIT_COUNT 16 /* RLIM_NLIMITS of Linux; index is RLIMIT_x */
const char *spec_rlimit_name(int resource); /* "nofile"; NULL for no such resource */
int spec_rlimit_parse(const char *name);    /* RLIMIT_x or -EINVAL */

struct spec_limits { /* 0: none; SPEC_AUTO: from the surroundings */
    uint64_t tasks;
    uint64_t memory_bytes;
    uint64_t cpu_milli;  /* thousandths of a CPU; AUTO: none */
    uint64_t timeout_ns; /* exec: wall time of the command; run: of one test */
};

struct sandbox_spec {
    char *name;    /* of the policy: "hardened" */
    char *summary; /* one line; may be "" */

    bool observe; /* measures, enforces nothing: limits are reported, not set */

    /* namespaces */
    bool ns_pid, ns_mount, ns_ipc, ns_uts, ns_cgroup, ns_time;
    enum spec_userns userns;
    enum spec_network network;
    char *hostname; /* "": as it is; needs ns_uts */

    /* files */
    bool root_readonly;
    struct spec_path *paths;
    size_t npaths, paths_room;
    enum spec_tmp tmp;
    bool shm_private;        /* a /dev/shm of its own (per worker) */
    uint64_t tmpfs_size_bytes; /* of fresh /tmp and /dev/shm; 0: the kernel's default */
    bool dev_minimal;        /* a /dev with null, zero, full, random, urandom, tty, pts, shm only */
    bool mask_kernel;        /* parts of /proc and /sys are hidden or read-only, as container engines do */
    enum spec_workdir workdir;
    bool landlock;

    /* environment, applied in this order: pass, drop, set */
    bool env_pass_all;
    struct spec_list env_pass; /* names or prefixes ending in '*'; counts when !env_pass_all */
    struct spec_list env_drop; /* likewise */
    struct spec_list env_set;  /* "NAME=value" */

    /* privileges */
    uint64_t caps;     /* bits of capabilities(7) that may be kept; never more than the caller has */
    uint32_t uid, gid; /* a number, SPEC_ID_KEEP or SPEC_ID_AUTO */
    bool tty;          /* may keep the caller's terminal; else a session of its own and no tty descriptor */
    mode_t umask;      /* or SPEC_UMASK_KEEP */
    struct {
        bool set;
        uint64_t value; /* soft and hard; UINT64_MAX: unlimited; never above the caller's hard limit */
    } rlimits[SPEC_RLIMIT_COUNT];

    char *seccomp; /* path of the profile, found already; NULL: no filter */
    bool notify;   /* refused calls are named by user notification where possible */

    struct spec_limits limits;
    char *machine; /* "github-hosted" or "": whose numbers the limits are */

    unsigned demands; /* SPEC_BIT()s: what the policy (or --require) cannot do without */
    unsigned asked;   /* those of them that --require alone wants */
};

/* A spec with the values of "no policy at all": everything as it is, all capabilities, no limits. */
void spec_init(struct sandbox_spec *spec);
void spec_done(struct sandbox_spec *spec);
/* Deep copy. */
void spec_copy(struct sandbox_spec *to, const struct sandbox_spec *from);
/* Appends; strings are copied. `origin` may be NULL. */
void spec_add_path(struct sandbox_spec *spec, enum spec_path_kind kind, const char *path, uint64_t size_bytes,
                   bool optional, const char *origin);
void spec_clear_paths(struct sandbox_spec *spec);
void spec_list_add(struct spec_list *list, const char *text);
/* What the spec asks for, as guarantees (ns_pid: PID and KILL, limits.tasks: TASKS, ...), whether demanded or not. */
unsigned spec_wants(const struct sandbox_spec *spec);
/* Replaces a string member. */
void spec_set_text(char **member, const char *text);

/* The environment for the payload: `base` (NAME=value, NULL at the end) after pass, drop and set. NULL-terminated, in one
 * malloc'ed block of pointers and strings of their own; free with spec_environment_free(). `keep` (may be NULL): names
 * (NULL-terminated) that pass whatever the policy says, for what shunt itself needs inside. */
char **spec_environment(const struct sandbox_spec *spec, char *const base[], const char *const keep[]);
void spec_environment_free(char **env);
