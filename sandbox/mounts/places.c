/* SPDX-License-Identifier: MIT */
#include "sandbox/mounts/places.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/masks.h"
#include "sandbox/mounts/mountinfo.h"

#define SUBMOUNTS_MAX 64 /* below /tmp or an overlaid working directory; more are not shown */
#define SHM "/dev/shm"

static const char *const tmp_paths[] = {"/tmp", "/var/tmp", SHM};
static const char *const tmp_names[] = {"tmp", "var-tmp", "shm"};

const char *places_tmp_name(size_t which)
{
    return tmp_names[which];
}

void places_done(struct places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free(places->items[i].path);
    free(places->items);
    free(places->cwd);
    free(places->scratch);
    for (size_t i = 0; i < 3; i++)
        free(places->tmp[i]);
    *places = (struct places){0};
}

struct place *places_add(struct places *places, enum place_kind kind, const char *path, unsigned flags)
{
    struct place *place;

    mem_grow(&places->items, &places->room, places->n + 1, sizeof(*places->items));
    place = &places->items[places->n];
    *place = (struct place){.kind = kind,
                            .path = mem_strdup(path),
                            .flags = flags,
                            .uid = (uid_t)-1,
                            .slot = -1,
                            .seq = (unsigned)places->n};
    places->n++;
    return place;
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* ---- the system's ---------------------------------------------------------------------------- */

/* What is not there is passed over when the plan is applied, not now: what this process cannot see (a /proc that is
 * missing or masked) may well be there in the view. */
static void add_masks(struct places *places, const struct mask *mask, bool all)
{
    for (; mask->path; mask++)
        if (all || mask->always)
            places_add(places, mask->kind == MASK_HIDE ? PLACE_HIDE : PLACE_FREEZE, mask->path, MOP_OPTIONAL);
}

/* What lies in a tmpfs counts as memory where a cgroup counts it; where none does this is the bound. Not in a run, where
 * lanes and tests have limits of their own. */
uint64_t places_tmpfs_room(const struct mount_request *request)
{
    uint64_t size = request->spec->tmpfs_size_bytes, memory = request->spec->limits.memory_bytes;

    if (request->what != MOUNTS_EXEC || !memory || memory == UINT64_MAX)
        return size;
    return size && size < memory ? size : memory;
}

static void add_tmpfs_cover(struct places *places, const struct mount_request *request, const char *path)
{
    struct place *place = places_add(places, PLACE_TMPFS, path, 0);

    place->cover = true;
    place->mode = 01777;
    place->size_bytes = places_tmpfs_room(request);
}

bool places_overlays_tmp(const struct mount_request *request, bool root_readonly)
{
    enum spec_tmp tmp = request->spec->tmp;

    switch (request->what) {
    case MOUNTS_EXEC:
        return tmp == SPEC_TMP_OVERLAY;
    case MOUNTS_RUN:
        return tmp == SPEC_TMP_OVERLAY && root_readonly;
    case MOUNTS_CELL:
        return tmp != SPEC_TMP_HOST;
    default:
        return false;
    }
}

size_t places_overlaid_tmps(const struct mount_request *request, bool root_readonly)
{
    if (!places_overlays_tmp(request, root_readonly))
        return 0;
    return request->spec->tmp == SPEC_TMP_FRESH || root_readonly || request->spec->root_readonly ? 2 : 1;
}

static void add_tmp(struct places *places, const struct mount_request *request)
{
    const struct sandbox_spec *spec = request->spec;
    size_t overlaid = places_overlaid_tmps(request, places->root_readonly);

    for (size_t i = 0; i < 2; i++) {
        if (!places->tmp[i])
            continue;
        if (i < overlaid) {
            struct place *place = places_add(places, PLACE_OVERLAY, places->tmp[i], 0);

            place->cover = true;
            place->name = tmp_names[i];
            place->size_bytes = places_tmpfs_room(request);
        } else if (spec->tmp == SPEC_TMP_FRESH) {
            add_tmpfs_cover(places, request, places->tmp[i]);
        }
    }
}

/* Without a writable /dev/shm nothing that uses a semaphore runs, so a read-only root brings one of its own. */
static void add_shm(struct places *places, const struct mount_request *request)
{
    const struct sandbox_spec *spec = request->spec;
    bool cell = request->what == MOUNTS_CELL;

    if (!places->tmp[2])
        return;
    if (spec->shm_private || spec->tmp == SPEC_TMP_FRESH || (!cell && places->root_readonly))
        add_tmpfs_cover(places, request, places->tmp[2]);
    else if (spec->dev_minimal && !cell)
        places_add(places, PLACE_BIND, places->tmp[2], 0);
}

static void add_mqueue(struct places *places, const struct mount_request *request)
{
    struct stat st;

    /* A place for queues: where the host has it, or where /dev is ours. */
    if (request->spec->ns_ipc && (request->spec->dev_minimal || (stat("/dev/mqueue", &st) == 0 && S_ISDIR(st.st_mode))))
        places_add(places, PLACE_MQUEUE, "/dev/mqueue", MOP_OPTIONAL);
}

/* Whoever may write cgroup files could raise the limits that hold it. Outermost mounts only: the rest is below. What cannot
 * be read is an error: nothing found must mean that there is nothing. */
static int add_cgroups(struct places *places, struct err *err)
{
    _cleanup_free_ struct mountinfo *info = mem_zalloc(sizeof(*info));
    _cleanup_free_ char *last = NULL;
    struct mountinfo_line line;
    int r = mountinfo_open(info);

    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "/proc/self/mountinfo: %s", strerror(-r));
    while ((r = mountinfo_next(info, &line)) > 0) {
        bool holder = strcmp(line.type, "tmpfs") == 0 && strcmp(line.path, "/sys/fs/cgroup") == 0;

        if (!holder && strncmp(line.type, "cgroup", 6) != 0)
            continue;
        if (last && mounts_is_below(line.path, last))
            continue;
        places_add(places, PLACE_READONLY, line.path, MOP_OPTIONAL);
        free(last);
        last = mem_strdup(line.path);
    }
    mountinfo_close(info);
    return r < 0 ? err_set(err, ERR_SYSTEM, -r, "/proc/self/mountinfo: %s", strerror(-r)) : 0;
}

static int add_system(struct places *places, const struct mount_request *request, struct err *err)
{
    const struct sandbox_spec *spec = request->spec;
    int r = !spec->observe && !places->root_readonly ? add_cgroups(places, err) : 0;

    if (places->root_readonly && !request->own_pid_ns)
        places_add(places, PLACE_BIND, "/proc", 0);
    if (spec->mask_kernel && !places->root_readonly)
        places_add(places, PLACE_READONLY, "/sys", MOP_OPTIONAL);
    if (spec->mask_kernel)
        add_masks(places, masks_sys, true);
    if (request->own_net_ns)
        add_masks(places, masks_net, true);
    if (spec->dev_minimal)
        places_add(places, PLACE_DEV, "/dev", spec->tty ? MOP_TTY : 0);
    return r;
}

/* ---- what stays as it is --------------------------------------------------------------------- */

static bool is_tmp(const struct places *places, const char *path)
{
    for (size_t i = 0; i < 3; i++)
        if (places->tmp[i] && mounts_is_below(path, places->tmp[i]) && strcmp(path, places->tmp[i]) != 0)
            return true;
    return false;
}

/* A path that may not exist yet is taken as it is written. */
void places_add_keep(struct places *places, const char *path, unsigned flags)
{
    _cleanup_free_ char *real = realpath(path, NULL);

    if (is_tmp(places, real ? real : path))
        places_add(places, PLACE_KEEP, real ? real : path, flags | MOP_OPTIONAL | MOP_KEEP);
}

/* An overlay shows what its lower file system has, not what is mounted in it. */
static void add_submounts(struct places *places, const char *dir)
{
    struct mountinfo *info = mem_zalloc(sizeof(*info));
    struct mountinfo_line line;
    int left = SUBMOUNTS_MAX;

    if (mountinfo_open(info) == 0) {
        while (mountinfo_next(info, &line) > 0 && left > 0) {
            if (!mounts_is_below(line.path, dir) || strcmp(line.path, dir) == 0 || !exists(line.path))
                continue;
            places_add(places, PLACE_BIND, line.path, MOP_RDONLY | MOP_OPTIONAL | MOP_KEEP);
            left--;
        }
        mountinfo_close(info);
    }
    free(info);
}

static void add_kept(struct places *places, const struct mount_request *request)
{
    const struct sandbox_spec *spec = request->spec;
    bool cell = request->what == MOUNTS_CELL;
    unsigned idmap = places->map_ids ? MOP_IDMAP : 0;

    for (size_t i = 0; !cell && i < places_overlaid_tmps(request, places->root_readonly); i++)
        if (places->tmp[i])
            add_submounts(places, places->tmp[i]);
    for (const char *const *keep = request->keep; keep && *keep; keep++)
        places_add_keep(places, *keep, idmap);
    /* Layers of cells: they must be within reach, and writable, in the run's view. */
    if (request->what == MOUNTS_RUN && places->scratch && spec->tmp != SPEC_TMP_HOST) {
        if (places->root_readonly)
            places_add(places, PLACE_BIND, places->scratch, MOP_CREATE);
        else
            places_add_keep(places, places->scratch, 0);
    }
    if (cell)
        places_add_keep(places, places->cwd, 0);
    else if (idmap && !places->root_readonly)
        places_add(places, PLACE_KEEP, places->cwd, idmap);
    else
        places_add_keep(places, places->cwd, places->root_readonly ? MOP_RDONLY : idmap);
}

/* ---- the working directory -------------------------------------------------------------------- */

static void add_workdir(struct places *places, const struct mount_request *request)
{
    struct place *place;

    switch (request->spec->workdir) {
    case SPEC_WORKDIR_AS_IS:
        break;
    case SPEC_WORKDIR_READONLY:
        places_add(places, PLACE_BIND, places->cwd, MOP_RDONLY)->origin = "the working directory";
        break;
    case SPEC_WORKDIR_OVERLAY:
        place = places_add(places, PLACE_OVERLAY, places->cwd, places->map_ids ? MOP_IDMAP : 0);
        place->name = "cwd";
        place->origin = "the working directory";
        place->size_bytes = places_tmpfs_room(request);
        add_submounts(places, places->cwd);
        break;
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int set_root(struct places *places, const struct spec_path *path, struct err *err)
{
    if (path->kind == SPEC_PATH_READONLY || path->kind == SPEC_PATH_WRITABLE) {
        places->root_readonly = path->kind == SPEC_PATH_READONLY;
        return 0;
    }
    return err_set(err, ERR_USAGE, EINVAL, "%s: \"/\" cannot be hidden or replaced", places_origin(path));
}

static int look_around(struct places *places, const struct mount_request *request, struct err *err)
{
    const struct sandbox_spec *spec = request->spec;
    struct stat st;

    places->root_readonly = spec->root_readonly;
    places->map_ids = request->initial_userns && request->id_inside != SPEC_ID_KEEP &&
                      request->id_outside != SPEC_ID_KEEP && request->id_outside != request->id_inside;
    places->cwd = realpath(request->cwd, NULL);
    if (!places->cwd)
        return err_set(err, ERR_USAGE, errno, "the working directory %s: %m", request->cwd);
    if (request->scratch) {
        places->scratch = realpath(request->scratch, NULL);
        if (!places->scratch)
            return err_set(err, ERR_SYSTEM, errno, "the scratch directory %s: %m", request->scratch);
    }
    for (size_t i = 0; i < 3; i++) {
        places->tmp[i] = realpath(tmp_paths[i], NULL);
        if (places->tmp[i] && (stat(places->tmp[i], &st) < 0 || !S_ISDIR(st.st_mode) ||
                               (i > 0 && places->tmp[0] && mounts_is_below(places->tmp[i], places->tmp[0])))) {
            free(places->tmp[i]);
            places->tmp[i] = NULL;
        }
    }
    for (size_t i = 0; i < spec->npaths; i++) {
        _cleanup_free_ char *real = NULL;
        int r = places_resolve(places, request, &spec->paths[i], &real, err);

        if (r == 0 && real && strcmp(real, "/") == 0)
            r = set_root(places, &spec->paths[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int places_collect(struct places *places, const struct mount_request *request, struct err *err)
{
    const struct sandbox_spec *spec = request->spec;
    bool whole = request->what == MOUNTS_EXEC || request->what == MOUNTS_RUN;
    int r = look_around(places, request, err);

    if (r < 0)
        return r;
    if (whole && (r = add_system(places, request, err)) < 0)
        return r;
    if (request->what != MOUNTS_RUN && (spec->mask_kernel || places->root_readonly))
        add_masks(places, masks_proc, spec->mask_kernel);
    if (request->what != MOUNTS_COMMAND) {
        add_tmp(places, request);
        add_shm(places, request);
        add_mqueue(places, request);
        add_kept(places, request);
    }
    r = places_add_policy(places, request, err);
    if (r == 0 && whole)
        add_workdir(places, request);
    return r;
}

static int by_length(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    size_t nx = strlen(x->path), ny = strlen(y->path);
    int order = nx != ny ? (nx < ny ? -1 : 1) : strcmp(x->path, y->path);

    return order != 0 ? order : x->seq < y->seq ? -1 : 1;
}

void places_sort(struct places *places)
{
    size_t kept = 0;

    if (places->n == 0)
        return;
    qsort(places->items, places->n, sizeof(*places->items), by_length);
    for (size_t i = 0; i < places->n; i++) {
        if (i + 1 < places->n && strcmp(places->items[i].path, places->items[i + 1].path) == 0)
            free(places->items[i].path);
        else
            places->items[kept++] = places->items[i];
    }
    places->n = kept;
}

int places_parent(const struct places *places, size_t i)
{
    for (size_t j = i; j-- > 0;)
        if (places->items[j].kind != PLACE_NOTHING && mounts_is_below(places->items[i].path, places->items[j].path))
            return (int)j;
    return -1;
}

bool places_any_below(const struct places *places, const char *dir)
{
    for (size_t i = 0; i < places->n; i++)
        if (places->items[i].kind != PLACE_NOTHING && mounts_is_below(places->items[i].path, dir) &&
            strcmp(places->items[i].path, dir) != 0)
            return true;
    return false;
}
