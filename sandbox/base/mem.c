/* SPDX-License-Identifier: MIT */
#include "sandbox/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *mem_check(void *p)
{
    if (!p)
        abort();
    return p;
}

void *mem_zalloc(size_t size)
{
    return mem_check(calloc(1, size ? size : 1));
}

void *mem_calloc(size_t n, size_t size)
{
    return mem_check(calloc(n ? n : 1, size ? size : 1));
}

void mem_grow(void *p, size_t *cap, size_t want, size_t size)
{
    void **array = p;
    size_t room = *cap ? *cap : 8;

    if (want <= *cap)
        return;
    while (room < want)
        room *= 2;
    *array = mem_check(reallocarray(*array, room, size));
    *cap = room;
}

char *mem_strdup(const char *s)
{
    return mem_check(strdup(s));
}

char *mem_printf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        abort();
    va_end(ap);
    return s;
}
