/* SPDX-License-Identifier: MIT */
#pragma once

/* What the adapters of C++ frameworks share: whose program it is, what its options mean to us, and
 * texts of its output. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/adapters/adapter.h"

/* --- whose program --- */

/* Is this word an ELF file (named with a slash) that holds one of these texts with a byte other
 * than NUL in front? A mark is cut from the middle of a longer text, so that a program which only
 * knows the mark, as shunt does, is none. */
bool cpp_program_holds(const char *word, const char *const marks[]);
/* Which word is the framework's program: the first one that is ("valgrind -q ./tests ..."), else
 * argv[0]. */
size_t cpp_program(char *const argv[], const char *const marks[]);

/* --- options --- */

enum cpp_use {
    CPP_KEEP,     /* means the same for each test's own process */
    CPP_SELECT,   /* says which tests: for the list alone */
    CPP_SHOW,     /* how the framework shows results: they are shown by shunt */
    CPP_LEFT_OUT, /* cannot mean the same: left out, and said */
    CPP_STOP,     /* ends the run after so many failures (without a value: one); kept as well */
    CPP_ELSE      /* with this the program runs no tests */
};

struct cpp_option {
    const char *names; /* without dashes, one blank between two */
    enum cpp_use use;
    bool takes_word; /* its value is the next word */
};

/* One option, or one word that is none. */
struct cpp_word {
    const struct cpp_option *option; /* NULL: not the framework's */
    const char *value;               /* NULL: none */
    enum cpp_use use;                /* of what is no option of the framework's */
    size_t words;                    /* how many of the command's; 0 is 1 */
};

struct cpp_command {
    char **list, **test; /* words to list with, and to run a test with; the adapter adds its own.
                            NULL-terminated */
    uint64_t max_fail;
    char *left_out;        /* names; NULL */
    const char *otherwise; /* the option with which no tests are run; NULL */
};

/* The row whose names hold this one; `size` bytes. NULL: none. */
const struct cpp_option *cpp_find_option(const struct cpp_option *table, const char *name,
                                         size_t size);
/* Takes a command apart, whose options begin behind the word `program`; `read` says what the word
 * at words[0] is. Empty with cpp_command_done(). */
void cpp_split(char *const argv[], size_t program, struct cpp_word (*read)(char *const words[]),
               struct cpp_command *ret);
void cpp_command_done(struct cpp_command *command);
/* Is none of the options of this program one with which it runs no tests? */
bool cpp_runs_tests(char *const argv[], struct cpp_word (*read)(char *const words[]));
/* What the command asks for, in the list: -EINVAL with `err` where it runs no tests. */
int cpp_begin(struct adapter_list *list, const struct cpp_command *command, const char *framework,
              struct err *err);
/* For a switch's value: true for none. */
bool cpp_is_on(const char *value);
/* The number of this option's last use; 0: none, or no number. */
uint64_t cpp_number(const char *value);

/* The answer to a step is no list. */
int cpp_no_list(const struct adapter_step *step, const char *framework, struct err *err);

/* Is this name none of those seen so far? `*seen` is NULL at first, and is freed with
 * tdestroy(*seen, free). */
bool cpp_is_new(void **seen, const char *name, int (*compare)(const void *, const void *));

/* --- output: may hold NULs --- */

struct cpp_text {
    const char *at, *end;
};

struct cpp_text cpp_output(const struct adapter_result *result);
/* The first place of `mark` in it; NULL. */
const char *cpp_find(struct cpp_text text, const char *mark);
const char *cpp_find_last(struct cpp_text text, const char *mark);
/* From the beginning of the line that holds `at`. */
const char *cpp_line_start(struct cpp_text text, const char *at);
/* The end of that line: its newline, or the text's end. */
const char *cpp_line_end(struct cpp_text text, const char *at);
/* The end of the paragraph: where a line is empty, or begins with `stop`; stop NULL: none. */
const char *cpp_paragraph_end(struct cpp_text text, const char *at, const char *stop);
/* Appends to a message, each run of blanks and newlines as one blank, and no control characters. */
void cpp_say(char message[ADAPTER_MESSAGE], const char *at, const char *end);
void cpp_say_text(char message[ADAPTER_MESSAGE], const char *text);
/* Why a test failed: instead of its exit status, or behind the signal that it died of. */
void cpp_take_reason(const struct adapter_result *result, const char *reason,
                     struct adapter_judgement *ret);
/* To a message that says how the program ended: what the C library, the C++ runtime or a sanitizer
 * said of it. */
void cpp_say_crash(char message[ADAPTER_MESSAGE], struct cpp_text text);

/* Text of an XML document that a framework writes: entities and "\xNN" become bytes. Owned by the
 * caller. */
char *cpp_xml_text(const char *at, const char *end);
