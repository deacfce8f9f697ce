/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/history_source.h"
#include "supervisor/cli/history_table.h"
#include "supervisor/cli/options.h"
#include "supervisor/core/filter.h"

struct options {
    const char *file, *root;
    struct filter *filter; /* -E; NULL: all */
    bool json, help;
};

static int set_filter(void *target, const char *text, struct err *err)
{
    struct options *options = target;
    struct filter *filter;
    int r = filter_parse(text, "is no filter", &filter, err);

    if (r < 0)
        return r;
    filter_free(options->filter);
    options->filter = filter;
    if (filter_needs(filter) & FILTER_NEEDS_MARKERS) {
        err_set(err, ERR_USAGE, EINVAL, "marker() asks for what a history does not keep");
        return err_hint(err, "test, file, lane, last and duration can be asked for here");
    }
    return 0;
}

static int set_file(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected the path of a history");
    ((struct options *)target)->file = text;
    return 0;
}

static int set_root(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected a directory");
    ((struct options *)target)->root = text;
    return 0;
}

static int set_json(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct options *)target)->json = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct options *)target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"file", 0, "FILE", "the history to show (default: .shunt/history.db of ROOT)", set_file, NULL},
    {"root", 0, "DIR", "the suite's root (default: here, or the next parent that has one)", set_root, NULL},
    {"filter", 'E', "EXPR", "only the tests that match, e.g. 'last(failed)' (docs/filters.md)", set_filter, NULL},
    {"json", 0, NULL, "everything, as one JSON document (docs/history.md)", set_json, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_history_help(void)
{
    fputs("usage: shunt history [OPTIONS] [TEST]\n\n"
          "Shows what earlier runs came to: the tests worth knowing, or with TEST (an id, or a part of\n"
          "one) its last runs.\n",
          stdout);
    options_print_help(table, stdout);
    return EXIT_PASSED;
}

static int print_json(const json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    return EXIT_PASSED;
}

static bool matches(const struct filter *filter, const json_t *test)
{
    const char *lane = json_string_value(json_object_get(test, "last_lane"));
    const char *last = json_string_value(json_object_get(test, "last_outcome"));
    struct filter_facts facts = {.id = json_string_value(json_object_get(test, "id")),
                                 .file = json_string_value(json_object_get(test, "file")),
                                 .serial = lane && strcmp(lane, "serial") == 0,
                                 .known = true,
                                 .last = last ? outcome_parse(last) : OUTCOME_NONE,
                                 .duration_us =
                                     (uint64_t)(json_number_value(json_object_get(test, "median_ms")) * 1000)};

    return filter_matches(filter, &facts);
}

static void keep_matching(const struct filter *filter, json_t *tests)
{
    for (size_t i = json_array_size(tests); filter && i > 0; i--)
        if (!matches(filter, json_array_get(tests, i - 1)))
            json_array_remove(tests, i - 1);
}

static int show(const struct options *options, const char *test)
{
    json_t *document = NULL;
    struct err err = ERR_INIT;
    int status, r = history_source_read(options->file, options->root, test, &document, &err);

    if (r < 0)
        return cli_fail(&err);
    keep_matching(options->filter, json_object_get(document, "tests"));
    if (test && !options->filter && !json_array_size(json_object_get(document, "tests"))) {
        err_set(&err, ERR_USAGE, ENOENT, "no test in the history has \"%.200s\" in its id", test);
        status = cli_fail(&err);
    } else {
        status = options->json              ? print_json(document)
                 : options->filter && !test ? history_table_list(document, stdout)
                                            : history_table_print(document, test, stdout);
    }
    json_decref(document);
    return status;
}

int cmd_history(int argc, char **argv)
{
    struct options options = {0};
    struct err err = ERR_INIT;
    int first, status, r = options_parse(table, argc, argv, &options, &first, &err);

    if (r == 0 && !options.help && argc - first > 1)
        r = err_set(&err, ERR_USAGE, EINVAL, "one TEST at most, not \"%.100s\" as well", argv[first + 1]);
    if (r < 0)
        status = cli_fail(&err);
    else if (options.help)
        status = cmd_history_help();
    else
        status = show(&options, first < argc ? argv[first] : NULL);
    filter_free(options.filter);
    return status;
}
