/* SPDX-License-Identifier: MIT */
/* Which places change anything once all are known, and whether they leave the working directory where it is. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/mounts/newapi.h"
#include "sandbox/mounts/places.h"

static struct place *parent_of(struct places *places, size_t i)
{
    int parent = places_parent(places, i);

    return parent < 0 ? NULL : &places->items[parent];
}

static bool is_ours(const struct place *place)
{
    return place->kind == PLACE_HIDE || place->kind == PLACE_TMPFS || place->kind == PLACE_OVERLAY ||
           place->kind == PLACE_DEV;
}

/* Drops what would change nothing, and marks those whose mount points may have to be made. */
void places_settle(struct places *places, enum mounts_for what)
{
    bool cell = what == MOUNTS_CELL;

    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->items[i];
        const struct place *parent = parent_of(places, i);
        bool idmap = place->flags & MOP_IDMAP;
        bool needed = true;

        if (place->kind == PLACE_KEEP)
            needed = parent ? parent->cover : idmap && !cell;
        else if (place->kind == PLACE_BIND)
            needed = parent || idmap || places->root_readonly != !!(place->flags & MOP_RDONLY);
        else if (place->kind == PLACE_HIDE)
            needed = !parent || (parent->kind != PLACE_HIDE && parent->kind != PLACE_TMPFS);
        else if (place->kind == PLACE_READONLY)
            needed = !parent || (parent->kind != PLACE_HIDE && parent->kind != PLACE_READONLY);
        if (!needed)
            place->kind = PLACE_NOTHING;
        else if (parent && is_ours(parent) && !(place->kind == PLACE_HIDE || place->kind == PLACE_FREEZE))
            place->flags |= MOP_CREATE;
    }
}

int places_check_cwd(const struct places *places, struct mount_plan *plan, struct err *err)
{
    const char *cwd = places->cwd;

    for (size_t i = places->n; i-- > 0;) {
        const struct place *place = &places->items[i];

        if (place->kind == PLACE_NOTHING || !mounts_is_below(cwd, place->path))
            continue;
        if (place->kind != PLACE_HIDE && place->kind != PLACE_TMPFS) {
            /* The root of an overlay, /tmp for instance, is another directory than the one it covers. */
            plan->cwd_overlaid = plan->cwd_overlaid || place->kind == PLACE_OVERLAY;
            return 0;
        }
        err_set(err, ERR_USAGE, EINVAL, "%s: %s hides the working directory %s",
                place->origin ? place->origin : "sandbox", place->path, cwd);
        return err_hint(err, "name \".\" as readable or writable in the policy, or run from elsewhere");
    }
    return 0;
}

/* A directory of the caller's own, which it can as well give away (mount_plan_keeps_ids()). */
static bool is_given(const struct places *places, const struct place *place)
{
    return place->kind == PLACE_KEEP && strcmp(place->path, places->cwd) != 0;
}

/* Tries it on a clone, which nobody sees. */
static int check_idmap(const struct places *places, const struct mount_request *request, struct mount_plan *plan,
                       struct place *place, struct err *err)
{
    _cleanup_close_ int fd = mounts_open_path(place->path);
    _cleanup_close_ int tree = fd < 0 ? -1 : nm_clone(fd, "", NM_RECURSIVE);
    int r = tree < 0 ? 0 : mounts_idmap_set(tree, plan->idmap_fd);

    if (r == -EINVAL && is_given(places, place)) {
        place->flags &= ~(unsigned)MOP_IDMAP;
        plan->keeps_ids = true;
        return 0;
    }
    if (r == 0)
        return 0;
    err_set(err, ERR_SANDBOX, -r,
            "%s: its file system cannot show files of user %u as those of user %u (idmapped mount): %s", place->path,
            request->id_outside, request->id_inside, strerror(-r));
    return err_hint(err, "keep the caller's user id (user: keep), or make a copy of %s that belongs to user %u",
                    place->path, request->id_inside);
}

int places_prepare_idmap(struct places *places, const struct mount_request *request, struct mount_plan *plan,
                         struct err *err)
{
    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->items[i];
        int r;

        if (place->kind == PLACE_NOTHING || !(place->flags & MOP_IDMAP))
            continue;
        if (plan->idmap_fd < 0) {
            r = mounts_idmap_open(request->id_outside, request->id_inside);
            if (r < 0)
                return err_set(err, ERR_SANDBOX, -r, "a user namespace for idmapped mounts: %s", strerror(-r));
            plan->idmap_fd = r;
        }
        r = check_idmap(places, request, plan, place, err);
        if (r < 0)
            return r;
    }
    return 0;
}
