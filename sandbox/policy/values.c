/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/base/units.h"
#include "sandbox/caps/caps.h"
#include "sandbox/policy/document.h"

#define MIB (1ULL << 20)
#define TIMEOUT_MAX_NS (30ULL * 24 * 3600 * NS_PER_SEC)

enum {
    NAME_LENGTH_MAX = 64,
    HOSTNAME_MAX = 64, /* __NEW_UTS_LEN */
    SIZE_MIN = 4096,
    CPUS_MAX = 4096
};

static int wrong(const struct place *place, const char *text, const char *expected, struct err *err)
{
    return place_complain(place, err, "\"%.80s\": expected %s", text, expected);
}

/* ---- limits ------------------------------------------------------------------------------ */

/* "auto" and "none", which all limits of the surroundings know. */
static bool limit_word(const char *text, uint64_t *ret)
{
    if (strcmp(text, "auto") == 0)
        *ret = SPEC_AUTO;
    else if (strcmp(text, "none") == 0)
        *ret = 0;
    else
        return false;
    return true;
}

int value_limit_tasks(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    uint64_t value;

    if (!limit_word(text, &value) &&
        (units_parse_count(text, &value) < 0 || value < VALUE_TASKS_MIN || value > VALUE_TASKS_MAX))
        return wrong(place, text, "a number of tasks from 4 to 4194304, auto or none", err);
    spec->limits.tasks = value;
    return 0;
}

int value_limit_memory(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    uint64_t value;

    if (!limit_word(text, &value) && (units_parse_size(text, &value) < 0 || value < MIB || value > INT64_MAX))
        return wrong(place, text, "a size of at least 1M (512M, 2G), auto or none", err);
    spec->limits.memory_bytes = value;
    return 0;
}

int value_limit_cpus(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    uint64_t value;

    if (!limit_word(text, &value) &&
        (units_parse_milli(text, &value) < 0 || value < 10 || value > CPUS_MAX * 1000ULL))
        return wrong(place, text, "a number of CPUs from 0.01 to 4096 (2, 1.5), auto or none", err);
    spec->limits.cpu_milli = value;
    return 0;
}

int value_limit_timeout(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    uint64_t value = 0;

    if (strcmp(text, "none") != 0 &&
        (units_parse_duration(text, &value) < 0 || value < NS_PER_MS || value > TIMEOUT_MAX_NS))
        return wrong(place, text, "a duration from 1ms to 30 days (10s, 2m, 1h) or none", err);
    spec->limits.timeout_ns = value;
    return 0;
}

int value_size(const struct place *place, const char *text, uint64_t *ret_bytes, struct err *err)
{
    uint64_t value = 0;

    if (strcmp(text, "none") != 0 && (units_parse_size(text, &value) < 0 || value < SIZE_MIN || value > INT64_MAX))
        return wrong(place, text, "a size of at least 4K (64M, 1G) or none", err);
    *ret_bytes = value;
    return 0;
}

int value_tmpfs_size(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    return value_size(place, text, &spec->tmpfs_size_bytes, err);
}

static bool counts_bytes(int resource)
{
    switch (resource) {
    case RLIMIT_AS:
    case RLIMIT_CORE:
    case RLIMIT_DATA:
    case RLIMIT_FSIZE:
    case RLIMIT_MEMLOCK:
    case RLIMIT_MSGQUEUE:
    case RLIMIT_RSS:
    case RLIMIT_STACK:
        return true;
    default:
        return false;
    }
}

int value_rlimit(const struct place *place, int resource, const char *text, struct sandbox_spec *spec, struct err *err)
{
    bool bytes = counts_bytes(resource);
    uint64_t value = UINT64_MAX; /* RLIM_INFINITY */

    if (strcmp(text, "keep") == 0) {
        spec->rlimits[resource].set = false;
        spec->rlimits[resource].value = 0;
        return 0;
    }
    if (strcmp(text, "unlimited") != 0 &&
        ((bytes ? units_parse_size(text, &value) : units_parse_count(text, &value)) < 0 || value == UINT64_MAX))
        return wrong(place, text, bytes ? "a size (0, 8M), unlimited or keep" : "a number, unlimited or keep", err);
    spec->rlimits[resource].set = true;
    spec->rlimits[resource].value = value;
    return 0;
}

/* ---- identity ---------------------------------------------------------------------------- */

static int read_id(const struct place *place, const char *text, uint32_t *ret, struct err *err)
{
    uint64_t value;

    if (strcmp(text, "keep") == 0)
        *ret = SPEC_ID_KEEP;
    else if (strcmp(text, "auto") == 0)
        *ret = SPEC_ID_AUTO;
    else if (units_parse_count(text, &value) == 0 && value < SPEC_ID_AUTO)
        *ret = (uint32_t)value;
    else
        return wrong(place, text, "keep, auto, or a number below 4294967294", err);
    return 0;
}

int value_uid(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    return read_id(place, text, &spec->uid, err);
}

int value_gid(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    return read_id(place, text, &spec->gid, err);
}

int value_umask(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    size_t length = strlen(text);

    if (strcmp(text, "keep") == 0) {
        spec->umask = SPEC_UMASK_KEEP;
        return 0;
    }
    if (length < 1 || length > 4 || strspn(text, "01234567") != length || strtoul(text, NULL, 8) > 0777)
        return wrong(place, text, "an octal mask up to 0777 (022, 077) or keep", err);
    spec->umask = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

int value_hostname(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    size_t length = strlen(text);

    if (length > HOSTNAME_MAX || *text == '-' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != length)
        return wrong(place, text, "letters, digits, - and ., at most 64 of them (\"\": as it is)", err);
    spec_set_text(&spec->hostname, text);
    return 0;
}

bool value_is_name(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length <= NAME_LENGTH_MAX && *text != '.' && *text != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

/* ---- capabilities ------------------------------------------------------------------------ */

static int read_capability(const struct place *place, uint64_t *caps, struct err *err)
{
    const char *text = place->node->kind == DOCUMENT_SCALAR ? place->node->text : "";
    int cap = caps_parse(text);

    if (cap < 0 || cap > 63) {
        wrong(place, text, "a capability (NET_RAW, CAP_CHOWN)", err);
        return err_hint(err, "capabilities(7) lists them; without a list: none, docker or all");
    }
    *caps |= CAPS_BIT((unsigned)cap);
    return 0;
}

int value_capabilities(const struct place *place, struct sandbox_spec *spec, struct err *err)
{
    static const struct {
        const char *word;
        uint64_t caps;
    } words[] = {{"none", 0}, {"docker", CAPS_DOCKER}, {"all", CAPS_ALL}};
    uint64_t caps = 0;

    if (place->node->kind == DOCUMENT_SCALAR) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strcmp(place->node->text, words[i].word) == 0) {
                spec->caps = words[i].caps;
                return 0;
            }
        return wrong(place, place->node->text, "none, docker, all, or a list of capabilities ([NET_RAW])", err);
    }
    if (place->node->kind == DOCUMENT_MAP)
        return place_complain(place, err, "found a mapping: expected none, docker, all, or a list ([NET_RAW])");
    for (size_t i = 0; i < place->node->n; i++) {
        struct place item = place_item(place, i);
        int r = read_capability(&item, &caps, err);

        if (r < 0)
            return r;
    }
    spec->caps = caps;
    return 0;
}

/* ---- environment ------------------------------------------------------------------------- */

static int check_variable(const struct place *place, const char *text, struct err *err)
{
    size_t length = strcspn(text, "*");

    if (!*text || strpbrk(text, "= \t\n") || (text[length] == '*' && text[length + 1]))
        return wrong(place, text, "the name of a variable, or a beginning that ends in * (LC_*)", err);
    return 0;
}

void value_list_clear(struct spec_list *list)
{
    while (list->n > 0)
        free(list->items[--list->n]);
}

static void add_once(struct spec_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], text) == 0)
            return;
    spec_list_add(list, text);
}

int value_env_drop(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    int r = check_variable(place, text, err);

    if (r == 0)
        add_once(&spec->env_drop, text);
    return r;
}

/* A variable that the parent set is set anew: twice in one environment would be the program's choice. */
int value_env_set(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    size_t length = strcspn(text, "=");

    if (length == 0 || text[length] != '=' || strcspn(text, " \t\n*") < length)
        return wrong(place, text, "NAME=value", err);
    for (size_t i = 0; i < spec->env_set.n; i++)
        if (strncmp(spec->env_set.items[i], text, length + 1) == 0) {
            spec_set_text(&spec->env_set.items[i], text);
            return 0;
        }
    spec_list_add(&spec->env_set, text);
    return 0;
}

static int read_pass_item(const struct place *place, struct sandbox_spec *spec, struct err *err)
{
    int r;

    if (place->node->kind != DOCUMENT_SCALAR)
        return place_complain(place, err, "found %s: expected the name of a variable", document_kind_name(place->node));
    if (strcmp(place->node->text, "all") == 0)
        return place_complain(place, err, "\"all\" in a list: expected names; everything is \"pass: all\"");
    r = check_variable(place, place->node->text, err);
    if (r == 0)
        add_once(&spec->env_pass, place->node->text);
    return r;
}

int value_env_pass(const struct place *place, struct sandbox_spec *spec, struct err *err)
{
    if (place->node->kind == DOCUMENT_SCALAR && strcmp(place->node->text, "all") == 0) {
        spec->env_pass_all = true;
        value_list_clear(&spec->env_pass);
        return 0;
    }
    if (place->node->kind == DOCUMENT_SCALAR)
        return wrong(place, place->node->text, "all, or a list of names ([PATH, LC_*])", err);
    if (place->node->kind == DOCUMENT_MAP)
        return place_complain(place, err, "found a mapping: expected all, or a list of names ([PATH, LC_*])");
    spec->env_pass_all = false;
    for (size_t i = 0; i < place->node->n; i++) {
        struct place item = place_item(place, i);
        int r = read_pass_item(&item, spec, err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- demands, paths ---------------------------------------------------------------------- */

int value_demand(const struct place *place, const char *text, struct sandbox_spec *spec, struct err *err)
{
    const char *names[SPEC_GUARANTEE_COUNT + 1] = {NULL}, *name = text + (*text == '-'), *nearest;
    int guarantee = spec_guarantee_parse(name);

    if (guarantee >= 0 && *text == '-')
        spec->demands &= ~SPEC_BIT((unsigned)guarantee);
    else if (guarantee >= 0)
        spec->demands |= SPEC_BIT((unsigned)guarantee);
    if (guarantee >= 0)
        return 0;
    for (unsigned g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        names[g] = spec_guarantee_name((enum spec_guarantee)g);
    wrong(place, text,
          "tasks, memory, cpu, kill, pid, mount, ipc, uts, net, user, readonly, tmp, caps, seccomp, denials or "
          "landlock (-WORD takes one out)",
          err);
    nearest = nearest_word(name, names);
    return nearest ? err_hint(err, "did you mean %s?", nearest) : -EINVAL;
}

int value_path(const struct place *place, const char *text, char **ret, bool *ret_optional, struct err *err)
{
    _cleanup_free_ char *path = mem_strdup(text);
    size_t length = strlen(path);
    bool optional = length > 1 && path[length - 1] == '?';

    if (optional)
        path[--length] = '\0';
    while (length > 1 && path[length - 1] == '/' && strcmp(path, "~/") != 0)
        path[--length] = '\0';
    if (length == 0 || length >= PATH_MAX)
        return wrong(place, text, "a path (/opt, build, ~/.cache; a ? at the end: where it exists)", err);
    if (*path == '$' || (*path == '~' && path[1] != '/')) {
        wrong(place, text, "a path (/opt, build, ~/.cache)", err);
        return err_hint(err, "variables and other users' homes are not looked up; ~/ is the caller's HOME; a file that is "
                             "called so is ./%.60s", path);
    }
    *ret = take_ptr(path);
    *ret_optional = optional;
    return 0;
}
