/* SPDX-License-Identifier: MIT */
/* What can be judged only once every policy of the chain has spoken: the profile's file, and contradictions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/resolve.h"

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
        err_set(err, ERR_USAGE, EINVAL,
                "%.200s: require: \"%s\" is required, but nothing in policy %.64s asks for it: %s",
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
        err_set(err, ERR_USAGE, EINVAL, "policy %.64s: namespaces.mount: no, but %s needs a mount namespace",
                spec->name, mounts);
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

/* `--machine=docker` with a policy that only looks: the size of /dev/shm is no reason to build a view. */
static void drop_machine_shm(struct resolution *res)
{
    for (size_t i = res->spec.npaths; i-- > 0;) {
        const char *origin = res->spec.paths[i].origin;

        if (!res->spec.ns_mount && res->machine_shm_at && origin && strcmp(origin, res->machine_shm_at) == 0)
            resolution_remove_path(res, i);
    }
}

int resolution_finish(struct resolution *res, const struct policy_source *source, struct err *err)
{
    int r;

    if (res->seccomp) {
        r = find_profile(source, res->seccomp, res->seccomp_directory, &res->spec.seccomp, err);
        if (r < 0)
            return err_wrap(err, "%.200s: seccomp", res->seccomp_at);
    }
    drop_machine_shm(res);
    group_paths(&res->spec);
    return check_contradictions(res, err);
}
