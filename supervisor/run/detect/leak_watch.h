/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a test leaves behind, watched without delaying the next one: tasks that live at its boundary are looked at
 * again 50 ms later, since the kernel forgets a joined thread only some milliseconds after the test has.
 * supervisor/core/leak.h says what of them is a leak.
 */
#include <stdbool.h>
#include <stddef.h>

struct blame_survivor;
struct json_t;
struct worker;

/* Tasks that wider fixtures started during this test (`kept` of a `done` message). -EPROTO when malformed. */
int leak_watch_kept(struct worker *worker, const struct json_t *kept);
/* Listening sockets that it left open, by the worker's own word (`left` of a `done` message). -EPROTO when malformed. */
int leak_watch_left(struct worker *worker, const struct json_t *left);
void leak_watch_test_starts(struct worker *worker);
void leak_watch_boundary(struct worker *worker, size_t test);
void leak_watch_tick(struct worker *worker);
/* Its worker is about to be ended: what lives now and is a leak is said. */
void leak_watch_last_look(struct worker *worker);
/* Does something that its last tests left still wait to be judged? Such a worker is not ended yet. */
bool leak_watch_pending(struct worker *worker);
bool leak_watch_is_pending_of(const struct worker *worker, size_t test);
/* Tasks of this worker that outlived the test that started them and belong to no fixture: up to `room` of them, the earliest
 * test first. As of the last look: also when the worker has just died. */
size_t leak_watch_survivors(const struct worker *worker, struct blame_survivor *ret, size_t room);
/* The source lines that started threads and processes in this earlier test of the worker; "" when they are not known. */
const char *leak_watch_origin(const struct worker *worker, size_t test);
void leak_watch_free(struct worker *worker);
