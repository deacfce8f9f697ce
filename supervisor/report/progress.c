/* SPDX-License-Identifier: MIT */
#include "supervisor/report/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/text.h"

#define ID_COLUMNS 12 /* where less is left for a test, it is left out */

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static unsigned columns_of(const char *c)
{
    return !starts_character(*c) ? 0 : (unsigned char)*c < 0x80 ? 1 : 2;
}

static unsigned width_of(const char *text)
{
    unsigned width = 0;

    for (; *text; text++)
        width += columns_of(text);
    return width;
}

/* Writes the first characters of `text` that fit, or the last ones. */
static void put_head(FILE *out, const char *text, unsigned columns)
{
    const char *end = text;

    while (*end && columns_of(end) <= columns) {
        columns -= columns_of(end++);
        while (!starts_character(*end))
            end++;
    }
    fwrite(text, 1, (size_t)(end - text), out);
}

static void put_tail(FILE *out, const char *text, unsigned columns)
{
    while (*text && width_of(text) > columns)
        do
            text++;
        while (!starts_character(*text));
    fputs(text, out);
}

/* Its end tells it from others of its kind, so more of that stays. */
static unsigned put_id(FILE *out, const char *id, unsigned columns)
{
    unsigned width = width_of(id);

    if (width <= columns) {
        fputs(id, out);
        return width;
    }
    put_head(out, id, (columns - 2) / 3);
    fputs("..", out);
    put_tail(out, id, columns - 2 - (columns - 2) / 3);
    return columns;
}

static void print_elapsed(char *buf, size_t size, uint64_t ns)
{
    uint64_t s = ns / NS_PER_SEC;

    if (s < 10)
        snprintf(buf, size, "%.1fs", (double)(ns / (NS_PER_SEC / 10)) / 10);
    else if (s < 60)
        snprintf(buf, size, "%us", (unsigned)s);
    else
        snprintf(buf, size, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
}

static int longest_first(const void *a, const void *b)
{
    const struct progress_test *x = a, *y = b;

    return x->elapsed_ns < y->elapsed_ns ? 1 : x->elapsed_ns > y->elapsed_ns ? -1 : 0;
}

/* As many tests as fit into `room` columns. */
static void put_running(FILE *out, const struct progress_test *tests, size_t n, unsigned room)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *id = text_clean(tests[i].id, strlen(tests[i].id), 0);
        char elapsed[32];
        unsigned head;

        print_elapsed(elapsed, sizeof(elapsed), tests[i].elapsed_ns);
        head = (unsigned)strlen(elapsed) + 3;
        if (room < head + ID_COLUMNS && room < head + width_of(id))
            return;
        room -= head;
        fprintf(out, "%s%s ", i ? ", " : "  ", elapsed);
        room -= put_id(out, id, room);
    }
}

char *progress_line(const struct progress *progress, unsigned columns)
{
    struct progress_test *sorted = mem_calloc(progress->nrunning + 1, sizeof(*sorted));
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);

    if (!out)
        abort();
    fprintf(out, "%zu/%zu", progress->done, progress->total);
    if (progress->failed)
        fprintf(out, ", %zu failed", progress->failed);
    fflush(out);
    if (size <= columns) {
        if (progress->nrunning)
            memcpy(sorted, progress->running, progress->nrunning * sizeof(*sorted));
        qsort(sorted, progress->nrunning, sizeof(*sorted), longest_first);
        put_running(out, sorted, progress->nrunning, columns - (unsigned)size);
    }
    fclose(out);
    if (size > columns && columns < width_of(line))
        *line = '\0';
    free(sorted);
    return line;
}
