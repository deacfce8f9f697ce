/* SPDX-License-Identifier: MIT */
/* What can be named: for `shunt policy list`, and for people who look for a name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/names.h"
#include "sandbox/policy/policy.h"

struct entries {
    struct policy_entry *rows;
    size_t n, room;
};

static void add_entry(struct entries *entries, const char *name, const char *summary, const char *path, bool machine)
{
    mem_grow(&entries->rows, &entries->room, entries->n + 1, sizeof(*entries->rows));
    entries->rows[entries->n++] = (struct policy_entry){
        .name = mem_strdup(name), .summary = mem_strdup(summary), .path = mem_strdup(path), .machine = machine};
}

static const char *summary_of(const struct policy_file *file)
{
    const char *summary = file->policy ? file->policy->summary : ((const struct raw_machine *)file->raw)->summary;

    return summary ? summary : "";
}

static void add_policy(const struct policy_source *source, const char *name, struct entries *entries)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    struct err err = ERR_INIT;

    if (find_policy(source, name, 0, NULL, &file, &err) < 0)
        add_entry(entries, name, err.message, "", false);
    else
        add_entry(entries, name, summary_of(&file), file.doc->name, false);
}

static void add_machine(const struct policy_source *source, const char *name, struct entries *entries)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    struct err err = ERR_INIT;

    if (find_machine(source, name, NULL, &file, &err) < 0)
        add_entry(entries, name, err.message, "", true);
    else
        add_entry(entries, name, summary_of(&file), file.doc->name, true);
}

int policy_list(const struct policy_source *source, struct policy_entry **ret, size_t *ret_n, struct err *err)
{
    struct policy_source readable = *source;
    struct entries entries = {0};
    struct name_list names = {0};
    struct err broken = ERR_INIT;

    /* A broken project file must not hide what was shipped. */
    if (source->project_file) {
        _cleanup_policy_file_ struct policy_file project = {0};

        if (find_open_project(source->project_file, &project, &broken) < 0) {
            add_entry(&entries, source->project_file, broken.message, source->project_file, false);
            readable.project_file = NULL;
        }
    }
    names_of_policies(&readable, &names);
    for (size_t i = 0; i < names.n; i++)
        add_policy(&readable, names.names[i], &entries);
    name_list_done(&names);
    names_below(&readable, "machines", ".yaml", &names);
    for (size_t i = 0; i < names.n; i++)
        add_machine(&readable, names.names[i], &entries);
    name_list_done(&names);
    if (entries.n == 0) {
        err_set(err, ERR_USAGE, ENOENT, "no policies were found");
        return err_hint(err, "shunt's own are beside it, in share/shunt/policies; $SHUNT_DATADIR says where else");
    }
    *ret = entries.rows;
    *ret_n = entries.n;
    return 0;
}

void policy_list_free(struct policy_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(entries[i].name);
        free(entries[i].summary);
        free(entries[i].path);
    }
    free(entries);
}
