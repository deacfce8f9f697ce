/* SPDX-License-Identifier: MIT */
#pragma once

/* Within the lanes: lanes_build.c makes them of a suite, lanes.c takes tests from them, lanes_delay.c lets some wait. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/plan/cut.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/plan/locks.h"

/*
 * A slot's run is a deque of atoms: a range [head, tail) of one array of atoms per slot. Stealing moves atoms from the
 * tail of one deque to another one, so each atom moves at most a few times and a take costs O(slots) at worst.
 */

enum test_state { QUEUED, PINNED, RUNNING, DELAYED, FINISHED };

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
    size_t holds; /* the test whose locks this slot holds: the running one, or the pinned one that has the same; NONE */
};

struct lanes_delayed {
    size_t test;
    uint64_t due_ns;
    bool serial;
    unsigned slot; /* where it ran, in the parallel lane */
};

struct lanes {
    unsigned nslots;
    bool fixed; /* nobody steals */
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

    struct locks *locks; /* NULL: there are none */
    struct lanes_delayed *delayed; /* lanes_delay.c */
    size_t ndelayed, delayed_room;
};

/* The running test of the slot leaves it: what it holds is given back, or handed on to the pinned one. */
void lanes_leave(struct lanes *lanes, struct lane_slot *slot);
void lanes_deque_push(struct deque *deque, struct lane_atom atom);
void lanes_open_push_front(struct lane_slot *slot, size_t test);
void lanes_serial_push(struct lanes *lanes, size_t test, bool fresh);
void lanes_serial_push_front(struct lanes *lanes, size_t test, bool fresh); /* one that was taken from there */
