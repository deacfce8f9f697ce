/* SPDX-License-Identifier: MIT */
#pragma once

/* A framework's own command line, taken apart with a table: what each option means where its tests are started one by one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adapter_list;
struct err;

enum option_use {
    OPTION_KEEP,     /* means the same for the list and for each test */
    OPTION_SELECT,   /* says which tests: for the list alone */
    OPTION_SHOW,     /* how results are shown: shunt shows them */
    OPTION_JOBS,     /* its value is a number of workers */
    OPTION_STOP,     /* ends the run after so many failures; without a value, one */
    OPTION_LEFT_OUT, /* cannot mean the same: left out, and said */
    OPTION_REFUSE,   /* changes what a test is, and cannot be done: an error */
    OPTION_ELSE      /* with this no tests are run */
};

struct option_row {
    const char *names; /* "-j --jobs"; the table ends with NULL */
    enum option_use use;
    bool value;        /* it takes one */
};

/* One option (or one letter of "-lv"), or one word that is none. */
struct option_walk {
    char *const *argv;
    const char *letters; /* the rest of a bundle; NULL */
    const struct option_row *row; /* NULL: a plain word, or an option that the table has not */
    const char *word;    /* as it was typed */
    char name[64];       /* "-j", "--jobs" */
    const char *value;   /* NULL: none */
    bool plain;          /* no option */
    bool only_plain;     /* behind -- */
};

/* `walk->argv` begins behind the program's name. False at the end. */
bool option_next(struct option_walk *walk, const struct option_row *table);
/* The value of this option, where it was typed last ("": it has none); NULL: it was not. `argv` as of option_next(). */
const char *option_typed(char *const argv[], const struct option_row *table, const char *letter, const char *name);
/* Has one of these words the use OPTION_ELSE? */
bool option_means_else(char *const argv[], const struct option_row *table);

struct option_words {
    char **list, **test, **plain; /* words of options, and those that are none; NULL-terminated; NULL: none */
};

/* Fills the words, and what the options ask for in the list (workers, max_fail, notice). `framework` is for messages. */
int option_split(struct adapter_list *list, char *const argv[], const struct option_row *table, const char *framework,
                 struct option_words *ret, struct err *err);
/* Behind the other notices. */
void option_notice(struct adapter_list *list, const char *text);
void option_append_all(char ***words, char *const more[]);
void option_words_done(struct option_words *words);
