/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A suspect runs again alone in the serial lane, with time for its leftovers to end its worker; so do the leftovers of a test that
 * died in the parallel lane and passes alone.
 */
#include "supervisor/run/detect/blame.h"

/* A death during `incident`'s test, that `test` may have brought about: it runs again. */
void blame_suspect(struct run *run, const struct blame_look *look, const struct incident *incident, size_t test);
/* The test of the incident died, and moved to the serial lane. */
void blame_rerouted(struct run *run, const struct incident *incident);

/* Running a suspect again alone. Its result is nobody's; it has its outcome already. */
void blame_confirm_go(struct worker *worker, size_t test);
void blame_confirm_done(struct worker *worker);
void blame_confirm_tick(struct worker *worker);
/* The worker of a suspect broke out or died: settled, and true; false: it was no suspect's. */
bool blame_confirm_broken(struct worker *worker, const struct detector_result *result);
void blame_confirm_over(struct worker *worker); /* it ended by itself */
/* A test that had died in the parallel lane passed alone: what it leaves there gets as much time as it had before. */
void blame_rerouted_done(struct worker *worker, size_t test);
/* There is no need to run this suspect any more. */
bool blame_is_moot(const struct run *run, size_t test);

/* blame.c: what the leftovers of `test` had lived when the worker died, 0: not known; and its outcome is void, it counts as killed. */
uint64_t blame_lived_since(const struct blame_look *look, size_t test);
void blame_charge(struct worker *worker, struct incident *incident, const char *slot_name);
