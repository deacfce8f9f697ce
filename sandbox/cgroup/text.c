/* SPDX-License-Identifier: MIT */
/* What the kernel writes about mounts, places and processes, as text in and structs out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/internal.h"

const char *const cgroup_controller_names[CGROUP_RESOURCES] = {
    [CGROUP_PIDS] = "pids",
    [CGROUP_MEMORY] = "memory",
    [CGROUP_CPU] = "cpu",
    [CGROUP_CPUACCT] = "cpuacct",
};

unsigned cgroup_parse_controllers(const char *text, const char *separators)
{
    unsigned mask = 0;

    while (*text) {
        size_t len = strcspn(text, separators);

        for (unsigned i = 0; i < CGROUP_RESOURCES; i++) {
            const char *name = cgroup_controller_names[i];

            if (strlen(name) == len && memcmp(name, text, len) == 0)
                mask |= 1u << i;
        }
        text += len;
        text += strspn(text, separators);
    }
    return mask;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void text_unescape(char *s)
{
    char *out = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *out++ = *s++;
        }
    }
    *out = '\0';
}

/* One line: id parent dev ROOT POINT options tags... - FSTYPE source SUPER-OPTIONS (proc(5)). */
static bool mount_parse(char *line, struct cgroup_mount *ret)
{
    char *fields[5], *tail = strstr(line, " - "), *save = NULL, *type, *super;

    if (!tail)
        return false;
    *tail = '\0';
    for (size_t i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &save)))
            return false;
    type = strtok_r(tail + 3, " ", &save);
    if (!type || (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0))
        return false;
    if (!strtok_r(NULL, " ", &save) || !(super = strtok_r(NULL, " ", &save)))
        return false;
    ret->v2 = type[6] == '2';
    ret->controllers = ret->v2 ? 0 : cgroup_parse_controllers(super, ",");
    text_unescape(fields[3]);
    text_unescape(fields[4]);
    ret->root = mem_strdup(fields[3]);
    ret->point = mem_strdup(fields[4]);
    return true;
}

void cgroup_mounts_parse(const char *text, struct cgroup_mounts *ret)
{
    _cleanup_free_ char *copy = mem_strdup(text);
    char *save = NULL;

    *ret = (struct cgroup_mounts){0};
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct cgroup_mount mount;

        if (!mount_parse(line, &mount))
            continue;
        mem_grow(&ret->items, &ret->cap, ret->n + 1, sizeof(*ret->items));
        ret->items[ret->n++] = mount;
    }
}

void cgroup_mounts_done(struct cgroup_mounts *mounts)
{
    for (size_t i = 0; i < mounts->n; i++) {
        free(mounts->items[i].root);
        free(mounts->items[i].point);
    }
    free(mounts->items);
    *mounts = (struct cgroup_mounts){0};
}

char *cgroup_self_path(const char *text, bool v2, enum cgroup_resource controller)
{
    _cleanup_free_ char *copy = mem_strdup(text);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':'), *path;

        if (!controllers || !(path = strchr(controllers + 1, ':')))
            continue;
        *controllers++ = '\0';
        *path++ = '\0'; /* what follows may contain colons */
        if (v2 ? *controllers == '\0' && strcmp(line, "0") == 0
               : cgroup_parse_controllers(controllers, ",") & 1u << controller)
            return mem_strdup(path);
    }
    return NULL;
}

static bool path_climbs(const char *path)
{
    for (const char *p = path; (p = strstr(p, "/..")); p += 3)
        if (p[3] == '/' || p[3] == '\0')
            return true;
    return false;
}

char *cgroup_locate(const char *mount_root, const char *mount_point, const char *path)
{
    size_t len = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
    const char *rest = path + len;

    if (strncmp(path, mount_root, len) != 0 || (*rest != '/' && *rest != '\0'))
        return NULL;
    if (path_climbs(rest))
        return NULL;
    return mem_printf("%s%s", mount_point, strcmp(rest, "/") == 0 ? "" : rest);
}

static const char *const leftover_suffix[] = {
    [CGROUP_LEFT_TOP] = "",
    [CGROUP_LEFT_SUPERVISOR] = "-supervisor",
    [CGROUP_LEFT_ADOPTED] = "-adopted",
};

void cgroup_id_print(const struct cgroup_id *id, enum cgroup_leftover what,
                     char name[CGROUP_NAME_MAX])
{
    snprintf(name, CGROUP_NAME_MAX, "shunt-%d-%" PRIu64 "-%" PRIu64 "%s", (int)id->pid,
             id->start_ticks, id->pidns, leftover_suffix[what]);
}

bool cgroup_id_parse(const char *name, struct cgroup_id *ret_id, enum cgroup_leftover *ret_what)
{
    struct cgroup_id id;
    int pid;

    if (sscanf(name, "shunt-%d-%" SCNu64 "-%" SCNu64, &pid, &id.start_ticks, &id.pidns) != 3)
        return false;
    id.pid = pid;
    if (pid <= 0)
        return false;
    /* Printing it again refuses whatever sscanf() is lenient about: signs, zeros, trailing text. */
    for (enum cgroup_leftover what = CGROUP_LEFT_TOP; what <= CGROUP_LEFT_ADOPTED; what++) {
        char again[CGROUP_NAME_MAX];

        cgroup_id_print(&id, what, again);
        if (strcmp(again, name) == 0) {
            *ret_id = id;
            *ret_what = what;
            return true;
        }
    }
    return false;
}

bool cgroup_stat_parse(const char *text, pid_t *ret_parent, uint64_t *ret_start_ticks)
{
    const char *p = strrchr(text, ')'); /* comm may hold anything, parentheses too */
    int parent;

    if (!p || sscanf(p + 1, " %*c %d", &parent) != 1)
        return false;
    for (int field = 2; field < 22; field++)
        if (!(p = strchr(p + 1, ' ')))
            return false;
    if (sscanf(p, " %" SCNu64, ret_start_ticks) != 1)
        return false;
    *ret_parent = parent;
    return true;
}

bool cgroup_value_of_key(const char *text, const char *key, uint64_t *ret)
{
    size_t len = strlen(key);

    while (text && *text) {
        if (strncmp(text, key, len) == 0 && text[len] == ' ') {
            const char *total = strstr(text, " total=");

            if (text[len + 1] >= '0' && text[len + 1] <= '9')
                *ret = strtoull(text + len + 1, NULL, 10);
            else if (total && total < strchrnul(text, '\n'))
                *ret = strtoull(total + 7, NULL, 10);
            else
                return false;
            return true;
        }
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return false;
}
