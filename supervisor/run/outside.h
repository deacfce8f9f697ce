/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What goes on outside of tests: imports and the collection, a worker's end of its session. Nobody waits for it unseen: after --slow
 * a notice, the same on SIGUSR1 and ^C, and errors of a session's teardown are kept for reports.
 */
#include <stddef.h>
#include <stdint.h>

struct report_summary;
struct run;
struct worker;

/* A worker's session fixtures failed to come down: `message` is a stranger's. The first few are kept. */
void outside_failed(struct run *run, const struct worker *worker, const char *message);
void outside_summary(const struct run *run, struct report_summary *summary);
void outside_free(struct run *run);

/* Every 100 ms. */
void outside_tick(struct run *run);
/* "worker 0 has been ending its session for 12 s, waits in sleep (conftest.py:7)": a notice for each; returns how many there were. */
size_t outside_say(struct run *run);
/* What an interrupt broke off, without where it stands; "" when nothing of that kind was going on. */
void outside_running(const struct run *run, char *buf, size_t size);
