/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A test that takes long: a notice for people (--slow), and at its timeout a chance for what it started to end by itself.
 * First the evidence; then SIGTERM for every process of its slot but the worker, which gets it only where somebody handles it;
 * then --grace; then everything is killed. Whatever the test says in that time does not count.
 */
#include <stdbool.h>
#include <stdint.h>

struct detector_result;
struct incident;
struct worker;

void timeout_slow(struct worker *worker, uint64_t now_ns);
/* True: it was asked to end. False: there is nobody to ask, or it was asked before: end it now. */
bool timeout_begin(struct worker *worker, const struct detector_result *result);
/* What was concluded when time ran out; NULL: it has not. */
const struct detector_result *timeout_verdict(const struct worker *worker);
bool timeout_grace_is_over(const struct worker *worker, uint64_t now_ns);
/* The evidence of when time ran out goes into the incident; false: there is none. */
bool timeout_evidence(struct worker *worker, struct incident *incident);
void timeout_free(struct worker *worker);
