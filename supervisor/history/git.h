/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* The commit that HEAD of the repository around `directory` names, in hex, read from its files; -ENOENT where there is none.
 * git itself is not asked: it would run what the repository configures. */
int git_head(const char *directory, char *ret, size_t size);
