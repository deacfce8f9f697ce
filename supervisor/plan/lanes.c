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
        lanes_deque_push(&thief->run, victim->run.atoms[i]);
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
    slot->running = LANES_NONE;
}

void lanes_reroute(struct lanes *lanes, unsigned index)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    lanes_serial_push(lanes, slot->running, true);
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
