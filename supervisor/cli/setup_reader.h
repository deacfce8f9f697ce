/* SPDX-License-Identifier: MIT */
#pragma once

#include "supervisor/cli/project_file.h"
#include "supervisor/config/setup.h"

/* The list `setup` of the project's shunt.yaml. ERR_USAGE with file, line and key. */
int setup_read(const struct project_file *file, struct setup_scripts *ret, struct err *err);
