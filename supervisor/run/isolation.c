/* SPDX-License-Identifier: MIT */
#include "supervisor/run/isolation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "supervisor/config/paths.h"
#include "supervisor/run/scratch.h"
#include "supervisor/run/state.h"

/* One line each, and the remedy on its own below it. */
static void note_missing(struct run *run, const char *text, const char *hint)
{
    size_t at = strlen(run->missing);

    snprintf(run->missing + at, sizeof(run->missing) - at, "%s%s%s%s", at ? "\n" : "", text,
             *hint ? "\n  remedy: " : "", hint);
}

static int open_cgroup(struct run *run, struct err *err)
{
    struct cgroup_run_options options = {.adopt = run->config->adopt_cgroup};
    struct err why = ERR_INIT;
    int r = cgroup_host_open(&run->host, err);

    if (r < 0)
        return r;
    cgroup_host_sweep(run->host);
    if (cgroup_run_create(run->host, &options, &run->cgroup, &why) < 0)
        note_missing(run, why.message, why.hint);
    /* Ours alone: a shunt that a test starts has to ask for itself. */
    unsetenv("SHUNT_SCOPE");
    return 0;
}

int isolation_open(struct run *run, struct err *err)
{
    _cleanup_free_ char *profile = paths_find("policies/seccomp/default.json");
    struct run_init_spec spec = {.want = run->config->no_sandbox ? 0 : ~0u,
                                 .seccomp_profile = run->config->no_sandbox ? NULL : profile};
    int r;

    scratch_sweep();
    r = open_cgroup(run, err);
    if (r < 0)
        return r;
    spec.cgroup = run->cgroup;
    if (run->cgroup)
        cgroup_run_warm(run->cgroup);
    r = run_init_start(&spec, &run->init, err);
    if (r < 0)
        return r;
    if (!run->config->no_sandbox && *run_init_missing(run->init))
        note_missing(run, run_init_missing(run->init), "");
    if (*stall_why_not(run))
        note_missing(run, stall_why_not(run),
                     run->config->timeout_ns ? "" : "give --timeout, which ends what hangs, too");
    return 0;
}

void isolation_describe(unsigned has, char *text, size_t size)
{
    const struct {
        unsigned bit;
        const char *text;
    } words[] = {
        {RUN_INIT_PID_NS, "pid namespace"},   {RUN_INIT_MOUNT_NS, "mount namespace"},
        {RUN_INIT_IPC_NS, "ipc namespace"},   {RUN_INIT_CELLS, "a cell for each worker"},
        {RUN_INIT_CGROUP_RO, "cgroup files read-only"}, {RUN_INIT_SECCOMP, "seccomp"},
        {RUN_INIT_CAPS, geteuid() == 0 ? "14 capabilities" : "no capabilities"},
    };
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && at < size; i++)
        if (has & words[i].bit)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", words[i].text);
    if (at < size)
        snprintf(text + at, size - at, "%sno_new_privs", at ? ", " : "");
}
