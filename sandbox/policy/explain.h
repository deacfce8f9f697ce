/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Why libcyaml did not take a document, in words that name line, key, what was found and what was expected: the document
 * is compared with the very schema that libcyaml was given. libcyaml decides; this only explains.
 */
#include <stdio.h>

struct cyaml_schema_value;
struct err;
struct place;

/* Fills `err` for the first mismatch and returns -EINVAL; 0: nothing was found. */
int explain_mismatch(const struct cyaml_schema_value *schema, const struct place *place, struct err *err);
/* One line for each key below `schema`: `word`, the key's path behind `prefix`, and what it takes. */
void explain_keys(const struct cyaml_schema_value *schema, const char *word, const char *prefix, FILE *out);
