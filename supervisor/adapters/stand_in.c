/* SPDX-License-Identifier: MIT */
/* What a stand-in said of the program that it was started for. A program that writes NULs into its
 * list spoils its own list, and the next program is found by its mark. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/stand_in.h"

#define WORDS_MAX 65536

/* --- texts --- */

static struct cpp_text take_until(struct cpp_text *text, char stop)
{
    const char *end =
        text->at < text->end ? memchr(text->at, stop, (size_t)(text->end - text->at)) : NULL;
    struct cpp_text taken = {text->at, end ? end : text->end};

    text->at = end ? end + 1 : text->end;
    return taken;
}

bool stand_in_line(struct cpp_text *text, struct cpp_text *ret)
{
    if (text->at >= text->end)
        return false;
    *ret = take_until(text, '\n');
    return true;
}

bool stand_in_begins(struct cpp_text text, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(text.end - text.at) >= n && memcmp(text.at, what, n) == 0;
}

bool stand_in_ends(struct cpp_text text, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(text.end - text.at) >= n && memcmp(text.end - n, what, n) == 0;
}

char *stand_in_copy(struct cpp_text text)
{
    size_t size = (size_t)(text.end - text.at);
    char *copy = mem_zalloc(size + 1);

    memcpy(copy, text.at, size);
    return copy;
}

/* --- environments --- */

static bool is_shells_own(struct cpp_text variable)
{
    return stand_in_begins(variable, "PWD=") || stand_in_begins(variable, "OLDPWD=") ||
           stand_in_begins(variable, "_=") || stand_in_begins(variable, "SHLVL=");
}

static bool holds(char *const words[], const char *word)
{
    for (; words && *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

/* Those that are not in `but`. */
static char **take_environment(struct cpp_text *text, char *const but[])
{
    char **env = NULL;

    for (size_t n = 0; text->at < text->end && n < WORDS_MAX; n++) {
        struct cpp_text variable = take_until(text, '\0');
        _cleanup_free_ char *copy = NULL;

        if (variable.at == variable.end)
            break;
        copy = stand_in_copy(variable);
        if (strchr(copy, '=') && !is_shells_own(variable) && !holds(but, copy))
            adapter_append(&env, copy);
    }
    return env;
}

static const char *value_of(char *const env[], const char *name)
{
    size_t n = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

const char *stand_in_variable(const struct stand_in *stand_in,
                              const struct stand_in_program *program, const char *name)
{
    const char *value = value_of(program->env, name);

    return value ? value : value_of(stand_in->base, name);
}

/* --- programs --- */

static const char mark[] = "\0shunt"; /* with the NUL at its end */

static const char *find_mark(struct cpp_text text)
{
    return text.at < text.end ? memmem(text.at, (size_t)(text.end - text.at), mark, sizeof(mark))
                              : NULL;
}

void stand_in_begin(struct stand_in *ret, const struct adapter_step *step)
{
    const char *first;

    *ret = (struct stand_in){.rest = {step->output, step->output + step->size}};
    ret->base = take_environment(&ret->rest, NULL);
    first = find_mark(ret->rest);
    ret->tool = (struct cpp_text){ret->rest.at, first ? first : ret->rest.end};
}

/* printf ends each text with a NUL, and a number has no sign. */
static int take_number(struct cpp_text *text)
{
    _cleanup_free_ char *word = stand_in_copy(take_until(text, '\0'));

    return *word && strlen(word) < 6 && strspn(word, "0123456789") == strlen(word) ? atoi(word)
                                                                                   : -1;
}

bool stand_in_next(struct stand_in *stand_in, struct stand_in_program *ret)
{
    const char *found = find_mark(stand_in->rest);
    struct cpp_text text, cwd;
    int words;

    *ret = (struct stand_in_program){.status = -1};
    if (!found)
        return false;
    text = (struct cpp_text){found + sizeof(mark), stand_in->rest.end};
    cwd = take_until(&text, '\0');
    if (stand_in_ends(cwd, "\n"))
        cwd.end--;
    ret->cwd = stand_in_copy(cwd);
    words = take_number(&text);
    for (int i = 0; i < words && i < WORDS_MAX && text.at < text.end; i++) {
        _cleanup_free_ char *word = stand_in_copy(take_until(&text, '\0'));

        adapter_append(&ret->argv, word);
    }
    ret->env = take_environment(&text, stand_in->base);
    ret->says[0] = take_until(&text, '\0');
    ret->says[1] = take_until(&text, '\0');
    ret->status = take_number(&text);
    stand_in->rest = text;
    return true;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

void stand_in_program_done(struct stand_in_program *program)
{
    free(program->cwd);
    free_words(program->argv);
    free_words(program->env);
    *program = (struct stand_in_program){.status = -1};
}

void stand_in_done(struct stand_in *stand_in)
{
    free_words(stand_in->base);
    *stand_in = (struct stand_in){0};
}
