/* SPDX-License-Identifier: MIT */
/* Tests that run again, but not before their time. */
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/plan/lanes_internal.h"

/* The list is in the order in which they are due. */
static void add(struct lanes *lanes, struct lanes_delayed delayed)
{
    size_t at = lanes->ndelayed;

    mem_grow(&lanes->delayed, &lanes->delayed_room, lanes->ndelayed + 1, sizeof(*lanes->delayed));
    for (; at > 0 && lanes->delayed[at - 1].due_ns > delayed.due_ns; at--)
        lanes->delayed[at] = lanes->delayed[at - 1];
    lanes->delayed[at] = delayed;
    lanes->ndelayed++;
    lanes->state[delayed.test] = DELAYED;
}

void lanes_delay(struct lanes *lanes, unsigned index, uint64_t due_ns)
{
    struct lane_slot *slot = &lanes->slots[index];

    if (slot->running == LANES_NONE)
        return;
    add(lanes, (struct lanes_delayed){.test = slot->running, .due_ns = due_ns, .slot = index});
    lanes_leave(lanes, slot);
}

void lanes_serial_delay(struct lanes *lanes, uint64_t due_ns)
{
    if (lanes->serial_running == LANES_NONE)
        return;
    add(lanes, (struct lanes_delayed){.test = lanes->serial_running, .due_ns = due_ns, .serial = true});
    lanes->serial_running = LANES_NONE;
}

/* What a slot has begun is never stolen, so a test goes to one that is idle now: its own where that is. */
static unsigned idle_slot(const struct lanes *lanes, unsigned own)
{
    if (lanes->slots[own].running == LANES_NONE)
        return own;
    for (unsigned s = 0; s < lanes->nslots; s++)
        if (lanes->slots[s].running == LANES_NONE && lanes->slots[s].pinned == LANES_NONE)
            return s;
    return lanes->nslots;
}

static bool wake(struct lanes *lanes, const struct lanes_delayed *delayed)
{
    unsigned slot = delayed->serial ? 0 : idle_slot(lanes, delayed->slot);

    if (delayed->serial) {
        lanes_serial_push_front(lanes, delayed->test, true);
        return true;
    }
    if (slot == lanes->nslots)
        return false;
    lanes_open_push_front(&lanes->slots[slot], delayed->test);
    lanes->state[delayed->test] = QUEUED;
    lanes->queued++;
    return true;
}

/* Each goes in front of what is queued, so the one that is due first is woken last. */
void lanes_wake(struct lanes *lanes, uint64_t now_ns)
{
    for (size_t i = lanes->ndelayed; i-- > 0;) {
        if (lanes->delayed[i].due_ns > now_ns || !wake(lanes, &lanes->delayed[i]))
            continue;
        lanes->ndelayed--;
        memmove(&lanes->delayed[i], &lanes->delayed[i + 1], (lanes->ndelayed - i) * sizeof(*lanes->delayed));
    }
}
