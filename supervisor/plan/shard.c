/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/shard.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"

#define FNV_START 0xcbf29ce484222325ULL

/* FNV-1a, and a last mix: its low bits alone are poor. */
static uint64_t hash_text(const char *text, uint64_t hash)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
    return hash;
}

static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    return hash ^ hash >> 33;
}

/* Which tests belong together, and what they take together. */
struct unit {
    const char *name; /* of the group, or the test's id */
    bool group;
    size_t test;
    uint64_t cost;
    unsigned shard;
};

static int by_name(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    if (x->group != y->group)
        return x->group ? -1 : 1;
    return r ? r : (x->test > y->test) - (x->test < y->test);
}

static int dearest_first(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return by_name(a, b);
}

/* One for each test, sorted by name, with the mean for what is not known. Returns whether times are to be trusted. */
static bool list_units(const struct suite *suite, const uint64_t *cost, struct unit *units)
{
    uint64_t sum = 0, mean;
    size_t known = 0;

    for (size_t i = 0; i < suite->count; i++) {
        known += cost[i] > 0;
        sum += cost[i];
    }
    mean = known ? sum / known : 0;
    for (size_t i = 0; i < suite->count; i++) {
        const struct test *test = &suite->tests[i];

        units[i] = (struct unit){.name = test->group ? test->group : test->id,
                                 .group = test->group != NULL,
                                 .test = i,
                                 .cost = (cost[i] ? cost[i] : mean) + 1};
    }
    if (suite->count)
        qsort(units, suite->count, sizeof(*units), by_name);
    return known > 0 && known * 2 >= suite->count;
}

/* Where the group (or the test) that begins at `i` ends. */
static size_t end_of(const struct unit *units, size_t n, size_t i)
{
    size_t end = i + 1;

    while (end < n && units[i].group && units[end].group && strcmp(units[i].name, units[end].name) == 0)
        end++;
    return end;
}

/* The dearest first, each to the shard that has the least so far. */
static void deal_by_time(struct unit *whole, size_t n, unsigned shards)
{
    uint64_t *load = mem_calloc(shards, sizeof(*load));

    qsort(whole, n, sizeof(*whole), dearest_first);
    for (size_t i = 0; i < n; i++) {
        unsigned least = 0;

        for (unsigned s = 1; s < shards; s++)
            if (load[s] < load[least])
                least = s;
        whole[i].shard = least;
        load[least] += whole[i].cost;
    }
    free(load);
    qsort(whole, n, sizeof(*whole), by_name);
}

static uint64_t digest_of(const struct suite *suite, const unsigned *of)
{
    uint64_t digest = 0; /* in no order: frameworks may list in any */

    for (size_t i = 0; i < suite->count; i++)
        digest += mix(hash_text(suite->tests[i].id, FNV_START ^ of[i]));
    return mix(digest);
}

void shard_make(const struct suite *suite, const uint64_t *cost, unsigned shards, struct shard_plan *ret)
{
    size_t n = suite->count, nwhole = 0;
    struct unit *units = mem_calloc(n + 1, sizeof(*units)), *whole = mem_calloc(n + 1, sizeof(*whole));

    *ret = (struct shard_plan){.of = mem_calloc(n + 1, sizeof(*ret->of))};
    ret->timed = list_units(suite, cost, units);
    for (size_t i = 0; i < n; i = end_of(units, n, i)) {
        whole[nwhole] = units[i];
        for (size_t k = i + 1; k < end_of(units, n, i); k++)
            whole[nwhole].cost += units[k].cost;
        whole[nwhole].shard = (unsigned)(mix(hash_text(units[i].name, FNV_START)) % shards);
        nwhole++;
    }
    if (ret->timed)
        deal_by_time(whole, nwhole, shards);
    for (size_t i = 0, w = 0; i < n; w++)
        for (size_t end = end_of(units, n, i); i < end; i++)
            ret->of[units[i].test] = whole[w].shard;
    ret->digest = digest_of(suite, ret->of);
    free(units);
    free(whole);
}
