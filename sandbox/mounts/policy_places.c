/* SPDX-License-Identifier: MIT */
/* What the policy and the options say of paths: found on this machine, and made places. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/places.h"

const char *places_origin(const struct spec_path *path)
{
    return path->origin ? path->origin : "policy";
}

/* What lies below the working directory comes from a checkout, which may be a stranger's: a link there would say for itself
 * where it leads ("build -> /etc"). Links above are the machine's own. */
static int refuse_links_below(const char *cwd, const char *full, const struct spec_path *path, struct err *err)
{
    _cleanup_free_ char *part = NULL, *to = NULL;
    size_t length = strlen(cwd);

    if (strncmp(full, cwd, length) != 0 || full[length] != '/')
        return 0;
    part = mem_strdup(full);
    for (char *end = part + length + 1;; *end++ = '/') {
        struct stat st;
        char kept;

        end += strcspn(end, "/");
        kept = *end;
        *end = '\0';
        if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode)) {
            to = realpath(part, NULL);
            err_set(err, ERR_USAGE, ELOOP, "%s: %s is a symbolic link to %s", places_origin(path), part, to ? to : "nothing");
            return err_hint(err, "what lies in the working directory may not lead out of it: name %s itself",
                            to ? to : "what is meant");
        }
        if (!kept)
            return 0;
    }
}

int places_resolve(const struct places *places, const struct mount_request *request, const struct spec_path *path,
                   char **ret, struct err *err)
{
    const char *text = path->path;
    _cleanup_free_ char *full = NULL;
    char *real;
    int r;

    if (strcmp(text, "~") == 0 || strncmp(text, "~/", 2) == 0) {
        if (!request->home)
            return err_set(err, ERR_USAGE, EINVAL, "%s: \"%s\": there is no home directory", places_origin(path), text);
        full = mem_printf("%s%s", request->home, text + 1);
    } else {
        full = text[0] == '/' ? mem_strdup(text) : mem_printf("%s/%s", places->cwd, text);
    }
    r = refuse_links_below(places->cwd, full, path, err);
    if (r < 0)
        return r;
    real = realpath(full, NULL);
    if (!real && path->optional && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
        *ret = NULL;
        return 0;
    }
    if (!real) {
        err_set(err, ERR_USAGE, errno, "%s: %s: %m", places_origin(path), full);
        return err_hint(err, "create it, correct the path, or say that it may be missing: \"%s?\"", text);
    }
    *ret = real;
    return 0;
}

/* A tmpfs in place of a directory of one's own stays private to its owner; any other must be open to all. */
static void like_directory(struct place *place, const struct mount_request *request, const struct stat *st)
{
    bool mapped = request->id_inside != SPEC_ID_KEEP;

    place->mode = 01777;
    if (st->st_uid == geteuid() || (mapped && st->st_uid == request->id_outside)) {
        place->mode = st->st_mode & 07777;
        place->uid = mapped ? request->id_inside : st->st_uid;
    }
}

static int add_policy_path(struct places *places, const struct mount_request *request, const struct spec_path *path,
                           const char *real, struct err *err)
{
    static const enum place_kind kinds[] = {
        [SPEC_PATH_READONLY] = PLACE_BIND,
        [SPEC_PATH_WRITABLE] = PLACE_BIND,
        [SPEC_PATH_HIDDEN] = PLACE_HIDE,
        [SPEC_PATH_TMPFS] = PLACE_TMPFS,
    };
    bool in_proc = mounts_is_below(real, "/proc");
    struct place *place;
    struct stat st;

    if (lstat(real, &st) < 0)
        return err_set(err, ERR_USAGE, errno, "%s: %s: %m", places_origin(path), real);
    if (path->kind == SPEC_PATH_TMPFS && !S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, ENOTDIR, "%s: %s is no directory, a tmpfs needs one", places_origin(path), real);
    place = places_add(places, kinds[path->kind], real, path->optional ? MOP_OPTIONAL : 0);
    place->origin = places_origin(path);
    if (path->kind == SPEC_PATH_READONLY)
        place->flags |= MOP_RDONLY;
    if (path->kind == SPEC_PATH_WRITABLE && places->map_ids)
        place->flags |= MOP_IDMAP;
    if (path->kind == SPEC_PATH_TMPFS) {
        place->size_bytes = path->size_bytes ? path->size_bytes : places_tmpfs_room(request);
        like_directory(place, request, &st);
    }
    /* The host's /proc must not come back: what is below it is that of this view. */
    if (in_proc && place->kind == PLACE_BIND) {
        place->kind = path->kind == SPEC_PATH_READONLY ? PLACE_FREEZE : PLACE_NOTHING;
        place->flags &= ~(unsigned)MOP_IDMAP;
    }
    return 0;
}

/* Rules below /proc belong to the views that the payload sees: in the run's they would keep cells from mounting theirs.
 * In a cell the others are there already, and need to be kept where a new /tmp would cover them. */
int places_add_policy(struct places *places, const struct mount_request *request, struct err *err)
{
    const struct sandbox_spec *spec = request->spec;

    for (size_t i = 0; i < spec->npaths; i++) {
        _cleanup_free_ char *real = NULL;
        bool in_proc;
        int r = places_resolve(places, request, &spec->paths[i], &real, err);

        if (r < 0)
            return r;
        if (!real || strcmp(real, "/") == 0)
            continue;
        in_proc = mounts_is_below(real, "/proc");
        if (request->what == MOUNTS_EXEC || in_proc == (request->what != MOUNTS_RUN))
            r = add_policy_path(places, request, &spec->paths[i], real, err);
        else if (request->what == MOUNTS_CELL)
            places_add_keep(places, real, 0);
        if (r < 0)
            return r;
    }
    return 0;
}
