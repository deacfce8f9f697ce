/* SPDX-License-Identifier: MIT */
#include "sandbox/spec/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "sandbox/base/mem.h"

_Static_assert(RLIM_NLIMITS == SPEC_RLIMIT_COUNT, "a new resource limit needs a name");

static const char *const guarantee_names[] = {
#define X(id, name, text) [SPEC_##id] = name,
    SPEC_GUARANTEES(X)
#undef X
};

static const char *const guarantee_texts[] = {
#define X(id, name, text) [SPEC_##id] = text,
    SPEC_GUARANTEES(X)
#undef X
};

static const char *const rlimit_names[SPEC_RLIMIT_COUNT] = {
#define X(id, name) [RLIMIT_##id] = name,
    SPEC_RLIMITS(X)
#undef X
};

const char *spec_guarantee_name(enum spec_guarantee g)
{
    return guarantee_names[g];
}

const char *spec_guarantee_text(enum spec_guarantee g)
{
    return guarantee_texts[g];
}

const char *spec_guarantee_key(enum spec_guarantee g)
{
    static const char *const keys[SPEC_GUARANTEE_COUNT] = {
        [SPEC_TASKS] = "limits: {tasks: auto}",     [SPEC_MEMORY] = "limits: {memory: auto}",
        [SPEC_CPU] = "limits: {cpus: 2}",           [SPEC_KILL] = "namespaces: {pid: yes}",
        [SPEC_PID] = "namespaces: {pid: yes}",      [SPEC_MOUNT] = "namespaces: {mount: yes}",
        [SPEC_IPC] = "namespaces: {ipc: yes}",      [SPEC_UTS] = "namespaces: {uts: yes}",
        [SPEC_NET] = "network: loopback",           [SPEC_USER] = "user: {uid: auto, gid: auto}",
        [SPEC_READONLY] = "files: {root: read-only}", [SPEC_TMP] = "files: {tmp: fresh}",
        [SPEC_CAPS] = "capabilities: none",         [SPEC_SECCOMP] = "seccomp: default",
        [SPEC_DENIALS] = "denials: named",          [SPEC_LANDLOCK] = "landlock: yes",
    };

    return keys[g];
}

int spec_guarantee_parse(const char *name)
{
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (strcmp(guarantee_names[g], name) == 0)
            return g;
    return -EINVAL;
}

const char *spec_rlimit_name(int resource)
{
    return resource >= 0 && resource < SPEC_RLIMIT_COUNT ? rlimit_names[resource] : NULL;
}

int spec_rlimit_parse(const char *name)
{
    for (int i = 0; i < SPEC_RLIMIT_COUNT; i++)
        if (rlimit_names[i] && strcmp(rlimit_names[i], name) == 0)
            return i;
    return -EINVAL;
}

void spec_init(struct sandbox_spec *spec)
{
    *spec = (struct sandbox_spec){
        .name = mem_strdup("none"),
        .summary = mem_strdup(""),
        .hostname = mem_strdup(""),
        .machine = mem_strdup(""),
        .env_pass_all = true,
        .caps = UINT64_MAX,
        .uid = SPEC_ID_KEEP,
        .gid = SPEC_ID_KEEP,
        .tty = true,
        .umask = SPEC_UMASK_KEEP,
    };
}

static void list_done(struct spec_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
}

void spec_clear_paths(struct sandbox_spec *spec)
{
    for (size_t i = 0; i < spec->npaths; i++) {
        free(spec->paths[i].path);
        free(spec->paths[i].origin);
    }
    free(spec->paths);
    spec->paths = NULL;
    spec->npaths = spec->paths_room = 0;
}

void spec_done(struct sandbox_spec *spec)
{
    spec_clear_paths(spec);
    list_done(&spec->env_pass);
    list_done(&spec->env_drop);
    list_done(&spec->env_set);
    free(spec->name);
    free(spec->summary);
    free(spec->hostname);
    free(spec->machine);
    free(spec->seccomp);
    *spec = (struct sandbox_spec){0};
}

void spec_add_path(struct sandbox_spec *spec, enum spec_path_kind kind, const char *path, uint64_t size_bytes,
                   bool optional, const char *origin)
{
    mem_grow(&spec->paths, &spec->paths_room, spec->npaths + 1, sizeof(*spec->paths));
    spec->paths[spec->npaths++] = (struct spec_path){.kind = kind,
                                                     .path = mem_strdup(path),
                                                     .size_bytes = size_bytes,
                                                     .optional = optional,
                                                     .origin = origin ? mem_strdup(origin) : NULL};
}

void spec_list_add(struct spec_list *list, const char *text)
{
    mem_grow(&list->items, &list->room, list->n + 1, sizeof(*list->items));
    list->items[list->n++] = mem_strdup(text);
}

static struct spec_list list_copy(const struct spec_list *from)
{
    struct spec_list to = {0};

    for (size_t i = 0; i < from->n; i++)
        spec_list_add(&to, from->items[i]);
    return to;
}

void spec_copy(struct sandbox_spec *to, const struct sandbox_spec *from)
{
    *to = *from;
    to->name = mem_strdup(from->name);
    to->summary = mem_strdup(from->summary);
    to->hostname = mem_strdup(from->hostname);
    to->machine = mem_strdup(from->machine);
    to->seccomp = from->seccomp ? mem_strdup(from->seccomp) : NULL;
    to->paths = NULL;
    to->npaths = to->paths_room = 0;
    for (size_t i = 0; i < from->npaths; i++)
        spec_add_path(to, from->paths[i].kind, from->paths[i].path, from->paths[i].size_bytes,
                      from->paths[i].optional, from->paths[i].origin);
    to->env_pass = list_copy(&from->env_pass);
    to->env_drop = list_copy(&from->env_drop);
    to->env_set = list_copy(&from->env_set);
}

void spec_set_text(char **member, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;

    free(*member);
    *member = copy;
}

unsigned spec_wants(const struct sandbox_spec *spec)
{
    bool files = spec->npaths || spec->dev_minimal || spec->mask_kernel || spec->workdir != SPEC_WORKDIR_AS_IS;
    const struct {
        bool wanted;
        unsigned bits;
    } rows[] = {
        {!spec->observe && spec->limits.tasks, SPEC_BIT(SPEC_TASKS)},
        {!spec->observe && spec->limits.memory_bytes, SPEC_BIT(SPEC_MEMORY)},
        {!spec->observe && spec->limits.cpu_milli && spec->limits.cpu_milli != SPEC_AUTO, SPEC_BIT(SPEC_CPU)},
        {spec->ns_pid, SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL)},
        {spec->ns_mount || files || spec->root_readonly, SPEC_BIT(SPEC_MOUNT)},
        {spec->ns_ipc, SPEC_BIT(SPEC_IPC)},
        {spec->ns_uts, SPEC_BIT(SPEC_UTS)},
        {spec->network != SPEC_NET_HOST, SPEC_BIT(SPEC_NET)},
        {spec->uid != SPEC_ID_KEEP, SPEC_BIT(SPEC_USER)},
        {spec->root_readonly, SPEC_BIT(SPEC_READONLY)},
        {spec->tmp != SPEC_TMP_HOST || spec->shm_private, SPEC_BIT(SPEC_TMP)},
        {spec->caps != UINT64_MAX, SPEC_BIT(SPEC_CAPS)},
        {spec->seccomp != NULL, SPEC_BIT(SPEC_SECCOMP)},
        {spec->seccomp && spec->notify, SPEC_BIT(SPEC_DENIALS)},
        {spec->landlock, SPEC_BIT(SPEC_LANDLOCK)},
    };
    unsigned wants = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].wanted)
            wants |= rows[i].bits;
    return wants | spec->demands;
}
