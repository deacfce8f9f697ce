/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/policy.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/resolve.h"
#include "sandbox/policy/values.h"

enum { CHAIN_MAX = 8 };

struct load {
    const struct policy_source *source;
    struct resolution res;
};

/* A policy that waits for its parent: on the stack of load_file(). */
struct link {
    const struct policy_file *file;
    const struct link *child;
    unsigned depth;
};

static bool same_policy(const struct policy_file *a, const struct policy_file *b)
{
    return strcmp(a->doc->name, b->doc->name) == 0 && strcmp(a->policy->policy, b->policy->policy) == 0;
}

/* "a -> b -> a", from the one that was named. */
static char *chain_text(const struct link *link, const char *last)
{
    char *text = mem_strdup(last);

    for (; link; link = link->child) {
        char *longer = mem_printf("%s -> %s", link->file->policy->policy, text);

        free(text);
        text = longer;
    }
    return text;
}

static int check_chain(const struct link *link, const struct policy_file *parent, const struct place *at,
                       struct err *err)
{
    _cleanup_free_ char *chain = chain_text(link, parent->policy->policy);

    for (const struct link *l = link; l; l = l->child)
        if (same_policy(l->file, parent)) {
            place_complain(at, err, "\"%.64s\": the chain comes back to where it was: %.200s",
                           parent->policy->policy, chain);
            return err_hint(err, "expected a chain that ends with a policy that extends nothing");
        }
    if (link->depth >= CHAIN_MAX)
        return place_complain(at, err, "\"%.64s\": expected a chain of at most %d policies: %.200s",
                              parent->policy->policy, CHAIN_MAX, chain);
    return 0;
}

static int load_machine(struct load *load, const char *name, const char *directory, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    int r = find_machine(load->source, name, directory, &file, err);

    if (r < 0)
        return r;
    return resolution_apply_machine(&load->res, file.raw, &file.place, err);
}

static int load_file(struct load *load, const struct policy_file *file, const struct link *child, struct err *err);

static int load_parent(struct load *load, const struct link *link, struct err *err)
{
    _cleanup_policy_file_ struct policy_file parent = {0};
    const struct policy_file *file = link->file;
    struct place at = place_below(&file->place, "extends");
    const char *name = file->policy->extends;
    /* A policy that extends its own name means the next one that is called so. */
    bool own = strcmp(name, file->policy->policy) == 0 && file->rank != SIZE_MAX;
    int r = find_policy(load->source, name, own ? file->rank + 1 : 0, file->directory, &parent, err);

    if (r == -ENOENT)
        return err_wrap(err, "%.180s:%u: extends", at.doc->name, at.node->line);
    if (r == 0)
        r = check_chain(link, &parent, &at, err);
    if (r == 0)
        r = load_file(load, &parent, link, err);
    return r;
}

static int load_file(struct load *load, const struct policy_file *file, const struct link *child, struct err *err)
{
    struct link link = {.file = file, .child = child, .depth = child ? child->depth + 1 : 1};
    struct place at = place_below(&file->place, "machine");
    int r = file->policy->extends ? load_parent(load, &link, err) : 0;

    if (r == 0)
        r = resolution_clear(&load->res, file->policy, &file->place, err);
    if (r == 0 && file->policy->machine) {
        r = load_machine(load, file->policy->machine, file->directory, err);
        if (r == -ENOENT)
            return err_wrap(err, "%.180s:%u: %s", at.doc->name, at.node->line, at.path);
    }
    if (r == 0)
        r = resolution_apply(&load->res, file->policy, &file->place, file->directory, err);
    return r;
}

static int load_all(struct load *load, const struct policy_file *file, const char *machine, struct sandbox_spec *ret,
                    struct err *err)
{
    int r;

    resolution_init(&load->res);
    r = load_file(load, file, NULL, err);
    if (r == 0 && machine)
        r = load_machine(load, machine, NULL, err);
    if (r == 0)
        r = resolution_finish(&load->res, load->source, err);
    if (r == 0) {
        *ret = load->res.spec;
        load->res.spec = (struct sandbox_spec){0};
    }
    resolution_done(&load->res);
    return r;
}

int policy_load(const struct policy_source *source, const char *name, const char *machine, struct sandbox_spec *ret,
                struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    struct load load = {.source = source};
    int r = find_policy(source, name, 0, NULL, &file, err);

    return r < 0 ? r : load_all(&load, &file, machine, ret, err);
}

int policy_project_default(const struct policy_source *source, char **ret, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0}, named = {0};
    const struct raw_project *project;
    struct place at;
    int r = find_open_project(source->project_file, &file, err);

    if (r < 0)
        return r;
    project = file.raw;
    at = place_below(&file.place, "policy");
    if (project->policy && !value_is_name(project->policy) && !find_is_path(project->policy, ".yaml"))
        return place_complain(&at, err, "\"%.80s\": expected the name of a policy", project->policy);
    if (project->policy && (r = find_policy(source, project->policy, 0, NULL, &named, err)) < 0)
        return r == -ENOENT ? err_wrap(err, "%.180s:%u: policy", at.doc->name, at.node->line) : r;
    *ret = project->policy ? mem_strdup(project->policy) : NULL;
    return 0;
}
