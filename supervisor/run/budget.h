/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One budget for the machine: before a test starts, its slot has a token, either of the make that started shunt (its first
 * slot is free there, make runs it) or of the pool of all `shunt run --budget host`.
 *
 * A running test has at most one token and waits for no other, so tokens always come back and runs cannot wait for each
 * other in a circle. A run inside another run's test, and one below make, has its first slot free: whoever started it waits
 * for it, and holds that one's token.
 */
#include <stdbool.h>

struct budget;
struct err;
struct run;

/* Before anything is started, since it takes make's descriptors away from what is. */
void budget_join_make(struct run *run);
/* Once the CPUs are known. */
int budget_join_host(struct run *run, struct err *err);
void budget_free(struct budget *budget);
/* What is shared with whom, for the header; "" when nothing is. */
const char *budget_describe(const struct budget *budget);

/* The environment for the command and workers, which cannot reach a jobserver: without it. Takes and returns what
 * spec_environment() gave. */
char **budget_environment(char **env);

/* The scheduler's turn: begin, may_start before each start of a test, end. All do nothing without a budget (NULL). */
void budget_begin(struct run *run);
bool budget_may_start(struct run *run);
void budget_end(struct run *run);

void budget_tick(struct run *run);  /* the slow one */
void budget_pause(struct run *run); /* everything is frozen: others may have the tokens */
