/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/history_table.h"
#include "supervisor/cli/options.h"
#include "supervisor/history/history.h"

struct options {
    const char *file, *root;
    bool json, help;
};

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

/* The directory that has one, upward from here: pytest's root is often above where people stand. */
static char *find_root(void)
{
    char *path = realpath(".", NULL);

    while (path) {
        _cleanup_free_ char *file = NULL;
        char *slash = strrchr(path, '/');

        if (asprintf(&file, "%s/.shunt/history.db", path) < 0)
            abort();
        if (access(file, F_OK) == 0)
            return path;
        if (!slash || slash == path)
            break;
        *slash = '\0';
    }
    free(path);
    return NULL;
}

static int print_json(const json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    return EXIT_PASSED;
}

static int show(const struct options *options, const char *test)
{
    _cleanup_free_ char *found = options->root || options->file ? NULL : find_root();
    struct history_place place = {.file = options->file, .root = options->root ? options->root : found};
    json_t *document = NULL;
    struct err err = ERR_INIT;
    int status, r = history_document(&place, test, &document, &err);

    if (r == -ENOENT && err.kind == ERR_NONE) {
        err_set(&err, ERR_USAGE, ENOENT, "there is no history %s", options->file ? "in that file" : "here");
        err_hint(&err, "shunt run writes one below the suite's root; --root or --file name another place");
    } else if (r == -EUCLEAN) {
        err_hint(&err, "the next shunt run sets it aside; it can be deleted without harm");
    }
    if (r < 0)
        return cli_fail(&err);
    if (test && !json_array_size(json_object_get(document, "tests"))) {
        err_set(&err, ERR_USAGE, ENOENT, "no test in the history has \"%.200s\" in its id", test);
        status = cli_fail(&err);
    } else {
        status = options->json ? print_json(document) : history_table_print(document, test, stdout);
    }
    json_decref(document);
    return status;
}

int cmd_history(int argc, char **argv)
{
    struct options options = {0};
    struct err err = ERR_INIT;
    int first, r = options_parse(table, argc, argv, &options, &first, &err);

    if (r < 0)
        return cli_fail(&err);
    if (options.help)
        return cmd_history_help();
    if (argc - first > 1) {
        err_set(&err, ERR_USAGE, EINVAL, "one TEST at most, not \"%.100s\" as well", argv[first + 1]);
        return cli_fail(&err);
    }
    return show(&options, first < argc ? argv[first] : NULL);
}
