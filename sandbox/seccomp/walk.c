/* SPDX-License-Identifier: MIT */
/* Walking through a profile's JSON: where one is, what is wrong there, and the words that are everywhere. */
#include "sandbox/seccomp/reader.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"

/* --- errors --- */

static size_t known_steps(const struct reader *reader)
{
    return reader->depth < READER_DEPTH_MAX ? reader->depth : READER_DEPTH_MAX;
}

/* "syscalls[12] ("openat", …): args[0].op" */
static void write_place(const struct reader *reader, char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < known_steps(reader) && at < size; i++) {
        const struct seccomp_step *step = &reader->steps[i];
        const json_t *rule, *names;
        const char *first;

        if (step->key) {
            bool after_rule = i == 2 && reader->steps[0].key && strcmp(reader->steps[0].key, "syscalls") == 0;

            at += (size_t)snprintf(buf + at, size - at, "%s%.60s", i == 0 ? "" : after_rule ? ": " : ".", step->key);
            continue;
        }
        at += (size_t)snprintf(buf + at, size - at, "[%zu]", step->index);
        if (i != 1 || at >= size)
            continue;
        rule = json_array_get(json_object_get(reader->file->root, reader->steps[0].key), step->index);
        names = json_object_get(rule, "names");
        first = json_string_value(names ? json_array_get(names, 0) : json_object_get(rule, "name"));
        if (first)
            at += (size_t)snprintf(buf + at, size - at, " (\"%.40s\"%s)", first,
                                   json_array_size(names) > 1 ? ", …" : "");
    }
}

/* "FILE:LINE: PLACE" */
static void write_where(const struct reader *reader, char *buf, size_t size)
{
    char place[200];

    write_place(reader, place, sizeof(place));
    snprintf(buf, size, "%.250s:%u:%s%s", reader->file->path,
             seccomp_json_line(reader->text, reader->steps, known_steps(reader)), *place ? " " : "", place);
}

/* `found` NULL: it is missing. */
int reader_bad(struct reader *reader, const json_t *found, const char *fmt, ...)
{
    _cleanup_free_ char *shown = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char where[480], expected[400];
    const char *text = shown ? shown : "missing";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(expected, sizeof(expected), fmt, ap);
    va_end(ap);
    write_where(reader, where, sizeof(where));
    if (strncmp(text, "\"u64:", 5) == 0)
        err_set(reader->err, ERR_USAGE, EINVAL, "%s is %.*s", where, (int)strspn(text + 5, "0123456789"), text + 5);
    else
        err_set(reader->err, ERR_USAGE, EINVAL, "%s is %.60s%s", where, text, strlen(text) > 60 ? "…" : "");
    return err_hint(reader->err, "expected %s", expected);
}

static int unsupported(struct reader *reader, const struct seccomp_word *word)
{
    char where[480];

    write_where(reader, where, sizeof(where));
    err_set(reader->err, ERR_USAGE, EINVAL, "%s: %s is not supported", where, word->name);
    return err_hint(reader->err, "%s", word->unsupported);
}

int reader_refuse(struct reader *reader, const char *what, const char *hint)
{
    char where[480];

    write_where(reader, where, sizeof(where));
    err_set(reader->err, ERR_USAGE, EINVAL, "%s%s%s", where, reader->depth ? ": " : " ", what);
    return err_hint(reader->err, "%s", hint);
}

/* --- walking --- */

void reader_step_in(struct reader *reader, const char *key, size_t index)
{
    if (reader->depth < READER_DEPTH_MAX)
        reader->steps[reader->depth] = (struct seccomp_step){key, index};
    reader->depth++; /* the format has six steps at most; a place beyond READER_DEPTH_MAX would be shown cut */
}

void reader_step_out(struct reader *reader)
{
    reader->depth--;
}

/* A member that is null is one that is not there, as in the programs that write these files. */
int reader_object(struct reader *reader, const json_t *object, const struct reader_key *keys, const char *what,
                  void *into)
{
    const char *name;
    json_t *value;
    int r = 0;

    if (!json_is_object(object))
        return reader_bad(reader, object, "an object: %s", what);
    json_object_foreach ((json_t *)object, name, value) {
        const struct reader_key *key = keys;

        while (key->name && strcmp(key->name, name) != 0)
            key++;
        reader_step_in(reader, name, 0);
        if (!key->name)
            r = reader_refuse(reader, "unknown key", what);
        else if (key->read && !json_is_null(value))
            r = key->read(reader, value, into);
        if (r < 0)
            return r;
        reader_step_out(reader);
    }
    return 0;
}

int reader_list(struct reader *reader, const json_t *list, size_t most, const char *what,
                     int (*read)(struct reader *reader, const json_t *value, void *into), void *into)
{
    size_t i;
    json_t *value;

    if (!json_is_array(list) || json_array_size(list) > most)
        return reader_bad(reader, list, "a list of at most %zu: %s", most, what);
    json_array_foreach (list, i, value) {
        int r;

        reader_step_in(reader, NULL, i);
        r = read(reader, value, into);
        if (r < 0)
            return r;
        reader_step_out(reader);
    }
    return 0;
}

int reader_word(struct reader *reader, const json_t *value, const struct seccomp_word *table, uint32_t *ret)
{
    const char *name = json_string_value(value);
    const struct seccomp_word *word = name ? seccomp_word_find(table, name) : NULL;
    char list[600];

    if (!word) {
        seccomp_word_list(table, list, sizeof(list));
        return reader_bad(reader, value, "%s", list);
    }
    if (word->unsupported)
        return unsupported(reader, word);
    *ret = word->value;
    return 0;
}

int reader_text(struct reader *reader, const json_t *value, void *into)
{
    (void)into;
    return json_is_string(value) ? 0 : reader_bad(reader, value, "text");
}

/* --- actions --- */

/* `key` and the errno that goes with it (Podman's files hold it as a number and a name; the name is the newer of the
 * two). */
int reader_answer(struct reader *reader, const char *key, const json_t *object, const char *name_key,
                       const char *number_key, uint32_t *ret)
{
    const json_t *number = json_object_get(object, number_key);
    const char *name = json_string_value(json_object_get(object, name_key));
    const char *errno_key = name && *name ? name_key : number_key;
    bool given = (name && *name) || (number && !json_is_null(number));
    uint64_t errnum = EPERM;
    int r;

    reader_step_in(reader, key, 0);
    r = reader_word(reader, json_object_get(object, key), seccomp_actions, ret);
    if (r < 0)
        return r;
    reader_step_out(reader);
    reader_step_in(reader, errno_key, 0);
    if (given && *ret != SECCOMP_RET_ERRNO)
        return reader_refuse(reader, "only SCMP_ACT_ERRNO has an errno",
                             "remove it, or make the action SCMP_ACT_ERRNO");
    if (name && *name) {
        r = seccomp_errno_parse(name);
        if (r < 0)
            return reader_bad(reader, json_object_get(object, name_key),
                              "the name of an errno, such as EPERM, or its number");
        errnum = (uint64_t)r;
    } else if (given && (seccomp_json_u64(number, &errnum) < 0 || errnum > 4095)) {
        return reader_bad(reader, number, "a number from 0 to 4095");
    }
    reader_step_out(reader);
    if (*ret == SECCOMP_RET_ERRNO)
        *ret |= (uint32_t)errnum;
    return 0;
}
