/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/options.h"

#include <errno.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"

enum {
    NAME_MAX_LENGTH = 48, /* longer words are no misspelt option */
    CANDIDATES_MAX = 64, /* rows that a suggestion looks at */
    HELP_COLUMN = 28
};

static const struct option_row *find_name(const struct option_row *table, const char *name,
                                          size_t length)
{
    for (; table->name; table++)
        if (strlen(table->name) == length && strncmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *table, char letter)
{
    for (; table->name; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

static int unknown_hint(const char *command, const char *dashes, const char *word, size_t length, struct err *err)
{
    if (strcmp(command, "run") != 0 && strcmp(command, "exec") != 0)
        return err_hint(err, "\"shunt %s --help\" lists the options", command);
    return err_hint(err,
                    "\"shunt %s --help\" lists the options; those of your own command "
                    "stand after it: shunt %s -- COMMAND %s%.*s",
                    command, command, dashes, (int)length, word);
}

static int unknown_option(const struct option_row *table, const char *command, const char *word, size_t length,
                          struct err *err)
{
    const char *names[CANDIDATES_MAX + 1] = {NULL};
    char name[NAME_MAX_LENGTH] = "";
    const char *nearest;

    for (size_t i = 0; table[i].name && i < CANDIDATES_MAX; i++)
        names[i] = table[i].name;
    if (length < sizeof(name))
        memcpy(name, word, length);
    nearest = nearest_word(name, names);
    err_set(err, ERR_USAGE, EINVAL, "unknown option --%.*s", (int)length, word);
    if (nearest)
        return err_hint(err, "did you mean --%s?", nearest);
    return unknown_hint(command, "--", word, length, err);
}

/* Calls the row's setter; a complaint gets the option and the value in front. */
static int apply(const struct option_row *row, const char *text, void *target, struct err *err)
{
    int r = row->set(target, text, err);

    if (r < 0)
        return text ? err_wrap(err, "--%s: \"%.100s\"", row->name, text)
                    : err_wrap(err, "--%s", row->name);
    return 0;
}

static int missing_value(const struct option_row *row, struct err *err)
{
    err_set(err, ERR_USAGE, EINVAL, "--%s needs a value", row->name);
    return err_hint(err, "--%s=%s", row->name, row->value);
}

struct cursor {
    int argc, at; /* argv[at] is the word in hand */
    char **argv;
};

static int parse_long(const struct option_row *table, struct cursor *cursor, void *target,
                      struct err *err)
{
    const char *word = cursor->argv[cursor->at] + 2;
    size_t length = strcspn(word, "=");
    const struct option_row *row = find_name(table, word, length);

    if (!row)
        return unknown_option(table, cursor->argv[0], word, length, err);
    if (word[length] == '=') {
        if (!row->value)
            return err_set(err, ERR_USAGE, EINVAL, "--%s takes no value", row->name);
        return apply(row, word + length + 1, target, err);
    }
    if (!row->value)
        return apply(row, NULL, target, err);
    if (cursor->at + 1 >= cursor->argc)
        return missing_value(row, err);
    return apply(row, cursor->argv[++cursor->at], target, err);
}

static int parse_short(const struct option_row *table, struct cursor *cursor, void *target,
                       struct err *err)
{
    for (const char *p = cursor->argv[cursor->at] + 1; *p; p++) {
        const struct option_row *row = find_letter(table, *p);
        int r;

        if (!row) {
            err_set(err, ERR_USAGE, EINVAL, "unknown option -%c", *p);
            return unknown_hint(cursor->argv[0], "-", p, 1, err);
        }
        if (!row->value) {
            r = apply(row, NULL, target, err);
            if (r < 0)
                return r;
            continue;
        }
        if (p[1])
            return apply(row, p + 1 + (p[1] == '='), target, err);
        if (cursor->at + 1 >= cursor->argc)
            return missing_value(row, err);
        return apply(row, cursor->argv[++cursor->at], target, err);
    }
    return 0;
}

int options_parse(const struct option_row *table, int argc, char **argv, void *target,
                  int *ret_first, struct err *err)
{
    struct cursor cursor = {.argc = argc, .at = 1, .argv = argv};

    for (; cursor.at < argc; cursor.at++) {
        const char *word = argv[cursor.at];
        int r;

        if (strcmp(word, "--") == 0) {
            cursor.at++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0')
            break;
        if (word[1] == '-')
            r = parse_long(table, &cursor, target, err);
        else
            r = parse_short(table, &cursor, target, err);
        if (r < 0)
            return r;
    }
    *ret_first = cursor.at;
    return 0;
}

bool options_wants_next(const struct option_row *table, const char *word)
{
    const struct option_row *row = NULL;

    if (word[0] == '-' && word[1] == '-') {
        row = find_name(table, word + 2, strlen(word + 2));
        return row && row->value;
    }
    for (const char *p = word + 1; word[0] == '-' && *p; p++) {
        row = find_letter(table, *p);
        if (!row || row->value)
            return row && !p[1];
    }
    return false;
}

void options_print_help(const struct option_row *table, FILE *out)
{
    for (; table->name; table++) {
        const char *line = table->help;
        int width;

        if (table->section)
            fprintf(out, "\n%s:\n", table->section);
        width = table->letter ? fprintf(out, "  -%c, ", table->letter) : fprintf(out, "      ");
        width += fprintf(out, "--%s%s%s", table->name, table->value ? "=" : "",
                         table->value ? table->value : "");
        if (width >= HELP_COLUMN) {
            fputc('\n', out);
            width = 0;
        }
        while (line && *line) {
            size_t length = strcspn(line, "\n");

            fprintf(out, "%*s%.*s\n", HELP_COLUMN - width, "", (int)length, line);
            line += length + (line[length] == '\n');
            width = 0;
        }
    }
}
