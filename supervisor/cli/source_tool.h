/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The part of shunt that reads sources (`shunt scan`, `shunt mark`) is Python, since a suite must be parsed as its own
 * interpreter parses it: supervisor/adapters/pytest/shunt_mark.
 */
struct err;

/*
 * Becomes `PYTHON -I -S -B .../shunt_mark args...` (NULL-terminated), so it returns only with an error. PYTHON is `python`
 * where given, else that of $VIRTUAL_ENV, else .venv/bin/python, else python3. Nothing of the project is imported.
 */
int source_tool_exec(const char *python, const char *const *args, struct err *err);
