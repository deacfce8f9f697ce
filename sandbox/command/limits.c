/* SPDX-License-Identifier: MIT */
/* The limits of a command: from a cgroup where one is to be had, else from the rungs below it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/command/internal.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/notify/clone_limit.h"

#define TASKS_RESERVE 8
#define TASKS_LEAST 16
#define TICK_NS (5 * NS_PER_MS)
#define REMOVE_MS 2000

static void resolve_auto(struct sandbox *sandbox)
{
    struct spec_limits *limits = &sandbox->spec.limits;
    struct cgroup_budget budget;

    if (limits->tasks != SPEC_AUTO && limits->memory_bytes != SPEC_AUTO && limits->cpu_milli != SPEC_AUTO)
        return;
    if (cgroup_host_budget(sandbox->host, &budget, NULL) < 0)
        budget = (struct cgroup_budget){.tasks_free = 512};
    if (limits->tasks == SPEC_AUTO)
        limits->tasks = budget.tasks_free > TASKS_RESERVE + TASKS_LEAST ? budget.tasks_free - TASKS_RESERVE : TASKS_LEAST;
    if (limits->memory_bytes == SPEC_AUTO)
        limits->memory_bytes = budget.memory_free_bytes / 10 * 9 / 4096 * 4096;
    if (limits->cpu_milli == SPEC_AUTO)
        limits->cpu_milli = 0;
}

static void note_cgroup(struct sandbox *sandbox, const struct err *why)
{
    snprintf(sandbox->cgroup_missing, sizeof(sandbox->cgroup_missing), "%.300s%s%.280s", why->message,
             *why->hint ? "\n  remedy: " : "", why->hint);
}

static unsigned limits_wanted(const struct sandbox_spec *spec)
{
    if (spec->observe)
        return CGROUP_HAS_TASKS | CGROUP_HAS_MEMORY;
    return (spec->limits.tasks ? CGROUP_HAS_TASKS : 0) | (spec->limits.memory_bytes ? CGROUP_HAS_MEMORY : 0) |
           (spec->limits.cpu_milli && spec->limits.cpu_milli != SPEC_AUTO ? CGROUP_HAS_CPU : 0);
}

int command_open_limits(struct sandbox *sandbox, bool adopt, struct err *err)
{
    unsigned wanted = limits_wanted(&sandbox->spec);
    int r;

    if (!wanted)
        return 0;
    r = cgroup_host_open(&sandbox->host, err);
    if (r < 0)
        return r;
    sandbox->adopt = adopt;
    sandbox->has = cgroup_host_offers(sandbox->host, wanted);
    if (sandbox->has == wanted) {
        resolve_auto(sandbox);
        return 0;
    }
    sandbox->has = 0;
    sandbox->swept = true;
    cgroup_host_sweep(sandbox->host);
    resolve_auto(sandbox);
    command_make_cgroup(sandbox);
    return 0;
}

void command_make_cgroup(struct sandbox *sandbox)
{
    struct cgroup_run_options options = {.adopt = sandbox->adopt, .only = limits_wanted(&sandbox->spec)};
    struct cgroup_limits limits = {0};
    struct err why = ERR_INIT;
    int r;

    if (!sandbox->host || sandbox->cgroup || *sandbox->cgroup_missing)
        return;
    sandbox->has = 0;
    if (cgroup_run_create(sandbox->host, &options, &sandbox->cgroup, &why) < 0) {
        note_cgroup(sandbox, &why);
        return;
    }
    sandbox->has = cgroup_run_has(sandbox->cgroup);
    if (!sandbox->spec.observe) {
        limits.tasks = sandbox->has & CGROUP_HAS_TASKS ? sandbox->spec.limits.tasks : 0;
        limits.memory_bytes = sandbox->has & CGROUP_HAS_MEMORY ? sandbox->spec.limits.memory_bytes : 0;
        limits.cpu_milli = sandbox->has & CGROUP_HAS_CPU ? sandbox->spec.limits.cpu_milli : 0;
    }
    r = cgroup_leaf_create(sandbox->cgroup, 1, &limits, &sandbox->leaf, &why);
    if (r == 0)
        r = cgroup_leaf_birth(sandbox->leaf, &sandbox->birth);
    if (r < 0) {
        cgroup_leaf_remove(sandbox->leaf);
        sandbox->leaf = NULL;
        sandbox->has = 0;
        note_cgroup(sandbox, &why);
    }
}

static const char *tasks_by(const struct sandbox *sandbox)
{
    switch (run_init_plan(sandbox->init)->task_limit) {
    case PLAN_TASKS_CGROUP:
        return "";
    case PLAN_TASKS_NPROC:
        return "tasks by RLIMIT_NPROC of an id of its own";
    case PLAN_TASKS_PID_MAX:
        return "tasks by pid_max of the pid namespace";
    case PLAN_TASKS_NOTIFY:
        return "tasks by answering each clone (seccomp notification)";
    case PLAN_TASKS_NONE:
        break;
    }
    return "";
}

void command_describe_limits(struct sandbox *sandbox)
{
    const char *by = tasks_by(sandbox), *cgroup = sandbox->cgroup ? cgroup_run_describe(sandbox->cgroup) : "";

    snprintf(sandbox->limits_by, sizeof(sandbox->limits_by), "%s%s%s", cgroup, *cgroup && *by ? "; " : "", by);
    snprintf(sandbox->missing, sizeof(sandbox->missing), "%s%s%s", run_init_missing(sandbox->init),
             *run_init_missing(sandbox->init) && *sandbox->cgroup_missing ? "\n" : "", sandbox->cgroup_missing);
}

unsigned command_limits(const struct sandbox *sandbox)
{
    const struct spec_limits *limits = &sandbox->spec.limits;

    if (sandbox->spec.observe)
        return 0;
    return (limits->tasks && sandbox->has & CGROUP_HAS_TASKS ? SPEC_BIT(SPEC_TASKS) : 0) |
           (limits->memory_bytes && sandbox->has & CGROUP_HAS_MEMORY ? SPEC_BIT(SPEC_MEMORY) : 0) |
           (limits->cpu_milli && sandbox->has & CGROUP_HAS_CPU ? SPEC_BIT(SPEC_CPU) : 0) |
           (sandbox->has & CGROUP_HAS_KILL ? SPEC_BIT(SPEC_KILL) : 0);
}

unsigned sandbox_gives(const struct sandbox *sandbox)
{
    const struct sandbox_plan *plan = run_init_plan(sandbox->init);
    unsigned gives = plan->gives | command_limits(sandbox);

    /* The command has been started, and no listener came: a filter around us has one. */
    if (sandbox->over && !sandbox->listened)
        gives &= ~SPEC_BIT(SPEC_DENIALS);
    if (plan->task_limit != PLAN_TASKS_NONE &&
        !(plan->task_limit == PLAN_TASKS_NOTIFY && sandbox->over && !sandbox->listened))
        gives |= SPEC_BIT(SPEC_TASKS);
    if (run_init_contained(sandbox->init))
        gives |= SPEC_BIT(SPEC_KILL);
    return gives;
}

const char *sandbox_missing(const struct sandbox *sandbox)
{
    return sandbox->missing;
}

const char *sandbox_limits_by(const struct sandbox *sandbox)
{
    return sandbox->limits_by;
}

/* The rungs that refuse without telling. */
static bool is_counted(const struct sandbox *sandbox)
{
    enum plan_task_limit by = sandbox->init ? run_init_plan(sandbox->init)->task_limit : PLAN_TASKS_NONE;

    return by == PLAN_TASKS_NPROC || by == PLAN_TASKS_PID_MAX;
}

/* Where the kernel keeps no peak it is read now and then. */
void command_tick(struct sandbox *sandbox)
{
    if (!sandbox->over && is_counted(sandbox))
        counted_look(&sandbox->counted, run_init_pid(sandbox->init), sandbox->spec.limits.tasks, clock_now_ns());
    if (sandbox->leaf && !sandbox->over && !sandbox->counters.tasks_peak_exact)
        cgroup_leaf_read(sandbox->leaf, CGROUP_READ_TASKS, &sandbox->counters);
}

uint64_t sandbox_tick_ns(const struct sandbox *sandbox)
{
    if (is_counted(sandbox))
        return COUNTED_TICK_NS;
    return sandbox->leaf && sandbox->has & CGROUP_HAS_TASKS && !sandbox->counters.tasks_peak_exact ? TICK_NS : 0;
}

void command_read_limits(struct sandbox *sandbox)
{
    struct sandbox_result *result = &sandbox->result;
    const struct spec_limits *limits = &sandbox->spec.limits;
    struct cgroup_counters *counters = &sandbox->counters;

    if (!sandbox->spec.observe) {
        result->tasks_limit = sandbox_gives(sandbox) & SPEC_BIT(SPEC_TASKS) ? limits->tasks : 0;
        result->memory_limit_bytes = sandbox->has & CGROUP_HAS_MEMORY ? limits->memory_bytes : 0;
    }
    if (sandbox->clones && clone_limit_refused(sandbox->clones)) {
        result->tasks_known = true;
        result->tasks_refused = clone_limit_refused(sandbox->clones);
        result->tasks_peak = limits->tasks;
        result->tasks_peak_exact = false;
    }
    if (is_counted(sandbox)) {
        result->tasks_known = result->tasks_counted = true;
        result->tasks_peak = sandbox->counted.peak;
        result->tasks_peak_exact = false;
    }
    if (!sandbox->leaf || cgroup_leaf_read(sandbox->leaf, CGROUP_READ_ALL, counters) < 0)
        return;
    result->tasks_known = sandbox->has & CGROUP_HAS_TASKS;
    result->tasks_peak = counters->tasks_peak;
    result->tasks_peak_exact = counters->tasks_peak_exact;
    result->tasks_refused = counters->tasks_refused;
    if (sandbox->has & CGROUP_HAS_MEMORY) {
        result->memory_known = true;
        result->memory_peak_bytes = counters->memory_peak_bytes;
        result->oom_kills = counters->oom_kills;
    }
    if (counters->cpu_ns > result->cpu_ns)
        result->cpu_ns = counters->cpu_ns;
}

void command_close_limits(struct sandbox *sandbox)
{
    cgroup_birth_done(&sandbox->birth);
    cgroup_leaf_remove(sandbox->leaf); /* the run's own directory: only its descriptors are closed */
    cgroup_run_destroy(sandbox->cgroup, REMOVE_MS);
    cgroup_host_free(sandbox->host);
}
