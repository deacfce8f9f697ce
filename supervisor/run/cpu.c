/* SPDX-License-Identifier: MIT */
#include "supervisor/run/cpu.h"

#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/mem.h"
#include "supervisor/plan/cpu_share.h"
#include "supervisor/run/setup.h"
#include "supervisor/run/state.h"

/* A message's header holds 8 KiB; a set of more CPUs than this is no great restriction anyway. */
#define SET_MAX 1000

static void read_affinity(struct run_cpu *cpu)
{
    for (size_t room = 1024; room <= 1u << 20; room *= 4) {
        cpu_set_t *set = CPU_ALLOC(room);
        size_t size = CPU_ALLOC_SIZE(room);

        if (set && sched_getaffinity(0, size, set) == 0) {
            cpu->ids = mem_calloc(room, sizeof(*cpu->ids));
            for (size_t i = 0; i < room; i++)
                if (CPU_ISSET_S(i, size, set))
                    cpu->ids[cpu->n++] = (int)i;
        }
        CPU_FREE(set);
        if (cpu->ids)
            return;
    }
}

/* What the workers' number will most likely be; the suite's own -n is known only later. */
static unsigned expected_workers(const struct run *run)
{
    uint64_t n = run->config->workers;

    if (n >= RUN_CONFIG_UNSET)
        n = run->cpu.usable < 1 ? 1 : (uint64_t)run->cpu.usable;
    return (unsigned)n;
}

/* One worker has the whole machine, unless a share was given. */
static bool is_whole(const struct run *run, unsigned workers)
{
    return run->config->cpu_share == CPU_SHARE_AUTO && workers <= 1;
}

static bool is_off(const struct run *run)
{
    return run->config->cpu_share_off || run->spec.observe || !run->cpu.n;
}

void cpu_open(struct run *run)
{
    struct cgroup_budget budget;
    unsigned workers;

    if (cgroup_host_budget(run->host, &budget, NULL) < 0)
        return;
    read_affinity(&run->cpu);
    run->cpu.usable = budget.cpus;
    workers = expected_workers(run);
    if (!is_off(run) && !is_whole(run, workers))
        run->cpu.started = cpu_share_threads(run->cpu.usable, workers, run->config->cpu_share);
}

static unsigned threads_of(const struct run *run, const struct slot *slot)
{
    return !slot ? run->cpu.started : slot->serial ? 0 : run->limits.threads;
}

unsigned cpu_count_told(const struct run *run, const struct slot *slot)
{
    return run->config->cpu_view == CPU_VIEW_SHARE ? threads_of(run, slot) : 0;
}

void cpu_close(struct run *run)
{
    free(run->cpu.ids);
}

void cpu_resolve(struct run *run)
{
    unsigned workers = run->limits.workers;

    if (!is_off(run) && !is_whole(run, workers))
        run->limits.threads = cpu_share_threads(run->cpu.usable, workers, run->config->cpu_share);
}

char **cpu_environment(const struct run *run, char **env, const struct slot *slot)
{
    unsigned threads = threads_of(run, slot);
    size_t n = 0, at = 0;
    char **all;

    if (!threads)
        return env;
    while (env[n])
        n++;
    for (at = 0; cpu_variables[at].name; at++)
        ;
    all = mem_calloc(n + at + 2, sizeof(*all));
    for (at = 0; at < n; at++)
        all[at] = env[at];
    for (const struct cpu_variable *v = cpu_variables; v->name; v++)
        if (cpu_variable_is_ours(v, env))
            all[at++] = mem_printf("%s=%u", v->name, threads);
    if (slot && cpu_count_told(run, slot) && cpu_variable_is_ours(&(struct cpu_variable){.name = "PYTHON_CPU_COUNT"}, env))
        all[at] = mem_printf("PYTHON_CPU_COUNT=%u", threads);
    free(env);
    return all;
}

static json_t *value_of(unsigned threads)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", threads);
    return threads ? json_string(text) : json_null();
}

/* Values for the variables that are shunt's; null takes one away again, which the command was started with. */
static json_t *variables(const struct run *run, const struct slot *slot)
{
    char **env = spec_environment(&run->spec, environ, NULL);
    json_t *object = json_object();
    unsigned threads = threads_of(run, slot);

    for (const struct cpu_variable *v = cpu_variables; v->name; v++)
        if ((threads || run->cpu.started) && cpu_variable_is_ours(v, env))
            json_object_set_new(object, v->name, value_of(threads));
    if (cpu_count_told(run, slot) && cpu_variable_is_ours(&(struct cpu_variable){.name = "PYTHON_CPU_COUNT"}, env))
        json_object_set_new(object, "PYTHON_CPU_COUNT", value_of(threads));
    spec_environment_free(env);
    setup_export(run, object);
    return object;
}

static json_t *cpu_set(const struct run *run, const struct slot *slot)
{
    json_t *list = json_array();
    struct cpu_range range = cpu_share_range((unsigned)run->cpu.n, run->limits.workers, slot->index, run->config->cpu_share);

    if (range.count < run->cpu.n && range.count <= SET_MAX)
        for (unsigned i = 0; i < range.count; i++)
            json_array_append_new(list, json_integer(run->cpu.ids[(range.first + i) % run->cpu.n]));
    return list;
}

char *cpu_assignment(const struct run *run, const struct slot *slot)
{
    unsigned threads = threads_of(run, slot);
    unsigned whole = run->cpu.usable < 1 ? 1 : (unsigned)run->cpu.usable;
    json_t *object = json_pack("{s:o}", "env", variables(run, slot));
    char *text, *inner;

    if (run->config->cpu_view == CPU_VIEW_SHARE)
        json_object_set_new(object, "cpu_count", json_integer(threads));
    if (cpu_count_told(run, slot))
        json_object_set_new(object, "cpus", cpu_set(run, slot));
    if (run->cpu.started && run->cpu.started != threads)
        json_object_set_new(object, "pools", json_integer(threads ? threads : whole));
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text)
        abort();
    inner = mem_printf("%.*s", (int)strlen(text) - 2, text + 1);
    free(text);
    return inner;
}
