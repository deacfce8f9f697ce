/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The pool of tokens that all `shunt run --budget host` of one user share: a fifo with one byte a CPU, which speaks the
 * protocol of make's jobserver, in a directory that is ours alone.
 *
 * A fifo cannot tell who died. So each run keeps a file beside it, locked for as long as it lives, that says how many tokens
 * it holds; whoever finds one that nobody has locked puts those back. A fifo's bytes are gone with the last process that
 * has it open: the first one to come fills it, which also mends whatever went wrong before.
 */
#include <stdbool.h>

struct budget_pool;
struct err;

int budget_pool_open(unsigned capacity, struct budget_pool **ret, struct err *err);
/* The caller has given its tokens back. */
void budget_pool_free(struct budget_pool *pool);
/* Read and write tokens here; nonblocking. */
int budget_pool_fd(const struct budget_pool *pool);
/* Readable when a run has ended, perhaps without giving back; drained by budget_pool_reclaim(). */
int budget_pool_watch_fd(const struct budget_pool *pool);
/* Before a token is read, and after one was written. */
void budget_pool_record(struct budget_pool *pool, unsigned held);
void budget_pool_drain_watch(struct budget_pool *pool);
/* Puts back what dead runs held. */
void budget_pool_reclaim(struct budget_pool *pool);
