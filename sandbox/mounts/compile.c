/* SPDX-License-Identifier: MIT */
/*
 * From places to operations. The order:
 *   1. propagation
 *   2. clones of everything that is to be seen again later, while nothing covers it and all is writable
 *   3. the root becomes read-only
 *   4. /proc
 *   5. the places, parents first
 *   6. more kept paths
 *   7. what had to stay writable until its mount points were made is sealed, the layers are hidden
 *   8. the working directory
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/newapi.h"
#include "sandbox/mounts/places.h"

#define SEALED_BYTES (64 << 10) /* a hidden directory in which something is visible: mount points only */

struct compiler {
    const struct mount_request *request;
    struct mount_plan *plan;
    struct places places;
    int scratch;   /* slot of the scratch directory, or -1 */
    bool aside[2]; /* RUN makes, CELL uses a second way to the run's /tmp */
};

/* ---- operations ------------------------------------------------------------------------------ */

static struct mount_op *emit(struct compiler *c, enum mount_op_kind kind, const char *path, const char *verb)
{
    struct mount_plan *plan = c->plan;
    struct mount_op *op;

    mem_grow(&plan->ops, &plan->room, plan->nops + 1, sizeof(*plan->ops));
    op = &plan->ops[plan->nops++];
    *op = (struct mount_op){.kind = kind, .slot = -1, .upper = -1, .uid = (uid_t)-1};
    if (path)
        op->path = mem_strdup(path);
    op->text = path ? mem_printf("%s %s", verb, path) : mem_strdup(verb);
    return op;
}

static int emit_open(struct compiler *c, const char *path, unsigned flags)
{
    struct mount_op *op = emit(c, OP_OPEN, path, path ? "open" : "open the scratch directory");

    op->flags = flags;
    op->slot = c->plan->nslots++;
    return op->slot;
}

/* ---- the parts of a plan --------------------------------------------------------------------- */

static bool has_overlay(const struct compiler *c)
{
    for (size_t i = 0; i < c->places.n; i++)
        if (c->places.items[i].kind == PLACE_OVERLAY)
            return true;
    return false;
}

static char *aside_path(const struct compiler *c, size_t which)
{
    return c->places.scratch ? mem_printf("%s/aside.%s", c->places.scratch, places_tmp_name(which))
                             : mem_printf("%s/%s/%s", c->places.tmp[2] ? c->places.tmp[2] : "/dev/shm", MOUNTS_ASIDE,
                                          places_tmp_name(which));
}

static int find_aside(struct compiler *c, struct err *err)
{
    struct mount_request as_run = *c->request, as_cell = *c->request;
    struct places run = {0};
    int r;

    if (c->request->spec->tmp == SPEC_TMP_HOST || c->request->what == MOUNTS_EXEC)
        return 0;
    as_run.what = MOUNTS_RUN;
    r = places_collect(&run, &as_run, err);
    if (r == 0) {
        struct compiler shadow = {.request = &as_run, .places = run};

        places_sort(&shadow.places);
        places_settle(&shadow.places, as_run.what);
        as_cell.what = MOUNTS_CELL;
        for (size_t i = 0; i < places_overlaid_tmps(&as_cell, c->places.root_readonly); i++)
            c->aside[i] = run.tmp[i] && places_any_below(&shadow.places, run.tmp[i]);
        run = shadow.places;
    }
    places_done(&run);
    return r;
}

static int tmp_index(const struct compiler *c, const char *path)
{
    for (int i = 0; i < 2; i++)
        if (c->places.tmp[i] && strcmp(c->places.tmp[i], path) == 0)
            return i;
    return -1;
}

static void open_lower(struct compiler *c, struct place *place)
{
    int which = tmp_index(c, place->path);
    _cleanup_free_ char *aside = NULL;

    if (place->flags & MOP_IDMAP) {
        place->slot = emit_open(c, place->path, MOP_IDMAP);
        return;
    }
    if (c->request->what == MOUNTS_CELL && which >= 0 && c->aside[which])
        aside = aside_path(c, (size_t)which);
    place->slot = emit_open(c, aside ? aside : place->path, MOP_PLAIN);
}

static void emit_opens(struct compiler *c)
{
    bool cell = c->request->what == MOUNTS_CELL;

    c->scratch = -1;
    if (has_overlay(c) && (c->places.scratch || cell)) {
        unsigned plain = cell || !c->places.root_readonly ? MOP_PLAIN : 0;

        c->scratch = emit_open(c, c->places.scratch, plain | (cell ? MOP_OWN_SCRATCH : 0));
    }
    for (size_t i = 0; i < c->places.n; i++) {
        struct place *place = &c->places.items[i];

        if (place->kind == PLACE_BIND || place->kind == PLACE_KEEP)
            place->slot = emit_open(c, place->path, place->flags & (MOP_OPTIONAL | MOP_IDMAP | MOP_KEEP));
        else if (place->kind == PLACE_OVERLAY)
            open_lower(c, place);
    }
    if (c->plan->cover[0])
        emit(c, OP_MORE_OPEN, NULL, "open more kept paths")->flags =
            MOP_OPTIONAL | MOP_KEEP | (c->plan->idmap_fd >= 0 && !c->plan->keeps_ids && !cell ? MOP_IDMAP : 0);
}

static void emit_bind(struct compiler *c, const struct place *place, const char *verb)
{
    struct mount_op *op = emit(c, OP_BIND, place->path, verb);

    op->slot = place->slot;
    op->flags = place->flags;
}

static void emit_overlay(struct compiler *c, const struct place *place)
{
    struct mount_op *op;

    if (place->flags & MOP_IDMAP)
        emit_bind(c, place, "ids mapped on");
    op = emit(c, OP_OVERLAY, place->path, "overlay on");
    op->slot = place->slot;
    op->upper = c->scratch;
    op->flags = place->flags;
    op->name = place->name;
    op->size_bytes = place->size_bytes;
    if (place->cover) {
        if (c->request->own_net_ns && !c->plan->sockets)
            c->plan->sockets = mounts_read_sockets();
        op = emit(c, OP_SOCKETS, place->path, "sockets below");
        op->slot = place->slot;
    }
}

static void emit_tmpfs(struct compiler *c, const struct place *place, bool hide)
{
    struct mount_op *op = emit(c, OP_TMPFS, place->path, hide ? "hide around" : "tmpfs on");

    op->flags = place->flags;
    op->size_bytes = hide ? SEALED_BYTES : place->size_bytes;
    op->mode = hide ? 0755 : place->mode;
    op->uid = place->uid;
}

static void emit_place(struct compiler *c, const struct place *place)
{
    switch (place->kind) {
    case PLACE_NOTHING:
        break;
    case PLACE_BIND:
        emit_bind(c, place, place->flags & MOP_RDONLY ? "read-only" : "writable");
        break;
    case PLACE_KEEP:
        emit_bind(c, place, place->flags & MOP_RDONLY ? "keep read-only" : "keep");
        break;
    case PLACE_HIDE:
        if (places_any_below(&c->places, place->path))
            emit_tmpfs(c, place, true);
        else
            emit(c, OP_HIDE, place->path, "hide")->flags = place->flags;
        break;
    case PLACE_TMPFS:
        emit_tmpfs(c, place, false);
        break;
    case PLACE_OVERLAY:
        emit_overlay(c, place);
        break;
    case PLACE_DEV:
        emit(c, OP_DEV, place->path, "minimal")->flags = place->flags;
        break;
    case PLACE_MQUEUE:
        emit(c, OP_MQUEUE, place->path, "message queues on")->flags = place->flags;
        break;
    case PLACE_FREEZE:
        emit(c, OP_FREEZE, place->path, "read-only")->flags = place->flags;
        break;
    case PLACE_READONLY:
        emit(c, OP_READONLY, place->path, "read-only")->flags = place->flags;
        break;
    }
}

/* Sorted places: those at /tmp are done when the first longer path comes, and nothing is below it yet. */
static void emit_places(struct compiler *c)
{
    int slots[2] = {-1, -1};
    size_t at = 0;

    for (size_t which = 0; which < 2; which++) {
        const char *dir = c->places.tmp[which];

        if (!c->aside[which] || c->request->what != MOUNTS_RUN)
            continue;
        for (; at < c->places.n && strlen(c->places.items[at].path) <= strlen(dir); at++)
            emit_place(c, &c->places.items[at]);
        slots[which] = c->plan->nslots++;
        emit(c, OP_ASIDE, dir, "a second way to")->slot = slots[which];
    }
    for (; at < c->places.n; at++)
        emit_place(c, &c->places.items[at]);
    for (size_t which = 0; which < 2; which++)
        if (slots[which] >= 0) {
            _cleanup_free_ char *path = aside_path(c, which);
            struct mount_op *op = emit(c, OP_BIND, path, "attach");

            op->slot = slots[which];
            op->flags = MOP_CREATE;
        }
}

/* Layers of overlays, which other workers have, too. In the run's view cells still need them. */
static void emit_hide_scratch(struct compiler *c)
{
    const struct mount_request *request = c->request;
    bool cells = request->spec->tmp != SPEC_TMP_HOST && request->what != MOUNTS_EXEC;
    bool used = request->what == MOUNTS_RUN ? !cells && has_overlay(c) : cells || has_overlay(c);
    const char *scratch = c->places.scratch;
    _cleanup_free_ char *aside = NULL;

    if (!used)
        return;
    if (scratch) {
        if (!mounts_is_below(c->places.cwd, scratch) && !places_any_below(&c->places, scratch))
            emit(c, OP_HIDE, scratch, "hide")->flags = MOP_OPTIONAL;
    } else if (c->aside[0] || c->aside[1]) {
        aside = mem_printf("%s/%s", c->places.tmp[2] ? c->places.tmp[2] : "/dev/shm", MOUNTS_ASIDE);
        emit(c, OP_HIDE, aside, "hide")->flags = MOP_OPTIONAL;
    }
}

static void emit_end(struct compiler *c)
{
    if (c->plan->cover[0])
        emit(c, OP_MORE_BIND, NULL, "more kept paths")->flags = MOP_OPTIONAL | MOP_KEEP | MOP_CREATE;
    emit_hide_scratch(c);
    for (size_t i = 0; i < c->places.n; i++) {
        const struct place *place = &c->places.items[i];

        if ((place->kind == PLACE_HIDE && places_any_below(&c->places, place->path)) ||
            (place->kind == PLACE_DEV && c->places.root_readonly))
            emit(c, OP_SEAL, place->path, "seal")->flags = place->flags & MOP_OPTIONAL;
    }
    emit(c, OP_CHDIR, c->places.cwd, "working directory");
}

static void note_covers(struct compiler *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->places.n && n < sizeof(c->plan->cover) / sizeof(c->plan->cover[0]); i++)
        if (c->places.items[i].cover && c->places.items[i].kind != PLACE_NOTHING)
            c->plan->cover[n++] = mem_strdup(c->places.items[i].path);
}

static void emit_all(struct compiler *c)
{
    const struct mount_request *request = c->request;
    bool whole = request->what == MOUNTS_EXEC || request->what == MOUNTS_RUN;
    bool private = whole && c->places.root_readonly;
    struct mount_op *op = emit(c, OP_PROPAGATION, NULL, private ? "private mounts" : "slave mounts");

    op->flags = private ? MOP_PRIVATE : 0;
    op->path = mem_strdup("/");
    emit_opens(c);
    if (private)
        emit(c, OP_ROOT, "/", "read-only");
    /* The clone was made while all was writable: layers go through it. */
    if (private && c->scratch >= 0) {
        op = emit(c, OP_BIND, c->places.scratch, "writable");
        op->slot = c->scratch;
    }
    if (request->own_pid_ns && request->what != MOUNTS_COMMAND)
        emit(c, OP_PROC, "/proc", "fresh");
    emit_places(c);
    emit_end(c);
}

/* ---- entry points ---------------------------------------------------------------------------- */

static bool asks_for_nothing(const struct mount_request *request)
{
    const struct sandbox_spec *spec = request->spec;

    return !spec->ns_mount && !spec->root_readonly && spec->npaths == 0 && spec->tmp == SPEC_TMP_HOST &&
           !spec->shm_private && !spec->dev_minimal && !spec->mask_kernel && spec->workdir == SPEC_WORKDIR_AS_IS &&
           !request->own_pid_ns;
}

static int stat_cwd(struct compiler *c, struct err *err)
{
    struct stat st;

    if (stat(c->places.cwd, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, errno ? errno : ENOTDIR, "the working directory %s is no directory",
                       c->places.cwd);
    if (c->request->spec->workdir == SPEC_WORKDIR_OVERLAY && strcmp(c->places.cwd, "/") == 0)
        return err_set(err, ERR_USAGE, EINVAL, "the working directory is /, which cannot be overlaid");
    c->plan->cwd_dev = st.st_dev;
    c->plan->cwd_ino = st.st_ino;
    c->plan->cwd_overlaid = c->request->spec->workdir == SPEC_WORKDIR_OVERLAY;
    return 0;
}

static int compile(struct compiler *c, struct err *err)
{
    int r = places_collect(&c->places, c->request, err);

    if (r < 0)
        return r;
    if ((r = stat_cwd(c, err)) < 0 || (r = find_aside(c, err)) < 0)
        return r;
    places_sort(&c->places);
    places_settle(&c->places, c->request->what);
    if ((r = places_check_cwd(&c->places, c->plan, err)) < 0 ||
        (r = places_prepare_idmap(&c->places, c->request, c->plan, err)) < 0)
        return r;
    note_covers(c);
    emit_all(c);
    if (c->plan->nslots > MOUNTS_SLOTS)
        return err_set(err, ERR_USAGE, E2BIG, "%d paths are too many for one sandbox (%d at most)", c->plan->nslots,
                       MOUNTS_SLOTS);
    return 0;
}

int mount_plan_compile(const struct mount_request *request, struct mount_plan **ret, struct err *err)
{
    struct mount_plan *plan = mem_zalloc(sizeof(*plan));
    struct compiler c = {.request = request, .plan = plan};
    int r;

    plan->idmap_fd = -1;
    plan->userxattr = request->what == MOUNTS_CELL || !request->initial_userns;
    r = asks_for_nothing(request) ? 0 : compile(&c, err);
    places_done(&c.places);
    if (r < 0) {
        mount_plan_free(plan);
        return r;
    }
    *ret = plan;
    return 0;
}

void mount_plan_free(struct mount_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->nops; i++) {
        free(plan->ops[i].path);
        free(plan->ops[i].text);
    }
    free(plan->ops);
    free(plan->sockets);
    for (size_t i = 0; i < sizeof(plan->cover) / sizeof(plan->cover[0]); i++)
        free(plan->cover[i]);
    close_fd(&plan->idmap_fd);
    free(plan);
}

bool mount_plan_keeps_ids(const struct mount_plan *plan)
{
    return plan && plan->keeps_ids;
}

/* Of propagation and the working directory alone nobody notices anything. */
bool mount_plan_empty(const struct mount_plan *plan)
{
    for (size_t i = 0; i < plan->nops; i++)
        if (plan->ops[i].kind != OP_PROPAGATION && plan->ops[i].kind != OP_CHDIR)
            return false;
    return true;
}

char *mount_plan_describe(const struct mount_plan *plan)
{
    char *all = mem_strdup("");

    for (size_t i = 0; i < plan->nops; i++) {
        char *longer = mem_printf("%s%s\n", all, plan->ops[i].text);

        free(all);
        all = longer;
    }
    return all;
}
