/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/resolve.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/policy.h"
#include "sandbox/policy/schema.h"
#include "sandbox/policy/values.h"

enum { PATHS_MAX = 1024 };

void resolution_init(struct resolution *res)
{
    *res = (struct resolution){0};
    spec_init(&res->spec);
}

void resolution_done(struct resolution *res)
{
    spec_done(&res->spec);
    free(res->seccomp);
    free(res->seccomp_directory);
    free(res->seccomp_at);
    free(res->hostname_at);
    for (size_t g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        free(res->demand_at[g]);
}

static void set_origin(char **member, const struct place *place)
{
    free(*member);
    *member = mem_printf("%s:%u", place->doc->name, place->node->line);
}

/* ---- words ------------------------------------------------------------------------------- */

static void set_bool(bool *member, unsigned raw)
{
    if (raw != RAW_ABSENT)
        *member = raw == RAW_YES;
}

#define SET_ENUM(member, raw)                                                                                         \
    do {                                                                                                              \
        if ((raw) != RAW_ABSENT)                                                                                      \
            (member) = (__typeof__(member))((raw) - 1);                                                               \
    } while (0)

static void apply_words(struct sandbox_spec *spec, const struct raw_policy *raw)
{
    set_bool(&spec->observe, raw->observe);
    set_bool(&spec->ns_pid, raw->namespaces.pid);
    set_bool(&spec->ns_mount, raw->namespaces.mount);
    set_bool(&spec->ns_ipc, raw->namespaces.ipc);
    set_bool(&spec->ns_uts, raw->namespaces.uts);
    set_bool(&spec->ns_cgroup, raw->namespaces.cgroup);
    set_bool(&spec->ns_time, raw->namespaces.time);
    SET_ENUM(spec->userns, raw->namespaces.user);
    SET_ENUM(spec->network, raw->network);
    set_bool(&spec->root_readonly, raw->files.root);
    SET_ENUM(spec->tmp, raw->files.tmp);
    set_bool(&spec->shm_private, raw->files.shm);
    set_bool(&spec->dev_minimal, raw->files.dev);
    set_bool(&spec->mask_kernel, raw->files.kernel);
    SET_ENUM(spec->workdir, raw->files.workdir);
    set_bool(&spec->landlock, raw->landlock);
    set_bool(&spec->tty, raw->terminal);
    set_bool(&spec->notify, raw->denials);
}

/* ---- texts and lists --------------------------------------------------------------------- */

static int apply_texts(struct sandbox_spec *spec, const struct raw_policy *raw, const struct place *place,
                       struct err *err)
{
    static const struct {
        const char *key;
        size_t offset;
        value_reader *read;
    } rows[] = {
        {"limits.tasks", offsetof(struct raw_policy, limits.tasks), value_limit_tasks},
        {"limits.memory", offsetof(struct raw_policy, limits.memory), value_limit_memory},
        {"limits.cpus", offsetof(struct raw_policy, limits.cpus), value_limit_cpus},
        {"limits.timeout", offsetof(struct raw_policy, limits.timeout), value_limit_timeout},
        {"files.tmpfs-size", offsetof(struct raw_policy, files.tmpfs_size), value_tmpfs_size},
        {"umask", offsetof(struct raw_policy, umask), value_umask},
        {"hostname", offsetof(struct raw_policy, hostname), value_hostname},
        {"user.uid", offsetof(struct raw_policy, user.uid), value_uid},
        {"user.gid", offsetof(struct raw_policy, user.gid), value_gid},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = *(char *const *)((const char *)raw + rows[i].offset);
        struct place at = place_below(place, rows[i].key);
        int r = text ? rows[i].read(&at, text, spec, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_rlimits(struct sandbox_spec *spec, const struct raw_policy *raw, const struct place *place,
                         struct err *err)
{
    struct place rlimits = place_below(place, "rlimits");

    for (int i = 0; i < SPEC_RLIMIT_COUNT; i++) {
        struct place at = place_below(&rlimits, spec_rlimit_name(i));
        int r = raw->rlimits[i] ? value_rlimit(&at, i, raw->rlimits[i], spec, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_list(const struct raw_list *list, const struct place *place, value_reader *read,
                      struct sandbox_spec *spec, struct err *err)
{
    for (unsigned i = 0; i < list->n; i++) {
        struct place at = place_item(place, i);
        int r = read(&at, list->items[i], spec, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_environment(struct sandbox_spec *spec, const struct raw_policy *raw, const struct place *place,
                             struct err *err)
{
    struct place pass = place_below(place, "environment.pass");
    struct place drop = place_below(place, "environment.drop");
    struct place set = place_below(place, "environment.set");
    int r = 0;

    if (pass.node->key && strcmp(pass.node->key, "pass") == 0)
        r = value_env_pass(&pass, spec, err);
    if (r == 0)
        r = apply_list(&raw->environment.drop, &drop, value_env_drop, spec, err);
    if (r == 0)
        r = apply_list(&raw->environment.set, &set, value_env_set, spec, err);
    return r;
}

static int apply_demands(struct resolution *res, const struct raw_policy *raw, const struct place *place,
                         struct err *err)
{
    struct place at = place_below(place, "require");

    for (unsigned i = 0; i < raw->require.n; i++) {
        const char *text = raw->require.items[i];
        struct place item = place_item(&at, i);
        int r = value_demand(&item, text, &res->spec, err);

        if (r < 0)
            return r;
        set_origin(&res->demand_at[spec_guarantee_parse(text + (*text == '-'))], &item);
    }
    return 0;
}

/* ---- paths ------------------------------------------------------------------------------- */

static void remove_path(struct sandbox_spec *spec, size_t index)
{
    free(spec->paths[index].path);
    free(spec->paths[index].origin);
    memmove(&spec->paths[index], &spec->paths[index + 1], (spec->npaths - index - 1) * sizeof(*spec->paths));
    spec->npaths--;
}

struct path_entry {
    enum spec_path_kind kind;
    const char *text;
    uint64_t size_bytes;
};

/* The last word about a path counts: a child's `hidden: [/opt]` replaces its parent's `writable: [/opt]`. `own` is where
 * the entries of this policy begin; among those it is a contradiction. */
static int add_path(struct sandbox_spec *spec, const struct path_entry *entry, const struct place *place, size_t *own,
                    struct err *err)
{
    _cleanup_free_ char *path = NULL, *origin = NULL;
    bool optional;
    int r = value_path(place, entry->text, &path, &optional, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < spec->npaths; i++) {
        if (strcmp(spec->paths[i].path, path) != 0)
            continue;
        if (i >= *own)
            return place_complain(place, err, "\"%.80s\" is named twice: expected each path once (see %.120s)", path,
                                  spec->paths[i].origin);
        remove_path(spec, i);
        (*own)--;
        break;
    }
    if (spec->npaths >= PATHS_MAX)
        return place_complain(place, err, "more than %d paths", PATHS_MAX);
    set_origin(&origin, place);
    spec_add_path(spec, entry->kind, path, entry->size_bytes, optional, origin);
    return 0;
}

static int apply_tmpfs(struct sandbox_spec *spec, const struct raw_policy *raw, const struct place *place, size_t *own,
                       struct err *err)
{
    struct place list = place_below(place, "files.tmpfs");

    for (unsigned i = 0; i < raw->files.ntmpfs; i++) {
        const struct raw_tmpfs *tmpfs = &raw->files.tmpfs[i];
        struct path_entry entry = {.kind = SPEC_PATH_TMPFS, .text = tmpfs->path};
        struct place item = place_item(&list, i);
        struct place size = place_below(&item, "size"), path = place_below(&item, "path");
        int r = tmpfs->size ? value_size(&size, tmpfs->size, &entry.size_bytes, err) : 0;

        if (r == 0)
            r = add_path(spec, &entry, &path, own, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_paths(struct sandbox_spec *spec, const struct raw_policy *raw, const struct place *place,
                       struct err *err)
{
    const struct {
        const char *key;
        const struct raw_list *list;
        enum spec_path_kind kind;
    } rows[] = {
        {"files.read-only", &raw->files.readonly, SPEC_PATH_READONLY},
        {"files.writable", &raw->files.writable, SPEC_PATH_WRITABLE},
        {"files.hidden", &raw->files.hidden, SPEC_PATH_HIDDEN},
    };
    size_t own = spec->npaths;

    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        struct place list = place_below(place, rows[k].key);

        for (unsigned i = 0; i < rows[k].list->n; i++) {
            struct path_entry entry = {.kind = rows[k].kind, .text = rows[k].list->items[i]};
            struct place item = place_item(&list, i);
            int r = add_path(spec, &entry, &item, &own, err);

            if (r < 0)
                return r;
        }
    }
    return apply_tmpfs(spec, raw, place, &own, err);
}

/* ---- clear ------------------------------------------------------------------------------- */

static void clear_paths(struct sandbox_spec *spec, enum spec_path_kind kind)
{
    for (size_t i = spec->npaths; i-- > 0;)
        if (spec->paths[i].kind == kind)
            remove_path(spec, i);
}

static const char *const clearable[] = {
    [SPEC_PATH_READONLY] = "files.read-only", [SPEC_PATH_WRITABLE] = "files.writable",
    [SPEC_PATH_HIDDEN] = "files.hidden",      [SPEC_PATH_TMPFS] = "files.tmpfs",
    "environment.pass", "environment.drop", "environment.set", "require", NULL,
};

static int clear_list(struct sandbox_spec *spec, const char *key, const struct place *place, struct err *err)
{
    const char *nearest;
    size_t i = 0;

    while (clearable[i] && strcmp(clearable[i], key) != 0)
        i++;
    if (i <= SPEC_PATH_TMPFS)
        clear_paths(spec, (enum spec_path_kind)i);
    else if (strcmp(key, "environment.pass") == 0)
        value_list_clear(&spec->env_pass);
    else if (strcmp(key, "environment.drop") == 0)
        value_list_clear(&spec->env_drop);
    else if (strcmp(key, "environment.set") == 0)
        value_list_clear(&spec->env_set);
    else if (strcmp(key, "require") == 0)
        spec->demands = 0;
    else {
        place_complain(place, err,
                       "\"%.60s\": expected a list that a policy inherits: files.read-only, files.writable, "
                       "files.hidden, files.tmpfs, environment.pass, environment.drop, environment.set or require",
                       key);
        nearest = nearest_word(key, clearable);
        return nearest ? err_hint(err, "did you mean %s?", nearest) : -EINVAL;
    }
    return 0;
}

int resolution_clear(struct resolution *res, const struct raw_policy *raw, const struct place *place, struct err *err)
{
    struct place list = place_below(place, "clear");

    for (unsigned i = 0; i < raw->clear.n; i++) {
        struct place at = place_item(&list, i);
        int r = clear_list(&res->spec, raw->clear.items[i], &at, err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- a policy, a machine ----------------------------------------------------------------- */

static int apply_identity(struct resolution *res, const struct raw_policy *raw, const struct place *place,
                          const char *directory, struct err *err)
{
    struct place seccomp = place_below(place, "seccomp"), hostname = place_below(place, "hostname");
    struct place caps = place_below(place, "capabilities");

    spec_set_text(&res->spec.name, raw->policy);
    spec_set_text(&res->spec.summary, raw->summary ? raw->summary : "");
    if (raw->hostname)
        set_origin(&res->hostname_at, &hostname);
    if (raw->seccomp) {
        spec_set_text(&res->seccomp, strcmp(raw->seccomp, "none") == 0 ? NULL : raw->seccomp);
        spec_set_text(&res->seccomp_directory, directory);
        set_origin(&res->seccomp_at, &seccomp);
    }
    if (caps.node->key && strcmp(caps.node->key, "capabilities") == 0)
        return value_capabilities(&caps, &res->spec, err);
    return 0;
}

int resolution_apply(struct resolution *res, const struct raw_policy *raw, const struct place *place,
                     const char *directory, struct err *err)
{
    int r;

    apply_words(&res->spec, raw);
    r = apply_identity(res, raw, place, directory, err);
    if (r == 0)
        r = apply_texts(&res->spec, raw, place, err);
    if (r == 0)
        r = apply_rlimits(&res->spec, raw, place, err);
    if (r == 0)
        r = apply_environment(&res->spec, raw, place, err);
    if (r == 0)
        r = apply_paths(&res->spec, raw, place, err);
    if (r == 0)
        r = apply_demands(res, raw, place, err);
    return r;
}

static int apply_number(const struct place *place, const char *key, const char *text, value_reader *read,
                        struct sandbox_spec *spec, struct err *err)
{
    struct place at = place_below(place, key);

    if (!text)
        return 0;
    if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0)
        return place_complain(&at, err, "\"%s\": expected the machine's number; leave the key away where it has none",
                              text);
    return read(&at, text, spec, err);
}

int resolution_apply_machine(struct resolution *res, const struct raw_machine *raw, const struct place *place,
                             struct err *err)
{
    struct path_entry shm = {.kind = SPEC_PATH_TMPFS, .text = "/dev/shm"};
    struct place at = place_below(place, "shm");
    size_t own = res->spec.npaths;
    int r = apply_number(place, "tasks", raw->tasks, value_limit_tasks, &res->spec, err);

    if (r == 0)
        r = apply_number(place, "memory", raw->memory, value_limit_memory, &res->spec, err);
    if (r == 0)
        r = apply_number(place, "cpus", raw->cpus, value_limit_cpus, &res->spec, err);
    if (r == 0 && raw->shm) {
        r = value_size(&at, raw->shm, &shm.size_bytes, err);
        if (r == 0)
            r = add_path(&res->spec, &shm, &at, &own, err);
    }
    if (r == 0)
        spec_set_text(&res->spec.machine, raw->machine);
    return r;
}

/* ---- in the end -------------------------------------------------------------------------- */

/* What needs a mount namespace, in the words of the policy; NULL: nothing does. */
static const char *needs_mounts(const struct sandbox_spec *spec)
{
    const struct {
        bool wanted;
        const char *key;
    } rows[] = {
        {spec->root_readonly, "files.root: read-only"},
        {spec->npaths > 0, "files: paths"},
        {spec->tmp != SPEC_TMP_HOST, "files.tmp"},
        {spec->shm_private, "files.shm: private"},
        {spec->dev_minimal, "files.dev: minimal"},
        {spec->mask_kernel, "files.kernel: masked"},
        {spec->workdir != SPEC_WORKDIR_AS_IS, "files.workdir"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].wanted)
            return rows[i].key;
    return NULL;
}

static int check_demands(const struct resolution *res, struct err *err)
{
    struct sandbox_spec without = res->spec; /* shallow: only read */
    unsigned wants;

    without.demands = 0;
    wants = spec_wants(&without);
    for (unsigned g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        if (!(res->spec.demands & ~wants & SPEC_BIT(g)))
            continue;
        err_set(err, ERR_USAGE, EINVAL, "%.200s: require: \"%s\" is required, but nothing in policy %.64s asks for it: %s",
                res->demand_at[g] ? res->demand_at[g] : res->spec.name, spec_guarantee_name((enum spec_guarantee)g),
                res->spec.name, spec_guarantee_text((enum spec_guarantee)g));
        return err_hint(err, "give the policy what it requires, or take the demand out: require: [-%s]",
                        spec_guarantee_name((enum spec_guarantee)g));
    }
    return 0;
}

static int check_contradictions(const struct resolution *res, struct err *err)
{
    const struct sandbox_spec *spec = &res->spec;
    const char *mounts = needs_mounts(spec);

    if (!spec->ns_mount && mounts) {
        err_set(err, ERR_USAGE, EINVAL, "policy %.64s: namespaces.mount: no, but %s needs a mount namespace", spec->name,
                mounts);
        return err_hint(err, "namespaces: {mount: yes}, or files that stay as they are on the host");
    }
    if (*spec->hostname && !spec->ns_uts) {
        err_set(err, ERR_USAGE, EINVAL, "%.200s: hostname: \"%.64s\" needs namespaces.uts: yes",
                res->hostname_at ? res->hostname_at : spec->name, spec->hostname);
        return err_hint(err, "namespaces: {uts: yes}, or hostname: \"\"");
    }
    return check_demands(res, err);
}

/* Order within a kind stays; kinds stand as policy_print() shows them, so that what it prints gives the same spec. */
static void group_paths(struct sandbox_spec *spec)
{
    struct spec_path *sorted = mem_calloc(spec->npaths, sizeof(*sorted));
    size_t n = 0;

    for (enum spec_path_kind kind = SPEC_PATH_READONLY; kind <= SPEC_PATH_TMPFS; kind++)
        for (size_t i = 0; i < spec->npaths; i++)
            if (spec->paths[i].kind == kind)
                sorted[n++] = spec->paths[i];
    free(spec->paths);
    spec->paths = sorted;
    spec->paths_room = spec->npaths;
}

int resolution_finish(struct resolution *res, const struct policy_source *source, struct err *err)
{
    int r;

    if (res->seccomp) {
        r = find_profile(source, res->seccomp, res->seccomp_directory, &res->spec.seccomp, err);
        if (r < 0)
            return err_wrap(err, "%.200s: seccomp", res->seccomp_at);
    }
    group_paths(&res->spec);
    return check_contradictions(res, err);
}
