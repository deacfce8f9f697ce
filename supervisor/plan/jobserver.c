/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/jobserver.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"

static const char *const options[] = {"--jobserver-auth=", "--jobserver-fds="};

/* The next word at `*at`, or NULL at the end and at "--", after which variables follow. A blank after a backslash is part of
 * its word. */
static const char *next_word(const char **at, size_t *ret_length)
{
    const char *word = *at + strspn(*at, " \t");
    size_t n = 0;

    while (word[n] && word[n] != ' ' && word[n] != '\t')
        n += word[n] == '\\' && word[n + 1] ? 2 : 1;
    *at = word + n;
    *ret_length = n;
    return n == 0 || (n == 2 && memcmp(word, "--", 2) == 0) ? NULL : word;
}

static const char *value_of(const char *word, size_t length, size_t *ret_length)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t n = strlen(options[i]);

        if (length >= n && memcmp(word, options[i], n) == 0) {
            *ret_length = length - n;
            return word + n;
        }
    }
    return NULL;
}

static void parse_value(const char *value, size_t length, struct jobserver *ret)
{
    char text[sizeof(ret->path)];
    int used = -1;

    *ret = (struct jobserver){.kind = JOBSERVER_BAD};
    if (length >= sizeof(text))
        return;
    memcpy(text, value, length);
    text[length] = '\0';
    if (strncmp(text, "fifo:", 5) == 0) {
        if (text[5] != '/')
            return;
        ret->kind = JOBSERVER_FIFO;
        snprintf(ret->path, sizeof(ret->path), "%s", text + 5);
    } else if (length < 24 && sscanf(text, "%d,%d%n", &ret->read_fd, &ret->write_fd, &used) == 2 && used == (int)length) {
        ret->kind = ret->read_fd < 0 || ret->write_fd < 0 ? JOBSERVER_NONE : JOBSERVER_FDS;
    }
}

void jobserver_parse(const char *makeflags, struct jobserver *ret)
{
    const char *word;
    size_t length;

    *ret = (struct jobserver){.kind = JOBSERVER_NONE};
    while (makeflags && (word = next_word(&makeflags, &length))) {
        size_t n;
        const char *value = value_of(word, length, &n);

        if (value)
            parse_value(value, n, ret);
    }
}

/* "-j", "-j4": make tells how many there were. */
static bool is_jobs(const char *word, size_t length)
{
    if (length < 2 || word[0] != '-' || word[1] != 'j')
        return false;
    for (size_t i = 2; i < length; i++)
        if (!isdigit((unsigned char)word[i]))
            return false;
    return true;
}

char *jobserver_strip(const char *makeflags)
{
    struct jobserver jobserver;
    const char *at = makeflags, *word, *rest;
    char *text;
    size_t length, n, out = 0;

    jobserver_parse(makeflags, &jobserver);
    if (jobserver.kind == JOBSERVER_NONE && !strstr(makeflags, "--jobserver-"))
        return mem_strdup(makeflags);
    text = mem_zalloc(strlen(makeflags) + 1);
    for (rest = at; (word = next_word(&at, &length)); rest = at) {
        if (value_of(word, length, &n) || is_jobs(word, length))
            continue;
        if (*makeflags == ' ' || out) /* without a blank before it, the first word is one of single letters */
            text[out++] = ' ';
        memcpy(text + out, word, length);
        out += length;
    }
    strcpy(text + out, rest);
    return text;
}
