/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Files that tests leave in their worker's own /tmp. A test that makes or removes none there costs one fstat(): the directory
 * is listed when it has changed, which names the test; what is still there when the worker has ended by itself, after its
 * exit handlers, is a leak. A shared /tmp is not looked at.
 */
#include <stddef.h>

struct json_t;
struct worker;

/* Names of what fixtures of wider scope made in /tmp (`kept_files` of a `done` message). -EPROTO when malformed. */
int leak_files_kept(struct worker *worker, const struct json_t *kept);
void leak_files_start(struct worker *worker); /* before its first test */
void leak_files_boundary(struct worker *worker, size_t test);
void leak_files_end(struct worker *worker);
void leak_files_free(struct worker *worker);
