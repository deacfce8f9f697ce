/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Seccomp profiles to BPF, in memory. Two formats are read, and files may mix them: that of the OCI runtime
 * specification (linux.seccomp: defaultAction, defaultErrnoRet, architectures, flags, syscalls) and Docker's own (moby,
 * and Podman's dialect of it: archMap, errno by name, rules with includes and excludes by capability, architecture and
 * kernel). What a profile asks for and we do not do (listenerPath, SCMP_ACT_TRACE, ...) is an error that names it,
 * never silence.
 *
 * Each program begins with the same gate, whatever the profiles say:
 *   - calls of another architecture (i386 on x86_64), and numbers with the x32 bit, get ENOSYS. Profiles may list such
 *     architectures, as Docker's do; their calls are not let through.
 *   - clone3 gets ENOSYS, quietly (it never notifies): its flags lie in memory, where no filter sees them, and every
 *     libc falls back to clone.
 *   - number -1 goes on: no call is made, a tracer has skipped one.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SECCOMP_PATHS_MAX 8

struct seccomp_request {
    const char *path;         /* one file; or */
    const char *const *paths; /* several, NULL-terminated, made into one program: the strongest answer wins, as if they
                                 were stacked in this order. First the allow list, then deny lists. */
    uint64_t caps;            /* what the payload will have: includes and excludes of Docker's format ask for it */
    const char *const *permit; /* NULL, or names (NULL-terminated) that go on whatever the files say: what shunt itself
                                  needs inside before it stacks another filter ("setns" for workers that are forked) */
    bool notify;  /* refusals by errno become notifications (SECCOMP_RET_USER_NOTIF), but for the quiet ones */
    bool log_all; /* --learn: everything notifies, but sendmsg, with which the listener is handed over (so it
                     is never seen), and clone3. No path is needed; those given are checked. */
};

/* Reads, compiles, merges. `ret->filter` is malloc'ed; free it with seccomp_profile_done(). ERR_USAGE names file, line,
 * rule, key, and what was expected. A program that was compiled when shunt was built (see seccomp_profile_save) is used
 * instead of compiling where it fits exactly. */
int seccomp_profile_compile(const struct seccomp_request *request, struct sock_fprog *ret, struct err *err);
void seccomp_profile_done(struct sock_fprog *program);

/* Compiles all requests, which begin with the same file NAME.json, and writes NAME.bpf beside it (whole, by rename).
 * The loader uses an entry only where the content of every file, their number, the machine's architecture, permit,
 * notify and, if the profiles ask for them, capabilities and kernel version are the same. A .bpf is trusted like its
 * NAME.json: it must have the same owner and be no more writable. */
int seccomp_profile_save(const struct seccomp_request *requests, size_t n, struct err *err);
/* Looks only for such a program: -ENOENT where there is none that fits. seccomp_profile_compile() does this first. */
int seccomp_profile_load_saved(const struct seccomp_request *request, struct sock_fprog *ret);

/* What a program answers to a call, without running it: a SECCOMP_RET_* value with its data. `arch` is AUDIT_ARCH_*.
 * A program that the kernel would not load gives SECCOMP_RET_KILL_PROCESS; any bytes are safe to evaluate. With `args` NULL so
 * does a program that looks at more of the call than its number and architecture: what is left holds for all of them. */
uint32_t seccomp_evaluate(const struct sock_fprog *program, uint32_t arch, uint32_t nr, const uint64_t args[6]);
/* Of two answers the one that the kernel obeys when `newer` was stacked on `older`. */
uint32_t seccomp_strongest(uint32_t older, uint32_t newer);

/* AUDIT_ARCH_* that this build runs on. */
uint32_t seccomp_native_arch(void);
/* "openat" for a number of `arch` (AUDIT_ARCH_*), or "syscall 451" in `buf`. */
const char *seccomp_syscall_name(uint32_t arch, uint32_t nr, char *buf, size_t size);
/* The number of a name on the native architecture; -ENOENT: not a call of it, but of another; -EINVAL: of none known.
 */
int seccomp_syscall_number(const char *name);

/* The calls that a profile refuses and that nobody here knows, which therefore does nothing: "a, b"; NULL: none. Malloc'ed. */
char *seccomp_profile_unknown(const char *path, uint64_t caps);

/* --- for people: shunt policy explain --- */

#define SECCOMP_CASES_MAX 40

struct seccomp_case {
    uint32_t answer;   /* SECCOMP_RET_* with its data: the refusing form, also when the request says notify */
    char word[24];     /* "allowed", "EPERM", "kills the process", "logged" */
    char when[160];    /* "with CLONE_NEWUSER in argument 0"; "" in the first case */
    char profile[128]; /* the file that says so: "seccomp/guard.json"; "" when shunt itself does (gate, permit) */
};

struct seccomp_explanation {
    int nr;              /* on this machine; -1: not a call of this architecture */
    bool known;          /* some file names the call; else it gets the default */
    struct seccomp_case cases[SECCOMP_CASES_MAX]; /* [0]: when no condition on arguments holds */
    size_t ncases;
    char text[4096];     /* all of it, one line a case: "clone: allowed (seccomp/default.json)\n  with CLONE_NEWUSER in
                            argument 0: EPERM (seccomp/guard.json)\n" */
};

/* What the request's program gives a system call. ERR_USAGE for a name that nobody knows, or a bad profile. */
int seccomp_explain(const struct seccomp_request *request, const char *name, struct seccomp_explanation *ret,
                    struct err *err);
/* "allowed", "EPERM", "notified": the word for an answer, in `buf`. */
const char *seccomp_answer_word(uint32_t answer, char *buf, size_t size);
