/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The schemas of policies, machines and project files, for libcyaml, and the plain structs that it fills. Nothing is decided
 * here: a NULL or 0 is a key that was absent; texts are read by values.c. Two keys that YAML may give as a word or as a list
 * (capabilities, environment.pass), are checked and read from the document itself.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "sandbox/spec/spec.h"

struct document;
struct err;
struct place;

enum { RAW_ABSENT, RAW_NO, RAW_YES }; /* an enum value of the spec is kept as itself plus one */

struct raw_list {
    char **items;
    unsigned n;
};

struct raw_tmpfs {
    char *path, *size;
};

struct raw_limits {
    char *tasks, *memory, *cpus, *timeout;
};

struct raw_policy {
    char *policy, *summary, *extends, *machine;
    struct raw_list clear;
    unsigned observe;
    struct {
        unsigned pid, mount, ipc, uts, cgroup, time, user;
    } namespaces;
    unsigned network;
    struct {
        unsigned root;
        struct raw_list readonly, writable, hidden;
        struct raw_tmpfs *tmpfs;
        unsigned ntmpfs;
        unsigned tmp, shm, dev, kernel, workdir;
        char *tmpfs_size;
    } files;
    unsigned landlock;
    struct {
        struct raw_list drop, set;
    } environment;
    struct {
        char *uid, *gid;
    } user;
    unsigned terminal;
    char *umask, *hostname;
    char *rlimits[SPEC_RLIMIT_COUNT];
    char *seccomp;
    unsigned denials;
    struct raw_limits limits;
    struct raw_list require;
};

struct raw_machine {
    char *machine, *summary, *source;
    char *cpus, *memory, *tasks, *shm;
};

struct raw_project {
    char *policy;
    struct raw_policy *policies;
    unsigned npolicies;
};

enum schema_kind { SCHEMA_POLICY, SCHEMA_MACHINE, SCHEMA_PROJECT };

/* `ret` becomes a struct raw_policy, raw_machine or raw_project, to be freed with schema_free(). */
int schema_load(enum schema_kind kind, const struct document *doc, void **ret, struct err *err);
void schema_free(enum schema_kind kind, void *raw);

/* A line for each key: "WORD files.tmp host|overlay|fresh". */
void schema_print(enum schema_kind kind, const char *word, FILE *out);
