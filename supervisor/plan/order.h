/* SPDX-License-Identifier: MIT */
#pragma once

/* A random order that keeps what is to stay together: modules change places, and tests within them; tests of a group keep their
 * order among themselves. The same seed and the same tests give the same order. Pure. */
#include <stddef.h>
#include <stdint.h>

struct suite;

/* `ret`: by place, which test comes there; as many as the suite has. */
void order_shuffle(const struct suite *suite, uint64_t seed, size_t *ret);
