/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Policies: YAML files read by a schema, extended by name, resolved to a struct sandbox_spec.
 *
 * A name is looked for in this order: the project's shunt.yaml (its `policies:`), then NAME.yaml in each directory
 * given. A policy that extends its own name means the next of that name in this order, so that a project can change a
 * policy and keep the rest of it. A name with a slash or ending in .yaml is a file. Machines (machines/NAME.yaml)
 * hold the numbers of known CI machines. Every error is ERR_USAGE and says file:line: key: what was found, and what
 * was expected.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "sandbox/spec/spec.h"

struct err;

struct policy_source {
    const char *const *directories; /* NULL-terminated; each holds *.yaml, seccomp/, machines/ */
    const char *project_file;       /* shunt.yaml; NULL: none */
};

/* Reads, extends, resolves. `machine`: NULL, or the name of one whose numbers win. `ret` is the caller's to
 * spec_done(). */
int policy_load(const struct policy_source *source, const char *name, const char *machine,
                struct sandbox_spec *ret, struct err *err);

/* The policy that a project's shunt.yaml says is its default (`policy: NAME`); NULL: it says none. Malloc'ed. */
int policy_project_default(const struct policy_source *source, char **ret, struct err *err);

struct policy_entry {
    char *name, *summary, *path;
    bool machine; /* one of machines/ */
};
/* Everything that can be named, policies first, sorted. What cannot be read is listed with its error as the summary. */
int policy_list(const struct policy_source *source, struct policy_entry **ret, size_t *ret_n, struct err *err);
void policy_list_free(struct policy_entry *entries, size_t n);

/* The resolved spec in the same YAML that policy files are written in, complete, with where each value came from as a
 * comment where known. Malloc'ed. */
char *policy_print(const struct sandbox_spec *spec);

/* Reads a file as what it is (a policy, a machine, a project's file, a seccomp profile by its ending .json), or a
 * name as policy_load() does, and resolves all that is in it, system call filters included. `ret_what`: "policy
 * hardened", malloc'ed. */
int policy_check(const struct policy_source *source, const char *name, char **ret_what, struct err *err);

/* Every key of policies, machines and project files, one a line with what it takes: "policy files.tmp
 * host|overlay|fresh". */
void policy_print_schema(FILE *out);
