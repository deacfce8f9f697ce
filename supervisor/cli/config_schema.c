/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/config_schema.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "sandbox/policy/policy.h"
#include "supervisor/cli/project_file.h"
#include "supervisor/cli/rules_reader.h"
#include "supervisor/cli/run_options.h"

/* Help is cut into lines for a terminal. */
static json_t *description_of(const char *help)
{
    char *text = mem_strdup(help);
    json_t *string;

    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    string = json_string(text);
    free(text);
    return string;
}

/* "60s", 3 and 1.5 are all fine in YAML. */
static json_t *scalar(void)
{
    return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *scalar_or_list(void)
{
    return json_pack("{s:[o,{s:s,s:o}]}", "anyOf", scalar(), "type", "array", "items", scalar());
}

static json_t *closed_object(json_t *properties)
{
    return json_pack("{s:s,s:o,s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
}

static json_t *profile_schema(void)
{
    json_t *properties = json_object();

    for (const struct option_row *row = run_option_table; row->name; row++) {
        json_t *value;

        if (!project_file_takes(row->name))
            continue;
        value = row->value ? scalar_or_list() : json_pack("{s:s}", "type", "boolean");
        json_object_set_new(value, "description", description_of(row->help));
        json_object_set_new(properties, row->name, value);
    }
    json_object_set_new(properties, "inherits",
                        json_pack("{s:s,s:s}", "type", "string", "description", "the profile whose values count where this one has none"));
    return closed_object(properties);
}

static json_t *policy_value(const char *words)
{
    json_t *list;

    if (strcmp(words, "list") == 0)
        return json_pack("{s:s}", "type", "array");
    if (strcmp(words, "text") == 0)
        return scalar();
    if (!strchr(words, '|'))
        return json_object(); /* a word or a list */
    list = json_array();
    while (*words) {
        size_t length = strcspn(words, "|");
        json_t *word = json_stringn(words, length);
        bool yes = json_string_length(word) && (strcmp(json_string_value(word), "yes") == 0 || strcmp(json_string_value(word), "true") == 0);

        json_array_append_new(list, word);
        if (yes && json_array_size(list) == 1) { /* YAML's own booleans */
            json_array_append_new(list, json_true());
            json_array_append_new(list, json_false());
        }
        words += length + (words[length] == '|');
    }
    return json_pack("{s:o}", "enum", list);
}

/* "parallel|serial" are words; anything else is a scalar. */
static json_t *rule_value(const struct rule_row *row)
{
    json_t *value = strcmp(row->value, "NAMES") == 0       ? scalar_or_list()
                    : strcmp(row->value, "VARIABLES") == 0 ? json_pack("{s:s}", "type", "object")
                                                           : scalar();

    if (islower((unsigned char)*row->value) && strchr(row->value, '|')) {
        json_decref(value);
        value = policy_value(row->value);
    }
    json_object_set_new(value, "description", description_of(row->help));
    return value;
}

static json_t *rule_schema(void)
{
    json_t *properties = json_object(), *schema;

    for (const struct rule_row *row = rule_rows; row->name; row++)
        json_object_set_new(properties, row->name, rule_value(row));
    schema = closed_object(properties);
    json_object_set_new(schema, "required", json_pack("[s]", "match"));
    json_object_set_new(schema, "minProperties", json_integer(2));
    return schema;
}

/* "policy files.tmp host|overlay|fresh": one level of nesting. */
static void add_policy_key(json_t *properties, char *key, const char *words)
{
    char *dot = strchr(key, '.');
    json_t *part;

    if (!dot) {
        json_object_set_new(properties, key, policy_value(words));
        return;
    }
    *dot = '\0';
    part = json_object_get(json_object_get(properties, key), "properties");
    if (!part) {
        part = json_object();
        json_object_set_new(properties, key, closed_object(part));
    }
    add_policy_key(part, dot + 1, words);
}

static json_t *policy_schema(void)
{
    json_t *properties = json_object(), *schema;
    char *text = NULL, *save = NULL;
    size_t size;
    FILE *lines = open_memstream(&text, &size);

    if (!lines)
        abort();
    policy_print_schema(lines);
    fclose(lines);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *key = strchr(line, ' '), *words = key ? strchr(key + 1, ' ') : NULL;

        if (!words || strncmp(line, "policy ", 7) != 0)
            continue;
        *words = '\0';
        add_policy_key(properties, key + 1, words + 1);
    }
    free(text);
    schema = closed_object(properties);
    json_object_set_new(schema, "required", json_pack("[s]", "policy"));
    return schema;
}

static json_t *setup_schema(void)
{
    json_t *schema = closed_object(json_pack("{s:{s:s},s:{s:s},s:o,s:o,s:o}", "name", "type", "string", "match", "type", "string",
                                             "command", scalar_or_list(), "teardown", scalar_or_list(), "timeout", scalar()));

    json_object_set_new(schema, "required", json_pack("[s,s]", "name", "command"));
    return schema;
}

void config_schema_print(FILE *out)
{
    json_t *schema =
        json_pack("{s:s,s:s,s:s,s:{s:{s:s},s:{s:s,s:o},s:{s:s,s:o},s:{s:s,s:o},s:{s:s,s:{s:s,s:i}},s:{s:s,s:o}},s:b}", "$schema",
                  "https://json-schema.org/draft/2020-12/schema", "title", "shunt.yaml", "type", "object", "properties", "policy",
                  "type", "string", "policies", "type", "array", "items", policy_schema(), "profiles", "type", "object",
                  "additionalProperties", profile_schema(), "rules", "type", "array", "items", rule_schema(),
                  "locks", "type", "object", "additionalProperties", "type", "integer", "minimum", 1,
                  "setup", "type", "array", "items", setup_schema(),
                  "additionalProperties", 0);

    json_dumpf(schema, out, JSON_INDENT(1) | JSON_SORT_KEYS);
    fputc('\n', out);
    json_decref(schema);
}
