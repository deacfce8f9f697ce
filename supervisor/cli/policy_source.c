/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/policy_source.h"

#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/mem.h"
#include "supervisor/config/paths.h"

#define PROJECT_FILE "shunt.yaml"
#define DEFAULT_POLICY "standard"

void policy_places_init(struct policy_places *places)
{
    *places = (struct policy_places){.directory = paths_find("policies")};
    places->directories[0] = places->directory;
    places->source.directories = places->directories;
    places->source.project_file = access(PROJECT_FILE, F_OK) == 0 ? PROJECT_FILE : NULL;
}

void policy_places_done(struct policy_places *places)
{
    free(places->directory);
}

int policy_places_default(const struct policy_places *places, char **ret, struct err *err)
{
    char *name = NULL;
    int r = places->source.project_file ? policy_project_default(&places->source, &name, err) : 0;

    if (r < 0)
        return r;
    *ret = name ? name : mem_strdup(DEFAULT_POLICY);
    return 0;
}
