/* SPDX-License-Identifier: MIT */
/*
 * Adapter "commands": a file of commands, one a line (`--from FILE`). A line is run by `sh -c`, as those who know xargs and
 * parallel expect, or it is a JSON object with an argv of its own and whatever else is to be said of the test. Exit status
 * 77 is a skip.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/base/units.h"
#include "supervisor/adapters/adapter.h"

#define LINE_MAX_BYTES 65536

struct place {
    const char *file;
    size_t line;
};

static int bad(const struct place *place, struct err *err, const char *hint, const char *what)
{
    err_set(err, ERR_USAGE, EINVAL, "%s:%zu: %s", place->file, place->line, what);
    return *hint ? err_hint(err, "%s", hint) : -EINVAL;
}

static void shell(struct adapter_entry *entry, const char *text)
{
    char *const words[] = {(char *)"sh", (char *)"-c", (char *)text, NULL};

    entry->argv = adapter_words(words);
}

/* --- one key of an object each --- */

static int set_text(char **ret, const json_t *value)
{
    if (!json_is_string(value) || !json_string_length(value) || json_string_length(value) != strlen(json_string_value(value)))
        return -EINVAL;
    free(*ret);
    *ret = mem_strdup(json_string_value(value));
    return 0;
}

static int set_words(char ***ret, const json_t *value)
{
    const json_t *word;
    size_t i;

    if (!json_is_array(value) || !json_array_size(value) || json_array_size(value) > 4096)
        return -EINVAL;
    json_array_foreach (value, i, word) {
        if (!json_is_string(word) || json_string_length(word) != strlen(json_string_value(word)))
            return -EINVAL;
        adapter_append(ret, json_string_value(word));
    }
    return **ret[0] ? 0 : -EINVAL;
}

static int set_run(struct adapter_entry *entry, const json_t *value)
{
    if (!json_is_string(value) || entry->argv)
        return -EINVAL;
    shell(entry, json_string_value(value));
    return 0;
}

static int set_argv(struct adapter_entry *entry, const json_t *value)
{
    return entry->argv ? -EINVAL : set_words(&entry->argv, value);
}

static int set_cwd(struct adapter_entry *entry, const json_t *value)
{
    return set_text(&entry->cwd, value);
}

static int set_env(struct adapter_entry *entry, const json_t *value)
{
    const json_t *text;
    const char *name;

    if (!json_is_object(value))
        return -EINVAL;
    json_object_foreach ((json_t *)value, name, text) {
        _cleanup_free_ char *word = NULL;

        if (!*name || strchr(name, '=') || (!json_is_string(text) && !json_is_null(text)))
            return -EINVAL;
        word = json_is_null(text) ? mem_strdup(name) : mem_printf("%s=%s", name, json_string_value(text));
        adapter_append(&entry->env, word);
    }
    return 0;
}

static int set_lane(struct adapter_entry *entry, const json_t *value)
{
    const char *word = json_string_value(value);

    if (!word || (strcmp(word, "serial") != 0 && strcmp(word, "parallel") != 0))
        return -EINVAL;
    entry->lane = strcmp(word, "serial") == 0 ? LANE_SERIAL : LANE_PARALLEL;
    return 0;
}

static int set_why(struct adapter_entry *entry, const json_t *value)
{
    return set_text(&entry->why, value);
}

static int set_group(struct adapter_entry *entry, const json_t *value)
{
    return set_text(&entry->group, value);
}

static int set_locks(struct adapter_entry *entry, const json_t *value)
{
    return set_words(&entry->locks, value);
}

static int set_labels(struct adapter_entry *entry, const json_t *value)
{
    return set_words(&entry->labels, value);
}

static int set_count(uint64_t *ret, const json_t *value, json_int_t max)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > max)
        return -EINVAL;
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int set_weight(struct adapter_entry *entry, const json_t *value)
{
    uint64_t weight;

    if (set_count(&weight, value, 4096) < 0)
        return -EINVAL;
    entry->weight = (unsigned)weight;
    return 0;
}

static int set_tasks(struct adapter_entry *entry, const json_t *value)
{
    return set_count(&entry->tasks, value, 1 << 22);
}

static int set_memory(struct adapter_entry *entry, const json_t *value)
{
    if (json_is_string(value))
        return units_parse_size(json_string_value(value), &entry->memory_bytes) < 0 || entry->memory_bytes < 1 << 20 ? -EINVAL : 0;
    return set_count(&entry->memory_bytes, value, 1LL << 50) < 0 || entry->memory_bytes < 1 << 20 ? -EINVAL : 0;
}

static int set_timeout(struct adapter_entry *entry, const json_t *value)
{
    double seconds = json_number_value(value);

    if (json_is_string(value))
        return units_parse_duration(json_string_value(value), &entry->timeout_ns) < 0 || !entry->timeout_ns ? -EINVAL : 0;
    if (!json_is_number(value) || seconds < 0.001 || seconds > 1e9)
        return -EINVAL;
    entry->timeout_ns = (uint64_t)(seconds * 1e9);
    return 0;
}

static const struct key {
    const char *name, *expected;
    int (*set)(struct adapter_entry *entry, const json_t *value);
} keys[] = {
    {"argv", "a list of words, the program first; not beside \"run\"", set_argv},
    {"run", "a command for sh -c; not beside \"argv\"", set_run},
    {"cwd", "the path of a directory", set_cwd},
    {"env", "an object of variables: text, or null to take one away", set_env},
    {"lane", "\"serial\" or \"parallel\"", set_lane},
    {"why", "text: why it is serial", set_why},
    {"group", "text: tests of one group run in order, one at a time", set_group},
    {"locks", "a list of names", set_locks},
    {"labels", "a list of words, for label() in filters", set_labels},
    {"weight", "a number of slots, 1 to 4096", set_weight},
    {"tasks", "a number of tasks, at least 1", set_tasks},
    {"memory", "a size of at least 1M: \"512M\", or bytes", set_memory},
    {"timeout", "seconds, or a time: 2.5, \"90s\", \"5m\"", set_timeout},
};

#define KEYS (sizeof(keys) / sizeof(*keys))

static int unknown_key(const struct place *place, const char *name, struct err *err)
{
    const char *names[KEYS + 2] = {"id"}, *nearest;
    char text[120];

    for (size_t i = 0; i < KEYS; i++)
        names[i + 1] = keys[i].name;
    nearest = nearest_word(name, names);
    snprintf(text, sizeof(text), "unknown key \"%.60s\"", name);
    bad(place, err, "", text);
    return nearest ? err_hint(err, "did you mean \"%s\"?", nearest)
                   : err_hint(err, "keys are id, argv, run, cwd, env, lane, why, group, locks, labels, weight, tasks, memory, timeout");
}

static int set_key(const struct place *place, struct adapter_entry *entry, const char *name, const json_t *value, struct err *err)
{
    for (size_t i = 0; i < KEYS; i++) {
        char text[160];

        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].set(entry, value) == 0)
            return 0;
        snprintf(text, sizeof(text), "\"%s\" must be %s", name, keys[i].expected);
        return bad(place, err, "", text);
    }
    return strcmp(name, "id") == 0 ? 0 : unknown_key(place, name, err);
}

static int read_object(const struct place *place, struct adapter_list *list, const char *line, struct err *err)
{
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    struct adapter_entry *entry;
    const json_t *id = json_object_get(object, "id");
    json_t *value;
    const char *name;
    int r = 0;

    if (!object) {
        char text[JSON_ERROR_TEXT_LENGTH + 40];

        snprintf(text, sizeof(text), "no JSON object: %s", error.text);
        return bad(place, err, "a line that begins with { is one JSON object; begin it with a blank word such as : for a shell's", text);
    }
    if (id && (!json_is_string(id) || !json_string_length(id) || json_string_length(id) > 4096))
        r = bad(place, err, "", "\"id\" must be text of 1 to 4096 bytes");
    entry = r == 0 ? adapter_add(list, id ? json_string_value(id) : "") : NULL;
    json_object_foreach (object, name, value)
        if (r == 0)
            r = set_key(place, entry, name, value, err);
    if (r == 0 && !entry->argv)
        r = bad(place, err, "", "neither \"argv\" nor \"run\": what is to be started?");
    if (r == 0 && !id) {
        free(entry->id);
        entry->id = json_object_get(object, "run") ? mem_strdup(entry->argv[2]) : adapter_join_words(entry->argv);
    }
    json_decref(object);
    return r;
}

static int read_line(const struct place *place, struct adapter_list *list, char *line, size_t size, struct err *err)
{
    char *text = line + strspn(line, " \t"), *end = text + strlen(text);
    size_t before = list->nentries;
    int r = 0;

    if (strlen(line) != size)
        return bad(place, err, "", "holds a NUL");
    if (size > LINE_MAX_BYTES)
        return bad(place, err, "put it into a script", "longer than 64 KiB");
    while (end > text && strchr(" \t\r", end[-1]))
        *--end = '\0';
    if (!*text || *text == '#')
        return 0;
    if (before >= ADAPTER_TESTS_MAX)
        return bad(place, err, "", "more than 1048576 tests");
    if (*text == '{')
        r = read_object(place, list, text, err);
    else
        shell(adapter_add(list, text), text);
    if (r == 0)
        list->entries[before].skip_status = 77;
    return r;
}

static int list(struct adapter_list *list, struct err *err)
{
    struct place place = {.file = list->from, .line = 1};
    const char *at = list->from_text, *end = at + list->from_size;
    int r = 0;

    if (!list->from) {
        err_set(err, ERR_USAGE, EINVAL, "the adapter \"commands\" reads a file of commands");
        return err_hint(err, "name it: shunt run --from FILE");
    }
    for (; at < end && r == 0; place.line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        _cleanup_free_ char *line = strndup(at, size);

        r = read_line(&place, list, line, size, err);
        at += size + 1;
    }
    return r;
}

extern const struct adapter adapter_commands;
const struct adapter adapter_commands = {
    .name = "commands",
    .help = "a file of commands, one a line (--from FILE)",
    .list = list,
};
