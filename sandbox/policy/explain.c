/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/explain.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"
#include "sandbox/policy/document.h"

enum {
    KEYS_MAX = 64, /* of one mapping of the schema */
    LIST_LENGTH = 360
};

/* "a, b or c" in `buf`. */
static void join_words(const char *const *words, char *buf, size_t size)
{
    size_t length = 0;

    *buf = '\0';
    for (size_t i = 0; words[i] && length < size; i++) {
        const char *between = i == 0 ? "" : words[i + 1] ? ", " : " or ";

        length += (size_t)snprintf(buf + length, size - length, "%s%s", between, words[i]);
    }
}

static void enum_words(const cyaml_schema_value_t *schema, const char *words[KEYS_MAX + 1])
{
    size_t n = 0;

    for (; n < schema->enumeration.count && n < KEYS_MAX; n++)
        words[n] = schema->enumeration.strings[n].str;
    words[n] = NULL;
}

static void field_keys(const cyaml_schema_field_t *fields, const char *keys[KEYS_MAX + 1])
{
    size_t n = 0;

    for (; fields[n].key && n < KEYS_MAX; n++)
        keys[n] = fields[n].key;
    keys[n] = NULL;
}

static int explain_word(const cyaml_schema_value_t *schema, const struct place *place, struct err *err)
{
    const char *words[KEYS_MAX + 1], *nearest;
    char list[LIST_LENGTH];

    enum_words(schema, words);
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], place->node->text) == 0)
            return 0;
    join_words(words, list, sizeof(list));
    place_complain(place, err, "\"%.60s\": expected %s", place->node->text, list);
    nearest = nearest_word(place->node->text, words);
    if (nearest)
        err_hint(err, "did you mean %s?", nearest);
    return -EINVAL;
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *fields, const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static int explain_unknown(const cyaml_schema_field_t *fields, const struct place *place,
                           const struct document_node *child, struct err *err)
{
    const char *keys[KEYS_MAX + 1], *nearest;
    struct place at = *place;
    char list[LIST_LENGTH];

    field_keys(fields, keys);
    join_words(keys, list, sizeof(list));
    at.node = child;
    place_complain(&at, err, "\"%.60s\" is no key: expected %s", child->key, list);
    nearest = nearest_word(child->key, keys);
    if (nearest)
        err_hint(err, "did you mean %s?", nearest);
    return -EINVAL;
}

static int explain_mapping(const cyaml_schema_value_t *schema, const struct place *place, struct err *err)
{
    const cyaml_schema_field_t *fields = schema->mapping.fields;

    for (size_t i = 0; i < place->node->n; i++) {
        const struct document_node *child = &place->node->children[i];
        const cyaml_schema_field_t *field = find_field(fields, child->key);
        struct place at = place_below(place, child->key);
        int r;

        if (!field)
            return explain_unknown(fields, place, child, err);
        at.node = child; /* a key with dots in it is not found by its path */
        r = explain_mismatch(&field->value, &at, err);
        if (r < 0)
            return r;
    }
    for (; fields->key; fields++)
        if (!(fields->value.flags & CYAML_FLAG_OPTIONAL) && !document_child(place->node, fields->key))
            return place_complain(place, err, "has no %s: expected one (%s: ...)", fields->key, fields->key);
    return 0;
}

static int explain_sequence(const cyaml_schema_value_t *schema, const struct place *place, struct err *err)
{
    for (size_t i = 0; i < place->node->n; i++) {
        struct place at = place_item(place, i);
        int r = explain_mismatch(schema->sequence.entry, &at, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int explain_kind(const struct place *place, const char *expected, struct err *err)
{
    return place_complain(place, err, "found %s: expected %s", document_kind_name(place->node), expected);
}

int explain_mismatch(const struct cyaml_schema_value *schema, const struct place *place, struct err *err)
{
    enum document_kind kind = place->node->kind;

    switch (schema->type) {
    case CYAML_MAPPING:
        return kind == DOCUMENT_MAP ? explain_mapping(schema, place, err)
                                    : explain_kind(place, "a mapping (key: value)", err);
    case CYAML_SEQUENCE:
        return kind == DOCUMENT_LIST ? explain_sequence(schema, place, err)
                                     : explain_kind(place, "a list ([a, b], or lines that begin with -)", err);
    case CYAML_ENUM:
        return kind == DOCUMENT_SCALAR ? explain_word(schema, place, err) : explain_kind(place, "a single word", err);
    case CYAML_STRING:
        if (kind != DOCUMENT_SCALAR)
            return explain_kind(place, "a single value", err);
        if (strlen(place->node->text) < schema->string.min)
            return explain_kind(place, "a value", err);
        return 0;
    default:
        return 0;
    }
}

/* ---- the keys ---------------------------------------------------------------------------- */

static void print_values(const cyaml_schema_value_t *schema, FILE *out)
{
    if (schema->type == CYAML_ENUM)
        for (uint32_t i = 0; i < schema->enumeration.count; i++)
            fprintf(out, "%s%s", i ? "|" : " ", schema->enumeration.strings[i].str);
    else
        fputs(schema->type == CYAML_SEQUENCE ? " list" : schema->type == CYAML_STRING ? " text" : " any", out);
}

void explain_keys(const struct cyaml_schema_value *schema, const char *word, const char *prefix, FILE *out)
{
    if (schema->type == CYAML_SEQUENCE && schema->sequence.entry->type == CYAML_MAPPING)
        schema = schema->sequence.entry;
    if (schema->type != CYAML_MAPPING)
        return;
    for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key; field++) {
        char path[128];

        snprintf(path, sizeof(path), "%.60s%s%.60s", prefix, *prefix ? "." : "", field->key);
        if (field->value.type != CYAML_MAPPING) {
            fprintf(out, "%s %s", word, path);
            print_values(&field->value, out);
            fputc('\n', out);
        }
        /* The policies of a project have the keys that were printed for policies. */
        if (strcmp(path, "policies") != 0)
            explain_keys(&field->value, word, path, out);
    }
}
