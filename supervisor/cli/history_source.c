/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/history_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "supervisor/history/history.h"

/* The directory that has one, upward from here: pytest's root is often above where people stand. */
static char *find_root(void)
{
    char *path = realpath(".", NULL);

    while (path) {
        _cleanup_free_ char *file = NULL;
        char *slash = strrchr(path, '/');

        if (asprintf(&file, "%s/.shunt/history.db", path) < 0)
            abort();
        if (access(file, F_OK) == 0)
            return path;
        if (!slash || slash == path)
            break;
        *slash = '\0';
    }
    free(path);
    return NULL;
}

int history_source_read(const char *file, const char *root, const char *test, struct json_t **ret, struct err *err)
{
    _cleanup_free_ char *found = root || file ? NULL : find_root();
    struct history_place place = {.file = file, .root = root ? root : found};
    int r = history_document(&place, test, ret, err);

    if (r == -ENOENT && err->kind == ERR_NONE) {
        err_set(err, ERR_USAGE, ENOENT, "there is no history %s", file ? "in that file" : "here");
        return err_hint(err, "shunt run writes one below the suite's root; --root or --file name another place");
    }
    if (r == -EUCLEAN)
        err_hint(err, "the next shunt run sets it aside; it can be deleted without harm");
    return r;
}
