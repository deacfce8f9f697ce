/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

/* A JSON schema (draft 2020-12) of shunt.yaml, from the tables that read it: options, rules, policies. docs/shunt.schema.json is
 * its output, which `make check-style` compares. */
void config_schema_print(FILE *out);
