/* SPDX-License-Identifier: MIT */
#include "supervisor/history/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLEAN_FIRST 3
#define CLEAN_MAX 48
#define TRIED_MAX 50
/* A test that is over sooner is not worth holding slots for: its numbers are noise, and it hurts nobody for long. */
#define HEAVY_US 100000

bool history_counts(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_TASKS:
    case VERDICT_MEMORY:
    case VERDICT_STALL:
    case VERDICT_TIMEOUT:
    case VERDICT_SIGNAL:
    case VERDICT_EXIT:
    case VERDICT_CONTENTION:
        return true;
    default: /* from outside, recorded only, or no matter of the lane */
        return false;
    }
}

static uint64_t average(uint64_t old, uint64_t new)
{
    return old ? (old * 3 + new + 2) / 4 : new;
}

static uint64_t fading_peak(uint64_t old, uint64_t new)
{
    return new >= old ? new : old - (old - new) / 8;
}

uint64_t history_clean_wanted(const struct history_state *state)
{
    uint64_t wanted = CLEAN_FIRST;

    for (uint64_t i = 1; i < state->hits && wanted < CLEAN_MAX; i++)
        wanted *= 2;
    return wanted;
}

static void update_numbers(struct history_state *state, const struct test *test)
{
    uint64_t wall = test->setup_us + test->call_us + test->teardown_us;

    if (test->outcome != OUTCOME_KILLED && test->outcome != OUTCOME_SKIPPED && wall) {
        state->wall_us = average(state->wall_us, wall);
        state->cpu_us = average(state->cpu_us, test->cpu_ns / 1000);
    }
    if (test->peak_tasks)
        state->peak_tasks = fading_peak(state->peak_tasks, test->peak_tasks);
    if (test->peak_memory_bytes)
        state->peak_memory_bytes = fading_peak(state->peak_memory_bytes, test->peak_memory_bytes);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void break_out(struct history_state *state, const struct history_result *result, const struct test *test)
{
    state->verdict = result->verdict;
    snprintf(state->text, sizeof(state->text), "%s", result->text ? result->text : "");
    state->hits++;
    state->tried++;
    state->clean = 0;
    state->limit_tasks = result->limit_tasks;
    state->limit_memory_bytes = result->limit_memory_bytes;
    state->need_tasks = state->need_memory_bytes = 0;
    if (result->verdict == VERDICT_TASKS)
        state->need_tasks = larger(result->limit_tasks + 1, test->peak_tasks);
    if (result->verdict == VERDICT_MEMORY)
        state->need_memory_bytes = larger(result->limit_memory_bytes + 1, test->peak_memory_bytes);
}

/* A peak that was only looked at now and then may have been higher in between. */
static bool fits(uint64_t peak, bool exact, uint64_t limit)
{
    return limit == 0 || (exact ? peak < limit : peak * 2 <= limit);
}

/* The test ran in the serial lane from the start. Could it have run beside others? */
static bool speaks_for_it(const struct history_state *state, const struct history_result *result, const struct test *test)
{
    if (test->outcome == OUTCOME_KILLED || history_counts(result->serial_verdict) || test->outcome == OUTCOME_SKIPPED)
        return false;
    if (state->verdict == VERDICT_TASKS && test->peak_tasks)
        return fits(test->peak_tasks, test->peak_tasks_exact, result->limit_tasks);
    if (state->verdict == VERDICT_MEMORY && test->peak_memory_bytes)
        return fits(test->peak_memory_bytes, test->peak_memory_exact, result->limit_memory_bytes);
    return true;
}

static void acquit(struct history_state *state)
{
    state->verdict = VERDICT_NONE;
    state->clean = 0;
    state->need_tasks = state->need_memory_bytes = 0;
}

static void ran_serial(struct history_state *state, const struct history_result *result, const struct test *test)
{
    if (speaks_for_it(state, result, test)) {
        if (++state->clean >= history_clean_wanted(state))
            acquit(state);
        return;
    }
    if (test->outcome == OUTCOME_SKIPPED)
        return;
    state->clean = 0;
    if (state->verdict == VERDICT_TASKS)
        state->need_tasks = larger(state->need_tasks, test->peak_tasks);
    if (state->verdict == VERDICT_MEMORY)
        state->need_memory_bytes = larger(state->need_memory_bytes, test->peak_memory_bytes);
}

static bool no_wider(uint64_t limit, uint64_t than)
{
    return limit && (!than || limit <= than);
}

static void ran_parallel(struct history_state *state, const struct history_result *result, const struct test *test)
{
    if (!state->hits || test->outcome == OUTCOME_SKIPPED)
        return;
    if (state->tried >= TRIED_MAX) {
        state->tried /= 2;
        state->hits = state->hits > 1 ? state->hits / 2 : 1;
    }
    state->tried++;
    if ((state->verdict == VERDICT_TASKS && !no_wider(result->limit_tasks, state->limit_tasks)) ||
        (state->verdict == VERDICT_MEMORY && !no_wider(result->limit_memory_bytes, state->limit_memory_bytes)))
        return;
    acquit(state);
}

void history_state_update(struct history_state *state, const struct history_result *result, const struct test *test)
{
    state->known = true;
    state->runs++;
    update_numbers(state, test);
    if (history_counts(result->verdict))
        break_out(state, result, test);
    else if (!result->serial)
        ran_parallel(state, result, test);
    else if (state->verdict != VERDICT_NONE)
        ran_serial(state, result, test);
}

static bool has_room(const struct history_state *state, uint64_t limit_tasks, uint64_t limit_memory_bytes)
{
    if (state->verdict == VERDICT_TASKS)
        return limit_tasks == 0 || (state->need_tasks && state->need_tasks < limit_tasks);
    if (state->verdict == VERDICT_MEMORY)
        return limit_memory_bytes == 0 || (state->need_memory_bytes && state->need_memory_bytes < limit_memory_bytes);
    return false;
}

bool history_offends(const struct history_state *state, uint64_t limit_tasks, uint64_t limit_memory_bytes, char *ret_why,
                     size_t size)
{
    int length = (int)strcspn(state->text, ",");

    if (!history_counts(state->verdict) || has_room(state, limit_tasks, limit_memory_bytes))
        return false;
    snprintf(ret_why, size, "history: %.*s in %" PRIu64 " of %" PRIu64 " run%s", length, state->text, state->hits,
             state->tried, state->tried == 1 ? "" : "s");
    return true;
}

static unsigned slots_for(double need, double share, unsigned slots)
{
    double n = need / share;

    return n >= slots ? slots : n <= 1 ? 1 : (unsigned)(n + 0.999);
}

unsigned history_weight(const struct history_state *state, const struct history_share *share)
{
    double cpus = state->wall_us ? (double)state->cpu_us / (double)state->wall_us : 0;
    unsigned weight = 1, w;

    if (state->wall_us < HEAVY_US)
        return 1;
    /* Some tenths above its share are no reason to keep a slot empty. */
    if (share->cpus > 0 && cpus > 1.5 && cpus > 1.5 * share->cpus)
        weight = slots_for(cpus - 0.5 * share->cpus, share->cpus, share->slots);
    if (share->tasks) {
        w = slots_for((double)state->peak_tasks, (double)share->tasks, share->slots);
        weight = w > weight ? w : weight;
    }
    if (share->memory_bytes) {
        w = slots_for((double)state->peak_memory_bytes, (double)share->memory_bytes, share->slots);
        weight = w > weight ? w : weight;
    }
    return weight;
}
