/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/timeout.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/timing.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/worker_tasks.h"
#include "supervisor/run/state.h"

#define PROCESSES_MAX 512

struct timeout_stop {
    struct detector_result result;
    uint64_t asked_ns, grace_ns;
    struct incident early; /* its evidence, from before anybody was asked to end */
};

void timeout_slow(struct worker *worker, uint64_t now_ns)
{
    struct run *run = worker->run;
    const struct test *test = worker->test == TEST_NONE ? NULL : &run->suite.tests[worker->test];
    uint64_t slow = test && test->slow_ns ? test->slow_ns : run->config->slow_ns;
    struct timing timing = {.elapsed_ns = now_ns - worker->go_ns, .cpu_known = false};
    char numbers[80], tasks[40] = "", where[32];

    if (!test || !slow || worker->slow_said || timing.elapsed_ns < slow)
        return;
    worker->slow_said = true;
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_CPU | CGROUP_READ_TASKS, &worker->counters);
    timing.cpu_known = worker_tasks_cpu(worker, &timing.cpu_ns);
    if (worker->counters.tasks_now)
        snprintf(tasks, sizeof(tasks), ", %llu task%s", (unsigned long long)worker->counters.tasks_now,
                 worker->counters.tasks_now == 1 ? "" : "s");
    timing_numbers(&timing, numbers, sizeof(numbers));
    snprintf(where, sizeof(where), "worker %u", worker->slot->index);
    report_notice(run->report, "slow: %s has been running in %s for %s%s", test->id,
                  worker->slot->serial ? "the serial lane" : where, numbers, tasks);
}

/* Its children and theirs; and itself where somebody handles the signal: by default it would only end the worker. */
static size_t ask_to_end(const struct worker *worker)
{
    pid_t pids[PROCESSES_MAX];
    ssize_t n = worker->leaf ? cgroup_leaf_processes(worker->leaf, pids, PROCESSES_MAX)
                             : (ssize_t)counted_processes(worker, pids, PROCESSES_MAX);
    size_t asked = 0;

    for (ssize_t i = 0; i < n && i < PROCESSES_MAX; i++)
        if (pids[i] > 0 && (pids[i] != worker->pid || proc_task_catches(worker->pid, SIGTERM)))
            asked += kill(pids[i], SIGTERM) == 0;
    return asked;
}

static uint64_t grace_of(const struct worker *worker)
{
    const struct test *test = worker->test == TEST_NONE ? NULL : &worker->run->suite.tests[worker->test];

    return test && test->grace_ns ? test->grace_ns : worker->run->config->grace_ns;
}

bool timeout_begin(struct worker *worker, const struct detector_result *result)
{
    struct timeout_stop *stop;
    uint64_t grace = grace_of(worker);

    if (worker->stop || !grace || worker->exited || result->is_void || worker->test == TEST_NONE)
        return false;
    stop = mem_zalloc(sizeof(*stop));
    stop->result = *result;
    stop->grace_ns = grace;
    stop->early.verdict = result->verdict;
    stop->early.test = worker->test;
    stop->early.limits = worker->limits;
    counters_for_detector(&worker->counters, &stop->early.counters);
    evidence_look(worker, &stop->early);
    worker->stop = stop;
    stop->asked_ns = run_clock_ns(worker->run);
    return ask_to_end(worker) > 0;
}

const struct detector_result *timeout_verdict(const struct worker *worker)
{
    return worker->stop ? &worker->stop->result : NULL;
}

bool timeout_grace_is_over(const struct worker *worker, uint64_t now_ns)
{
    return worker->stop && now_ns - worker->stop->asked_ns >= worker->stop->grace_ns;
}

bool timeout_evidence(struct worker *worker, struct incident *incident)
{
    struct incident *early = worker->stop ? &worker->stop->early : NULL;

    if (!early || early->test != incident->test)
        return false;
    incident->tasks = early->tasks;
    incident->ntasks = early->ntasks;
    incident->ntasks_total = early->ntasks_total;
    incident->more = early->more;
    memcpy(incident->evidence, early->evidence, sizeof(incident->evidence));
    *early = (struct incident){.test = TEST_NONE};
    return true;
}

void timeout_free(struct worker *worker)
{
    if (!worker->stop)
        return;
    incident_done(&worker->stop->early);
    free(worker->stop);
    worker->stop = NULL;
}
