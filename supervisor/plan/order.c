/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/order.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"

/* xorshift64*: any generator would do, but it must stay this one, or seeds lose their meaning. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

static void shuffle(size_t *items, size_t n, uint64_t *state)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(next_random(state) % i), item = items[i - 1];

        items[i - 1] = items[k];
        items[k] = item;
    }
}

/* Where the run of one file that begins at `i` ends. */
static size_t end_of_module(const struct suite *suite, size_t i)
{
    size_t end = i + 1;

    while (end < suite->count && strcmp(suite->tests[i].file, suite->tests[end].file) == 0)
        end++;
    return end;
}

struct member {
    const char *group;
    size_t place;
};

static int by_group(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int r = strcmp(x->group, y->group);

    return r ? r : (x->place > y->place) - (x->place < y->place);
}

static int by_index(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

/* The places that the tests of a group have got are theirs; in them they stand in their own order. */
static void mend_groups(const struct suite *suite, size_t *order)
{
    struct member *members = mem_calloc(suite->count + 1, sizeof(*members));
    size_t *tests = mem_calloc(suite->count + 1, sizeof(*tests)), n = 0, end;

    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[order[i]].group)
            members[n++] = (struct member){suite->tests[order[i]].group, i};
    qsort(members, n, sizeof(*members), by_group);
    for (size_t i = 0; i < n; i = end) {
        for (end = i; end < n && strcmp(members[i].group, members[end].group) == 0; end++)
            tests[end] = order[members[end].place];
        qsort(tests + i, end - i, sizeof(*tests), by_index);
        for (size_t k = i; k < end; k++)
            order[members[k].place] = tests[k];
    }
    free(members);
    free(tests);
}

void order_shuffle(const struct suite *suite, uint64_t seed, size_t *ret)
{
    size_t *modules = mem_calloc(suite->count + 1, sizeof(*modules)), n = 0, at = 0;
    uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15ULL;

    if (state == 0) /* it would stay 0 */
        state = 1;
    for (size_t i = 0; i < suite->count; i = end_of_module(suite, i))
        modules[n++] = i;
    shuffle(modules, n, &state);
    for (size_t m = 0; m < n; m++) {
        size_t first = at, end = end_of_module(suite, modules[m]);

        for (size_t i = modules[m]; i < end; i++)
            ret[at++] = i;
        shuffle(ret + first, at - first, &state);
    }
    mend_groups(suite, ret);
    free(modules);
}
