/* SPDX-License-Identifier: MIT */
/*
 * libcgroup, where it is sound (2.0.2): making the two inner groups of a run in v1 hierarchies,
 * with their values. Not for v2 (it turns controllers on in the root's subtree_control), not for
 * attaching on v1 (it moves one thread), not for removal (it moves what lives there to the parent,
 * out of its limits), and not for leaves (node.c says why). The only file that includes its header.
 */
#include <errno.h>
#include <libcgroup.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/cgroup/internal.h"

static void libcg_freep(struct cgroup **group)
{
    if (*group)
        cgroup_free(group);
}

/* It keeps one mount of each hierarchy; ours may be another one of the same. */
static bool libcg_agrees(const char *controller, const char *mount)
{
    _cleanup_free_ char *point = NULL;

    return cgroup_get_subsys_mount_point(controller, &point) == 0 && strcmp(point, mount) == 0;
}

int cgroup_libcg_make(const char *controller, const char *mount, const char *name, bool memory)
{
    struct cgroup *group __attribute__((cleanup(libcg_freep))) = NULL;
    struct cgroup_controller *settings;
    int r;

    if (cgroup_init() != 0 || !libcg_agrees(controller, mount))
        return -ENOSYS;
    group = cgroup_new_cgroup(name);
    if (!group || !(settings = cgroup_add_controller(group, controller)))
        return -ENOMEM;
    /* Kernels before 5.11 do not count children in their parents' limits unless told so. */
    if (memory && cgroup_add_value_uint64(settings, "memory.use_hierarchy", 1) != 0)
        return -ENOMEM;
    r = cgroup_create_cgroup(group, 1);
    if (r == 0)
        return 0;
    return r == ECGOTHER && cgroup_get_last_errno() > 0 ? -cgroup_get_last_errno() : -EIO;
}
