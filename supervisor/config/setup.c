/* SPDX-License-Identifier: MIT */
#include "supervisor/config/setup.h"

#include <stdlib.h>

#include "supervisor/core/filter.h"

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

void setup_scripts_done(struct setup_scripts *scripts)
{
    for (size_t i = 0; i < scripts->n; i++) {
        filter_free(scripts->items[i].filter);
        free(scripts->items[i].name);
        free_words(scripts->items[i].command);
        free_words(scripts->items[i].teardown);
    }
    free(scripts->items);
    *scripts = (struct setup_scripts){0};
}
