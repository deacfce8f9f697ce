/* SPDX-License-Identifier: MIT */
/* `shunt policy check`: everything that a run would find wrong with a file, without the run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/policy.h"
#include "sandbox/policy/resolve.h"
#include "sandbox/seccomp/profile.h"

#define NOT_KNOWN "; calls that are not known here, so that refusing them does nothing: "

static int check_profile(const char *path, uint64_t caps, char **ret_unknown, struct err *err)
{
    struct seccomp_request request = {.path = path, .caps = caps};
    struct sock_fprog program;
    int r = seccomp_profile_compile(&request, &program, err);

    if (r < 0)
        return r;
    seccomp_profile_done(&program);
    *ret_unknown = seccomp_profile_unknown(path, caps);
    return 0;
}

static int check_policy(const struct policy_source *source, const char *name, char **ret_what, struct err *err)
{
    _cleanup_free_ char *unknown = NULL;
    struct sandbox_spec spec;
    int r = policy_load(source, name, NULL, &spec, err);

    if (r < 0)
        return r;
    if (spec.seccomp)
        r = check_profile(spec.seccomp, spec.caps, &unknown, err);
    if (r == 0)
        *ret_what = mem_printf("policy %s%s%s", spec.name, unknown ? NOT_KNOWN : "", unknown ? unknown : "");
    spec_done(&spec);
    return r;
}

static int check_machine(const char *path, char **ret_what, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    struct resolution res;
    int r = find_open(path, SCHEMA_MACHINE, &file, err);

    if (r < 0)
        return r;
    resolution_init(&res);
    r = resolution_apply_machine(&res, file.raw, &file.place, err);
    if (r == 0)
        *ret_what = mem_printf("machine %s", res.spec.machine);
    resolution_done(&res);
    return r;
}

static int check_project(const struct policy_source *source, const char *path, char **ret_what, struct err *err)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    struct policy_source within = {source->directories, path};
    const struct raw_project *project;
    int r = find_open_project(path, &file, err);

    if (r < 0)
        return r;
    project = file.raw;
    for (unsigned i = 0; i < project->npolicies; i++) {
        _cleanup_free_ char *what = NULL;

        r = check_policy(&within, project->policies[i].policy, &what, err);
        if (r < 0)
            return r;
    }
    if (project->policy) {
        _cleanup_free_ char *what = NULL;
        struct place at = place_below(&file.place, "policy");

        r = check_policy(&within, project->policy, &what, err);
        if (r == -ENOENT)
            return err_wrap(err, "%.180s:%u: policy", at.doc->name, at.node->line);
        if (r < 0)
            return r;
    }
    *ret_what = mem_printf("project file, %u %s", project->npolicies, project->npolicies == 1 ? "policy" : "policies");
    return 0;
}

static enum schema_kind sort_of(const struct document *doc)
{
    const char *slash = strrchr(doc->name, '/'), *base = slash ? slash + 1 : doc->name;

    if (strcmp(base, "shunt.yaml") == 0 || document_child(&doc->root, "policies"))
        return SCHEMA_PROJECT;
    if (document_child(&doc->root, "machine") && !document_child(&doc->root, "policy"))
        return SCHEMA_MACHINE;
    return SCHEMA_POLICY;
}

static bool has_ending(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return length > tail && strcmp(name + length - tail, ending) == 0;
}

int policy_check(const struct policy_source *source, const char *name, char **ret_what, struct err *err)
{
    _cleanup_document_ struct document *doc = NULL;
    int r;

    if (has_ending(name, ".json")) {
        _cleanup_free_ char *unknown = NULL;

        r = check_profile(name, UINT64_MAX, &unknown, err);
        if (r == 0)
            *ret_what = mem_printf("seccomp profile%s%s", unknown ? NOT_KNOWN : "", unknown ? unknown : "");
        return r;
    }
    if (!find_is_path(name, ".yaml"))
        return check_policy(source, name, ret_what, err);
    r = document_read(name, &doc, err);
    if (r < 0)
        return r;
    switch (sort_of(doc)) {
    case SCHEMA_PROJECT:
        return check_project(source, name, ret_what, err);
    case SCHEMA_MACHINE:
        return check_machine(name, ret_what, err);
    case SCHEMA_POLICY:
        break;
    }
    return check_policy(source, name, ret_what, err);
}

void policy_print_schema(FILE *out)
{
    schema_print(SCHEMA_POLICY, "policy", out);
    schema_print(SCHEMA_MACHINE, "machine", out);
    schema_print(SCHEMA_PROJECT, "project", out);
}
