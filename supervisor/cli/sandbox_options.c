/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/sandbox_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/probe/probe.h"

void sandbox_config_init(struct sandbox_config *config)
{
    *config = (struct sandbox_config){.userns = -1};
}

static int set_name(const char **member, const char *text, const char *what, const char *hint, struct err *err)
{
    if (!*text) {
        err_set(err, ERR_USAGE, EINVAL, "expected %s", what);
        return err_hint(err, "%s", hint);
    }
    *member = text;
    return 0;
}

int sandbox_option_policy(void *target, const char *text, struct err *err)
{
    struct sandbox_config *config = target;

    return set_name(&config->policy, text, "the name or the file of a policy", "\"shunt policy list\" has the names", err);
}

int sandbox_option_machine(void *target, const char *text, struct err *err)
{
    struct sandbox_config *config = target;

    return set_name(&config->machine, text, "the name of a machine", "\"shunt policy list\" has the names", err);
}

int sandbox_option_learn(void *target, const char *text, struct err *err)
{
    struct sandbox_config *config = target;

    return set_name(&config->learn_path, text, "the path of a file", "the policy is written there", err);
}

int sandbox_option_userns(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"auto", "never", "always"};
    struct sandbox_config *config = target;

    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0) {
            config->userns = i;
            return 0;
        }
    err_set(err, ERR_USAGE, EINVAL, "expected auto, never or always");
    return err_hint(err, "auto uses a user namespace only where no other way gives the limits");
}

int sandbox_option_require(void *target, const char *text, struct err *err)
{
    struct sandbox_config *config = target;
    unsigned bits, without;
    int r = probe_parse_requirements(text, &bits, &without, err);

    if (r < 0)
        return r;
    config->require = (config->require & ~without) | bits;
    config->unrequire = (config->unrequire & ~bits) | without;
    return 0;
}

static int add_path(struct sandbox_config *config, enum spec_path_kind kind, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected a path");
    if (config->npaths >= SANDBOX_CONFIG_PATHS)
        return err_set(err, ERR_USAGE, E2BIG, "more than %d paths", SANDBOX_CONFIG_PATHS);
    config->paths[config->npaths].kind = kind;
    config->paths[config->npaths++].path = text;
    return 0;
}

int sandbox_option_write(void *target, const char *text, struct err *err)
{
    return add_path(target, SPEC_PATH_WRITABLE, text, err);
}

int sandbox_option_read_only(void *target, const char *text, struct err *err)
{
    return add_path(target, SPEC_PATH_READONLY, text, err);
}

int sandbox_option_hide(void *target, const char *text, struct err *err)
{
    return add_path(target, SPEC_PATH_HIDDEN, text, err);
}

int sandbox_option_adopt(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct sandbox_config *)target)->adopt_cgroup = true;
    return 0;
}
