/* SPDX-License-Identifier: MIT */
#include "supervisor/core/blackbox.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 256
#define RECORD_HEAD 8
#define MAX_RECORDS BLACKBOX_STARTS
#define EXIT_TEXT 24
#define CURRENT 248
#define REFUSED 252
#define SHOWN 2

struct place {
    const char *text;
    size_t length;
    uint64_t count;
};

static uint32_t read_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int most_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->count < y->count) - (x->count > y->count);
}

/* Several processes of one test may have noted the same line. */
static size_t read_places(const unsigned char *page, size_t page_size, struct place *places)
{
    size_t records, n = 0;

    if (page_size < BLACKBOX_SIZE)
        return 0;
    records = read_u32(page);
    for (size_t i = 1; i <= records && i <= MAX_RECORDS; i++) {
        const unsigned char *record = page + i * RECORD;
        struct place place = {.text = (const char *)record + RECORD_HEAD,
                              .length = read_u32(record + 4),
                              .count = read_u32(record)};
        bool merged = false;

        if (place.length == 0 || place.length > RECORD - RECORD_HEAD || place.count == 0)
            continue;
        for (size_t k = 0; k < n && !merged; k++) {
            merged = places[k].length == place.length &&
                     memcmp(places[k].text, place.text, place.length) == 0;
            if (merged)
                places[k].count += place.count;
        }
        if (!merged)
            places[n++] = place;
    }
    qsort(places, n, sizeof(*places), most_first);
    return n;
}

/* "1 thread of x", not "1 threads of x". */
static size_t plural_end(const struct place *place)
{
    static const char *const nouns[] = {"threads", "processes"};
    static const char *const singular[] = {"thread", "process"};

    for (size_t i = 0; place->count == 1 && i < sizeof(nouns) / sizeof(*nouns); i++)
        if (place->length > strlen(nouns[i]) && memcmp(place->text, nouns[i], strlen(nouns[i])) == 0)
            return strlen(nouns[i]) - strlen(singular[i]);
    return 0;
}

void blackbox_describe(const unsigned char *page, size_t page_size, char *buf, size_t size)
{
    struct place places[MAX_RECORDS];
    size_t n = read_places(page, page_size, places), at = 0;

    *buf = '\0';
    for (size_t i = 0; i < n && i < SHOWN && at < size; i++) {
        size_t cut = plural_end(&places[i]);
        const char *space = memchr(places[i].text, ' ', places[i].length);
        size_t word = cut && space ? (size_t)(space - places[i].text) : 0;

        at += (size_t)snprintf(buf + at, size - at, "%s%llu %.*s%.*s", i ? ", " : "",
                               (unsigned long long)places[i].count, (int)(word ? word - cut : 0),
                               places[i].text, (int)(places[i].length - word), places[i].text + word);
    }
    if (n > SHOWN && at < size)
        snprintf(buf + at, size - at, ", and more from %zu other line%s", n - SHOWN,
                 n - SHOWN == 1 ? "" : "s");
}

static const char *phase_name(uint32_t phase)
{
    static const char *const names[] = {NULL, "setup", "call", "teardown", "session finish"};

    return phase < sizeof(names) / sizeof(*names) ? names[phase] : NULL;
}

void blackbox_read(const unsigned char *page, size_t page_size, struct blackbox *ret)
{
    struct place places[MAX_RECORDS];
    uint32_t task, length;

    *ret = (struct blackbox){0};
    if (page_size < BLACKBOX_SIZE)
        return;
    ret->nstarts = read_places(page, page_size, places);
    for (size_t i = 0; i < ret->nstarts; i++) {
        ret->starts[i].count = places[i].count;
        memcpy(ret->starts[i].text, places[i].text, places[i].length);
    }
    ret->current = read_u32(page + CURRENT);
    ret->refused = read_u32(page + REFUSED);
    ret->phase = phase_name(read_u32(page + 4));
    task = read_u32(page + 8);
    length = read_u32(page + 16);
    if (task == 0 || task > 1U << 22 || length >= sizeof(ret->exit_where))
        return;
    ret->exit_task = (int)task;
    ret->exit_status = (int)(read_u32(page + 12) & 0xff);
    ret->exit_test = read_u32(page + 20);
    memcpy(ret->exit_where, page + EXIT_TEXT, length);
}
