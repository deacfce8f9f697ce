/* SPDX-License-Identifier: MIT */
#include "supervisor/run/isolation.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/caps/caps.h"
#include "sandbox/plan/plan.h"
#include "sandbox/plan/reach.h"
#include "sandbox/scratch/scratch.h"
#include "supervisor/config/paths.h"
#include "supervisor/config/sandbox_config.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/cpu.h"
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
    struct cgroup_run_options options = {.adopt = run->config->sandbox->adopt_cgroup};
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

static char *find_profile(const char *policies, const char *name)
{
    char *path = policies ? mem_printf("%s/seccomp/%s", policies, name) : NULL;

    if (path && access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* shunt's own plugin and library, where they lie below a /tmp that is empty inside: seen, and not to be written to, since
 * the next run would load what a test put there. */
static void show_ourselves(const struct run *run, struct sandbox_spec *spec)
{
    _cleanup_free_ char *enter = paths_find("libshunt-enter.so"), *runner = paths_find("shunt-runner");

    if (run->python)
        sandbox_config_show(spec, run->python, "shunt");
    if (enter)
        sandbox_config_show(spec, enter, "shunt");
    if (runner)
        sandbox_config_show(spec, runner, "shunt");
}

/* What asks for a sandbox in the same breath as for none; NULL: nothing. */
static const char *asks_for_a_sandbox(const struct sandbox_config *config)
{
    const unsigned limits = SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU) | SPEC_BIT(SPEC_KILL);

    return config->learn_path                        ? "--learn"
           : config->policy                          ? "--policy"
           : config->machine                         ? "--machine"
           : config->require & ~limits               ? "--require"
           : config->npaths                          ? "--write, --read-only, --hide or --tmpfs"
           : config->userns == SPEC_USERNS_ALWAYS    ? "--userns"
                                                     : NULL;
}

int isolation_load(struct run *run, struct err *err)
{
    const char *asks = run->config->no_sandbox ? asks_for_a_sandbox(run->config->sandbox) : NULL;

    if (asks) {
        err_set(err, ERR_USAGE, EINVAL, "%s and --sandbox=off contradict each other", asks);
        return err_hint(err, "leave one of them out: without a sandbox there are lanes, limits and reports alone");
    }
    if (run->config->no_sandbox) {
        spec_init(&run->spec);
        run->spec.demands = run->spec.asked = run->config->sandbox->require;
        return 0;
    }
    return sandbox_config_load(run->config->sandbox, &run->spec, err);
}

static unsigned limits_given(const struct run *run)
{
    unsigned has = run->cgroup ? cgroup_run_has(run->cgroup) : 0;

    return (has & CGROUP_HAS_TASKS ? SPEC_BIT(SPEC_TASKS) : 0) | (has & CGROUP_HAS_MEMORY ? SPEC_BIT(SPEC_MEMORY) : 0) |
           (has & CGROUP_HAS_CPU ? SPEC_BIT(SPEC_CPU) : 0) | (has & CGROUP_HAS_KILL ? SPEC_BIT(SPEC_KILL) : 0);
}

unsigned isolation_gives(const struct run *run)
{
    return run_init_plan(run->init)->gives | limits_given(run) | (counted_tasks(run) ? SPEC_BIT(SPEC_TASKS) : 0) |
           (run_init_contained(run->init) ? SPEC_BIT(SPEC_KILL) : 0);
}

static int start_init(struct run *run, struct err *err)
{
    _cleanup_free_ char *policies = sandbox_config_policies(), *cwd = getcwd(NULL, 0);
    _cleanup_free_ char *guard = find_profile(policies, "guard.json"), *worker = find_profile(policies, "worker.json");
    _cleanup_free_ char *seal = find_profile(policies, "seal.json");
    const char *keep[] = {scratch_directory(run->scratch), NULL};
    struct run_init_spec spec = {
        .spec = &run->spec,
        .cgroup = run->cgroup,
        .cgroup_tasks = run->cgroup && cgroup_run_has(run->cgroup) & CGROUP_HAS_TASKS,
        .cells = true,
        .learn = run->learn != NULL,
        .limits = limits_given(run),
        .limits_missing = run->missing,
        .cwd = cwd,
        .home = getenv("HOME"),
        .keep = keep,
        .guard_profile = guard,
        .worker_profile = worker,
        .seal_profile = seal,
    };

    if (!cwd)
        return io_no_cwd(err);
    show_ourselves(run, &run->spec);
    if (run->spec.tmp == SPEC_TMP_OVERLAY && (run->spec.uid == SPEC_ID_KEEP || geteuid() != 0))
        run->layers = scratch_make_on_disk();
    spec.scratch = run->layers;
    return run_init_start(&spec, &run->init, err);
}

static int check_reach(const struct run *run, const char *called, const char *path, struct err *err)
{
    const struct sandbox_plan *plan = run_init_plan(run->init);
    _cleanup_free_ char *real = path ? realpath(path, NULL) : NULL;
    struct reach reach;

    return real && reach_path(plan, real, &reach) < 0 ? reach_refuse(plan, called, real, &reach, err) : 0;
}

/* What a suite cannot do without; before anything runs, since Python's own words for it are a page of traceback. */
static int check_all_reach(const struct run *run, struct err *err)
{
    _cleanup_free_ char *program = run->config->from_path ? NULL : paths_of_command(run->config->command[0]);
    const char *slash = program ? strrchr(program, '/') : NULL;
    _cleanup_free_ char *directory = slash ? mem_printf("%.*s/", (int)(slash - program), program) : NULL;
    int r = check_reach(run, "the working directory", ".", err);

    /* A link of a virtual environment, too: else the next pytest in PATH would run, or none. */
    if (r == 0)
        r = check_reach(run, "the command's directory", directory, err);
    if (r == 0)
        r = check_reach(run, "the command", program, err);
    if (r == 0)
        r = check_reach(run, "shunt's own plugin", run->python, err);
    return r;
}

int isolation_open(struct run *run, struct err *err)
{
    int r;

    r = open_cgroup(run, err);
    if (r < 0)
        return r;
    cpu_open(run);
    if (run->cgroup)
        cgroup_run_warm(run->cgroup);
    r = start_init(run, err);
    if (r == 0)
        r = check_all_reach(run, err);
    if (r < 0)
        return r;
    if (!run->config->no_sandbox && *run_init_missing(run->init))
        note_missing(run, run_init_missing(run->init), "");
    if (*stall_why_not(run))
        note_missing(run, stall_why_not(run),
                     run_timeout_ns(run) ? "" : "give --timeout, which ends what hangs, too");
    return 0;
}

void isolation_close(struct run *run)
{
    scratch_remove_tree(run->layers);
    free(run->layers);
    free(run->python);
    scratch_free(run->scratch);
    spec_done(&run->spec);
}

static const char *capabilities(const struct sandbox_spec *spec)
{
    if (spec->caps == UINT64_MAX)
        return "";
    return spec->caps == CAPS_DOCKER && geteuid() == 0 ? "14 capabilities" : spec->caps ? "few capabilities" : "no capabilities";
}

/* "user, pid, mount namespaces", as far as there are any. */
static void describe_namespaces(const struct sandbox_plan *plan, char *text, size_t size)
{
    const struct {
        bool holds;
        const char *name;
    } namespaces[] = {
        {plan->identity == PLAN_ID_USERNS, "user"},        {plan->namespaces & CLONE_NEWPID, "pid"},
        {plan->namespaces & CLONE_NEWNS, "mount"},         {plan->namespaces & CLONE_NEWIPC, "ipc"},
        {plan->namespaces & CLONE_NEWUTS, "uts"},          {plan->namespaces & CLONE_NEWNET, "net"},
        {plan->namespaces & CLONE_NEWCGROUP, "cgroup"},
    };
    int at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
        if (namespaces[i].holds)
            at += snprintf(text + at, size - (size_t)at, "%s%s", at ? ", " : "", namespaces[i].name);
    if (at)
        snprintf(text + at, size - (size_t)at, " namespace%s", strchr(text, ',') ? "s" : "");
}

void isolation_describe(const struct run *run, char *text, size_t size)
{
    const struct sandbox_plan *plan = run_init_plan(run->init);
    const struct sandbox_spec *spec = &plan->spec;
    bool cells = run_init_cells(run->init);
    char namespaces[100];
    const struct {
        bool holds;
        const char *text;
    } words[] = {
        {true, namespaces},
        {plan->identity == PLAN_ID_SWITCH, "a user id of its own"},
        {spec->root_readonly, "read-only files"},
        {cells, plan->gives & SPEC_BIT(SPEC_TMP) ? plan->namespaces & CLONE_NEWNET
                                                       ? "each worker its own, with a user namespace, /tmp, /dev/shm and loopback"
                                                       : "each worker its own, with a user namespace, /tmp and /dev/shm"
                                                 : "each worker its own, with a user namespace"},
        {plan->filter.len, "seccomp"},
        {plan->landlock, "Landlock"},
        {*capabilities(spec), capabilities(spec)},
        {true, "no_new_privs"},
    };
    int at = snprintf(text, size, "%s: ", run->config->no_sandbox ? "no sandbox" : spec->name);

    describe_namespaces(plan, namespaces, sizeof(namespaces));
    for (size_t i = 0, n = 0; i < sizeof(words) / sizeof(words[0]) && at > 0 && (size_t)at < size; i++)
        if (i == 0 ? namespaces[0] != '\0' : words[i].holds)
            at += snprintf(text + at, size - (size_t)at, "%s%s", n++ ? "; " : "", words[i].text);
}
