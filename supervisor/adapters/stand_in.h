/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Frameworks whose own tool builds test programs and starts each with a directory, words and an
 * environment that only the tool knows (cargo, go). The tool is told to start a stand-in instead,
 * a script for sh: it says how it was started, has the program list its tests, and runs none.
 */
#include <stdbool.h>

#include "supervisor/adapters/cpp.h"

/* For the tool itself: `sh -c STAND_IN_TOOL sh TOOL WORD...` says the environment that it is
 * started in. */
#define STAND_IN_TOOL "env -0; printf \"\\0\"; exec \"$@\""
/* The stand-in's script begins with this. It goes on with two texts and an exit status, each ended
 * by STAND_IN_NEXT. No single quotes: it is quoted by them. */
#define STAND_IN_SAYS                                                                         \
    "printf \"\\0shunt\\0\"; pwd -P; printf \"\\0%s\\0\" \"$#\"; for w; do printf \"%s\\0\" " \
    "\"$w\"; done; "                                                                          \
    "env -0; printf \"\\0\"; "
#define STAND_IN_NEXT "printf \"\\0\"; "

struct stand_in {
    struct cpp_text rest; /* not yet read */
    struct cpp_text tool; /* what the tool said before the first program */
    char **base;          /* the tool's own environment */
};

struct stand_in_program {
    char *cwd, **argv;
    char **env;              /* what the tool set or changed: "NAME=value" */
    struct cpp_text says[2]; /* the script's two texts */
    int status;              /* and its exit status; -1: none was said */
};

/* Of the tool's whole output; empty with stand_in_done(). */
void stand_in_begin(struct stand_in *ret, const struct adapter_step *step);
/* The next program that was started; false: there are no more. Empty with stand_in_program_done().
 */
bool stand_in_next(struct stand_in *stand_in, struct stand_in_program *ret);
void stand_in_done(struct stand_in *stand_in);
void stand_in_program_done(struct stand_in_program *program);
/* The value of this variable for the program; NULL. */
const char *stand_in_variable(const struct stand_in *stand_in,
                              const struct stand_in_program *program, const char *name);

/* Takes a line of the text: false at its end. */
bool stand_in_line(struct cpp_text *text, struct cpp_text *ret);
/* Does it begin, or end, so? */
bool stand_in_begins(struct cpp_text text, const char *what);
bool stand_in_ends(struct cpp_text text, const char *what);
/* A copy, without what is behind a NUL. */
char *stand_in_copy(struct cpp_text text);
