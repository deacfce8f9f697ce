/* SPDX-License-Identifier: MIT */
/* What "auto" means here: the surroundings' free share, divided by the slots. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/state.h"

#define TASKS_MIN 16
#define TASKS_MAX 512
#define WORKERS_MAX 256

static unsigned limits_enforced(const struct run *run)
{
    if (run->cgroup)
        return cgroup_run_has(run->cgroup);
    return counted_tasks(run) ? CGROUP_HAS_TASKS : 0;
}

static bool says(uint64_t value)
{
    return value && value != SPEC_AUTO;
}

/* A machine's numbers bound the whole run, as that machine would. */
static void bound_by_machine(const struct sandbox_spec *spec, struct cgroup_budget *budget)
{
    const struct spec_limits *limits = &spec->limits;

    if (!*spec->machine)
        return;
    if (says(limits->tasks) && limits->tasks < budget->tasks_free) {
        budget->tasks_free = budget->tasks_total = limits->tasks;
        snprintf(budget->tasks_bound, sizeof(budget->tasks_bound), "machine %.100s", spec->machine);
    }
    if (says(limits->memory_bytes) && limits->memory_bytes < budget->memory_free_bytes)
        budget->memory_free_bytes = limits->memory_bytes;
    if (says(limits->cpu_milli) && (double)limits->cpu_milli / 1000 < budget->cpus)
        budget->cpus = (double)limits->cpu_milli / 1000;
}

/* A policy's own numbers are those of each worker. */
static uint64_t of_worker(const struct run *run, uint64_t given, uint64_t policy)
{
    if (given != RUN_CONFIG_AUTO || *run->spec.machine || !says(policy))
        return given;
    return policy;
}

/* What is neither a test's nor a slot's: keepers, standby, intermediates, the controller's and our own threads. */
static uint64_t tasks_reserve(unsigned workers)
{
    return 8 + 2 * ((uint64_t)workers + 2);
}

static unsigned workers_wanted(const struct run *run, const struct cgroup_budget *budget)
{
    uint64_t n = run->config->workers;

    if (n == RUN_CONFIG_UNSET && run->options.n >= 0)
        n = run->options.n ? (uint64_t)run->options.n : 1;
    if (n >= RUN_CONFIG_UNSET) /* auto or still unset */
        n = budget->cpus < 1 ? 1 : (uint64_t)budget->cpus;
    if (run->options.n_max && run->config->workers == RUN_CONFIG_UNSET && n > (uint64_t)run->options.n_max)
        n = (uint64_t)run->options.n_max;
    if (n > WORKERS_MAX)
        n = WORKERS_MAX;
    if (n > run->suite.count)
        n = run->suite.count;
    return n ? (unsigned)n : 1;
}

static uint64_t per_slot(uint64_t free_tasks, unsigned workers)
{
    uint64_t reserve = tasks_reserve(workers);

    return free_tasks > reserve ? (free_tasks - reserve) / workers : 0;
}

/* Where 16 tasks each cannot be had, fewer slots, and a line that says so. */
static void resolve_tasks(struct run *run, const struct cgroup_budget *budget)
{
    struct run_limits *limits = &run->limits;
    unsigned wanted = limits->workers;
    uint64_t share, given = of_worker(run, run->config->tasks, run->spec.limits.tasks);

    while (limits->workers > 1 && per_slot(budget->tasks_free, limits->workers) < TASKS_MIN)
        limits->workers--;
    share = per_slot(budget->tasks_free, limits->workers);
    limits->share_tasks = share;
    if (limits->workers < wanted)
        snprintf(limits->notice, sizeof(limits->notice),
                 "%u worker%s instead of %u: %s leaves %" PRIu64 " tasks free, and a worker needs %d",
                 limits->workers, limits->workers == 1 ? "" : "s", wanted, budget->tasks_bound,
                 budget->tasks_free, TASKS_MIN);
    if (given != RUN_CONFIG_AUTO)
        limits->tasks = given;
    else
        limits->tasks = share < TASKS_MIN ? TASKS_MIN : share > TASKS_MAX ? TASKS_MAX : share;
    share = budget->tasks_free > tasks_reserve(1) ? budget->tasks_free - tasks_reserve(1) : 0;
    limits->serial_tasks = run->config->serial_tasks != RUN_CONFIG_AUTO ? run->config->serial_tasks
                           : share < limits->tasks                      ? limits->tasks
                                                                        : share;
}

static void resolve_memory(struct run *run, const struct cgroup_budget *budget)
{
    struct run_limits *limits = &run->limits;
    uint64_t usable = budget->memory_free_bytes / 10 * 9;
    uint64_t page = 4096, share = usable / limits->workers / page * page;
    uint64_t given = of_worker(run, run->config->memory_bytes, run->spec.limits.memory_bytes);

    limits->share_memory_bytes = share;
    limits->memory_bytes = given != RUN_CONFIG_AUTO ? given : share;
    limits->serial_memory_bytes = run->config->serial_memory_bytes != RUN_CONFIG_AUTO
                                      ? run->config->serial_memory_bytes
                                      : usable / page * page;
}

static void resolve_counts(struct run *run)
{
    struct run_limits *limits = &run->limits;
    const struct run_config *config = run->config;

    /* xdist's default of four restarts a worker exists since its restarts are dear; ours cost milliseconds. */
    limits->max_worker_restart = UINT64_MAX;
    if (config->max_worker_restart != RUN_CONFIG_UNSET)
        limits->max_worker_restart = config->max_worker_restart;
    else if (run->options.max_worker_restart >= 0)
        limits->max_worker_restart = (uint64_t)run->options.max_worker_restart;
    limits->max_fail = config->max_fail != RUN_CONFIG_UNSET ? config->max_fail
                                                            : (uint64_t)run->options.max_fail;
}

static bool was_given(uint64_t value)
{
    return value != RUN_CONFIG_AUTO && value != 0;
}

static size_t count_own(const struct suite *suite, unsigned has)
{
    size_t n = 0;

    for (size_t i = 0; i < suite->count; i++)
        n += (suite->tests[i].tasks && !(has & CGROUP_HAS_TASKS)) ||
             (suite->tests[i].memory_bytes && !(has & CGROUP_HAS_MEMORY));
    return n;
}

/* Limits that nothing here can enforce are none, for the header as for the detector. */
static void drop_unenforced(struct run_limits *limits, unsigned has)
{
    if (!(has & CGROUP_HAS_TASKS))
        limits->tasks = limits->serial_tasks = 0;
    if (!(has & CGROUP_HAS_MEMORY))
        limits->memory_bytes = limits->serial_memory_bytes = 0;
}

void limits_say_unenforced(struct run *run)
{
    const struct run_config *config = run->config;
    unsigned has = limits_enforced(run);
    const struct {
        const char *option;
        uint64_t value;
        unsigned needs;
    } options[] = {
        {"--tasks", config->tasks, CGROUP_HAS_TASKS},
        {"--serial-tasks", config->serial_tasks, CGROUP_HAS_TASKS},
        {"--memory", config->memory_bytes, CGROUP_HAS_MEMORY},
        {"--serial-memory", config->serial_memory_bytes, CGROUP_HAS_MEMORY},
    };
    /* Where there is no cgroup, that is the first thing missing; --quiet has not shown it. */
    const char *why = run->cgroup ? "our cgroup lacks the controller" : run->missing;
    int length = (int)strcspn(why, "\n");
    char list[80] = "";
    size_t own = count_own(&run->suite, has);

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t at = strlen(list);

        if (was_given(options[i].value) && !(has & options[i].needs))
            snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", options[i].option);
    }
    if (*list)
        report_notice(run->report, "not in force: %s: %.*s", list, length, why);
    if (own)
        report_notice(run->report, "not in force: the own limits of %zu test%s: %.*s", own,
                      own == 1 ? "" : "s", length, why);
}

/* A test that asks for more than a parallel slot has belongs into the serial lane. */
static void move_large_tests(struct run *run)
{
    for (size_t i = 0; i < run->suite.count; i++) {
        struct test *test = &run->suite.tests[i];

        if (test->lane == LANE_PARALLEL &&
            ((run->limits.tasks && test->tasks > run->limits.tasks) ||
             (run->limits.memory_bytes && test->memory_bytes > run->limits.memory_bytes)))
            test->lane = LANE_SERIAL;
    }
}

int limits_resolve(struct run *run, struct err *err)
{
    struct cgroup_budget budget;
    int r = cgroup_host_budget(run->host, &budget, err);

    if (r < 0)
        return r;
    bound_by_machine(&run->spec, &budget);
    run->limits.workers = workers_wanted(run, &budget);
    run->limits.cpus = budget.cpus;
    resolve_tasks(run, &budget);
    resolve_memory(run, &budget);
    resolve_counts(run);
    drop_unenforced(&run->limits, run->spec.observe ? 0 : limits_enforced(run));
    move_large_tests(run);
    snprintf(run->limits.budget_text, sizeof(run->limits.budget_text), "%s, %" PRIu64 " free",
             budget.tasks_bound, budget.tasks_free);
    return 0;
}

uint64_t limits_serial_tasks(struct run *run)
{
    struct cgroup_budget budget;

    if (run->config->serial_tasks != RUN_CONFIG_AUTO || !(limits_enforced(run) & CGROUP_HAS_TASKS) ||
        cgroup_host_budget(run->host, &budget, NULL) < 0 ||
        budget.tasks_free <= tasks_reserve(1) + TASKS_MIN)
        return run->limits.serial_tasks;
    return budget.tasks_free - tasks_reserve(1);
}

struct cgroup_limits limits_of_test(const struct run *run, size_t test, bool serial)
{
    unsigned has = run->spec.observe ? 0 : limits_enforced(run);
    const struct test *t = test == TEST_NONE ? NULL : &run->suite.tests[test];
    struct cgroup_limits limits = {
        .tasks = serial ? run->limits.serial_tasks : run->limits.tasks,
        .memory_bytes = serial ? run->limits.serial_memory_bytes : run->limits.memory_bytes,
        .cpu_weight = 100,
        .cpu_milli = !*run->spec.machine && says(run->spec.limits.cpu_milli) && has & CGROUP_HAS_CPU
                         ? run->spec.limits.cpu_milli
                         : 0,
    };

    if (t && t->tasks && has & CGROUP_HAS_TASKS)
        limits.tasks = t->tasks;
    if (t && t->memory_bytes && has & CGROUP_HAS_MEMORY)
        limits.memory_bytes = t->memory_bytes;
    return limits;
}
