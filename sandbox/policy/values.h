/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Values of policies and machines that YAML knows only as text: each is read from `text` into the member of the spec that it
 * is for, or complained about at `place` (what was found, what was expected). Pure.
 */
#include "sandbox/spec/spec.h"

struct err;
struct place;
struct document_node;

enum { VALUE_TASKS_MIN = 4, VALUE_TASKS_MAX = 4194304 }; /* a worker needs two to come into being; PID_MAX_LIMIT */

typedef int value_reader(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err);

value_reader value_limit_tasks, value_limit_memory, value_limit_cpus, value_limit_timeout;
value_reader value_tmpfs_size, value_umask, value_hostname, value_uid, value_gid;

/* "none", or a size of at least 4 KiB. */
int value_size(const struct place *place, const char *text, uint64_t *ret_bytes, struct err *err);
int value_rlimit(const struct place *place, int resource, const char *text, struct sandbox_spec *spec, struct err *err);
/* "none", "docker", "all", or a list of names. */
int value_capabilities(const struct place *place, struct sandbox_spec *spec, struct err *err);
/* "all", or a list of names and prefixes; appends to the parent's list, replaces its "all". */
int value_env_pass(const struct place *place, struct sandbox_spec *spec, struct err *err);
void value_list_clear(struct spec_list *list);
value_reader value_env_drop, value_env_set; /* one item */
/* A guarantee, or one with a minus in front that is taken out again. */
value_reader value_demand;
/* An absolute path, one relative to the working directory, or below ~/; a '?' at the end is cut off into *ret_optional.
 * `*ret` is malloc'ed. */
int value_path(const struct place *place, const char *text, char **ret, bool *ret_optional, struct err *err);
/* Of a policy, a machine or a profile: letters, digits, '.', '_' and '-', at most 64. */
bool value_is_name(const char *text);
