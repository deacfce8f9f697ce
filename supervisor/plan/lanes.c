/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/lanes.h"

#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/plan/lanes_internal.h"

/* --- small queues --- */

void lanes_deque_push(struct deque *deque, struct lane_atom atom)
{
    mem_grow(&deque->atoms, &deque->room, deque->tail + 1, sizeof(*deque->atoms));
    deque->atoms[deque->tail++] = atom;
    deque->tests += atom.count;
    deque->cost += atom.cost;
}

void lanes_open_push_front(struct lane_slot *slot, size_t test)
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

void lanes_serial_push(struct lanes *lanes, size_t test, bool fresh)
{
    mem_grow(&lanes->serial, &lanes->serial_room, lanes->serial_tail + 1, sizeof(*lanes->serial));
    mem_grow(&lanes->serial_fresh, &lanes->fresh_room, lanes->serial_tail + 1,
             sizeof(*lanes->serial_fresh));
    lanes->serial[lanes->serial_tail] = test;
    lanes->serial_fresh[lanes->serial_tail++] = fresh;
    lanes->state[test] = QUEUED;
}

void lanes_serial_push_front(struct lanes *lanes, size_t test, bool fresh)
{
    lanes->serial[--lanes->serial_head] = test;
    lanes->serial_fresh[lanes->serial_head] = fresh;
    lanes->state[test] = QUEUED;
}

/* --- taking and stealing --- */

static void begin_atom(struct lanes *lanes, struct lane_slot *slot)
{
    struct lane_atom atom = slot->run.atoms[slot->run.head++];

    slot->run.tests -= atom.count;
    slot->run.cost -= atom.cost;
    for (size_t i = 0; i < atom.count; i++)
        open_push_back(slot, lanes->order[atom.first + i]);
}

/* Makes the first atom whose first test can have its locks the next of the slot's run. */
static bool bring_startable(struct lanes *lanes, struct lane_slot *slot, size_t ending)
{
    struct deque *run = &slot->run;

    for (size_t i = run->head; i < run->tail; i++) {
        struct lane_atom atom = run->atoms[i];

        if (!locks_can(lanes->locks, lanes->order[atom.first], ending))
            continue;
        memmove(run->atoms + run->head + 1, run->atoms + run->head, (i - run->head) * sizeof(*run->atoms));
        run->atoms[run->head] = atom;
        return true;
    }
    return false;
}

/* The next queued test of the slot's own that can have its locks, once `ending` (NONE: nobody) has given back its own; it stays in
 * front of its queue. An atom that is begun becomes the slot's for good. */
static size_t look_own(struct lanes *lanes, struct lane_slot *slot, size_t ending)
{
    bool open = slot->open_head < slot->open_tail;

    if (open && locks_can(lanes->locks, slot->open[slot->open_head], ending))
        return slot->open[slot->open_head];
    if (!bring_startable(lanes, slot, ending))
        return LANES_NONE;
    if (!open) {
        begin_atom(lanes, slot);
        return slot->open[slot->open_head];
    }
    if (slot->run.atoms[slot->run.head].count > 1)
        return LANES_NONE; /* two groups are not mixed */
    lanes_open_push_front(slot, lanes->order[slot->run.atoms[slot->run.head].first]);
    slot->run.tests--;
    slot->run.cost -= slot->run.atoms[slot->run.head++].cost;
    return slot->open[slot->open_head];
}

static size_t next_own(struct lanes *lanes, struct lane_slot *slot)
{
    size_t test = look_own(lanes, slot, LANES_NONE);

    slot->open_head += test != LANES_NONE;
    return test;
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

    for (unsigned s = 0; s < lanes->nslots && !lanes->fixed; s++) {
        struct lane_slot *slot = &lanes->slots[s];

        if (slot != thief && slot->run.tests && (!victim || slot->run.cost > victim->run.cost))
            victim = slot;
    }
    if (!victim)
        return false;
    cut = steal_from(&victim->run);
    for (size_t i = cut; i < victim->run.tail; i++) {
        lanes_deque_push(&thief->run, victim->run.atoms[i]);
        victim->run.tests -= victim->run.atoms[i].count;
        victim->run.cost -= victim->run.atoms[i].cost;
    }
    victim->run.tail = cut;
    return true;
}

/* All that is the slot's own waits for locks: one test of another slot that does not. */
static size_t take_startable(struct lanes *lanes, const struct lane_slot *thief)
{
    for (unsigned s = 0; lanes->locks && s < lanes->nslots; s++) {
        struct deque *run = &lanes->slots[s].run;

        for (size_t i = run->tail; &lanes->slots[s] != thief && i > run->head; i--) {
            struct lane_atom atom = run->atoms[i - 1];

            if (atom.count > 1 || !locks_can(lanes->locks, lanes->order[atom.first], LANES_NONE))
                continue;
            memmove(run->atoms + i - 1, run->atoms + i, (run->tail - i) * sizeof(*run->atoms));
            run->tail--;
            run->tests--;
            run->cost -= atom.cost;
            return lanes->order[atom.first];
        }
    }
    return LANES_NONE;
}

/* The pinned test surely follows: one that needs locks only where the running one has the same, which are handed on. */
static void pin_next(struct lanes *lanes, struct lane_slot *slot)
{
    size_t test;

    if (slot->pinned != LANES_NONE)
        return;
    test = look_own(lanes, slot, slot->running);
    /* Stealing already for the pin spares module fixtures a teardown, but a single queued test is better left to a
     * slot that is idle now. */
    if (test == LANES_NONE && slot->run.tests == 0 && lanes->queued > lanes->nslots && steal(lanes, slot))
        test = look_own(lanes, slot, slot->running);
    if (test == LANES_NONE || (locks_has(lanes->locks, test) && !locks_same(lanes->locks, test, slot->running)))
        return;
    slot->open_head++;
    slot->pinned = test;
    lanes->state[test] = PINNED;
}

static void hold(struct lanes *lanes, struct lane_slot *slot, size_t test)
{
    if (slot->holds == LANES_NONE)
        locks_take(lanes->locks, test); /* else it was handed on */
    slot->holds = locks_has(lanes->locks, test) ? test : LANES_NONE;
}

static void give_back(struct lanes *lanes, struct lane_slot *slot)
{
    if (slot->holds != LANES_NONE)
        locks_give(lanes->locks, slot->holds);
    slot->holds = LANES_NONE;
}

void lanes_leave(struct lanes *lanes, struct lane_slot *slot)
{
    slot->running = LANES_NONE;
    if (slot->pinned != LANES_NONE && locks_has(lanes->locks, slot->pinned))
        slot->holds = slot->pinned;
    else
        give_back(lanes, slot);
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
    if (test == LANES_NONE && slot->run.tests == 0 && steal(lanes, slot))
        test = next_own(lanes, slot);
    if (test == LANES_NONE)
        test = take_startable(lanes, slot);
    if (test == LANES_NONE)
        return LANES_NONE;
    hold(lanes, slot, test);
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
    lanes_leave(lanes, slot);
}

void lanes_release(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->pinned == LANES_NONE)
        return;
    if (slot->holds == slot->pinned)
        give_back(lanes, slot);
    lanes_open_push_front(slot, slot->pinned);
    lanes->state[slot->pinned] = QUEUED;
    slot->pinned = LANES_NONE;
}

void lanes_retry(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    lanes_release(lanes, index); /* so that the pinned one stays behind it */
    lanes_open_push_front(slot, slot->running);
    lanes->state[slot->running] = QUEUED;
    lanes->queued++;
    lanes_leave(lanes, slot);
}

void lanes_reroute(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    lanes_serial_push(lanes, slot->running, true);
    lanes->parallel_left--;
    lanes_leave(lanes, slot);
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
    lanes_serial_push_front(lanes, lanes->serial_running, lanes->serial_running_fresh);
    lanes->serial_running = LANES_NONE;
}

bool lanes_serial_again(struct lanes *lanes, size_t test)
{
    if (test >= lanes->ntests || lanes->state[test] != FINISHED)
        return false;
    lanes_serial_push(lanes, test, true);
    return true;
}

bool lanes_serial_done(const struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->ndelayed; i++)
        if (lanes->delayed[i].serial)
            return false;
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
        if (slot->holds == slot->pinned)
            give_back(lanes, slot);
        slot->pinned = LANES_NONE;
    }
    lanes->serial_head = lanes->serial_tail;
    lanes->queued = lanes->ndelayed = 0;
    for (size_t i = 0; i < lanes->ntests; i++)
        if (lanes->state[i] == QUEUED || lanes->state[i] == PINNED || lanes->state[i] == DELAYED) {
            lanes->state[i] = FINISHED;
            fn(arg, i);
        }
    lanes->parallel_left = 0;
    for (unsigned s = 0; s < lanes->nslots; s++)
        lanes->parallel_left += lanes->slots[s].running != LANES_NONE;
}
