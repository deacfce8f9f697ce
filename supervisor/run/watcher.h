/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Somebody who sits at the terminal: a status line at its bottom (where shunt itself shows), and keys. While tests run and
 * we are in the foreground, the terminal hands on each key without showing it; it is as it was whenever a debugger has it,
 * while we are stopped, and at the end.
 */
struct run;

struct watcher;

void watcher_tick(struct run *run); /* ten times a second */
/* The terminal is as it was, and the status line is gone, until the next tick. */
void watcher_pause(struct run *run);
void watcher_free(struct run *run);
