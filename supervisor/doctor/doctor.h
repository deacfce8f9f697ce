/* SPDX-License-Identifier: MIT */
#pragma once

/* What `shunt doctor` shows of a probe and a policy: a table for people, JSON (docs/doctor.md has its schema) for programs. */
#include <stdbool.h>
#include <stdio.h>

struct probe_result;
struct sandbox_spec;

struct doctor {
    const struct probe_result *result;
    const struct sandbox_spec *spec;
    unsigned wants, unmet; /* SPEC_BIT()s of the policy */
    const char *policies;  /* where the policies lie; NULL: not found */
    bool scope;            /* shunt started itself in a systemd scope */
};

/* `width`: columns to use, brought between 80 and 100. */
void doctor_print_table(FILE *out, const struct doctor *doctor, unsigned width, bool color);
/* One object and a newline. 0 or -errno. */
int doctor_print_json(FILE *out, const struct doctor *doctor);

/* Calls `visit` for each library whose version matters, as it is loaded now (libcap: as it was built with). */
void doctor_libraries(void (*visit)(void *arg, const char *name, const char *version), void *arg);
