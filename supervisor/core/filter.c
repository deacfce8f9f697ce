/* SPDX-License-Identifier: MIT */
/*
 * A parser by recursive descent, one function a level of precedence:
 *
 *   or   = and { ("or" | "|" | "||") and }
 *   and  = not { ("and" | "&" | "&&") not }
 *   not  = ("not" | "!") not | "(" or ")" | NAME "(" pattern ")"
 */
#include "supervisor/core/filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "supervisor/core/filter_internal.h"

#define WINDOW 72 /* columns of the expression that an error shows */
#define WINDOW_BEFORE 48

enum node_kind { NODE_PREDICATE, NODE_NOT, NODE_AND, NODE_OR };

struct node {
    enum node_kind kind;
    size_t left, right; /* other nodes; of NODE_PREDICATE: left is its index */
};

struct filter {
    struct node *nodes;
    size_t nnodes, nodes_room;
    struct predicate *predicates;
    size_t npredicates, predicates_room;
    size_t root;
};

struct parser {
    struct filter *filter;
    const char *text, *what;
    size_t at;
    unsigned depth;
    struct err *err;
};

/* --- errors --- */

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* The part around `at`, on one line, and a caret below it. */
static void show_place(const char *text, size_t at, char *ret, size_t size)
{
    size_t from = at > WINDOW_BEFORE ? at - WINDOW_BEFORE : 0, used, columns = 0;

    while (from < at && !begins_character(text[from]))
        from++;
    used = (size_t)snprintf(ret, size, "\n    %s", from ? "..." : "");
    columns = used - 1;
    for (size_t i = from; text[i] && (i < from + WINDOW || !begins_character(text[i])) && used + 24 < size; i++) {
        ret[used++] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
        columns += i < at && begins_character(text[i]);
    }
    snprintf(ret + used, size - used, "\n%*s", (int)columns + 1, "^");
}

static int complain(const struct parser *p, size_t at, const char *why)
{
    char place[2 * WINDOW + WINDOW_BEFORE + 40];

    show_place(p->text, at, place, sizeof(place));
    err_set(p->err, ERR_USAGE, EINVAL, "%.120s: %.150s%s", p->what, why, place);
    return err_hint(p->err, "e.g. test(upload) and not marker(slow); docs/filters.md has the language");
}

/* --- reading --- */

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->text + p->at, " \t\n");
}

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool take_word(struct parser *p, const char *word)
{
    size_t length = strlen(word);

    skip_blanks(p);
    if (strncmp(p->text + p->at, word, length) != 0 || is_word_character(p->text[p->at + length]))
        return false;
    p->at += length;
    return true;
}

static bool take_sign(struct parser *p, char sign, bool doubled)
{
    skip_blanks(p);
    if (p->text[p->at] != sign)
        return false;
    p->at += doubled && p->text[p->at + 1] == sign ? 2 : 1;
    return true;
}

static size_t add_node(struct filter *filter, enum node_kind kind, size_t left, size_t right)
{
    mem_grow(&filter->nodes, &filter->nodes_room, filter->nnodes + 1, sizeof(*filter->nodes));
    filter->nodes[filter->nnodes] = (struct node){kind, left, right};
    return filter->nnodes++;
}

/* Where the parenthesis after `at` closes: parentheses within nest, a backslash hides the next character, and a regular
 * expression ends with "/)". */
static bool find_close(const char *text, size_t at, bool file, size_t *ret)
{
    size_t first = at + strspn(text + at, " \t\n");
    int depth = 1;

    if (text[first] == '/' && !file) {
        for (size_t i = first + 1; text[i]; i++) {
            if (text[i] == '\\' && text[i + 1])
                i++;
            else if (text[i] == '/' && text[i + 1 + strspn(text + i + 1, " \t\n")] == ')') {
                *ret = i + 1 + strspn(text + i + 1, " \t\n");
                return true;
            }
        }
        return false;
    }
    for (size_t i = at; text[i]; i++) {
        if (text[i] == '\\' && text[i + 1])
            i++;
        else if (text[i] == '(')
            depth++;
        else if (text[i] == ')' && --depth == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static int unknown_name(const struct parser *p, size_t at, const char *name)
{
    const char *nearest = nearest_word(name, predicate_names);
    char why[200];

    if (!*name)
        snprintf(why, sizeof(why), "expected a test, e.g. test(upload)%s", p->text[at] ? "" : ", and nothing follows");
    else if (nearest)
        snprintf(why, sizeof(why), "\"%.40s\" is no predicate: did you mean %s(...)?", name, nearest);
    else
        snprintf(why, sizeof(why), "\"%.40s\" is no predicate: expected test, file, marker, group, lane, last, duration, "
                 "framework, all or none", name);
    return complain(p, at, why);
}

static int parse_predicate(struct parser *p, size_t *ret)
{
    size_t begin = p->at, length = 0, close, inner = 0;
    struct predicate predicate = {.how = HOW_EXACT};
    _cleanup_free_ char *pattern = NULL;
    char name[41], why[200];
    int field;

    while (is_word_character(p->text[begin + length]))
        length++;
    snprintf(name, sizeof(name), "%.*s", (int)(length < 40 ? length : 40), p->text + begin);
    field = predicate_field_parse(name);
    if (field < 0)
        return unknown_name(p, begin, name);
    predicate.field = (enum predicate_field)field;
    p->at += length;
    skip_blanks(p);
    if (p->text[p->at] != '(') {
        snprintf(why, sizeof(why), "expected ( after %.40s", name);
        return complain(p, p->at, why);
    }
    if (!find_close(p->text, ++p->at, predicate.field == FIELD_FILE, &close))
        return complain(p, strlen(p->text), "expected a closing ) (one within a pattern is written \\))");
    pattern = mem_printf("%.*s", (int)(close - p->at), p->text + p->at);
    if (predicate_read(&predicate, pattern, why, sizeof(why), &inner) < 0) {
        predicate_done(&predicate);
        return complain(p, p->at + inner, why);
    }
    p->at = close + 1;
    mem_grow(&p->filter->predicates, &p->filter->predicates_room, p->filter->npredicates + 1, sizeof(predicate));
    p->filter->predicates[p->filter->npredicates] = predicate;
    *ret = add_node(p->filter, NODE_PREDICATE, p->filter->npredicates++, 0);
    return 0;
}

static int parse_or(struct parser *p, size_t *ret);

static int parse_not_inner(struct parser *p, size_t *ret);

static int parse_not(struct parser *p, size_t *ret)
{
    int r;

    if (++p->depth > FILTER_DEPTH_MAX)
        return complain(p, p->at, "is nested too deeply (64 levels)");
    r = parse_not_inner(p, ret);
    p->depth--;
    return r;
}

static int parse_not_inner(struct parser *p, size_t *ret)
{
    int r;

    if (take_word(p, "not") || take_sign(p, '!', false)) {
        size_t inner;

        r = parse_not(p, &inner);
        if (r == 0)
            *ret = add_node(p->filter, NODE_NOT, inner, 0);
        return r;
    }
    if (!take_sign(p, '(', false))
        return parse_predicate(p, ret);
    r = parse_or(p, ret);
    if (r == 0 && !take_sign(p, ')', false))
        return complain(p, p->at, "expected and, or, or a closing )");
    return r;
}

static int parse_and(struct parser *p, size_t *ret)
{
    int r = parse_not(p, ret);

    while (r == 0 && (take_word(p, "and") || take_sign(p, '&', true))) {
        size_t right = 0;

        r = parse_not(p, &right);
        if (r == 0)
            *ret = add_node(p->filter, NODE_AND, *ret, right);
    }
    return r;
}

static int parse_or(struct parser *p, size_t *ret)
{
    int r = parse_and(p, ret);

    while (r == 0 && (take_word(p, "or") || take_sign(p, '|', true))) {
        size_t right = 0;

        r = parse_and(p, &right);
        if (r == 0)
            *ret = add_node(p->filter, NODE_OR, *ret, right);
    }
    return r;
}

int filter_parse(const char *text, const char *what, struct filter **ret, struct err *err)
{
    _cleanup_filter_ struct filter *filter = mem_zalloc(sizeof(*filter));
    struct parser p = {.filter = filter, .text = text, .what = what, .err = err};
    int r;

    if (strlen(text) > FILTER_TEXT_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "%.120s: is longer than %d bytes", what, FILTER_TEXT_MAX);
    r = parse_or(&p, &filter->root);
    skip_blanks(&p);
    if (r == 0 && p.text[p.at])
        r = complain(&p, p.at, p.text[p.at] == ')' ? "this ) closes nothing" : "expected and, or, or the end");
    if (r < 0)
        return r;
    *ret = take_ptr(filter);
    return 0;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->npredicates; i++)
        predicate_done(&filter->predicates[i]);
    free(filter->predicates);
    free(filter->nodes);
    free(filter);
}

/* --- use --- */

unsigned filter_needs(const struct filter *filter)
{
    unsigned needs = 0;

    for (size_t i = 0; i < filter->npredicates; i++) {
        enum predicate_field field = filter->predicates[i].field;

        if (field == FIELD_MARKER)
            needs |= FILTER_NEEDS_MARKERS;
        if (field == FIELD_LAST || field == FIELD_DURATION)
            needs |= FILTER_NEEDS_HISTORY;
    }
    return needs;
}

static bool node_matches(const struct filter *filter, size_t index, const struct filter_facts *facts)
{
    const struct node *node = &filter->nodes[index];

    switch (node->kind) {
    case NODE_PREDICATE:
        return predicate_matches(&filter->predicates[node->left], facts);
    case NODE_NOT:
        return !node_matches(filter, node->left, facts);
    case NODE_AND:
        return node_matches(filter, node->left, facts) && node_matches(filter, node->right, facts);
    case NODE_OR:
        return node_matches(filter, node->left, facts) || node_matches(filter, node->right, facts);
    }
    return false;
}

bool filter_matches(const struct filter *filter, const struct filter_facts *facts)
{
    return node_matches(filter, filter->root, facts);
}
