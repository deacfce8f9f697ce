/* SPDX-License-Identifier: MIT */
#pragma once

/* Commands that run once before the tests that need them, and once after all: `setup` of a shunt.yaml. */
#include <stddef.h>
#include <stdint.h>

struct filter;

struct setup_script {
    char *name;
    struct filter *filter; /* it runs where one of the tests of the run matches */
    char **command, **teardown; /* NULL-terminated; teardown NULL: none */
    uint64_t timeout_ns;   /* of each of the two */
};

struct setup_scripts {
    struct setup_script *items;
    size_t n, room;
};

void setup_scripts_done(struct setup_scripts *scripts);
