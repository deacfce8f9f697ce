/* SPDX-License-Identifier: MIT */
/* The same for programs. docs/doctor.md has the schema; what is there keeps its name and meaning within a version. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "sandbox/probe/probe.h"
#include "supervisor/doctor/doctor.h"

#define SCHEMA_VERSION 1

/* Text of this machine that is no UTF-8 (a cgroup's path) must not spoil the document. */
static json_t *text_or_null(const char *text)
{
    json_t *value = text && *text ? json_string(text) : json_null();

    return value ? value : json_string("?");
}

static json_t *setting(long value)
{
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *names_of(unsigned bits)
{
    json_t *list = json_array();

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (bits & SPEC_BIT(g))
            json_array_append_new(list, json_string(spec_guarantee_name(g)));
    return list;
}

static json_t *rung_of(const struct probe_rung *rung)
{
    const char *name = rung->errnum ? strerrorname_np(rung->errnum) : NULL;

    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o}", "id", rung->key, "name", rung->name, "whole", rung->exact,
                     "tried", rung->tried, "works", rung->works, "errno", text_or_null(name), "detail",
                     text_or_null(rung->detail));
}

static json_t *rungs_of(const struct probe_result *result, enum spec_guarantee g)
{
    json_t *list = json_array();

    for (int i = 0; i < PROBE_RUNG_COUNT; i++)
        if (result->rungs[i].guarantee == g)
            json_array_append_new(list, rung_of(&result->rungs[i]));
    return list;
}

static json_t *guarantee_of(const struct probe_result *result, enum spec_guarantee g)
{
    const struct probe_rung *best = probe_best(result, g);
    struct probe_advice advice;
    char why[600] = "";
    json_t *better = json_null();

    if (!probe_has(result, g))
        probe_reason(result, g, why, sizeof(why));
    if (probe_advise(result, g, &advice))
        better = json_pack("{s:s, s:o}", "what", advice.better, "command", text_or_null(advice.command));
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "name", spec_guarantee_name(g), "text",
                     spec_guarantee_text(g), "met", probe_has(result, g), "by", text_or_null(best ? best->key : NULL),
                     "reason", text_or_null(why), "better", better, "rungs", rungs_of(result, g));
}

static json_t *machine_of(const struct probe_result *result)
{
    return json_pack("{s:s, s:i, s:b, s:s, s:b, s:o, s:b, s:b, s:b, s:o, s:o, s:i, s:{s:o, s:o, s:o}}", "kernel",
                     result->kernel, "uid", (int)result->uid, "sysadmin", result->sysadmin, "cgroup",
                     result->cgroup_mode, "in_container", result->in_container, "container",
                     text_or_null(result->container), "user_namespace", result->in_userns, "seccomp_filter",
                     result->filtered, "systemd", result->systemd, "proc_mask", text_or_null(result->proc_mask),
                     "apparmor", text_or_null(result->confined), "landlock_abi", result->landlock_abi, "settings",
                     "unprivileged_userns_clone", setting(result->userns_clone),
                     "apparmor_restrict_unprivileged_userns", setting(result->userns_apparmor), "max_user_namespaces",
                     setting(result->userns_max));
}

static void add_library(void *arg, const char *name, const char *version)
{
    json_object_set_new(arg, name, json_string(version));
}

int doctor_print_json(FILE *out, const struct doctor *doctor)
{
    json_t *guarantees = json_array(), *libraries = json_object(), *root;
    int r;

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        json_array_append_new(guarantees, guarantee_of(doctor->result, g));
    doctor_libraries(add_library, libraries);
    root = json_pack("{s:i, s:s, s:o, s:{s:o, s:o, s:b, s:o, s:o}, s:o, s:o, s:o, s:o, s:i}", "version", SCHEMA_VERSION,
                     "shunt", SHUNT_VERSION, "machine", machine_of(doctor->result), "policy", "name",
                     text_or_null(doctor->spec->name), "machine", text_or_null(doctor->spec->machine), "met",
                     doctor->unmet == 0, "wants", names_of(doctor->wants), "unmet", names_of(doctor->unmet),
                     "guarantees", guarantees, "abilities", rungs_of(doctor->result, PROBE_ABILITY), "policies",
                     text_or_null(doctor->policies), "libraries", libraries, "took_ms", (int)doctor->result->took_ms);
    if (!root)
        return -ENOMEM;
    r = json_dumpf(root, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
    json_decref(root);
    return r;
}
