/* SPDX-License-Identifier: MIT */
#include "supervisor/adapters/pytest/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"

#define PLUGIN "shunt_plugin"

static const char *value_of(const char *entry, const char *name)
{
    size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=' ? entry + length + 1 : NULL;
}

/* Prepends to a list variable, keeping what the user has there. */
static char *prepended(const char *name, const char *first, const char *old, char separator)
{
    return old && *old ? mem_printf("%s=%s%c%s", name, first, separator, old)
                       : mem_printf("%s=%s", name, first);
}

char **pytest_environment(char *const base[], const char *plugin_dir, const char *socket_path,
                          const struct pytest_worker_identity *identity)
{
    const char *path = NULL, *plugins = NULL;
    size_t n = 0, count = 0;
    char **env;

    while (base[count])
        count++;
    env = mem_calloc(count + 9, sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        if (value_of(base[i], "PYTHONPATH"))
            path = value_of(base[i], "PYTHONPATH");
        else if (value_of(base[i], "PYTEST_PLUGINS"))
            plugins = value_of(base[i], "PYTEST_PLUGINS");
        else if (!value_of(base[i], "SHUNT_SOCKET") && !value_of(base[i], "SHUNT_CELL"))
            env[n++] = mem_strdup(base[i]);
    }
    env[n++] = prepended("PYTHONPATH", plugin_dir, path, ':');
    env[n++] = prepended("PYTEST_PLUGINS", PLUGIN, plugins, ',');
    env[n++] = mem_printf("SHUNT_SOCKET=%s", socket_path);
    if (identity) {
        env[n++] = mem_printf("SHUNT_CELL=%u", identity->cell);
        env[n++] = mem_printf("PYTEST_XDIST_WORKER=%s", identity->name);
        env[n++] = mem_printf("PYTEST_XDIST_WORKER_COUNT=%u", identity->workers);
        env[n++] = mem_printf("PYTEST_XDIST_TESTRUNUID=%s", identity->run_id);
    }
    return env;
}

void pytest_environment_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
