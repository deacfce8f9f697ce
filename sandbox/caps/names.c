/* SPDX-License-Identifier: MIT */
/* Names of capabilities. Apart from caps.c, which must link nothing but the C library. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "sandbox/caps/caps.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

int caps_parse(const char *name)
{
    char full[64];
    cap_value_t value;

    if (strncasecmp(name, "cap_", 4) == 0)
        name += 4;
    /* libcap also takes numbers, and a list of which it reads the first: one name only, a policy is read by people. */
    if (!*name || strspn(name, "0123456789") > 0 || name[strspn(name, NAME_LETTERS)])
        return -EINVAL;
    if ((size_t)snprintf(full, sizeof(full), "cap_%s", name) >= sizeof(full) || cap_from_name(full, &value) < 0)
        return -EINVAL;
    return value;
}

int caps_name(unsigned cap, char *ret, size_t size)
{
    char *name = cap < 64 ? cap_to_name((cap_value_t)cap) : NULL;
    int n =
        name && strncmp(name, "cap_", 4) == 0 ? snprintf(ret, size, "%s", name + 4) : snprintf(ret, size, "%u", cap);

    cap_free(name);
    return n >= 0 && (size_t)n < size ? 0 : -ENOBUFS;
}
