/* SPDX-License-Identifier: MIT */
#pragma once

/* The system calls whose arguments are looked at, and those that are never granted. Data. */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/learn/paths.h"

enum row_kind {
    ROW_PATHS,   /* changes what it names */
    ROW_OPEN,    /* flags in an argument */
    ROW_OPENAT2, /* flags in memory: the first member of struct open_how */
    ROW_CONNECT, /* an address in memory */
    ROW_BIND,
};

struct row_place {
    signed char dirfd,
        path; /* arguments; -1: none. Without a path the descriptor itself is meant */
    enum learn_need need;
};

struct row {
    const char *name;
    enum row_kind kind;
    signed char flags, address; /* arguments; the length of the address is in the next one */
    struct row_place places[2];
};

extern const struct row learn_rows[];
extern const size_t learn_nrows;

/* Opens what a sandbox is there to close. */
bool learn_is_dangerous(const char *call);
/* Each program that ends well, or is interrupted, or fails, may make these: learned whether seen or
 * not. NULL ends it. */
extern const char *const learn_always[];
/* The same by other names: which one is made depends on the C library, on what is there already, on
 * the environment. Where one was seen, all are granted, as far as the base allows them. Each is
 * words with a blank between; NULL ends it. */
extern const char *const learn_families[];
/* shunt's own, between the run's filter and the worker's. */
extern const char *const learn_worker_calls[];
