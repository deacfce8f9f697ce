/* SPDX-License-Identifier: MIT */
#include "supervisor/run/scratch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/mem.h"
#include "sandbox/scratch/scratch.h"

struct scratch {
    char *dir, *socket;
    bool removed;
};

/* A socket's path has room for 107 bytes, so a long TMPDIR is of no use. */
static const char *scratch_base(bool kept)
{
    const char *candidates[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    for (size_t i = kept ? 2 : 0; i < 3; i++)
        if (candidates[i] && *candidates[i] == '/' && strlen(candidates[i]) < 50 &&
            access(candidates[i], W_OK | X_OK) == 0)
            return candidates[i];
    return "/tmp";
}

int scratch_new(bool kept, struct scratch **ret, struct err *err)
{
    struct scratch *scratch = mem_zalloc(sizeof(*scratch));
    int r = scratch_make(scratch_base(kept), &scratch->dir, err);

    if (r < 0) {
        free(scratch);
        return r;
    }
    scratch->socket = mem_printf("%s/socket", scratch->dir);
    *ret = scratch;
    return 0;
}

const char *scratch_socket(const struct scratch *scratch)
{
    return scratch->socket;
}

int scratch_give(struct scratch *scratch, unsigned owner)
{
    if (owner == geteuid())
        return 0;
    return chown(scratch->socket, owner, owner) < 0 || chown(scratch->dir, owner, owner) < 0 ? -errno : 0;
}

const char *scratch_directory(const struct scratch *scratch)
{
    return scratch->dir;
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->removed)
        return;
    unlink(scratch->socket);
    rmdir(scratch->dir);
    scratch->removed = true;
}

void scratch_free(struct scratch *scratch)
{
    if (!scratch)
        return;
    scratch_remove(scratch);
    free(scratch->dir);
    free(scratch->socket);
    free(scratch);
}

int scratch_sweep(void)
{
    return scratch_sweep_base(scratch_base(false)) + scratch_sweep_disk();
}
