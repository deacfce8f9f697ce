/* SPDX-License-Identifier: MIT */
#pragma once

/* What the options of `shunt run` are without anybody's word, as text: for `shunt config show`. */
#include <stdbool.h>

struct run_default {
    const char *name, *text;
    bool value; /* `text` could be given to the option and would change nothing; else it says in words what happens */
};

/* NULL: the option has no value of its own, and is off. */
const struct run_default *run_default_of(const char *name);
