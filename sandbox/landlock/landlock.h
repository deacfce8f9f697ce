/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Landlock rules (landlock(7)): a second wall behind the mounts. Compiled to a flat block without pointers, so that it can
 * travel in a memfd to a forked worker, which opens the paths in its own view and restricts itself.
 */
#include <stddef.h>

#include "sandbox/spec/spec.h"

/* The kernel's Landlock ABI; 0: none. */
int landlock_abi(void);

struct landlock_rules { /* position-independent */
    uint32_t bytes;     /* of the whole block */
    uint32_t nrules;
    unsigned char data[];
};

/* Read and execute everywhere below "/", write below the writable paths, tmpfs, /tmp, /var/tmp, /dev/shm and on the harmless
 * devices; no connecting to abstract sockets and no signals outside (ABI 6). `cwd` and `home` as for mounts; `extra_writable`
 * NULL-terminated, may be NULL. Malloc'ed; *ret NULL when spec->landlock is off. */
int landlock_compile(const struct sandbox_spec *spec, const char *cwd, const char *home,
                     const char *const *extra_writable, struct landlock_rules **ret);
/* Restricts the calling thread, for good; no_new_privs must be set. Paths that do not exist are skipped. Async-signal-safe.
 * `bytes` bounds what is read of `rules`, which may come from a hostile hand. 0 or -errno (-EOPNOTSUPP: ABI 0). */
int landlock_apply(const struct landlock_rules *rules, size_t bytes);
