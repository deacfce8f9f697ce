/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/run_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"

static int check_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return access(path, X_OK) < 0 ? -errno : 0;
}

/* As execvp() will look: an entry that may not be executed is passed over, but remembered. */
static int check_path(const char *name)
{
    const char *path = getenv("PATH");
    int result = -ENOENT;

    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t length = strcspn(path, ":");
        _cleanup_free_ char *candidate =
            mem_printf("%.*s%s%s", (int)length, path, length ? "/" : "", name);
        int r = check_file(candidate);

        if (r == 0)
            return 0;
        if (r == -EACCES)
            result = r;
        if (path[length] == '\0')
            return result;
        path += length + 1;
    }
}

/* "shunt run tests/": what pytest is given was taken for the command. */
static bool looks_like_tests(const char *name)
{
    struct stat st;
    const char *dot = strrchr(name, '.');

    return (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) || (dot && strcmp(dot, ".py") == 0);
}

/* Of the framework whose command this is; NULL: of none that is known. */
static const char *package_of(char *const *command)
{
    const struct adapter *found[ADAPTERS_MAX + 1];

    return adapter_candidates(command, found) ? found[0]->package : NULL;
}

int run_options_check_command(char *const *command, bool suite, struct err *err)
{
    const char *name = command[0];
    int r = strchr(name, '/') ? check_file(name) : check_path(name);

    if (r == 0)
        return 0;
    if (suite && (r == -EISDIR || looks_like_tests(name))) {
        err_set(err, ERR_USAGE, -r, "\"%.200s\" is not a command", name);
        return err_hint(err,
                        "the command that runs your tests comes first: "
                        "shunt run -- pytest %.200s",
                        name);
    }
    if (r == -EISDIR)
        return err_set(err, ERR_USAGE, EISDIR, "\"%.200s\" is a directory, not a command", name);
    if (r == -EACCES) {
        err_set(err, ERR_USAGE, EACCES, "command \"%.200s\" may not be executed: %m", name);
        return err_hint(err, "check its permissions (chmod +x), or name its interpreter first");
    }
    err_set(err, ERR_USAGE, -r, "command \"%.200s\" was not found%s", name,
            strchr(name, '/') ? "" : " in PATH");
    if (suite && strncmp(name, "pytest", 6) == 0)
        return err_hint(err, "activate the environment that has pytest, or name it: "
                             "shunt run -- python3 -m pytest ...");
    if (suite && !strchr(name, '/') && package_of(command))
        return err_hint(err, "on Debian and Ubuntu it is in the package %s", package_of(command));
    return err_hint(err, "check its spelling, or give the whole path");
}
