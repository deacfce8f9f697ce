/* SPDX-License-Identifier: MIT */
/* A unified diff of two short texts, by their longest common subsequence of lines. Pure. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"

#define LINES_MAX 2000 /* the table has their product of entries, two bytes each */
#define CONTEXT 3

struct text {
    const char *lines[LINES_MAX];
    size_t lengths[LINES_MAX];
    size_t n;
    bool too_long;
};

struct step {  /* of the script that makes one text of the other */
    char what; /* ' ', '-', '+' */
    size_t a, b;
};

static void split(const char *from, struct text *ret)
{
    while (*from && ret->n < LINES_MAX) {
        size_t length = strcspn(from, "\n");

        ret->lines[ret->n] = from;
        ret->lengths[ret->n++] = length;
        from += length + (from[length] == '\n');
    }
    ret->too_long = *from;
}

static bool same(const struct text *a, size_t i, const struct text *b, size_t j)
{
    return a->lengths[i] == b->lengths[j] && memcmp(a->lines[i], b->lines[j], a->lengths[i]) == 0;
}

static unsigned short *common_lengths(const struct text *a, const struct text *b)
{
    size_t width = b->n + 1;
    unsigned short *table = mem_calloc((a->n + 1) * width, sizeof(*table));

    for (size_t i = a->n; i-- > 0;)
        for (size_t j = b->n; j-- > 0;) {
            unsigned short down = table[(i + 1) * width + j], right = table[i * width + j + 1];

            table[i * width + j] = same(a, i, b, j)
                                       ? (unsigned short)(table[(i + 1) * width + j + 1] + 1)
                                   : down > right ? down
                                                  : right;
        }
    return table;
}

static size_t make_script(const struct text *a, const struct text *b, struct step *script)
{
    _cleanup_free_ unsigned short *table = common_lengths(a, b);
    size_t width = b->n + 1, i = 0, j = 0, n = 0;

    while (i < a->n || j < b->n) {
        bool both = i < a->n && j < b->n;

        if (both && same(a, i, b, j))
            script[n++] = (struct step){' ', i++, j++};
        else if (j == b->n || (both && table[(i + 1) * width + j] >= table[i * width + j + 1]))
            script[n++] = (struct step){'-', i++, j};
        else
            script[n++] = (struct step){'+', i, j++};
    }
    return n;
}

/* The end of the hunk that begins at `from`: changes that are near each other share one. */
static size_t hunk_end(const struct step *script, size_t n, size_t from)
{
    size_t last = from;

    for (size_t i = from; i < n && i <= last + 2 * CONTEXT; i++)
        if (script[i].what != ' ')
            last = i;
    return last + CONTEXT + 1 < n ? last + CONTEXT + 1 : n;
}

static void put_hunk(FILE *f, const struct text *a, const struct text *b, const struct step *script,
                     size_t from, size_t to)
{
    size_t na = 0, nb = 0;

    for (size_t i = from; i < to; i++) {
        na += script[i].what != '+';
        nb += script[i].what != '-';
    }
    fprintf(f, "@@ -%zu,%zu +%zu,%zu @@\n", script[from].a + (na > 0), na,
            script[from].b + (nb > 0), nb);
    for (size_t i = from; i < to; i++) {
        const struct text *text = script[i].what == '+' ? b : a;
        size_t line = script[i].what == '+' ? script[i].b : script[i].a;

        fprintf(f, "%c%.*s\n", script[i].what, (int)text->lengths[line], text->lines[line]);
    }
}

static void put_hunks(FILE *f, const struct text *a, const struct text *b)
{
    _cleanup_free_ struct step *script = mem_calloc(a->n + b->n + 1, sizeof(*script));
    size_t n = make_script(a, b, script), shown = 0;

    for (size_t i = 0; i < n; i++) {
        size_t from = i > shown + CONTEXT ? i - CONTEXT : shown;

        if (script[i].what == ' ')
            continue;
        shown = hunk_end(script, n, i);
        put_hunk(f, a, b, script, from, shown);
        i = shown - 1;
    }
}

char *learn_diff(const char *before, const char *after, const char *before_name,
                 const char *after_name)
{
    _cleanup_free_ struct text *a = mem_zalloc(sizeof(*a)), *b = mem_zalloc(sizeof(*b));
    char *text = NULL;
    size_t size;
    FILE *f;

    if (strcmp(before, after) == 0)
        return mem_strdup("");
    f = open_memstream(&text, &size);
    if (!f)
        abort();
    split(before, a);
    split(after, b);
    fprintf(f, "--- %s\n+++ %s\n", before_name, after_name);
    if (a->too_long || b->too_long)
        fprintf(f, "(more than %d lines: not compared)\n", LINES_MAX);
    else
        put_hunks(f, a, b);
    fclose(f);
    return text;
}
