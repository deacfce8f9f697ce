/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where shunt's own files are: the Python plugin ("python", a directory for PYTHONPATH), the
 * policies
 * ("policies/seccomp/default.json"), the library that workers enter with ("libshunt-enter.so").
 *
 * Looked for in $SHUNT_DATADIR, then beside the running program as the build tree has it, then as
 * `make install` lays it out. Returns an absolute path that exists (free() it), or NULL with errno
 * set.
 */
char *paths_find(const char *what);
/* Where the caller's PATH has a command: the name itself where it is a path; NULL: nowhere. Malloc'ed. */
char *paths_of_command(const char *name);
