/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Seccomp profiles in the OCI runtime's JSON format, compiled to BPF in memory. What is read: defaultAction,
 * defaultErrnoRet, and syscalls with names, action, errnoRet and args (SCMP_CMP_EQ, NE, MASKED_EQ…). Names that this
 * kernel's architecture does not have are left out. Calls of other architectures (i386, x32) get ENOSYS.
 */
#include <linux/filter.h>

struct err;

/* Reads and compiles `path`. `ret->filter` is malloc'ed; free it with seccomp_profile_done(). ERR_USAGE names file, line or
 * rule, and what was expected. */
int seccomp_profile_compile(const char *path, struct sock_fprog *ret, struct err *err);
void seccomp_profile_done(struct sock_fprog *program);
