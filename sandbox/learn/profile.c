/* SPDX-License-Identifier: MIT */
/* The calls that a run made, as a profile in the OCI format. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"
#include "sandbox/learn/rows.h"
#include "sandbox/seccomp/profile.h"

static bool has(const json_t *list, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (json_is_string(item) && strcmp(json_string_value(item), name) == 0)
            return true;
    return false;
}

static void add(json_t *list, const char *name)
{
    if (!has(list, name))
        json_array_append_new(list, json_string(name));
}

static bool allows(const json_t *rule)
{
    const char *action = json_string_value(json_object_get(rule, "action"));

    return action && (strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0);
}

/* "names", or Docker's old "name". */
static bool rule_has(const json_t *rule, const char *name)
{
    const char *only = json_string_value(json_object_get(rule, "name"));

    return has(json_object_get(rule, "names"), name) || (only && strcmp(only, name) == 0);
}

static bool has_allowing_rule(const json_t *profile, const char *name)
{
    json_t *rule;
    size_t i;

    json_array_foreach (json_object_get(profile, "syscalls"), i, rule)
        if (allows(rule) && rule_has(rule, name))
            return true;
    return false;
}

/* --- which --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static json_t *sorted(json_t *list)
{
    size_t n = json_array_size(list);
    json_t **items = mem_calloc(n + 1, sizeof(*items)), *result = json_array();

    for (size_t i = 0; i < n; i++)
        items[i] = json_array_get(list, i);
    qsort(items, n, sizeof(*items), by_name);
    for (size_t i = 0; i < n; i++)
        json_array_append(result, items[i]);
    free(items);
    json_decref(list);
    return result;
}

static size_t count_unused(const json_t *profile, const json_t *granted)
{
    json_t *all = json_array(), *rule, *name;
    size_t i, j, n = 0;

    json_array_foreach (json_object_get(profile, "syscalls"), i, rule)
        json_array_foreach (json_object_get(rule, "names"), j, name)
            if (allows(rule) && json_is_string(name))
                add(all, json_string_value(name));
    json_array_foreach (all, i, name)
        n += !has(granted, json_string_value(name));
    json_decref(all);
    return n;
}

static void grant_all(const struct learn *learn, struct learn_calls *calls,
                      const char *const *names)
{
    for (; *names; names++)
        if (seccomp_syscall_number(*names) >= 0) {
            add(calls->granted, *names);
            if (!has_allowing_rule(learn->profile, *names))
                add(calls->added, *names);
        }
}

/* Is `name` one of the blank-separated words? */
static bool is_word_of(const char *words, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = words; (at = strstr(at, name)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

static void grant_family(const struct learn *learn, struct learn_calls *calls, const char *family)
{
    _cleanup_free_ char *copy = mem_strdup(family);
    char *save = NULL;

    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        if (seccomp_syscall_number(word) >= 0 && has_allowing_rule(learn->profile, word))
            add(calls->granted, word);
}

static void grant_families(const struct learn *learn, struct learn_calls *calls)
{
    size_t n = json_array_size(calls->granted);

    for (size_t i = 0; i < n; i++)
        for (const char *const *family = learn_families; *family; family++)
            if (is_word_of(*family, json_string_value(json_array_get(calls->granted, i))))
                grant_family(learn, calls, *family);
}

static void sort_call(const struct learn *learn, struct learn_calls *calls, uint32_t nr)
{
    char buf[40];
    const char *name = seccomp_syscall_name(seccomp_native_arch(), nr, buf, sizeof(buf));
    bool ruled = has_allowing_rule(learn->profile, name);

    calls->nseen++;
    if (seccomp_syscall_number(name) <
        0) /* newer than the library: no profile can name it, nothing was lost before */
        return;
    if (learn->workers && strcmp(name, "setns") == 0)
        return;
    if (learn->refused[nr] && ruled) {
        add(calls->arguments, name);
    } else if (learn->refused[nr] && learn_is_dangerous(name)) {
        add(calls->dangerous, name);
        return;
    }
    add(calls->granted, name);
    if (!ruled)
        add(calls->added, name);
}

void learn_sort_calls(const struct learn *learn, struct learn_calls *ret)
{
    *ret = (struct learn_calls){json_array(), json_array(), json_array(), json_array(), 0, 0};
    for (uint32_t nr = 0; nr < LEARN_CALLS; nr++)
        if (learn->seen[nr])
            sort_call(learn, ret, nr);
    grant_all(learn, ret, learn_always);
    if (learn->workers)
        grant_all(learn, ret, learn_worker_calls);
    grant_families(learn, ret);
    ret->granted = sorted(ret->granted);
    ret->added = sorted(ret->added);
    ret->nunused = count_unused(learn->profile, ret->granted);
}

void learn_calls_done(struct learn_calls *calls)
{
    json_decref(calls->granted);
    json_decref(calls->added);
    json_decref(calls->dangerous);
    json_decref(calls->arguments);
}

/* --- the file --- */

/* The rule for those of its names that are granted; NULL: for none. */
static json_t *narrowed(const json_t *rule, const json_t *granted)
{
    json_t *names = json_array(), *copy, *name;
    const char *only = json_string_value(json_object_get(rule, "name"));
    size_t i;

    json_array_foreach (json_object_get(rule, "names"), i, name)
        if (json_is_string(name) && has(granted, json_string_value(name)))
            json_array_append(names, name);
    if (only && has(granted, only))
        add(names, only);
    if (json_array_size(names) == 0) {
        json_decref(names);
        return NULL;
    }
    copy = json_copy((json_t *)rule);
    json_object_del(copy, "name");
    json_object_set_new(copy, "names", sorted(names));
    return copy;
}

char *learn_profile_text(const json_t *base, const json_t *granted, const json_t *added)
{
    json_t *profile = json_copy((json_t *)base), *rules = json_array(), *rule;
    char *text;
    size_t i;

    json_object_set_new(profile, "defaultAction", json_string("SCMP_ACT_ERRNO"));
    json_object_set_new(profile, "defaultErrnoRet",
                        json_integer(38)); /* ENOSYS: libraries then fall back */
    json_object_del(profile, "defaultErrno");
    json_array_foreach (json_object_get(base, "syscalls"), i, rule) {
        json_t *kept = narrowed(rule, granted);

        if (kept)
            json_array_append_new(rules, kept);
    }
    if (json_array_size(added))
        json_array_append_new(rules,
                              json_pack("{s:O, s:s}", "names", added, "action", "SCMP_ACT_ALLOW"));
    json_object_set_new(profile, "syscalls", rules);
    text = json_dumps(profile, JSON_INDENT(2));
    json_decref(profile);
    return text;
}
