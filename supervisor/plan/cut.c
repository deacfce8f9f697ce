/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/cut.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"

/* A module goes first when it takes this part of its run, and so long that it matters. */
#define LONG_PART 8
#define LONG_US 100000

bool cut_costs(const struct suite *suite, uint64_t *costs)
{
    uint64_t sum = 0, mean;
    size_t known = 0, all = 0;
    bool timed;

    for (size_t i = 0; i < suite->count; i++) {
        const struct test *test = &suite->tests[i];

        if (test->lane != LANE_PARALLEL)
            continue;
        all++;
        known += test->expected_us > 0;
        sum += test->expected_us;
    }
    timed = known > 0 && known * 2 >= all;
    mean = known ? sum / known : 0;
    for (size_t i = 0; i < suite->count; i++) {
        uint64_t expected = suite->tests[i].expected_us ? suite->tests[i].expected_us : mean;

        costs[i] = timed && expected ? expected : 1;
    }
    return timed;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool cut_modules_whole(const struct suite *suite)
{
    const char **files = mem_calloc(suite->count, sizeof(*files));
    size_t n = 0;
    bool whole = true;

    for (size_t i = 0; i < suite->count; i++)
        if (i == 0 || strcmp(suite->tests[i].file, suite->tests[i - 1].file) != 0)
            files[n++] = suite->tests[i].file;
    qsort(files, n, sizeof(*files), compare_text);
    for (size_t i = 1; i < n && whole; i++)
        whole = strcmp(files[i], files[i - 1]) != 0;
    free(files);
    return whole;
}

/* Where a run that begins at `at` and is to cost `share` ends: at a module boundary within a quarter of it, if there is one. */
static size_t module_end(const struct lane_atom *atoms, size_t n, size_t at, uint64_t share, bool timed)
{
    uint64_t have = 0;
    size_t best = 0;

    for (size_t i = at; i < n && have < share + share / 4; i++) {
        have += atoms[i].cost;
        if (timed && have > share + share / 4)
            break;
        if (i + 1 < n && have + share / 4 >= share && atoms[i].module != atoms[i + 1].module) {
            best = i + 1;
            if (have >= share)
                break;
        }
    }
    return best;
}

static size_t plain_end(const struct lane_atom *atoms, size_t n, size_t at, uint64_t share, bool timed)
{
    uint64_t have = 0;

    for (; at < n && have < share; at++) {
        /* A long test is better the first one of the next run than the last one of this. */
        if (timed && have && have + atoms[at].cost > share && have + atoms[at].cost - share > share - have)
            break;
        have += atoms[at].cost;
    }
    return at;
}

void cut_runs(const struct lane_atom *atoms, size_t n, unsigned slots, bool timed, size_t *ret_ends)
{
    uint64_t left = 0;
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        left += atoms[i].cost;
    for (unsigned s = 0; s < slots; s++) {
        uint64_t share = left / (slots - s);
        size_t end = n;

        if (s + 1 < slots) {
            end = module_end(atoms, n, at, share, timed);
            if (!end)
                end = plain_end(atoms, n, at, share, timed);
        }
        for (; at < end; at++)
            left -= atoms[at].cost;
        ret_ends[s] = at;
    }
}

struct block { /* atoms of one module */
    size_t first, count;
    uint64_t cost;
    bool is_long;
};

static int compare_blocks(const void *a, const void *b)
{
    const struct block *x = a, *y = b;

    if (x->is_long != y->is_long)
        return x->is_long ? -1 : 1;
    if (x->is_long && x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

void cut_long_first(struct lane_atom *atoms, size_t n)
{
    struct block *blocks = mem_calloc(n, sizeof(*blocks));
    struct lane_atom *sorted = mem_calloc(n, sizeof(*sorted));
    uint64_t total = 0;
    size_t nblocks = 0, at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || atoms[i].module != atoms[i - 1].module)
            blocks[nblocks++].first = i;
        blocks[nblocks - 1].count++;
        blocks[nblocks - 1].cost += atoms[i].cost;
        total += atoms[i].cost;
    }
    for (size_t b = 0; b < nblocks; b++)
        blocks[b].is_long = blocks[b].cost >= LONG_US && blocks[b].cost >= total / LONG_PART;
    qsort(blocks, nblocks, sizeof(*blocks), compare_blocks);
    for (size_t b = 0; b < nblocks; b++) {
        memcpy(sorted + at, atoms + blocks[b].first, blocks[b].count * sizeof(*sorted));
        at += blocks[b].count;
    }
    memcpy(atoms, sorted, n * sizeof(*atoms));
    free(sorted);
    free(blocks);
}
