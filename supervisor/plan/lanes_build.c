/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/lanes_internal.h"

struct group_entry {
    const char *name;
    size_t first_test; /* where its atom stands */
    size_t test;
};

static int compare_groups(const void *a, const void *b)
{
    const struct group_entry *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    return r ? r : (x->test > y->test) - (x->test < y->test);
}

static int compare_first(const void *a, const void *b)
{
    const struct group_entry *x = a, *y = b;

    if (x->first_test != y->first_test)
        return x->first_test < y->first_test ? -1 : 1;
    return (x->test > y->test) - (x->test < y->test);
}

/* The grouped tests of the parallel lane, sorted by where their group begins, then by suite order. */
static size_t gather_groups(const struct suite *suite, struct group_entry *entries)
{
    size_t n = 0;

    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].lane == LANE_PARALLEL && suite->tests[i].group)
            entries[n++] = (struct group_entry){.name = suite->tests[i].group, .test = i};
    qsort(entries, n, sizeof(*entries), compare_groups);
    for (size_t i = 0; i < n; i++)
        entries[i].first_test = i > 0 && strcmp(entries[i].name, entries[i - 1].name) == 0
                                    ? entries[i - 1].first_test
                                    : entries[i].test;
    qsort(entries, n, sizeof(*entries), compare_first);
    return n;
}

/* Atoms in suite order. With one slot everything is on one worker anyway, and the suite's order is kept exactly. */
static struct lane_atom *make_atoms(struct lanes *lanes, const struct suite *suite, size_t *ret_n)
{
    struct group_entry *groups = mem_calloc(suite->count, sizeof(*groups));
    struct lane_atom *atoms = mem_calloc(suite->count, sizeof(*atoms));
    size_t ngroups = lanes->nslots > 1 ? gather_groups(suite, groups) : 0, g = 0, n = 0, at = 0;

    for (size_t i = 0; i < suite->count; i++) {
        const struct test *test = &suite->tests[i];

        if (test->lane != LANE_PARALLEL)
            continue;
        if (!test->group || lanes->nslots == 1) {
            atoms[n++] = (struct lane_atom){.first = at, .count = 1};
            lanes->order[at++] = i;
            continue;
        }
        if (g >= ngroups || groups[g].first_test != i)
            continue; /* its group's atom stands further up */
        atoms[n] = (struct lane_atom){.first = at};
        for (; g < ngroups && groups[g].first_test == i; g++) {
            lanes->order[at++] = groups[g].test;
            atoms[n].count++;
        }
        n++;
    }
    free(groups);
    lanes->parallel_left = lanes->queued = at;
    *ret_n = n;
    return atoms;
}

/* What each atom costs, and one contiguous run of them for each slot. */
static void deal(struct lanes *lanes, const struct suite *suite, struct lane_atom *atoms, size_t n)
{
    uint64_t *costs = mem_calloc(suite->count, sizeof(*costs));
    size_t *ends = mem_calloc(lanes->nslots, sizeof(*ends));
    bool timed = cut_costs(suite, costs) && lanes->nslots > 1;
    bool whole = timed && !suite->in_order && cut_modules_whole(suite);
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        atoms[i].module = lanes->module[lanes->order[atoms[i].first]];
        for (size_t j = 0; j < atoms[i].count; j++)
            atoms[i].cost += timed ? costs[lanes->order[atoms[i].first + j]] : 1;
    }
    cut_runs(atoms, n, lanes->nslots, timed, ends);
    for (unsigned s = 0; s < lanes->nslots; s++) {
        if (whole)
            cut_long_first(atoms + at, ends[s] - at);
        for (; at < ends[s]; at++)
            lanes_deque_push(&lanes->slots[s].run, atoms[at]);
    }
    free(ends);
    free(costs);
}

struct lanes *lanes_new(const struct suite *suite, unsigned slots)
{
    struct lanes *lanes = mem_zalloc(sizeof(*lanes));
    struct lane_atom *atoms;
    size_t natoms;

    lanes->nslots = slots;
    lanes->fixed = suite->fixed;
    lanes->ntests = suite->count;
    lanes->order = mem_calloc(suite->count, sizeof(*lanes->order));
    lanes->module = mem_calloc(suite->count, sizeof(*lanes->module));
    lanes->state = mem_zalloc(suite->count + 1);
    lanes->slots = mem_calloc(slots, sizeof(*lanes->slots));
    lanes->serial_running = LANES_NONE;
    for (unsigned s = 0; s < slots; s++)
        lanes->slots[s].pinned = lanes->slots[s].running = lanes->slots[s].holds = LANES_NONE;
    lanes->locks = locks_new(suite);
    for (size_t i = 1; i < suite->count; i++)
        lanes->module[i] = lanes->module[i - 1] +
                           (strcmp(suite->tests[i].file, suite->tests[i - 1].file) != 0);
    atoms = make_atoms(lanes, suite, &natoms);
    deal(lanes, suite, atoms, natoms);
    free(atoms);
    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].lane == LANE_SERIAL && !suite->tests[i].rerouted)
            lanes_serial_push(lanes, i, false);
    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].lane == LANE_SERIAL && suite->tests[i].rerouted)
            lanes_serial_push(lanes, i, true);
    return lanes;
}

void lanes_free(struct lanes *lanes)
{
    if (!lanes)
        return;
    for (unsigned s = 0; s < lanes->nslots; s++) {
        free(lanes->slots[s].run.atoms);
        free(lanes->slots[s].open);
    }
    free(lanes->slots);
    free(lanes->order);
    free(lanes->module);
    free(lanes->state);
    free(lanes->serial);
    free(lanes->serial_fresh);
    free(lanes->delayed);
    locks_free(lanes->locks);
    free(lanes);
}
