/* SPDX-License-Identifier: MIT */
/* What jansson does not tell: where in the text a member is, and numbers that need 64 bits without a sign. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp/internal.h"

#define BIG_PREFIX "u64:"
#define BIG_PREFIX_LEN (sizeof(BIG_PREFIX) - 1)

static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* `p` is at the opening quote; returns what follows the closing one. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
    unsigned depth = 0;

    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (depth == 0 && strchr(",]} \t\r\n", *p))
            break;
        if (*p == '{' || *p == '[')
            depth++;
        if (*p == '}' || *p == ']')
            depth--;
        p++;
    } while (*p && (depth > 0 || !strchr(",]} \t\r\n", *p)));
    return p;
}

/* The value of a member of the object or list at `p`; `ret_begin` is where the member begins. NULL: there is none. */
static const char *find_member(const char *p, const struct seccomp_step *step, const char **ret_begin)
{
    bool object = *p == '{';
    size_t i = 0;

    if (object != (step->key != NULL) || (!object && *p != '['))
        return NULL;
    for (p = skip_space(p + 1); *p && *p != '}' && *p != ']'; i++) {
        const char *begin = p;
        size_t length = 0;

        if (object) {
            p = skip_string(p);
            length = (size_t)(p - begin) - 2;
            p = skip_space(p);
            p = skip_space(p + (*p == ':'));
        }
        if (object ? length == strlen(step->key) && memcmp(begin + 1, step->key, length) == 0 : i == step->index) {
            *ret_begin = begin;
            return p;
        }
        p = skip_space(skip_value(p));
        p = skip_space(p + (*p == ','));
    }
    return NULL;
}

unsigned seccomp_json_line(const char *text, const struct seccomp_step *steps, size_t n)
{
    const char *value = skip_space(text), *begin = value;
    unsigned line = 1;

    for (size_t i = 0; value && i < n; i++)
        value = find_member(value, &steps[i], &begin);
    for (const char *p = text; p < begin; p++)
        line += *p == '\n';
    return line;
}

/* Length of a number that starts at `p` when it is one that jansson cannot hold; 0: it can, or nobody can. */
static size_t big_number(const char *p)
{
    size_t digits = strspn(p, "0123456789");
    unsigned long long value;

    if (digits < 19 || digits > 20 || p[0] == '0' || (p[digits] && strchr(".eE", p[digits])))
        return 0;
    errno = 0;
    value = strtoull(p, NULL, 10);
    return errno == 0 && value > INT64_MAX ? digits : 0;
}

char *seccomp_json_wrap(const char *text, size_t size)
{
    /* 19 digits grow by a prefix and two quotes, which is less than half */
    char *copy = malloc(size + size / 2 + 32), *to = copy;
    const char *p = text;

    while (copy && *p) {
        const char *end = p + 1;
        size_t digits = 0;

        if (*p == '"')
            end = skip_string(p);
        else if (isdigit((unsigned char)*p))
            digits = big_number(p), end = p + strspn(p, "0123456789.eE+-");
        else if (*p == '-')
            end = p + strspn(p, "0123456789.eE+-");
        if (digits)
            to += sprintf(to, "\"" BIG_PREFIX "%.*s\"", (int)digits, p);
        else
            to = mempcpy(to, p, (size_t)(end - p));
        p = end;
    }
    if (copy)
        *to = '\0';
    return copy;
}

int seccomp_json_u64(const json_t *value, uint64_t *ret)
{
    const char *text = json_string_value(value);

    if (text && strncmp(text, BIG_PREFIX, BIG_PREFIX_LEN) == 0) {
        *ret = strtoull(text + BIG_PREFIX_LEN, NULL, 10);
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return -EINVAL;
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}
