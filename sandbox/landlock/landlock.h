/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Landlock rules (landlock(7), Linux 5.13): a second wall behind the mounts. Compiled to a flat block without pointers,
 * so that it can travel in a memfd to a forked worker, which opens the paths in its own view and restricts itself: a
 * rule names what is mounted where it is opened, not what is below. Only apply.c is needed there; it links nothing but
 * the C library.
 *
 * Rights that the running kernel does not know are left out, so every ABI from 1 up works: 1 refuses renames from one
 * directory to another (EXDEV) whatever the rules say, below 3 truncate(2) is not handled, below 5 device ioctls, below
 * 6 signals and abstract sockets.
 */
#include <stddef.h>

#include "sandbox/spec/spec.h"

/* The kernel's Landlock ABI; 0: none. */
int landlock_abi(void);

struct landlock_rules { /* position-independent; the rest is an affair of compile.c and apply.c */
    uint32_t bytes;     /* of the whole block */
    uint32_t nrules;
    unsigned char data[];
};

/* Read and execute everywhere below "/"; write below the writable paths, tmpfs, a working directory that is an overlay,
 * /tmp, /var/tmp, /dev/shm, on the harmless devices and to files of /proc (what the mounts leave of it); everywhere,
 * where the root is not read-only. No connecting to abstract sockets and no signals outside (ABI 6). `cwd` and `home`
 * as for mounts; `extra_writable` NULL-terminated, may be NULL. Malloc'ed; *ret NULL when spec->landlock is off. */
int landlock_compile(const struct sandbox_spec *spec, const char *cwd, const char *home,
                     const char *const *extra_writable, struct landlock_rules **ret);
/* Restricts the calling thread, for good; no_new_privs must be set. Paths that do not exist, or in which a symbolic
 * link has appeared since, are skipped. Async-signal-safe. `bytes` bounds what is read of `rules`, which may come from
 * a hostile hand: -EINVAL when it makes no sense. 0 or -errno (-EOPNOTSUPP: ABI 0). */
int landlock_apply(const struct landlock_rules *rules, size_t bytes);
