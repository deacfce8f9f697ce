/* SPDX-License-Identifier: MIT */
#pragma once

/* Where policies, machines and profiles are. See policy.h for the order. */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/policy/document.h"
#include "sandbox/policy/schema.h"

struct err;
struct policy_source;

/* A file that was read, and the policy in it that is meant. */
struct policy_file {
    struct document *doc;
    enum schema_kind kind;
    void *raw;
    const struct raw_policy *policy; /* NULL: a machine */
    struct place place;              /* of the policy */
    char *directory;                 /* of the file */
    size_t rank;                     /* 0: the project's file, n: directory n-1, SIZE_MAX: named by its path */
};

void policy_file_done(struct policy_file *file);
#define _cleanup_policy_file_ __attribute__((cleanup(policy_file_done)))

/* A policy by name, looked for from `rank` on; or by path, relative to `directory` (NULL: where we are). -ENOENT with `err`
 * filled when there is none. */
int find_policy(const struct policy_source *source, const char *name, size_t rank, const char *directory,
                struct policy_file *ret, struct err *err);
int find_machine(const struct policy_source *source, const char *name, const char *directory, struct policy_file *ret,
                 struct err *err);
int find_profile(const struct policy_source *source, const char *name, const char *directory, char **ret_path,
                 struct err *err);

/* A project's file with its policies checked for names. */
int find_open_project(const char *path, struct policy_file *ret, struct err *err);
/* Reads a file of its own. */
int find_open(const char *path, enum schema_kind kind, struct policy_file *ret, struct err *err);

/* Is it a path (a slash in it, or the ending)? */
bool find_is_path(const char *name, const char *ending);
