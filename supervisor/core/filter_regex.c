/* SPDX-License-Identifier: MIT */
/*
 * What a regular expression may cost. glibc copies what is repeated, so "(a{255}){255}" and "((((a+)+)+)+)" take memory without
 * bound, and back references take time without bound: whoever wrote the project's shunt.yaml must not be able to ask for that.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/core/filter_internal.h"

#define GROUPS_DEEP 8
#define REPEATS_MAX 1000

/* Behind a bracket expression that begins at `text`. */
static const char *skip_brackets(const char *text)
{
    text++;
    text += *text == '^';
    text += *text == ']';
    while (*text && *text != ']') {
        if (*text == '[' && text[1] && strchr(".:=", text[1])) {
            const char *end = text + 2;

            while (*end && !(end[0] == text[1] && end[1] == ']'))
                end++;
            if (!*end)
                return end;
            text = end + 1;
        }
        text++;
    }
    return *text ? text + 1 : text;
}

/* The larger number of "{2,5}". */
static unsigned long repeats_of(const char *text)
{
    char *end;
    unsigned long first = strtoul(text + 1, &end, 10), last = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;

    return first > last ? first : last;
}

const char *filter_regex_refuse(const char *text)
{
    unsigned long depth = 0, repeats = 1, times;
    bool repeated = false; /* the last thing was a repetition */

    while (*text) {
        bool repeat = strchr("*+?{", *text) != NULL;

        if (repeat && repeated)
            return "repeats a repetition: expected one of * + ? {} at a time";
        repeated = repeat;
        if (*text == '{') {
            times = repeats_of(text);
            if (times > REPEATS_MAX || (repeats *= times ? times : 1) > REPEATS_MAX)
                return "repeats too often: expected all {} together to come to 1000 at most";
        } else if (*text == '(' && ++depth > GROUPS_DEEP) {
            return "is nested too deeply: expected 8 groups within each other at most";
        } else if (*text == ')' && depth) {
            depth--;
        } else if (*text == '\\' && text[1] >= '1' && text[1] <= '9') {
            return "has a back reference: expected none";
        }
        if (*text == '[')
            text = skip_brackets(text);
        else if (*text == '{' && strchr(text, '}'))
            text = strchr(text, '}') + 1;
        else
            text += *text == '\\' && text[1] ? 2 : 1;
    }
    return NULL;
}
