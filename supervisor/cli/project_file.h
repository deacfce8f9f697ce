/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The project's shunt.yaml, beside its policies: profiles, which are options under their own names, and rules. What is wrong
 * is said with file, line and key.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "sandbox/policy/document.h"

struct err;
struct option_row;

#define PROJECT_FILE "shunt.yaml"
#define PROJECT_PROFILE "default"

struct project_setting {
    const char *key; /* name of an option */
    struct place place;
    const char *profile;
};

struct project_file {
    struct document *doc; /* NULL: there is none */
    struct project_setting *settings; /* of the profile, the general ones first: the last of a key counts */
    size_t n, room;
    const char *profiles[16]; /* the chosen one, and what it inherits from */
    size_t nprofiles;
};

/* May a profile have this key, where it is an option? */
bool project_file_takes(const char *key);
/* Reads `path` and the profile `name` (NULL: default). No file is no error, unless a profile was named. */
int project_file_open(struct project_file *file, const char *path, const char *name, struct err *err);
void project_file_done(struct project_file *file);

/* Gives the settings to the options of `table`; their texts live as long as the file. */
int project_file_apply(const struct project_file *file, const struct option_row *table, void *target, struct err *err);
