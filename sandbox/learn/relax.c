/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "sandbox/learn/learn.h"
#include "sandbox/spec/spec.h"

static void clear_list(struct spec_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    list->n = 0;
}

static void relax_files(struct sandbox_spec *spec)
{
    spec->root_readonly = spec->landlock = spec->dev_minimal = spec->mask_kernel = false;
    spec->workdir = SPEC_WORKDIR_AS_IS;
    /* A fresh one hides what is there; an overlay does not. */
    if (spec->tmp == SPEC_TMP_FRESH)
        spec->tmp = SPEC_TMP_OVERLAY;
    for (size_t i = 0; i < spec->npaths; i++) {
        free(spec->paths[i].path);
        free(spec->paths[i].origin);
    }
    spec->npaths = 0;
}

void learn_relax(struct sandbox_spec *spec)
{
    relax_files(spec);
    spec->observe = true;
    spec->network = SPEC_NET_HOST;
    spec->userns = spec->userns == SPEC_USERNS_NEVER ? SPEC_USERNS_NEVER : SPEC_USERNS_AUTO;
    spec->uid = spec->gid = SPEC_ID_KEEP;
    spec->caps = UINT64_MAX;
    spec->tty = true;
    spec->umask = SPEC_UMASK_KEEP;
    for (int i = 0; i < SPEC_RLIMIT_COUNT; i++)
        spec->rlimits[i].set = false;
    spec->env_pass_all = true;
    clear_list(&spec->env_pass);
    clear_list(&spec->env_drop);
    spec_set_text(&spec->hostname, "");
    spec->notify = true;
    spec->demands = SPEC_BIT(SPEC_DENIALS);
}
