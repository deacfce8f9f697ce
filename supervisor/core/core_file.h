/* SPDX-License-Identifier: MIT */
#pragma once

/* Where a core file went, by /proc/sys/kernel/core_pattern (core(5)): pure. */
#include <stdbool.h>
#include <stddef.h>

/* "core file: core.4021 in its working directory", "core handed to /usr/share/apport/apport"; `pid` as the process saw itself,
 * `outside` as the host does. What only the kernel can fill in stays as in the pattern. */
void core_file_describe(const char *pattern, bool uses_pid, int pid, int outside, char *buf, size_t size);
