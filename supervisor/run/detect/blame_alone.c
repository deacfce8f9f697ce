/* SPDX-License-Identifier: MIT */
/* Suspects run again alone, and what a test leaves that had died and passes alone: with time for it to end the worker. */
#include "supervisor/run/detect/blame_alone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/worker_tasks.h"
#include "supervisor/run/state.h"

/* So long as they lived before, and that half again, the leftovers of a suspect get to end its
 * worker; at most: */
#define CONFIRM_MAX_NS (5 * NS_PER_SEC)
#define CONFIRM_MARGIN_NS (500 * NS_PER_MS)

struct blame_case {
    size_t test,
        during; /* the suspect; the test on whose watch a worker died, TEST_NONE: its own, or none */
    uint64_t lived_ns; /* from the suspect's end to the death; of its own death: from its start */
    enum verdict verdict;
};

static struct blame_case *case_of(const struct run *run, size_t test)
{
    for (size_t i = 0; i < run->ncases; i++)
        if (run->cases[i].test == test)
            return &run->cases[i];
    return NULL;
}

static void add_case(struct run *run, const struct blame_case *c)
{
    mem_grow(&run->cases, &run->cases_room, run->ncases + 1, sizeof(*run->cases));
    run->cases[run->ncases++] = *c;
}

void blame_suspect(struct run *run, const struct blame_look *look, const struct incident *incident,
                    size_t test)
{
    if (run->no_new_tests || case_of(run, test) || !lanes_serial_again(run->lanes, test))
        return;
    add_case(run, &(struct blame_case){.test = test,
                                       .during = incident->test,
                                       .lived_ns = blame_lived_since(look, test),
                                       .verdict = incident->verdict});
}

void blame_rerouted(struct run *run, const struct incident *incident)
{
    add_case(run, &(struct blame_case){
                      .test = incident->test, .during = TEST_NONE, .lived_ns = incident->ran_ns, .verdict = incident->verdict});
}

void blame_confirm_go(struct worker *worker, size_t test)
{
    worker->confirming = worker->run->suite.tests[test].outcome != OUTCOME_NONE;
    worker->suspect = worker->confirming ? test : TEST_NONE;
}

void blame_confirm_done(struct worker *worker)
{
    const struct blame_case *c = case_of(worker->run, worker->suspect);
    uint64_t wait = c ? c->lived_ns + c->lived_ns / 2 + CONFIRM_MARGIN_NS : 0;

    worker->confirm_until_ns = clock_now_ns() + (wait < CONFIRM_MAX_NS ? wait : CONFIRM_MAX_NS);
}

void blame_rerouted_done(struct worker *worker, size_t test)
{
    if (!worker->slot->serial || !worker->run->suite.tests[test].rerouted || !case_of(worker->run, test) ||
        !leak_watch_is_pending_of(worker, test))
        return;
    worker->suspect = test;
    blame_confirm_done(worker);
}

static void forget_suspect(struct worker *worker)
{
    worker->confirming = false;
    worker->suspect = TEST_NONE;
    worker->confirm_until_ns = 0;
}

static void not_confirmed(struct worker *worker)
{
    const struct run *run = worker->run;
    const struct blame_case *c = case_of(run, worker->suspect);

    report_notice(run->report,
                  "%s was run again alone, to see whether what it leaves behind ended the worker "
                  "of %s: it did not",
                  run->suite.tests[worker->suspect].id,
                  c && c->during != TEST_NONE ? run->suite.tests[c->during].id : "another test");
    forget_suspect(worker);
}

/* It waits at its boundary. Nothing left of the test, or enough time: it ends. */
void blame_confirm_tick(struct worker *worker)
{
    if (worker->state != WORKER_WAITING || worker->owed != TEST_NONE)
        return;
    if (worker->leaf)
        cgroup_leaf_read(worker->leaf, CGROUP_READ_TASKS, &worker->counters);
    worker_tasks_count(worker);
    if (clock_now_ns() < worker->confirm_until_ns && worker->counters.tasks_now > 1)
        return;
    worker->confirm_until_ns = 0;
    if (!worker->confirming)
        worker->suspect = TEST_NONE;
    worker_end(worker);
}

void blame_confirm_over(struct worker *worker)
{
    if (worker->confirming)
        not_confirmed(worker);
}

static void say_confirmed(const struct worker *worker, struct incident *incident)
{
    const struct run *run = worker->run;
    const struct blame_case *c = case_of(run, worker->suspect);
    const char *during = c && c->during != TEST_NONE ? run->suite.tests[c->during].id : "";

    incident->blame.during = c ? c->during : TEST_NONE;
    if (worker->confirming)
        snprintf(incident->text, sizeof(incident->text), "by what it left behind%s%.150s, and again when it ran alone",
                 *during ? ": during " : "", during);
    else
        snprintf(incident->text, sizeof(incident->text), "by what it left behind, after it had passed alone");
}

bool blame_confirm_broken(struct worker *worker, const struct detector_result *result)
{
    struct run *run = worker->run;
    char slot_name[sizeof(worker->slot->name)];
    struct incident *incident;
    struct blackbox box;

    if (worker->suspect == TEST_NONE)
        return false;
    if (!worker->confirming && !worker->exited) {
        forget_suspect(worker);
        return false;
    }
    snprintf(slot_name, sizeof(slot_name), "%s", worker->slot->name);
    if (worker->test != TEST_NONE)
        lanes_serial_finish(run->lanes);
    if (!worker->exited) {
        not_confirmed(worker);
        worker_kill(worker);
        return true;
    }
    incident = incident_new(worker, result->verdict, worker->suspect);
    say_confirmed(worker, incident);
    evidence_read_box(worker, &box);
    incident->blame.by_thread = box.exit_task && box.exit_task != worker->pid_in_cell;
    evidence_take(worker, incident);
    worker_kill(worker);
    evidence_of_death(worker, incident);
    report_keep_evidence(run->report, incident);
    blame_charge(worker, incident, slot_name);
    return true;
}

bool blame_is_moot(const struct run *run, size_t test)
{
    const struct blame_case *c = case_of(run, test);
    const struct test *during = c && c->during != TEST_NONE ? &run->suite.tests[c->during] : NULL;

    /* It died again by itself, in a worker in which nothing of the suspect was. */
    return during && run->suite.tests[test].outcome != OUTCOME_NONE &&
           (during->rerouted || during->outcome == OUTCOME_KILLED) && during->verdict == c->verdict;
}
