/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/plan/cut.h"

/*
 * A slot's run is a deque of atoms: a range [head, tail) of one array of atoms per slot. Stealing moves atoms from the
 * tail of one deque to another one, so each atom moves at most a few times and a take costs O(slots) at worst.
 */

enum test_state { QUEUED, PINNED, RUNNING, FINISHED };

struct deque {
    struct lane_atom *atoms;
    size_t head, tail, room;
    size_t tests; /* queued in it */
    uint64_t cost; /* of those */
};

struct lane_slot {
    struct deque run;
    size_t *open; /* rest of the group that was begun here, and tests put back: taken first; never stolen */
    size_t open_head, open_tail, open_room;
    size_t pinned, running;
};

struct lanes {
    unsigned nslots;
    size_t ntests;
    size_t *order; /* test indices, groups gathered */
    size_t *module; /* by test: grows by one at each change of file */
    unsigned char *state; /* by test */
    struct lane_slot *slots;
    size_t parallel_left; /* not finished and not rerouted */
    size_t queued;

    size_t *serial; /* queue: static ones, then rerouted */
    bool *serial_fresh;
    size_t serial_head, serial_tail, serial_room, fresh_room;
    size_t serial_running;
    bool serial_running_fresh;
};

/* --- small queues --- */

static void deque_push_back(struct deque *deque, struct lane_atom atom)
{
    mem_grow(&deque->atoms, &deque->room, deque->tail + 1, sizeof(*deque->atoms));
    deque->atoms[deque->tail++] = atom;
    deque->tests += atom.count;
    deque->cost += atom.cost;
}

static void open_push_front(struct lane_slot *slot, size_t test)
{
    if (slot->open_head == 0) {
        mem_grow(&slot->open, &slot->open_room, slot->open_tail + 1, sizeof(*slot->open));
        memmove(slot->open + 1, slot->open, slot->open_tail * sizeof(*slot->open));
        slot->open_tail++;
        slot->open[0] = test;
    } else {
        slot->open[--slot->open_head] = test;
    }
}

static void open_push_back(struct lane_slot *slot, size_t test)
{
    if (slot->open_head == slot->open_tail)
        slot->open_head = slot->open_tail = 0;
    mem_grow(&slot->open, &slot->open_room, slot->open_tail + 1, sizeof(*slot->open));
    slot->open[slot->open_tail++] = test;
}

static void serial_push(struct lanes *lanes, size_t test, bool fresh)
{
    mem_grow(&lanes->serial, &lanes->serial_room, lanes->serial_tail + 1, sizeof(*lanes->serial));
    mem_grow(&lanes->serial_fresh, &lanes->fresh_room, lanes->serial_tail + 1,
             sizeof(*lanes->serial_fresh));
    lanes->serial[lanes->serial_tail] = test;
    lanes->serial_fresh[lanes->serial_tail++] = fresh;
    lanes->state[test] = QUEUED;
}

/* --- building --- */

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
    bool whole = timed && cut_modules_whole(suite);
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
            deque_push_back(&lanes->slots[s].run, atoms[at]);
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
    lanes->ntests = suite->count;
    lanes->order = mem_calloc(suite->count, sizeof(*lanes->order));
    lanes->module = mem_calloc(suite->count, sizeof(*lanes->module));
    lanes->state = mem_zalloc(suite->count + 1);
    lanes->slots = mem_calloc(slots, sizeof(*lanes->slots));
    lanes->serial_running = LANES_NONE;
    for (unsigned s = 0; s < slots; s++)
        lanes->slots[s].pinned = lanes->slots[s].running = LANES_NONE;
    for (size_t i = 1; i < suite->count; i++)
        lanes->module[i] = lanes->module[i - 1] +
                           (strcmp(suite->tests[i].file, suite->tests[i - 1].file) != 0);
    atoms = make_atoms(lanes, suite, &natoms);
    deal(lanes, suite, atoms, natoms);
    free(atoms);
    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].lane == LANE_SERIAL && !suite->tests[i].rerouted)
            serial_push(lanes, i, false);
    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].lane == LANE_SERIAL && suite->tests[i].rerouted)
            serial_push(lanes, i, true);
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
    free(lanes);
}

/* --- taking and stealing --- */

/* The next queued test of the slot's own, removed from its queue. An atom that is begun becomes the slot's for good. */
static size_t next_own(struct lanes *lanes, struct lane_slot *slot)
{
    if (slot->open_head == slot->open_tail && slot->run.head < slot->run.tail) {
        struct lane_atom atom = slot->run.atoms[slot->run.head++];

        slot->run.tests -= atom.count;
        slot->run.cost -= atom.cost;
        for (size_t i = 0; i < atom.count; i++)
            open_push_back(slot, lanes->order[atom.first + i]);
    }
    return slot->open_head < slot->open_tail ? slot->open[slot->open_head++] : LANES_NONE;
}

/* Where to cut the victim's tail: half of what it costs, moved to a module boundary if one lies in the middle half. */
static size_t steal_from(const struct deque *run)
{
    uint64_t half = run->cost / 2, have = 0;
    size_t at = run->tail, cut = run->tail;

    while (at > run->head && have + run->atoms[at - 1].cost <= (half ? half : run->cost)) {
        have += run->atoms[--at].cost;
        if (at > run->head && have >= run->cost / 4 && run->atoms[at].module != run->atoms[at - 1].module)
            cut = at;
    }
    if (cut < run->tail)
        return cut;
    return at < run->tail ? at : run->tail - 1; /* one large group: all or nothing */
}

static bool steal(struct lanes *lanes, struct lane_slot *thief)
{
    struct lane_slot *victim = NULL;
    size_t cut;

    for (unsigned s = 0; s < lanes->nslots; s++) {
        struct lane_slot *slot = &lanes->slots[s];

        if (slot != thief && slot->run.tests && (!victim || slot->run.cost > victim->run.cost))
            victim = slot;
    }
    if (!victim)
        return false;
    cut = steal_from(&victim->run);
    for (size_t i = cut; i < victim->run.tail; i++) {
        deque_push_back(&thief->run, victim->run.atoms[i]);
        victim->run.tests -= victim->run.atoms[i].count;
        victim->run.cost -= victim->run.atoms[i].cost;
    }
    victim->run.tail = cut;
    return true;
}

static void pin_next(struct lanes *lanes, struct lane_slot *slot)
{
    if (slot->pinned != LANES_NONE)
        return;
    slot->pinned = next_own(lanes, slot);
    /* Stealing already for the pin spares module fixtures a teardown, but a single queued test is better left to a
     * slot that is idle now. */
    if (slot->pinned == LANES_NONE && lanes->queued > lanes->nslots && steal(lanes, slot))
        slot->pinned = next_own(lanes, slot);
    if (slot->pinned != LANES_NONE)
        lanes->state[slot->pinned] = PINNED;
}

size_t lanes_take(struct lanes *lanes, unsigned index, size_t *ret_next)
{
    struct lane_slot *slot = &lanes->slots[index];
    size_t test = slot->pinned;

    *ret_next = LANES_NONE;
    if (slot->running != LANES_NONE)
        return LANES_NONE;
    slot->pinned = LANES_NONE;
    if (test == LANES_NONE)
        test = next_own(lanes, slot);
    if (test == LANES_NONE && steal(lanes, slot))
        test = next_own(lanes, slot);
    if (test == LANES_NONE)
        return LANES_NONE;
    slot->running = test;
    lanes->state[test] = RUNNING;
    lanes->queued--;
    pin_next(lanes, slot);
    *ret_next = slot->pinned;
    return test;
}

void lanes_finish(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    lanes->state[slot->running] = FINISHED;
    lanes->parallel_left--;
    slot->running = LANES_NONE;
}

void lanes_release(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->pinned == LANES_NONE)
        return;
    open_push_front(slot, slot->pinned);
    lanes->state[slot->pinned] = QUEUED;
    slot->pinned = LANES_NONE;
}

void lanes_retry(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    lanes_release(lanes, index); /* so that the pinned one stays behind it */
    open_push_front(slot, slot->running);
    lanes->state[slot->running] = QUEUED;
    lanes->queued++;
    slot->running = LANES_NONE;
}

void lanes_reroute(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    serial_push(lanes, slot->running, true);
    lanes->parallel_left--;
    slot->running = LANES_NONE;
}

bool lanes_parallel_done(const struct lanes *lanes)
{
    return lanes->parallel_left == 0;
}

/* --- the serial lane --- */

size_t lanes_serial_take(struct lanes *lanes, size_t *ret_next, bool *ret_fresh)
{
    size_t test;

    *ret_next = LANES_NONE;
    if (lanes->parallel_left || lanes->serial_running != LANES_NONE ||
        lanes->serial_head == lanes->serial_tail)
        return LANES_NONE;
    test = lanes->serial[lanes->serial_head];
    lanes->serial_running_fresh = *ret_fresh = lanes->serial_fresh[lanes->serial_head++];
    lanes->serial_running = test;
    lanes->state[test] = RUNNING;
    if (lanes->serial_head < lanes->serial_tail && !*ret_fresh &&
        !lanes->serial_fresh[lanes->serial_head])
        *ret_next = lanes->serial[lanes->serial_head];
    return test;
}

void lanes_serial_finish(struct lanes *lanes)
{
    if (lanes->serial_running == LANES_NONE)
        return;
    lanes->state[lanes->serial_running] = FINISHED;
    lanes->serial_running = LANES_NONE;
}

void lanes_serial_retry(struct lanes *lanes)
{
    if (lanes->serial_running == LANES_NONE)
        return;
    lanes->serial[--lanes->serial_head] = lanes->serial_running;
    lanes->serial_fresh[lanes->serial_head] = lanes->serial_running_fresh;
    lanes->state[lanes->serial_running] = QUEUED;
    lanes->serial_running = LANES_NONE;
}

bool lanes_serial_again(struct lanes *lanes, size_t test)
{
    if (test >= lanes->ntests || lanes->state[test] != FINISHED)
        return false;
    serial_push(lanes, test, true);
    return true;
}

bool lanes_serial_done(const struct lanes *lanes)
{
    return lanes->serial_head == lanes->serial_tail && lanes->serial_running == LANES_NONE;
}

/* --- numbers, and the end --- */

size_t lanes_queued(const struct lanes *lanes)
{
    return lanes->queued;
}

size_t lanes_serial_queued(const struct lanes *lanes)
{
    return lanes->serial_tail - lanes->serial_head;
}

size_t lanes_slot_queued(const struct lanes *lanes, unsigned index)
{
    const struct lane_slot *slot = &lanes->slots[index];

    return slot->run.tests + (slot->open_tail - slot->open_head) + (slot->pinned != LANES_NONE);
}

void lanes_drop(struct lanes *lanes, void (*fn)(void *arg, size_t test), void *arg)
{
    for (unsigned s = 0; s < lanes->nslots; s++) {
        struct lane_slot *slot = &lanes->slots[s];

        slot->run.head = slot->run.tail = slot->run.tests = 0;
        slot->run.cost = 0;
        slot->open_head = slot->open_tail = 0;
        slot->pinned = LANES_NONE;
    }
    lanes->serial_head = lanes->serial_tail;
    lanes->queued = 0;
    for (size_t i = 0; i < lanes->ntests; i++)
        if (lanes->state[i] == QUEUED || lanes->state[i] == PINNED) {
            lanes->state[i] = FINISHED;
            fn(arg, i);
        }
    lanes->parallel_left = 0;
    for (unsigned s = 0; s < lanes->nslots; s++)
        lanes->parallel_left += lanes->slots[s].running != LANES_NONE;
}
