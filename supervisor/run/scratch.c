/* SPDX-License-Identifier: MIT */
#include "supervisor/run/scratch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/scratch/scratch.h"

#define BASE_MAX 50

struct scratch {
    char *dir, *socket;
    bool removed;
};

/* A socket's path has room for 107 bytes, so a long TMPDIR is of no use. */
static const char *scratch_base(bool kept)
{
    const char *const any[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
    const char *const to_keep[] = {"/tmp", getenv("TMPDIR"), "/var/tmp", "/dev/shm"};
    const char *const *candidates = kept ? to_keep : any;
    size_t n = kept ? sizeof(to_keep) / sizeof(to_keep[0]) : sizeof(any) / sizeof(any[0]);

    for (size_t i = 0; i < n; i++)
        if (candidates[i] && *candidates[i] == '/' && strlen(candidates[i]) < BASE_MAX &&
            access(candidates[i], W_OK | X_OK) == 0)
            return candidates[i];
    return "/tmp";
}

int scratch_new(bool kept, struct scratch **ret, struct err *err)
{
    struct scratch *scratch = mem_zalloc(sizeof(*scratch));
    /* Layers of overlays may lie in the same place, and what they are in is hidden from the command. */
    int r = scratch_make_beside(scratch_base(kept), &scratch->dir, err);

    if (r < 0) {
        err_hint(err, "nor are /var/tmp and /dev/shm of use: set TMPDIR to a directory that you can write to, of less than %d "
                 "characters", BASE_MAX);
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

bool scratch_is_kept(const struct scratch *scratch)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm"};
    _cleanup_free_ char *dir = realpath(scratch->dir, NULL);
    bool kept = false;

    for (size_t i = 0; dir && i < sizeof(places) / sizeof(places[0]); i++) {
        _cleanup_free_ char *place = realpath(places[i], NULL);
        size_t length = place ? strlen(place) : 0;

        kept = kept || (place && strncmp(dir, place, length) == 0 && dir[length] == '/');
    }
    return kept;
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
    return scratch_sweep_base(scratch_base(false)) + scratch_sweep_base("/dev/shm") + scratch_sweep_disk();
}
