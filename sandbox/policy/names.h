/* SPDX-License-Identifier: MIT */
#pragma once

/* Names of what there is, for lists and suggestions. Errors while looking are passed over: nothing is decided by them. */
#include <stddef.h>

struct policy_source;

struct name_list {
    char **names; /* sorted, each once, NULL-terminated (NULL when empty and never filled) */
    size_t n, room;
};

void name_list_done(struct name_list *list);
char *name_list_join(const struct name_list *list); /* "a, b, c", malloc'ed */

/* Those of the project, and of each DIR/NAME.yaml. */
void names_of_policies(const struct policy_source *source, struct name_list *list);
/* Those of each DIR/FOLDER/NAME.ENDING; folder "" is DIR itself. */
void names_below(const struct policy_source *source, const char *folder, const char *ending, struct name_list *list);
