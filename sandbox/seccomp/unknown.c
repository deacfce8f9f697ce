/* SPDX-License-Identifier: MIT */
/* Names of system calls that nobody here knows: slips of the pen, and calls that are newer than shunt. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/seccomp/internal.h"

#define CALLS_MAX 1024

static size_t without_number(const char *name)
{
    size_t length = strlen(name);

    while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9')
        length--;
    return length;
}

/* "clone4" is no "clone3" mistyped, but the one that comes after it. */
static bool follows(const char *name, const char *known)
{
    size_t length = without_number(name);

    return length < strlen(name) && length == without_number(known) && strncmp(name, known, length) == 0;
}

char *seccomp_meant_call(const char *name)
{
    const char *names[CALLS_MAX + 1] = {NULL}, *nearest;
    char buf[64], *meant = NULL;
    size_t n = 0;

    for (uint32_t nr = 0; nr < CALLS_MAX; nr++) {
        seccomp_syscall_name(seccomp_native_arch(), nr, buf, sizeof(buf));
        if (strncmp(buf, "syscall ", 8) != 0)
            names[n++] = mem_strdup(buf);
    }
    nearest = nearest_word(name, names);
    if (nearest && !follows(name, nearest))
        meant = mem_strdup(nearest);
    for (size_t i = 0; i < n; i++)
        free((char *)names[i]);
    return meant;
}

bool seccomp_rule_refuses(const struct seccomp_file *file, const struct seccomp_rule *rule)
{
    return seccomp_strongest(file->fallback, rule->answer) != file->fallback;
}

char *seccomp_profile_unknown(const char *path, uint64_t caps)
{
    struct seccomp_file file;
    char *list = NULL;

    if (seccomp_file_read(path, caps, &file, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < file.nrules; i++)
        for (size_t j = 0; seccomp_rule_refuses(&file, &file.rules[i]) && j < seccomp_rule_names(&file.rules[i]); j++) {
            _cleanup_free_ char *before = list;
            const char *name = seccomp_rule_name(&file.rules[i], j);

            if (seccomp_syscall_number(name) == -EINVAL)
                list = mem_printf("%s%s%.64s", before ? before : "", before ? ", " : "", name);
            else
                before = NULL; /* it is still the list */
        }
    seccomp_file_done(&file);
    return list;
}
