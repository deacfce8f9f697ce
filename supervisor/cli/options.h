/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A parser for options that live in one table: what is accepted, what is stored, and what `--help`
 * prints come from the same rows. Long (--opt=value, --opt value) and short (-o value, -ovalue,
 * clusters -xq) forms; options end at `--` or at the first word that is none, as with env(1).
 */
#include <stdbool.h>
#include <stdio.h>

struct err;

struct option_row {
    const char *name;  /* without the dashes; NULL ends the table */
    char letter;       /* 0: none */
    const char *value; /* what --help calls the value; NULL: takes none */
    const char *help;  /* one or more lines, separated by '\n' */
    /* Checks `text` (NULL for options without a value) and stores it. On failure it says in `err`
     * what is expected; option and value are named by the caller. */
    int (*set)(void *target, const char *text, struct err *err);
    const char *section; /* heading above this row; NULL: none */
};

/* Returns 0 with the index of the first operand, or -errno with `err` filled (ERR_USAGE). */
int options_parse(const struct option_row *table, int argc, char **argv, void *target,
                  int *ret_first, struct err *err);
/* Is the word behind this one its value ("-n", "--filter")? */
bool options_wants_next(const struct option_row *table, const char *word);
void options_print_help(const struct option_row *table, FILE *out);
