/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a test leaves behind, watched without delaying the next one: tasks that live at its boundary are looked at
 * again 50 ms later, since the kernel forgets a joined thread only some milliseconds after the test has.
 * supervisor/core/leak.h says what of them is a leak.
 */
#include <stdbool.h>
#include <stddef.h>

struct json_t;
struct worker;

/* Tasks that wider fixtures started during this test (`kept` of a `done` message). -EPROTO when malformed. */
int leak_watch_kept(struct worker *worker, const struct json_t *kept);
void leak_watch_test_starts(struct worker *worker);
void leak_watch_boundary(struct worker *worker, size_t test);
void leak_watch_tick(struct worker *worker);
/* Does something that its last tests left still wait to be judged? Such a worker is not ended yet. */
bool leak_watch_pending(struct worker *worker);
void leak_watch_free(struct worker *worker);
