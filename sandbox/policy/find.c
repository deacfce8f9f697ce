/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/policy/names.h"
#include "sandbox/policy/policy.h"
#include "sandbox/policy/values.h"

void policy_file_done(struct policy_file *file)
{
    if (file->raw)
        schema_free(file->kind, file->raw);
    document_free(file->doc);
    free(file->directory);
    *file = (struct policy_file){0};
}

bool find_is_path(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return strchr(name, '/') || (length > tail && strcmp(name + length - tail, ending) == 0);
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_printf("%.*s", (int)(slash - path), path);
}

static char *join_path(const char *directory, const char *path)
{
    if (*path == '/' || !directory || strcmp(directory, ".") == 0)
        return mem_strdup(path);
    return mem_printf("%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", path);
}

/* ---- opening ----------------------------------------------------------------------------- */

static int check_name(const struct place *place, const char *key, const char *name, struct err *err)
{
    struct place at = place_below(place, key);

    if (value_is_name(name))
        return 0;
    return place_complain(&at, err, "\"%.80s\": expected a name of letters, digits, -, _ and . (at most 64)", name);
}

/* The most likely mix-ups get a better word than "unknown key". */
static int check_sort(enum schema_kind kind, const struct place *root, struct err *err)
{
    bool policy = document_child(root->node, "policy"), machine = document_child(root->node, "machine");

    if (kind == SCHEMA_POLICY && document_child(root->node, "policies")) {
        place_complain(root, err, "is a project file (policies: ...): expected a policy");
        return err_hint(err, "its policies are known by name where it is the project's shunt.yaml");
    }
    if (kind == SCHEMA_POLICY && machine && !policy) {
        place_complain(root, err, "is a machine: expected a policy");
        return err_hint(err, "machines are named with --machine, or in a policy with machine: NAME");
    }
    if (kind == SCHEMA_MACHINE && policy)
        return place_complain(root, err, "is a policy: expected a machine");
    return 0;
}

int find_open(const char *path, enum schema_kind kind, struct policy_file *ret, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {.kind = kind, .rank = SIZE_MAX};
    int r = document_read(path, &file.doc, err);

    if (r < 0)
        return r;
    file.place = place_root(file.doc);
    file.directory = directory_of(path);
    r = check_sort(kind, &file.place, err);
    if (r == 0)
        r = schema_load(kind, file.doc, &file.raw, err);
    if (r < 0)
        return r;
    if (kind == SCHEMA_POLICY)
        file.policy = file.raw;
    if (kind == SCHEMA_POLICY)
        r = check_name(&file.place, "policy", file.policy->policy, err);
    else if (kind == SCHEMA_MACHINE)
        r = check_name(&file.place, "machine", ((struct raw_machine *)file.raw)->machine, err);
    if (r < 0)
        return r;
    *ret = file;
    file = (struct policy_file){0};
    return 0;
}

int find_open_project(const char *path, struct policy_file *ret, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    const struct raw_project *project;
    struct place list;
    int r = find_open(path, SCHEMA_PROJECT, &file, err);

    if (r < 0)
        return r;
    project = file.raw;
    list = place_below(&file.place, "policies");
    for (unsigned i = 0; i < project->npolicies; i++) {
        struct place item = place_item(&list, i), name = place_below(&item, "policy");

        r = check_name(&item, "policy", project->policies[i].policy, err);
        for (unsigned k = 0; r == 0 && k < i; k++)
            if (strcmp(project->policies[k].policy, project->policies[i].policy) == 0)
                r = place_complain(&name, err, "\"%.64s\" is there twice: expected a name of its own",
                                   project->policies[i].policy);
        if (r < 0)
            return r;
    }
    file.rank = 0;
    *ret = file;
    file = (struct policy_file){0};
    return 0;
}

/* ---- policies ---------------------------------------------------------------------------- */

static int find_in_project(const char *path, const char *name, struct policy_file *ret, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    const struct raw_project *project;
    struct place list;
    int r = find_open_project(path, &file, err);

    if (r < 0)
        return r;
    project = file.raw;
    list = place_below(&file.place, "policies");
    for (unsigned i = 0; i < project->npolicies; i++) {
        if (strcmp(project->policies[i].policy, name) != 0)
            continue;
        file.policy = &project->policies[i];
        file.place = place_item(&list, i);
        *ret = file;
        file = (struct policy_file){0};
        return 0;
    }
    return -ENOENT;
}

/* DIR/NAME.yaml, which must be called so inside, too: a name in a report shall lead to its file. */
static int open_named(const char *path, const char *name, enum schema_kind kind, struct policy_file *ret,
                      struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    const char *key = kind == SCHEMA_POLICY ? "policy" : "machine", *inside;
    struct place at;
    int r = find_open(path, kind, &file, err);

    if (r < 0)
        return r;
    inside = kind == SCHEMA_POLICY ? file.policy->policy : ((struct raw_machine *)file.raw)->machine;
    at = place_below(&file.place, key);
    if (strcmp(inside, name) != 0)
        return place_complain(&at, err, "\"%.64s\": expected %.64s, as the file is called", inside, name);
    *ret = file;
    file = (struct policy_file){0};
    return 0;
}

static int no_such(const char *what, const char *name, const struct name_list *known, struct err *err)
{
    const char *nearest = nearest_word(name, (const char *const *)known->names);
    _cleanup_free_ char *all = name_list_join(known);

    err_set(err, ERR_USAGE, ENOENT, "there is no %s \"%.80s\"", what, name);
    if (nearest)
        return err_hint(err, "did you mean %s?", nearest);
    return *all ? err_hint(err, "known are %.400s", all) : err_hint(err, "none is known here");
}

static int no_policy(const struct policy_source *source, const char *name, struct err *err)
{
    struct name_list known = {0};
    size_t length = strlen(name);
    int r;

    if (length > 5 && strcmp(name + length - 5, ".json") == 0) {
        err_set(err, ERR_USAGE, EINVAL, "\"%.200s\" is no policy: a seccomp profile goes under \"seccomp:\" in one", name);
        return err_hint(err, "as FILE.yaml, for --policy FILE.yaml:\n    policy: own\n    extends: standard\n    seccomp: \"%.200s%.200s\"",
                        strchr(name, '/') ? "" : "./", name);
    }
    names_of_policies(source, &known);
    r = no_such("policy", name, &known, err);
    name_list_done(&known);
    return r;
}

int find_policy(const struct policy_source *source, const char *name, size_t rank, const char *directory,
                struct policy_file *ret, struct err *err)
{
    if (find_is_path(name, ".yaml")) {
        _cleanup_free_ char *path = join_path(directory, name);

        return find_open(path, SCHEMA_POLICY, ret, err);
    }
    if (rank == 0 && source->project_file && value_is_name(name)) {
        int r = find_in_project(source->project_file, name, ret, err);

        if (r != -ENOENT)
            return r;
        rank = 1;
    }
    for (size_t i = rank ? rank - 1 : 0; source->directories && source->directories[i] && value_is_name(name); i++) {
        _cleanup_free_ char *path = mem_printf("%s/%s.yaml", source->directories[i], name);
        int r;

        if (access(path, F_OK) < 0)
            continue;
        r = open_named(path, name, SCHEMA_POLICY, ret, err);
        if (r == 0)
            ret->rank = i + 1;
        return r;
    }
    return no_policy(source, name, err);
}

/* ---- machines, profiles ------------------------------------------------------------------ */

int find_machine(const struct policy_source *source, const char *name, const char *directory, struct policy_file *ret,
                 struct err *err)
{
    struct name_list known = {0};
    int r;

    if (find_is_path(name, ".yaml")) {
        _cleanup_free_ char *path = join_path(directory, name);

        return find_open(path, SCHEMA_MACHINE, ret, err);
    }
    for (size_t i = 0; source->directories && source->directories[i] && value_is_name(name); i++) {
        _cleanup_free_ char *path = mem_printf("%s/machines/%s.yaml", source->directories[i], name);

        if (access(path, F_OK) == 0)
            return open_named(path, name, SCHEMA_MACHINE, ret, err);
    }
    names_below(source, "machines", ".yaml", &known);
    r = no_such("machine", name, &known, err);
    name_list_done(&known);
    return r;
}

/* Absolute, so that it stays the same file wherever it is opened from, or printed to. */
static int take_real_path(const char *path, char **ret, struct err *err)
{
    char *real = realpath(path, NULL);

    if (!real)
        return err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
    *ret = real;
    return 0;
}

int find_profile(const struct policy_source *source, const char *name, const char *directory, char **ret_path,
                 struct err *err)
{
    struct name_list known = {0};
    int r;

    if (find_is_path(name, ".json")) {
        _cleanup_free_ char *path = join_path(directory, name);

        if (access(path, R_OK) < 0) {
            err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
            return err_hint(err, "the path of a profile is relative to the policy's file; without .json it is one of shunt's own: "
                            "default, tight");
        }
        return take_real_path(path, ret_path, err);
    }
    for (size_t i = 0; source->directories && source->directories[i] && value_is_name(name); i++) {
        _cleanup_free_ char *path = mem_printf("%s/seccomp/%s.json", source->directories[i], name);

        if (access(path, R_OK) == 0)
            return take_real_path(path, ret_path, err);
    }
    names_below(source, "seccomp", ".json", &known);
    r = no_such("seccomp profile", name, &known, err);
    name_list_done(&known);
    return r;
}
