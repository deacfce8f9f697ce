/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/names.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/policy/find.h"
#include "sandbox/policy/policy.h"
#include "sandbox/policy/values.h"

enum { NAMES_MAX = 1024 };

void name_list_done(struct name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct name_list){0};
}

char *name_list_join(const struct name_list *list)
{
    char *text = mem_strdup("");

    for (size_t i = 0; i < list->n; i++) {
        char *longer = mem_printf("%s%s%s", text, i ? ", " : "", list->names[i]);

        free(text);
        text = longer;
    }
    return text;
}

static void add_name(struct name_list *list, const char *name, size_t length)
{
    size_t at = 0;

    for (; at < list->n; at++) {
        int order = strncmp(list->names[at], name, length);

        if (order == 0 && list->names[at][length] == '\0')
            return;
        if (order > 0 || (order == 0 && list->names[at][length] != '\0'))
            break;
    }
    if (list->n >= NAMES_MAX)
        return;
    mem_grow(&list->names, &list->room, list->n + 2, sizeof(*list->names));
    memmove(&list->names[at + 1], &list->names[at], (list->n - at) * sizeof(*list->names));
    list->names[at] = mem_printf("%.*s", (int)length, name);
    list->names[++list->n] = NULL;
}

void names_below(const struct policy_source *source, const char *folder, const char *ending, struct name_list *list)
{
    size_t tail = strlen(ending);

    if (!list->names)
        mem_grow(&list->names, &list->room, 1, sizeof(*list->names));
    list->names[list->n] = NULL;
    for (size_t i = 0; source->directories && source->directories[i]; i++) {
        _cleanup_free_ char *path = mem_printf("%s/%s", source->directories[i], folder);
        _cleanup_closedir_ DIR *dir = opendir(path);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
            size_t length = strlen(entry->d_name);

            if (length > tail && strcmp(entry->d_name + length - tail, ending) == 0)
                add_name(list, entry->d_name, length - tail);
        }
    }
}

void names_of_policies(const struct policy_source *source, struct name_list *list)
{
    _cleanup_policy_file_ struct policy_file file = {0};
    const struct raw_project *project;

    names_below(source, "", ".yaml", list);
    if (!source->project_file || find_open_project(source->project_file, &file, NULL) < 0)
        return;
    project = file.raw;
    for (unsigned i = 0; i < project->npolicies; i++)
        add_name(list, project->policies[i].policy, strlen(project->policies[i].policy));
}
