/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/base/units.h"
#include "supervisor/core/filter_internal.h"

#define OUTCOME_BIT(o) (1u << (o))
#define OUTCOMES_BAD (OUTCOME_BIT(OUTCOME_FAILED) | OUTCOME_BIT(OUTCOME_ERROR) | OUTCOME_BIT(OUTCOME_KILLED))
#define OUTCOME_NEVER OUTCOME_COUNT /* bit of: no earlier run has seen it */

static const struct {
    const char *name;
    enum predicate_field field;
} fields[] = {{"test", FIELD_TEST},   {"file", FIELD_FILE}, {"framework", FIELD_FRAMEWORK}, {"marker", FIELD_MARKER},
              {"label", FIELD_MARKER}, {"group", FIELD_GROUP}, {"lane", FIELD_LANE},         {"last", FIELD_LAST},
              {"duration", FIELD_DURATION}, {"all", FIELD_ALL}, {"none", FIELD_NONE}};

const char *const predicate_names[] = {"test", "file", "framework", "marker", "label", "group", "lane", "last", "duration",
                                       "all",  "none", NULL};

int predicate_field_parse(const char *name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return (int)fields[i].field;
    return -1;
}

static int refuse(char *ret, size_t size, const char *why)
{
    snprintf(ret, size, "%s", why);
    return -EINVAL;
}

/* A backslash takes the meaning of the next character away; in place. */
static void unescape(char *text)
{
    char *to = text;

    for (; *text; text++) {
        if (*text == '\\' && text[1])
            text++;
        *to++ = *text;
    }
    *to = '\0';
}

/* "/…/": to the last slash, which ends it. */
static int read_regex(struct predicate *p, char *text, char *ret_why, size_t size, size_t *ret_at)
{
    size_t length = strlen(text);
    const char *refused;
    char *to = text;
    char why[120];
    int r;

    if (length < 2 || text[length - 1] != '/' || text[length - 2] == '\\') {
        *ret_at += length;
        return refuse(ret_why, size, "expected / at the end of the regular expression");
    }
    text[length - 1] = '\0';
    for (char *from = text + 1; *from; from++) { /* "\/" is a plain slash */
        if (*from == '\\' && from[1] == '/')
            from++;
        *to++ = *from;
    }
    *to = '\0';
    refused = filter_regex_refuse(text);
    if (refused)
        return refuse(ret_why, size, refused);
    r = regcomp(&p->regex, text, REG_EXTENDED | REG_NOSUB);
    if (r != 0) {
        regerror(r, &p->regex, why, sizeof(why));
        snprintf(ret_why, size, "is no regular expression (POSIX extended): %s", why);
        return -EINVAL;
    }
    p->how = HOW_REGEX;
    return 0;
}

static int read_text(struct predicate *p, char *text, char *ret_why, size_t size, size_t *ret_at)
{
    p->how = p->field == FIELD_TEST ? HOW_CONTAINS : HOW_GLOB;
    if (*text == '/' && (p->field != FIELD_FILE || text[strlen(text) - 1] == '/'))
        return read_regex(p, text, ret_why, size, ret_at);
    if (*text == '=' || *text == '~' || *text == '#') {
        p->how = *text == '=' ? HOW_EXACT : *text == '~' ? HOW_CONTAINS : HOW_GLOB;
        text++;
        ++*ret_at;
    }
    if (!*text)
        return refuse(ret_why, size, "expected a pattern: text, =exact, ~contained, #glob or /regex/");
    if (p->how != HOW_GLOB) /* a glob has a backslash of its own */
        unescape(text);
    p->pattern = mem_strdup(text);
    return 0;
}

static int read_lane(struct predicate *p, const char *text, char *ret_why, size_t size)
{
    text += *text == '=';
    p->serial = strcmp(text, "serial") == 0;
    if (!p->serial && strcmp(text, "parallel") != 0)
        return refuse(ret_why, size, "expected lane(serial) or lane(parallel)");
    return 0;
}

/* "failed" is what people say of everything bad; "=failed" is that word of the ledger. */
static int read_last(struct predicate *p, const char *text, char *ret_why, size_t size)
{
    bool exact = *text == '=';
    enum outcome outcome;

    text += exact;
    outcome = outcome_parse(text);
    if (!exact && strcmp(text, "failed") == 0) {
        p->outcomes = OUTCOMES_BAD;
    } else if (strcmp(text, "never") == 0) {
        p->outcomes = OUTCOME_BIT(OUTCOME_NEVER);
    } else if (outcome == OUTCOME_COUNT || outcome == OUTCOME_NONE) {
        const char *names[OUTCOME_COUNT + 1] = {NULL};
        const char *nearest;

        for (int o = OUTCOME_PASSED; o < OUTCOME_COUNT; o++)
            names[o - OUTCOME_PASSED] = outcome_name((enum outcome)o);
        nearest = nearest_word(text, names);
        snprintf(ret_why, size, "expected an outcome: %s%s%sfailed (and error, killed), =failed, passed, skipped, ..., never",
                 nearest ? "did you mean " : "", nearest ? nearest : "", nearest ? "? " : "");
        return -EINVAL;
    } else {
        p->outcomes = OUTCOME_BIT(outcome);
    }
    return 0;
}

static int read_duration(struct predicate *p, const char *text, char *ret_why, size_t size, size_t *ret_at)
{
    uint64_t ns;
    bool equal = *text && text[1] == '=', greater = *text == '>';

    if (*text != '<' && *text != '>')
        return refuse(ret_why, size, "expected a comparison, e.g. duration(>1s) or duration(<=200ms)");
    p->compare = greater ? (equal ? COMPARE_GREATER_EQUAL : COMPARE_GREATER) : (equal ? COMPARE_LESS_EQUAL : COMPARE_LESS);
    text += 1 + equal;
    *ret_at += 1 + equal;
    while (*text == ' ') {
        text++;
        ++*ret_at;
    }
    if (units_parse_duration(text, &ns) < 0)
        return refuse(ret_why, size, "expected a time, e.g. 500ms, 2s, 1.5m");
    p->duration_us = ns / NS_PER_US;
    return 0;
}

int predicate_read(struct predicate *p, char *text, char *ret_why, size_t size, size_t *ret_at)
{
    size_t length;

    *ret_at = strspn(text, " \t\n");
    text += *ret_at;
    length = strlen(text);
    while (length && strchr(" \t\n", text[length - 1]) && (length < 2 || text[length - 2] != '\\'))
        text[--length] = '\0';
    if (p->field == FIELD_ALL || p->field == FIELD_NONE)
        return *text ? refuse(ret_why, size, "expected nothing between the parentheses") : 0;
    if (!*text)
        return refuse(ret_why, size, "expected something between the parentheses");
    if (p->field == FIELD_LANE)
        return read_lane(p, text, ret_why, size);
    if (p->field == FIELD_LAST)
        return read_last(p, text, ret_why, size);
    if (p->field == FIELD_DURATION)
        return read_duration(p, text, ret_why, size, ret_at);
    return read_text(p, text, ret_why, size, ret_at);
}

void predicate_done(struct predicate *p)
{
    if (p->how == HOW_REGEX)
        regfree(&p->regex);
    free(p->pattern);
}

/* --- evaluation --- */

static bool text_matches(const struct predicate *p, const char *text)
{
    if (!text)
        return false;
    switch (p->how) {
    case HOW_EXACT:
        return strcmp(text, p->pattern) == 0;
    case HOW_CONTAINS:
        return strstr(text, p->pattern) != NULL;
    case HOW_GLOB:
        return fnmatch(p->pattern, text, 0) == 0;
    case HOW_REGEX:
        return regexec(&p->regex, text, 0, NULL, 0) == 0;
    }
    return false;
}

/* "tests/unit" means what lies below it, too. */
static bool path_matches(const struct predicate *p, const char *path)
{
    size_t length = p->pattern ? strlen(p->pattern) : 0;

    while (length && p->pattern[length - 1] == '/')
        length--;
    if (p->how == HOW_GLOB && path && strncmp(path, p->pattern, length) == 0 && path[length] == '/')
        return true;
    return text_matches(p, path);
}

static bool any_matches(const struct predicate *p, char *const *texts)
{
    for (; texts && *texts; texts++)
        if (text_matches(p, *texts))
            return true;
    return false;
}

static bool compares(const struct predicate *p, uint64_t us)
{
    switch (p->compare) {
    case COMPARE_LESS:
        return us < p->duration_us;
    case COMPARE_LESS_EQUAL:
        return us <= p->duration_us;
    case COMPARE_GREATER:
        return us > p->duration_us;
    case COMPARE_GREATER_EQUAL:
        return us >= p->duration_us;
    }
    return false;
}

bool predicate_matches(const struct predicate *p, const struct filter_facts *facts)
{
    switch (p->field) {
    case FIELD_ALL:
        return true;
    case FIELD_NONE:
        return false;
    case FIELD_TEST:
        return text_matches(p, facts->id);
    case FIELD_FILE:
        return path_matches(p, facts->file);
    case FIELD_FRAMEWORK:
        return text_matches(p, facts->framework);
    case FIELD_GROUP:
        return text_matches(p, facts->group);
    case FIELD_MARKER:
        return any_matches(p, facts->markers);
    case FIELD_LANE:
        return facts->serial == p->serial;
    case FIELD_LAST:
        return p->outcomes & OUTCOME_BIT(facts->known ? facts->last : (unsigned)OUTCOME_NEVER);
    case FIELD_DURATION:
        return facts->known && compares(p, facts->duration_us);
    }
    return false;
}
