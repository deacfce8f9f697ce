/* SPDX-License-Identifier: MIT */
/* `shunt config`: what a profile of the project's shunt.yaml comes to and where each value is from; the schema for editors. */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/config_schema.h"
#include "supervisor/cli/run_defaults.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/cli/rules_reader.h"
#include "supervisor/cli/setup_reader.h"

struct request {
    const char *profile;
    bool json, help;
};

static int set_profile(void *target, const char *text, struct err *err)
{
    (void)err;
    ((struct request *)target)->profile = text;
    return 0;
}

static int set_json(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct request *)target)->json = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct request *)target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"profile", 0, "NAME", "show this profile (default: default)", set_profile, NULL},
    {"json", 0, NULL, "as one JSON object", set_json, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_config_help(void)
{
    fputs("usage: shunt config show [OPTIONS]\n"
          "       shunt config schema\n\n"
          "show: each option of shunt run with its value and where that comes from, and the rules, as the\n"
          "project's shunt.yaml says (docs/configuration.md). schema: a JSON schema of that file, for editors.\n",
          stdout);
    options_print_help(table, stdout);
    return EXIT_PASSED;
}

/* --- show --- */

static const struct project_setting *setting_of(const struct project_file *file, const char *key)
{
    for (size_t i = file->n; i > 0; i--)
        if (strcmp(file->settings[i - 1].key, key) == 0)
            return &file->settings[i - 1];
    return NULL;
}

/* "a, b" of a list. */
static char *text_of(const struct document_node *node)
{
    char *text = mem_strdup(node->kind == DOCUMENT_SCALAR ? node->text : "");

    for (size_t i = 0; i < node->n; i++) {
        const struct document_node *child = &node->children[i];
        char *longer = node->kind == DOCUMENT_MAP
                           ? mem_printf("%s%s%s=%s", text, i ? ", " : "", child->key, child->text ? child->text : "")
                           : mem_printf("%s%s%s", text, i ? ", " : "", child->text ? child->text : "");

        free(text);
        text = longer;
    }
    return text;
}

static bool is_shown(const struct option_row *row)
{
    return project_file_takes(row->name);
}

static void show_values(const struct project_file *file)
{
    for (const struct option_row *row = run_option_table; row->name; row++) {
        const struct project_setting *setting = setting_of(file, row->name);
        const struct run_default *fallback = run_default_of(row->name);
        _cleanup_free_ char *text = setting    ? text_of(setting->place.node)
                                    : fallback ? mem_strdup(fallback->text)
                                               : mem_strdup(row->value ? "none" : "false");

        if (!is_shown(row))
            continue;
        if (setting)
            printf("  %-19s %-34s %s:%u (profile %s)\n", row->name, text, file->doc->name, setting->place.node->line,
                   setting->profile);
        else
            printf("  %-19s %-34s default\n", row->name, text);
    }
}

static const struct document_node *rule_node(const struct project_file *file, const struct rule *rule)
{
    const struct document_node *list = document_child(&file->doc->root, "rules");

    for (size_t i = 0; list && i < list->n; i++)
        if (list->children[i].line == (unsigned)atoi(strrchr(rule->where, ':') + 1))
            return &list->children[i];
    return NULL;
}

static void show_rules(const struct project_file *file, const struct rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct document_node *node = rule_node(file, &rules->items[i]);
        const char *glue = ": ";

        printf("%s  %s  %s", i ? "" : "rules, the first that matches and has a key counts:\n", rules->items[i].where,
               rules->items[i].match);
        for (size_t k = 0; node && k < node->n; k++) {
            _cleanup_free_ char *text = text_of(&node->children[k]);

            if (strcmp(node->children[k].key, "match") == 0 || strcmp(node->children[k].key, "profile") == 0)
                continue;
            printf("%s%s %s", glue, node->children[k].key, text);
            glue = ", ";
        }
        putchar('\n');
    }
}

static void show(const struct project_file *file, const struct rules *rules)
{
    if (!file->doc)
        printf("there is no " PROJECT_FILE " here: every option has its default\n");
    else if (file->nprofiles == 0)
        printf("%s has no profile \"" PROJECT_PROFILE "\": every option has its default\n", file->doc->name);
    for (size_t i = 0; i < file->nprofiles; i++)
        printf("%s%s", i == 0 ? "profile " : i == 1 ? ", which inherits from " : ", from ", file->profiles[i]);
    if (file->nprofiles)
        putchar('\n');
    show_values(file);
    show_rules(file, rules);
}

/* --- as JSON --- */

static json_t *json_of_value(const struct project_file *file, const struct option_row *row)
{
    const struct project_setting *setting = setting_of(file, row->name);
    const struct run_default *fallback = run_default_of(row->name);
    _cleanup_free_ char *text = setting ? text_of(setting->place.node) : NULL;
    json_t *from = json_null();

    if (setting)
        from = json_pack("{s:s,s:i,s:s}", "file", file->doc->name, "line", (int)setting->place.node->line, "profile",
                         setting->profile);
    return json_pack("{s:s?,s:o}", "value", text ? text : fallback && fallback->value ? fallback->text : NULL, "from", from);
}

static json_t *json_of_rule(const struct project_file *file, const struct rule *rule)
{
    const struct document_node *node = rule_node(file, rule);
    json_t *object = json_object();

    for (size_t i = 0; node && i < node->n; i++) {
        _cleanup_free_ char *text = text_of(&node->children[i]);

        json_object_set_new(object, node->children[i].key, json_string(text));
    }
    return json_pack("{s:i,s:o}", "line", node ? (int)node->line : 0, "keys", object);
}

static void print_json(const struct project_file *file, const struct rules *rules)
{
    json_t *values = json_object(), *list = json_array(), *profiles = json_array(), *document;

    for (const struct option_row *row = run_option_table; row->name; row++)
        if (is_shown(row))
            json_object_set_new(values, row->name, json_of_value(file, row));
    for (size_t i = 0; i < rules->n; i++)
        json_array_append_new(list, json_of_rule(file, &rules->items[i]));
    for (size_t i = 0; i < file->nprofiles; i++)
        json_array_append_new(profiles, json_string(file->profiles[i]));
    document = json_pack("{s:i,s:s?,s:o,s:o,s:o}", "schema", 1, "file", file->doc ? file->doc->name : NULL, "profiles",
                         profiles, "values", values, "rules", list);
    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(document);
}

static int cmd_show(const struct request *request)
{
    struct run_options options;
    struct err err = ERR_INIT;
    int r;

    run_options_init(&options);
    r = project_file_open(&options.file, PROJECT_FILE, request->profile, &err);
    if (r == 0)
        r = project_file_apply(&options.file, run_option_table, &options, &err); /* only so it is known to be right */
    if (r == 0)
        r = rules_read(&options.file, &options.rules, &err);
    if (r == 0)
        r = setup_read(&options.file, &options.setup, &err);
    if (r == 0 && request->json)
        print_json(&options.file, &options.rules);
    else if (r == 0)
        show(&options.file, &options.rules);
    run_options_done(&options);
    return r < 0 ? cli_fail(&err) : EXIT_PASSED;
}

int cmd_config(int argc, char **argv)
{
    struct request request = {0};
    struct err err = ERR_INIT;
    const char *what = argc > 1 ? argv[1] : "";
    int first, r;

    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return cmd_config_help();
    if (strcmp(what, "show") != 0 && strcmp(what, "schema") != 0) {
        err_set(&err, ERR_USAGE, EINVAL, *what ? "\"%.60s\" is nothing that config does" : "nothing was asked for%s", what);
        err_hint(&err, "shunt config show, or shunt config schema");
        return cli_fail(&err);
    }
    argv[1] = argv[0];
    r = options_parse(table, argc - 1, argv + 1, &request, &first, &err);
    if (r == 0 && !request.help && first < argc - 1)
        r = err_set(&err, ERR_USAGE, EINVAL, "no operand is expected, not \"%.60s\"", argv[1 + first]);
    if (r < 0)
        return cli_fail(&err);
    if (request.help)
        return cmd_config_help();
    if (strcmp(what, "schema") == 0) {
        config_schema_print(stdout);
        return EXIT_PASSED;
    }
    return cmd_show(&request);
}
