/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Small, fixed-size allocations abort on failure: nothing useful can be done then. A size that comes
 * from outside is bounded by its reader and allocated with plain malloc().
 */
#include <stddef.h>

void *mem_zalloc(size_t size);
void *mem_calloc(size_t n, size_t size);
/* Grows `*p` (elements of `size` bytes) so that `want` elements fit; `*cap` is the room it has. */
void mem_grow(void *p, size_t *cap, size_t want, size_t size);
char *mem_strdup(const char *s);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
