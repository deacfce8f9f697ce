/* SPDX-License-Identifier: MIT */
#pragma once

/* The rules of a project's shunt.yaml, read and checked. */
#include "supervisor/cli/project_file.h"
#include "supervisor/config/rules.h"

/* One key of a rule; NULL ends the table. */
struct rule_row {
    const char *name, *value, *help;
    int (*set)(struct rule *rule, const struct place *place, struct err *err);
};
extern const struct rule_row rule_rows[];

/* Those that hold for the chosen profile. ERR_USAGE with file, line and key. */
int rules_read(const struct project_file *file, struct rules *ret, struct err *err);
