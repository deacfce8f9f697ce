/* SPDX-License-Identifier: MIT */
#include "supervisor/config/sandbox_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/policy.h"
#include "supervisor/config/paths.h"

#define PROJECT_FILE "shunt.yaml"
#define DEFAULT_POLICY "standard"

char *sandbox_config_policies(void)
{
    return paths_find("policies");
}

static int choose_policy(const struct sandbox_config *config, const struct policy_source *source, char **ret, struct err *err)
{
    int r = 0;

    *ret = NULL;
    if (config->policy)
        *ret = mem_strdup(config->policy);
    else if (source->project_file)
        r = policy_project_default(source, ret, err);
    if (r == 0 && !*ret)
        *ret = mem_strdup(DEFAULT_POLICY);
    return r;
}

static void apply_options(const struct sandbox_config *config, struct sandbox_spec *spec)
{
    static const char *const origins[] = {[SPEC_PATH_READONLY] = "--read-only",
                                          [SPEC_PATH_WRITABLE] = "--write",
                                          [SPEC_PATH_HIDDEN] = "--hide",
                                          [SPEC_PATH_TMPFS] = "--tmpfs"};

    if (config->userns >= 0)
        spec->userns = (enum spec_userns)config->userns;
    for (size_t i = 0; i < config->npaths; i++) {
        const char *path = config->paths[i].path;
        size_t length = strlen(path);
        bool optional = length > 1 && path[length - 1] == '?'; /* as in a policy */
        _cleanup_free_ char *bare = mem_printf("%.*s", (int)(optional ? length - 1 : length), path);

        spec_add_path(spec, config->paths[i].kind, bare, 0, optional, origins[config->paths[i].kind]);
    }
    spec->demands &= ~config->unrequire;
    spec->asked = config->require & ~spec->demands;
    spec->demands |= config->require;
}

int sandbox_config_load(const struct sandbox_config *config, struct sandbox_spec *ret, struct err *err)
{
    _cleanup_free_ char *directory = sandbox_config_policies(), *name = NULL;
    const char *directories[] = {directory, NULL};
    struct policy_source source = {
        .directories = directories,
        .project_file = access(PROJECT_FILE, F_OK) == 0 ? PROJECT_FILE : NULL,
    };
    int r;

    if (!directory) {
        err_set(err, ERR_SYSTEM, ENOENT, "shunt's own policies were not found");
        return err_hint(err, "reinstall shunt, or name its data directory in SHUNT_DATADIR");
    }
    r = choose_policy(config, &source, &name, err);
    if (r == 0)
        r = policy_load(&source, name, config->machine, ret, err);
    if (r == 0)
        apply_options(config, ret);
    return r;
}

void sandbox_config_show(struct sandbox_spec *spec, const char *path, const char *origin)
{
    static const char *const fresh[] = {"/tmp/", "/var/tmp/", "/dev/shm/"};

    for (size_t i = 0; spec->tmp == SPEC_TMP_FRESH && i < sizeof(fresh) / sizeof(fresh[0]); i++)
        if (strncmp(path, fresh[i], strlen(fresh[i])) == 0)
            spec_add_path(spec, SPEC_PATH_READONLY, path, 0, true, origin);
}
