/* SPDX-License-Identifier: MIT */
#include "sandbox/base/nearest.h"

#include <string.h>

enum { WORD_MAX = 48 }; /* longer words are no misspelling */

/* How many mistakes lie between a and b: a letter too many, missing, another one, or two in the wrong order. For words below
 * WORD_MAX. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1]; /* of a's letters so far, one less, two less */
    size_t length_b = strlen(b), i = 0;

    for (size_t j = 0; j <= length_b; j++)
        rows[0][j] = (unsigned)j;
    for (; a[i]; i++) {
        const unsigned *before = rows[i % 3], *earlier = rows[(i + 2) % 3];
        unsigned *row = rows[(i + 1) % 3];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < length_b; j++) {
            unsigned best = before[j] + (a[i] != b[j]);

            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (before[j + 1] + 1 < best)
                best = before[j + 1] + 1;
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] && earlier[j - 1] + 1 < best)
                best = earlier[j - 1] + 1;
            row[j + 1] = best;
        }
    }
    return rows[i % 3][length_b];
}

const char *nearest_word(const char *word, const char *const *candidates)
{
    size_t length = strlen(word);
    const char *nearest = NULL;
    unsigned least = length <= 4 ? 2 : 3;

    if (length < 2 || length >= WORD_MAX)
        return NULL;
    for (; *candidates; candidates++) {
        unsigned distance;

        if (strlen(*candidates) >= WORD_MAX)
            continue;
        /* A beginning is what people type when they hope for abbreviations. */
        if (length >= 3 && strncmp(*candidates, word, length) == 0)
            return *candidates;
        distance = edit_distance(word, *candidates);
        if (distance < least) {
            least = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}
