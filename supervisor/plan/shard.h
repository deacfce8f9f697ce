/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A suite in parts, one a machine. Every machine works the parts out by itself, so they follow from the tests alone, and from what
 * is expected of them: machines with the same history agree. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suite;

#define SHARDS_MAX 1000

struct shard_plan {
    unsigned *of;    /* by test: its shard, from 0; as many as the suite has tests */
    bool timed;      /* balanced by time; else each test goes where its id says, whatever other tests there are */
    uint64_t digest; /* of tests and shards: machines that agree have the same */
};

/* `cost`: by test, what it takes (0: not known). Tests of one group stay together. `ret->of` is the caller's to free. */
void shard_make(const struct suite *suite, const uint64_t *cost, unsigned shards, struct shard_plan *ret);
