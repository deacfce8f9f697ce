/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A terminal for a debugger in a worker. A worker never gets ours: it gets a pseudo terminal, and what is typed and shown is
 * copied between the two. One worker has it at a time; others that ask wait. While one has it the run's clock stands still,
 * no test is started, and what the controller would show waits. Where our standard input is no terminal it is handed on as
 * it is, and nothing waits.
 */
#include <stdbool.h>

struct run;
struct worker;

/* Its test wants to talk to the user. It is told `terminal` when it can: with a descriptor "terminal"; or with "input" where
 * our standard input is no terminal; or with none where no pseudo terminal is to be had. */
void terminal_ask(struct worker *worker);
/* It has done so, has ended its test, or dies. Does nothing for one that did not ask. */
void terminal_release(struct worker *worker);
/* The answer to controller_pause(): nothing of what was shown is on its way any more. */
void terminal_go_on(struct run *run);
/* The run ends: ours is as it was. */
void terminal_close(struct run *run);
bool terminal_is_taken(const struct run *run);
