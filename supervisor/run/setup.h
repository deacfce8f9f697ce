/* SPDX-License-Identifier: MIT */
#pragma once

/* Setup commands of the project's shunt.yaml: in the run sandbox, one after the other, before the first worker and after the last. */
#include <stdbool.h>
#include <stdint.h>

struct json_t;
struct run;
struct run_init_event;

#define SETUP_TAG (1ULL << 42) /* at the run init */

/* Once the suite is known and the header is out: starts the first that is needed, and lets the phase be PHASE_PARALLEL when all have
 * ended; at once where there is none. */
void setup_begin(struct run *run);
/* Nothing runs any more: true when all teardowns have ended, else one of them goes on. */
bool setup_finished(struct run *run);
void setup_event(struct run *run, struct run_init_event *event);
void setup_free(struct run *run);

/* What they have exported, on top of an environment of spec_environment()'s (freed here), or into an object. */
char **setup_environment(const struct run *run, char **env);
void setup_export(const struct run *run, struct json_t *object);
