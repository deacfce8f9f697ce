/* SPDX-License-Identifier: MIT */
#include "supervisor/core/core_file.h"

#include <stdio.h>
#include <string.h>

/* Fills in the process ids, and leaves everything else. Returns whether the pattern named a pid. */
static bool expand(const char *pattern, int pid, int outside, char *buf, size_t size)
{
    size_t at = 0;
    bool named = false;

    buf[0] = '\0';
    for (const char *p = pattern; *p && at + 1 < size; p++) {
        if (p[0] == '%' && (p[1] == 'p' || p[1] == 'P')) {
            at += (size_t)snprintf(buf + at, size - at, "%d", p[1] == 'p' ? pid : outside);
            named = true;
            p++;
        } else if (p[0] == '%' && p[1] == '%') {
            at += (size_t)snprintf(buf + at, size - at, "%%");
            p++;
        } else {
            at += (size_t)snprintf(buf + at, size - at, "%c", *p);
        }
    }
    return named;
}

void core_file_describe(const char *pattern, bool uses_pid, int pid, int outside, char *buf, size_t size)
{
    char given[200], name[200];

    if (*pattern == '|') {
        pattern += 1 + strspn(pattern + 1, " ");
        snprintf(buf, size, "core handed to %.*s (core_pattern)", (int)strcspn(pattern, " \n"), pattern);
        return;
    }
    snprintf(given, sizeof(given), "%.*s", (int)strcspn(pattern, "\n"), pattern);
    if (!*given) {
        snprintf(buf, size, "core file: core.%d in its working directory", pid);
        return;
    }
    if (!expand(given, pid, outside, name, sizeof(name)) && uses_pid &&
        strlen(name) + 12 < sizeof(name))
        snprintf(name + strlen(name), sizeof(name) - strlen(name), ".%d", pid);
    snprintf(buf, size, "core file: %s%s", name, strchr(name, '/') ? "" : " in its working directory");
}
