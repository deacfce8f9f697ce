/* SPDX-License-Identifier: MIT */
#include "supervisor/config/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"

/* realpath() as well as a test: workers change directory, and `..` should not be read in messages.
 */
static char *try_path(const char *directory, const char *between, const char *what)
{
    _cleanup_free_ char *path = mem_printf("%s/%s%s", directory, between, what);

    return realpath(path, NULL);
}

static int exe_directory(char *buf, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    char *slash;

    if (n < 0)
        return -errno;
    buf[n] = '\0';
    slash = strrchr(buf, '/');
    if (!slash)
        return -ENOENT; /* "(unreachable)": started from outside our root */
    *slash = '\0';
    return 0;
}

char *paths_find(const char *what)
{
    /* The build tree, its tests/ directory, and PREFIX/bin, in this order. */
    static const char *const beside[] = {"share/shunt/", "", "../share/shunt/", "../lib/shunt/"};
    const char *given = getenv("SHUNT_DATADIR");
    char directory[PATH_MAX];
    int r;

    if (given && *given) {
        char *found = try_path(given, "", what);

        if (found)
            return found;
    }
    r = exe_directory(directory, sizeof(directory));
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
        char *found = try_path(directory, beside[i], what);

        if (found)
            return found;
    }
    errno = ENOENT;
    return NULL;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *paths_of_command(const char *name)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return mem_strdup(name);
    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin";; path++) {
        size_t length = strcspn(path, ":");
        char *candidate = mem_printf("%.*s%s%s", (int)length, path, length ? "/" : "", name);

        if (is_program(candidate))
            return candidate;
        free(candidate);
        path += length;
        if (!*path)
            return NULL;
    }
}
