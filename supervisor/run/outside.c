/* SPDX-License-Identifier: MIT */
#include "supervisor/run/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/stacks.h"
#include "supervisor/core/timing.h"
#include "supervisor/run/controller.h"
#include "supervisor/run/detect/stack_dump.h"
#include "supervisor/run/state.h"

#define STACKS_NS (20 * NS_PER_MS)

void outside_failed(struct run *run, const struct worker *worker, const char *message)
{
    struct run_outside *outside = &run->outside;

    if (outside->nerrors < RUN_OUTSIDE_ERRORS)
        outside->errors[outside->nerrors++] = mem_printf("worker %u: at its session's end: %s", worker->slot->index, message);
}

void outside_summary(const struct run *run, struct report_summary *summary)
{
    summary->outside = (const char *const *)run->outside.errors;
    summary->noutside = run->outside.nerrors;
}

void outside_free(struct run *run)
{
    for (size_t i = 0; i < run->outside.nerrors; i++)
        free(run->outside.errors[i]);
}

/* ", waits in sleep (conftest.py:7)"; "" where its stack is not to be had. */
static void where_it_stands(struct worker *worker, char *buf, size_t size)
{
    struct incident_evidence more = {0};
    char line[400] = "", words[200];
    uint64_t own = stack_dump_take(worker, STACKS_NS, &more);

    *buf = '\0';
    if (more.stacks && worker->run->suite.root)
        stacks_line(more.stacks, own, STACKS_MAIN, worker->run->suite.root, "", line, sizeof(line));
    timing_where(line, false, words, sizeof(words));
    if (*words)
        snprintf(buf, size, ", %s", words);
    free(more.stacks);
}

static bool is_starting(const struct run *run)
{
    return run->phase == PHASE_STARTING && !run->lanes;
}

static void say_starting(const struct run *run)
{
    char seconds[32];

    timing_seconds(run_elapsed_ns(run), seconds, sizeof(seconds));
    report_notice(run->report, "%s for %s, and no test is known yet",
                  run->native                      ? "tests have been asked for"
                  : controller_seen(run->controller) ? "pytest has been importing and collecting"
                                                     : "the command has been running",
                  seconds);
}

static bool is_ending(const struct worker *worker)
{
    return worker->state == WORKER_ENDING && worker->slot && !worker->said_bye;
}

static void say_ending(struct worker *worker, const char *before)
{
    char seconds[32], where[220], who[32];

    timing_seconds(run_clock_ns(worker->run) - worker->go_ns, seconds, sizeof(seconds));
    where_it_stands(worker, where, sizeof(where));
    snprintf(who, sizeof(who), "worker %u", worker->slot->index);
    report_notice(worker->run->report, "%s%s has been ending its session for %s%s", before,
                  worker->slot->serial ? "the serial worker" : who, seconds, where);
}

size_t outside_say(struct run *run)
{
    size_t n = is_starting(run);

    if (n)
        say_starting(run);
    for (struct worker *w = run->workers; w; w = w->next)
        if (is_ending(w)) {
            say_ending(w, "");
            n++;
        }
    return n;
}

void outside_running(const struct run *run, char *buf, size_t size)
{
    size_t at = 0;

    *buf = '\0';
    if (is_starting(run))
        snprintf(buf, size, "it imported and collected the tests");
    for (const struct worker *w = run->workers; w && at < size; w = w->next)
        if (is_ending(w))
            at += (size_t)snprintf(buf + at, size - at, "%sworker %u was ending its session", at ? ", " : "", w->slot->index);
}

void outside_tick(struct run *run)
{
    uint64_t slow = run->config->slow_ns;

    if (!slow || run->frozen_since_ns)
        return;
    if (is_starting(run) && !run->outside.start_said && run_elapsed_ns(run) >= slow) {
        run->outside.start_said = true;
        say_starting(run);
    }
    for (struct worker *w = run->workers; w; w = w->next)
        if (is_ending(w) && !w->slow_end_said && run_clock_ns(run) - w->go_ns >= slow) {
            w->slow_end_said = true;
            say_ending(w, "slow: ");
        }
}
