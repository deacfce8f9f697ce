/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/units.h"
#include "supervisor/adapters/adapter.h"
#include "supervisor/adapters/options.h"

#define WORKERS_MAX 256

/* --- one word after the other --- */

static const struct option_row *find(const struct option_row *table, const char *name)
{
    size_t size = strlen(name);

    for (; table->names; table++)
        for (const char *at = table->names; *at;) {
            size_t length = strcspn(at, " ");

            if (length == size && strncmp(at, name, size) == 0)
                return table;
            at += length + (at[length] == ' ');
        }
    return NULL;
}

/* "--recur": a name that only one option begins with is that one, as for Getopt::Long and argparse. The whole name goes to
 * `walk`. */
static const struct option_row *find_beginning(struct option_walk *walk, const struct option_row *table)
{
    const char *found = NULL;
    const struct option_row *ret = NULL;
    size_t size = strlen(walk->name);

    for (; size > 3 && table->names; table++)
        for (const char *at = table->names; *at;) {
            size_t length = strcspn(at, " ");

            if (length > size && strncmp(at, walk->name, size) == 0) {
                if (found)
                    return NULL;
                found = at;
                ret = table;
            }
            at += length + (at[length] == ' ');
        }
    if (found)
        snprintf(walk->name, sizeof(walk->name), "%.*s", (int)strcspn(found, " "), found);
    return ret;
}

static void take_next_word(struct option_walk *walk)
{
    walk->value = *walk->argv;
    if (walk->value)
        walk->argv++;
}

static void next_letter(struct option_walk *walk, const struct option_row *table)
{
    snprintf(walk->name, sizeof(walk->name), "-%c", *walk->letters++);
    walk->row = find(table, walk->name);
    if (!walk->row) { /* not ours to take apart */
        walk->letters = NULL;
        return;
    }
    if (walk->row->value && *walk->letters)
        walk->value = walk->letters;
    else if (walk->row->value)
        take_next_word(walk);
    if (walk->row->value || !*walk->letters)
        walk->letters = NULL;
}

bool option_next(struct option_walk *walk, const struct option_row *table)
{
    size_t length;

    walk->row = NULL;
    walk->value = NULL;
    walk->plain = false;
    if (walk->letters) {
        next_letter(walk, table);
        return true;
    }
    if (!*walk->argv)
        return false;
    walk->word = *walk->argv++;
    if (!walk->only_plain && strcmp(walk->word, "--") == 0) {
        walk->only_plain = true;
        return option_next(walk, table);
    }
    walk->plain = walk->only_plain || walk->word[0] != '-' || !walk->word[1];
    if (walk->plain)
        return true;
    length = strcspn(walk->word, "=");
    snprintf(walk->name, sizeof(walk->name), "%.*s", (int)(length < 63 ? length : 63), walk->word);
    walk->row = find(table, walk->name);
    if (!walk->row && walk->word[1] == '-')
        walk->row = find_beginning(walk, table);
    if (walk->row && walk->word[length])
        walk->value = walk->word + length + 1;
    else if (walk->row && walk->row->value)
        take_next_word(walk);
    else if (!walk->row && walk->word[1] != '-') {
        walk->letters = walk->word + 1;
        next_letter(walk, table);
    }
    return true;
}

const char *option_typed(char *const argv[], const struct option_row *table, const char *letter, const char *name)
{
    struct option_walk walk = {.argv = argv};
    const char *value = NULL;

    while (option_next(&walk, table))
        if (walk.row && (strcmp(walk.name, letter) == 0 || strcmp(walk.name, name) == 0))
            value = walk.value ? walk.value : "";
    return value;
}

bool option_means_else(char *const argv[], const struct option_row *table)
{
    struct option_walk walk = {.argv = argv};

    while (option_next(&walk, table))
        if (walk.row && walk.row->use == OPTION_ELSE)
            return true;
    return false;
}

/* --- all of them --- */

/* As two words: bats knows no "--name=value". */
static void keep(char ***words, const struct option_walk *walk)
{
    adapter_append(words, walk->row ? walk->name : walk->word);
    if (walk->row && walk->value)
        adapter_append(words, walk->value);
}

static uint64_t number_of(const struct option_walk *walk)
{
    uint64_t number;

    return walk->value && units_parse_count(walk->value, &number) == 0 ? number : 0;
}

static int refuse(const struct option_walk *walk, const char *framework, struct err *err)
{
    err_set(err, ERR_USAGE, EINVAL, "%s's %s cannot be done where shunt starts each test itself", framework, walk->name);
    return err_hint(err, "leave it out, or run the whole command as one test: --adapter=command");
}

void option_notice(struct adapter_list *list, const char *text)
{
    char *before = list->notice;

    list->notice = before ? mem_printf("%s; %s", before, text) : mem_strdup(text);
    free(before);
}

static int take(struct adapter_list *list, const struct option_walk *walk, const char *framework, struct option_words *ret,
                struct err *err)
{
    enum option_use use = walk->row ? walk->row->use : OPTION_KEEP;

    if (use == OPTION_KEEP || use == OPTION_SELECT)
        keep(&ret->list, walk);
    if (use == OPTION_KEEP)
        keep(&ret->test, walk);
    if (use == OPTION_JOBS) {
        uint64_t number = number_of(walk);

        list->workers = number > WORKERS_MAX ? WORKERS_MAX : (unsigned)number;
    }
    if (use == OPTION_STOP)
        list->max_fail = walk->row->value ? number_of(walk) : 1;
    if (use == OPTION_LEFT_OUT) {
        _cleanup_free_ char *text = mem_printf("%s's %s is left out", framework, walk->name);

        option_notice(list, text);
    }
    return use == OPTION_REFUSE ? refuse(walk, framework, err) : 0;
}

int option_split(struct adapter_list *list, char *const argv[], const struct option_row *table, const char *framework,
                 struct option_words *ret, struct err *err)
{
    struct option_walk walk = {.argv = argv};
    int r = 0;

    *ret = (struct option_words){0};
    while (r == 0 && option_next(&walk, table)) {
        if (walk.plain)
            adapter_append(&ret->plain, walk.word);
        else
            r = take(list, &walk, framework, ret, err);
    }
    if (r < 0)
        option_words_done(ret);
    return r;
}

void option_append_all(char ***words, char *const more[])
{
    for (; more && *more; more++)
        adapter_append(words, *more);
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

void option_words_done(struct option_words *words)
{
    free_words(words->list);
    free_words(words->test);
    free_words(words->plain);
    *words = (struct option_words){0};
}
