/* SPDX-License-Identifier: MIT */
/* The payload's environment: what passes, what is dropped, what is set. Pure. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "sandbox/spec/spec.h"

/* Is NAME (of `length` bytes) named by `pattern`, a name or a prefix that ends in '*'? */
static bool name_matches(const char *pattern, const char *name, size_t length)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return length >= n - 1 && strncmp(pattern, name, n - 1) == 0;
    return n == length && strncmp(pattern, name, length) == 0;
}

static bool list_names(const struct spec_list *list, const char *name, size_t length)
{
    for (size_t i = 0; i < list->n; i++)
        if (name_matches(list->items[i], name, length))
            return true;
    return false;
}

static bool is_kept(const char *const keep[], const char *name, size_t length)
{
    for (size_t i = 0; keep && keep[i]; i++)
        if (name_matches(keep[i], name, length))
            return true;
    return false;
}

static bool is_set(const struct sandbox_spec *spec, const char *name, size_t length)
{
    for (size_t i = 0; i < spec->env_set.n; i++)
        if (strncmp(spec->env_set.items[i], name, length) == 0 && spec->env_set.items[i][length] == '=')
            return true;
    return false;
}

static bool passes(const struct sandbox_spec *spec, const char *entry, const char *const keep[])
{
    size_t length = strcspn(entry, "=");

    if (is_kept(keep, entry, length))
        return true;
    if (is_set(spec, entry, length) || list_names(&spec->env_drop, entry, length))
        return false;
    return spec->env_pass_all || list_names(&spec->env_pass, entry, length);
}

char **spec_environment(const struct sandbox_spec *spec, char *const base[], const char *const keep[])
{
    size_t n = 0, count = 0;
    char **env;

    while (base[count])
        count++;
    env = mem_calloc(count + spec->env_set.n + 1, sizeof(*env));
    for (size_t i = 0; i < count; i++)
        if (passes(spec, base[i], keep))
            env[n++] = mem_strdup(base[i]);
    for (size_t i = 0; i < spec->env_set.n; i++)
        if (!is_kept(keep, spec->env_set.items[i], strcspn(spec->env_set.items[i], "=")))
            env[n++] = mem_strdup(spec->env_set.items[i]);
    return env;
}

void spec_environment_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
