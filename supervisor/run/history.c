/* SPDX-License-Identifier: MIT */
/*
 * Before the lanes are made: what earlier runs say of each test. After the last test: what this one adds. The file is open
 * for neither of them while tests run (supervisor/history/history.h), and its trouble never is the run's: it is said in
 * the event stream, and on the terminal only where somebody asked for this file by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/filter.h"
#include "supervisor/history/git.h"
#include "supervisor/history/history.h"
#include "supervisor/run/state.h"
#include "supervisor/run/detect/thresholds.h"

#define NAMED_MAX 3      /* tests named in the notice */
#define COMMAND_MAX 1000 /* of the command line, kept */

enum began { BEGAN_PARALLEL, BEGAN_SERIAL, BEGAN_HISTORY };

struct run_history {
    struct history_place place;
    struct history_state *states;
    unsigned char *began; /* by test: enum began */
    size_t known, offenders;
    char notice[600];     /* a file was set aside; "" */
    struct err err;
    bool said;            /* that it is of no use now, on the terminal */
    uint64_t ns;
    int64_t time_s;
};

static uint64_t own_or(uint64_t own, uint64_t of_lane)
{
    return own ? own : of_lane;
}

/* --- before --- */

static void begin_serial(struct run *run, size_t i, const char *why)
{
    struct test *test = &run->suite.tests[i];

    test->lane = LANE_SERIAL;
    test->rerouted = true;
    free(test->why);
    free(test->message);
    test->why = mem_strdup(why);
    test->message = mem_strdup(why);
    run->history->began[i] = BEGAN_HISTORY;
    run->history->offenders++;
}

static void apply(struct run *run, size_t i)
{
    const struct history_state *state = &run->history->states[i];
    struct test *test = &run->suite.tests[i];
    double cpus = run->limits.cpus / run->limits.workers;
    struct history_share share = {.slots = run->limits.workers,
                                  .cpus = cpus < 1 ? 1 : cpus,
                                  .tasks = run->limits.share_tasks,
                                  .memory_bytes = run->limits.share_memory_bytes};
    char why[HISTORY_TEXT + 80];

    if (test->lane == LANE_SERIAL) {
        run->history->began[i] = BEGAN_SERIAL;
        return;
    }
    if (!state->known)
        return;
    run->history->known++;
    test->expected_us = state->wall_us;
    if (test->weight == 1)
        test->weight = history_weight(state, &share);
    if (!run->config->relearn && state->verdict != VERDICT_NONE && run->config->reroute & VERDICT_BIT(state->verdict) &&
        history_offends(state, own_or(test->tasks, run->limits.tasks),
                        own_or(test->memory_bytes, run->limits.memory_bytes), why, sizeof(why))) {
        begin_serial(run, i, why);
        test->known = state->verdict;
        thresholds_note_known(run, i);
    }
}

void run_history_load(struct run *run, bool outcomes)
{
    struct run_history *history;
    uint64_t start = clock_now_ns();

    if (run->config->no_history)
        return;
    run->history = history = mem_zalloc(sizeof(*history));
    history->place = (struct history_place){.file = run->config->history_path, .root = run->suite.root};
    history->states = mem_calloc(run->suite.count, sizeof(*history->states));
    history->time_s = time(NULL);
    history_load(&history->place, &run->suite, outcomes, history->states, history->notice, sizeof(history->notice),
                 &history->err);
    history->ns = clock_now_ns() - start;
}

void run_history_facts(const struct run *run, size_t test, struct filter_facts *facts)
{
    const struct history_state *state = run->history ? &run->history->states[test] : NULL;

    if (!state || !state->known)
        return;
    facts->known = true;
    facts->last = state->last;
    facts->duration_us = state->wall_us;
}

void run_history_keep(struct run *run, const bool *keep)
{
    size_t n = 0;

    for (size_t i = 0; run->history && i < run->suite.count; i++)
        if (keep[i])
            run->history->states[n++] = run->history->states[i];
}

void run_history_permute(struct run *run, const size_t *order)
{
    struct history_state *states = run->history ? mem_calloc(run->suite.count + 1, sizeof(*states)) : NULL;

    for (size_t i = 0; states && i < run->suite.count; i++)
        states[i] = run->history->states[order[i]];
    if (!states)
        return;
    free(run->history->states);
    run->history->states = states;
}

void run_history_read(struct run *run)
{
    uint64_t start = clock_now_ns();

    if (!run->history)
        return;
    run->history->began = mem_zalloc(run->suite.count + 1);
    for (size_t i = 0; i < run->suite.count; i++)
        apply(run, i);
    run->history->ns += clock_now_ns() - start;
}

static void say_trouble(struct run *run, const char *what)
{
    struct run_history *history = run->history;

    if (*history->notice)
        report_notice(run->report, "%s", history->notice);
    if (history->err.kind != ERR_NONE && run->config->history_path && !history->said) {
        report_notice(run->report, "the history was not %s: %s", what, history->err.message);
        history->said = true;
    }
}

/* The last part of an id says most: "test_x[1]". */
static const char *short_id(const char *id)
{
    const char *last = strrchr(id, '/');
    const char *part = last ? last + 1 : id;
    size_t length = strlen(part);

    return length > 120 ? part + length - 120 : part;
}

static void say_offenders(struct run *run)
{
    size_t n = run->history->offenders, named = 0, at = 0;
    char list[600] = "";

    for (size_t i = 0; i < run->suite.count && named < NAMED_MAX && at < sizeof(list); i++) {
        if (run->history->began[i] != BEGAN_HISTORY)
            continue;
        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s [%s]", named++ ? ", " : "",
                               short_id(run->suite.tests[i].id), verdict_name(run->history->states[i].verdict));
    }
    if (n > named && at < sizeof(list))
        snprintf(list + at, sizeof(list) - at, " and %zu more", n - named);
    report_notice(run->report, "%zu test%s in the serial lane: history (%s); --relearn tries %s in parallel again", n,
                  n == 1 ? " starts" : "s start", list, n == 1 ? "it" : "them");
}

void run_history_say(struct run *run)
{
    struct run_history *history = run->history;

    if (!history)
        return;
    say_trouble(run, "read");
    report_history(run->report, "read", history->known, history->offenders, history->ns,
                   history->err.kind != ERR_NONE ? history->err.message : NULL);
    if (history->offenders)
        say_offenders(run);
}

/* --- after --- */

static bool is_recorded_only(enum verdict verdict)
{
    return verdict == VERDICT_LEAK || verdict == VERDICT_CPU;
}

static void note_incident(struct history_result *result, const struct incident *incident)
{
    enum verdict *verdict = incident->serial ? &result->serial_verdict : &result->verdict;
    const char **text = incident->serial ? &result->serial_text : &result->text;

    /* The first one counts; a leak only where there is nothing else. */
    if (*verdict != VERDICT_NONE && (!is_recorded_only(*verdict) || is_recorded_only(incident->verdict)))
        return;
    *verdict = incident->verdict;
    *text = incident->text;
}

/* It was suspected of contention, and failed alone as well. */
static bool was_genuine(const struct run *run, const struct incident *incident)
{
    return incident->verdict == VERDICT_CONTENTION && run->suite.tests[incident->test].verdict != VERDICT_CONTENTION;
}

static struct history_result *make_results(const struct run *run)
{
    struct history_result *results = mem_calloc(run->suite.count, sizeof(*results));

    for (size_t i = 0; i < run->suite.count; i++) {
        const struct test *test = &run->suite.tests[i];
        enum began began = run->history->began[i];

        results[i] = (struct history_result){
            .serial = began != BEGAN_PARALLEL || test->rerouted,
            .why = began == BEGAN_SERIAL    ? "marker"
                   : began == BEGAN_HISTORY ? "history"
                   : test->rerouted         ? "reroute"
                                            : NULL,
            .verdict = VERDICT_NONE,
            .serial_verdict = VERDICT_NONE,
            .limit_tasks = own_or(test->tasks, run->limits.tasks),
            .limit_memory_bytes = own_or(test->memory_bytes, run->limits.memory_bytes)};
    }
    for (size_t i = 0; i < run->nincidents; i++)
        if (run->incidents[i].test != TEST_NONE && !run->incidents[i].is_void && !was_genuine(run, &run->incidents[i]))
            note_incident(&results[run->incidents[i].test], &run->incidents[i]);
    return results;
}

static void join_command(char **command, char *ret, size_t size)
{
    size_t at = 0;

    *ret = '\0';
    for (; *command && at + 1 < size; command++)
        at += (size_t)snprintf(ret + at, size - at, "%s%s", at ? " " : "", *command);
}

void run_history_write(struct run *run, int status)
{
    struct run_history *history = run->history;
    struct history_result *results;
    char command[COMMAND_MAX], commit[80] = "";
    uint64_t start = clock_now_ns();
    struct history_run record;
    struct ledger ledger;

    suite_count(&run->suite, &ledger);
    if (!history || ledger.total == ledger.by_outcome[OUTCOME_NOT_RUN])
        return;
    git_head(run->suite.root ? run->suite.root : ".", commit, sizeof(commit));
    join_command(run->config->command, command, sizeof(command));
    record = (struct history_run){.time_s = history->time_s,
                                  .run_id = run->run_id,
                                  .commit = commit,
                                  .command = command,
                                  .exit_status = status,
                                  .cpus = (unsigned)(run->limits.cpus + 0.5),
                                  .workers = run->limits.workers,
                                  .tasks = run->limits.tasks,
                                  .memory_bytes = run->limits.memory_bytes,
                                  .serial_tasks = run->limits.serial_tasks,
                                  .serial_memory_bytes = run->limits.serial_memory_bytes,
                                  .wall_us = run_elapsed_ns(run) / NS_PER_US};
    history->err = (struct err)ERR_INIT;
    results = make_results(run);
    history_record(&history->place, &record, &run->suite, results, history->notice, sizeof(history->notice), &history->err);
    free(results);
    say_trouble(run, "written");
    report_history(run->report, "written", ledger.total - ledger.by_outcome[OUTCOME_NOT_RUN], 0, clock_now_ns() - start,
                   history->err.kind != ERR_NONE ? history->err.message : NULL);
}

void run_history_free(struct run_history *history)
{
    if (!history)
        return;
    free(history->states);
    free(history->began);
    free(history);
}
