/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Seccomp profiles to BPF, in memory. Two formats are read and told apart by their content: that of the OCI runtime
 * specification (linux.seccomp: defaultAction, defaultErrnoRet, architectures, flags, syscalls) and Docker's own (moby:
 * archMap, and rules with includes and excludes by capability, architecture and kernel). What a profile asks for and we
 * do not do (listenerPath, SCMP_ACT_TRACE, ...) is an error that names it, never silence.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct seccomp_request {
    const char *path;
    uint64_t caps;   /* what the payload will have: Docker's includes and excludes ask for it */
    bool notify;     /* refused calls notify instead of failing at once, but for those whose refusal everybody expects
                        (clone3) */
    bool log_all;    /* --learn: everything notifies, but what handing over the listener needs */
};

/* Reads and compiles. `ret->filter` is malloc'ed; free it with seccomp_profile_done(). ERR_USAGE names file, line where
 * known, key, and what was expected. A program that was compiled when shunt was built (NAME.bpf beside NAME.json, made by
 * seccomp_profile_save, same content of the JSON, same architecture, same request) is used instead of compiling. */
int seccomp_profile_compile(const struct seccomp_request *request, struct sock_fprog *ret, struct err *err);
void seccomp_profile_done(struct sock_fprog *program);

/* What a program answers to a call, without running it: a SECCOMP_RET_* value with its data. `arch` is AUDIT_ARCH_*. */
uint32_t seccomp_evaluate(const struct sock_fprog *program, uint32_t arch, uint32_t nr, const uint64_t args[6]);

/* "openat" for a number of `arch` (AUDIT_ARCH_*), or "syscall 451" in `buf`. */
const char *seccomp_syscall_name(uint32_t arch, uint32_t nr, char *buf, size_t size);
