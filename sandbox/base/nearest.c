/* SPDX-License-Identifier: MIT */
#include "sandbox/base/nearest.h"

#include <string.h>

enum { WORD_MAX = 48 }; /* longer words are no misspelling */

/* Edit distance of a and b (insert, delete, replace), for words below WORD_MAX. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t length_b = strlen(b);

    for (size_t j = 0; j <= length_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < length_b; j++) {
            unsigned best = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            row[j + 1] = best;
        }
    }
    return row[length_b];
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
