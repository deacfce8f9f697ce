/* SPDX-License-Identifier: MIT */
#include "sandbox/policy/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"

struct parse {
    yaml_parser_t parser;
    yaml_event_t event; /* the one in hand */
    bool have_event;
    struct document *doc;
    struct err *err;
};

/* ---- nodes ------------------------------------------------------------------------------- */

static void node_done(struct document_node *node)
{
    for (size_t i = 0; i < node->n; i++)
        node_done(&node->children[i]);
    free(node->children);
    free(node->key);
    free(node->text);
}

void document_free(struct document *doc)
{
    if (!doc)
        return;
    node_done(&doc->root);
    free(doc->name);
    free(doc->bytes);
    free(doc);
}

const struct document_node *document_child(const struct document_node *node, const char *key)
{
    for (size_t i = 0; node->kind == DOCUMENT_MAP && i < node->n; i++)
        if (strcmp(node->children[i].key, key) == 0)
            return &node->children[i];
    return NULL;
}

const char *document_kind_name(const struct document_node *node)
{
    switch (node->kind) {
    case DOCUMENT_LIST:
        return "a list";
    case DOCUMENT_MAP:
        return "a mapping";
    case DOCUMENT_SCALAR:
        break;
    }
    return *node->text ? "a single value" : "nothing";
}

/* ---- parsing ----------------------------------------------------------------------------- */

static unsigned event_line(const struct parse *p)
{
    return (unsigned)p->event.start_mark.line + 1;
}

static int refuse(const struct parse *p, unsigned line, const char *what, const char *hint)
{
    err_set(p->err, ERR_USAGE, EINVAL, "%.150s:%u: %s", p->doc->name, line, what);
    return err_hint(p->err, "%s", hint);
}

/* libyaml's reader counts bytes where its scanner and parser count lines. */
static unsigned line_of_offset(const struct document *doc, size_t offset)
{
    unsigned line = 1;

    for (size_t i = 0; i < offset && i < doc->size; i++)
        line += doc->bytes[i] == '\n';
    return line;
}

static int syntax_error(const struct parse *p)
{
    const char *problem = p->parser.problem ? p->parser.problem : "it cannot be read";
    char text[200];

    if (p->parser.error == YAML_READER_ERROR) {
        snprintf(text, sizeof(text), "is no UTF-8 text: %s", problem);
        return refuse(p, line_of_offset(p->doc, p->parser.problem_offset), text,
                      "policies are YAML in UTF-8, without control characters");
    }
    snprintf(text, sizeof(text), "is no YAML: %s", problem);
    return refuse(p, (unsigned)p->parser.problem_mark.line + 1, text,
                  "indent with blanks, not tabs; put values with : # * & ! or quotes in \"quotes\"");
}

static int next_event(struct parse *p)
{
    if (p->have_event)
        yaml_event_delete(&p->event);
    p->have_event = false;
    if (!yaml_parser_parse(&p->parser, &p->event))
        return syntax_error(p);
    p->have_event = true;
    return 0;
}

/* What would multiply or retype values: nothing in a policy needs it. */
static int check_plain(const struct parse *p)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    switch (p->event.type) {
    case YAML_ALIAS_EVENT:
        anchor = p->event.data.alias.anchor;
        break;
    case YAML_SCALAR_EVENT:
        anchor = p->event.data.scalar.anchor;
        tag = p->event.data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = p->event.data.sequence_start.anchor;
        tag = p->event.data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = p->event.data.mapping_start.anchor;
        tag = p->event.data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        return refuse(p, event_line(p), "YAML anchors and aliases (& and *) are not read here: expected plain values",
                      "write the value out, or put what is shared into a policy that others extend");
    if (tag)
        return refuse(p, event_line(p), "YAML tags (!) are not read here: expected plain values",
                      "leave the tag away; put the value in \"quotes\" where it begins with !");
    return 0;
}

/* Values reach terminals in messages and lists: whoever wrote the file must not steer them. C1 controls are C2 80..9F. */
static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i], next = i + 1 < length ? (unsigned char)text[i + 1] : 0;

        if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f || (c == 0xc2 && next >= 0x80 && next <= 0x9f))
            return true;
    }
    return false;
}

static int take_scalar(const struct parse *p, char **ret)
{
    const char *value = (const char *)p->event.data.scalar.value;

    if (has_control(value, p->event.data.scalar.length))
        return refuse(p, event_line(p), "a value holds a control character", "no value has one but tabs and line ends");
    *ret = mem_strdup(value);
    return 0;
}

static int add_child(const struct parse *p, struct document_node *node, struct document_node **ret)
{
    if (node->n >= DOCUMENT_ENTRIES_MAX)
        return refuse(p, event_line(p), "more than 1024 entries in one list or mapping", "no policy needs so many");
    mem_grow(&node->children, &node->room, node->n + 1, sizeof(*node->children));
    *ret = &node->children[node->n++];
    **ret = (struct document_node){.line = event_line(p)};
    return 0;
}

static int parse_value(struct parse *p, struct document_node *node, unsigned depth);

static int parse_list(struct parse *p, struct document_node *node, unsigned depth)
{
    struct document_node *item;
    int r;

    node->kind = DOCUMENT_LIST;
    while ((r = next_event(p)) == 0 && p->event.type != YAML_SEQUENCE_END_EVENT) {
        r = add_child(p, node, &item);
        if (r < 0)
            return r;
        r = parse_value(p, item, depth + 1);
        if (r < 0)
            return r;
    }
    return r;
}

static int parse_key(const struct parse *p, const struct document_node *node, char **ret)
{
    _cleanup_free_ char *key = NULL;
    const struct document_node *before;
    char text[160];
    int r = check_plain(p);

    if (r < 0)
        return r;
    if (p->event.type != YAML_SCALAR_EVENT)
        return refuse(p, event_line(p), "a key is a list or a mapping: expected a word", "key: value");
    r = take_scalar(p, &key);
    if (r < 0)
        return r;
    before = document_child(node, key);
    if (before) {
        snprintf(text, sizeof(text), "%.60s: is there twice: expected it once (first in line %u)", key, before->line);
        return refuse(p, event_line(p), text, "keep one of them");
    }
    *ret = take_ptr(key);
    return 0;
}

static int parse_map(struct parse *p, struct document_node *node, unsigned depth)
{
    struct document_node *child;
    char *key = NULL;
    int r;

    node->kind = DOCUMENT_MAP;
    while ((r = next_event(p)) == 0 && p->event.type != YAML_MAPPING_END_EVENT) {
        r = parse_key(p, node, &key);
        if (r < 0)
            return r;
        r = add_child(p, node, &child);
        if (r < 0) {
            free(key);
            return r;
        }
        child->key = key;
        r = next_event(p);
        if (r < 0)
            return r;
        r = parse_value(p, child, depth + 1);
        if (r < 0)
            return r;
    }
    return r;
}

static int parse_value(struct parse *p, struct document_node *node, unsigned depth)
{
    int r = check_plain(p);

    if (r < 0)
        return r;
    if (depth > DOCUMENT_DEPTH_MAX)
        return refuse(p, event_line(p), "is nested too deeply", "no key of a policy is deeper than four levels");
    switch (p->event.type) {
    case YAML_SCALAR_EVENT:
        node->kind = DOCUMENT_SCALAR;
        return take_scalar(p, &node->text);
    case YAML_SEQUENCE_START_EVENT:
        return parse_list(p, node, depth);
    case YAML_MAPPING_START_EVENT:
        return parse_map(p, node, depth);
    default:
        return refuse(p, event_line(p), "is no YAML value", "expected key: value");
    }
}

static int parse_document(struct parse *p)
{
    int r = next_event(p); /* the start of the stream */

    if (r < 0)
        return r;
    r = next_event(p);
    if (r < 0)
        return r;
    if (p->event.type == YAML_STREAM_END_EVENT)
        return refuse(p, 1, "is empty: expected keys and values", "docs/policies.md lists the keys");
    r = next_event(p);
    if (r < 0)
        return r;
    p->doc->root.line = event_line(p);
    r = parse_value(p, &p->doc->root, 0);
    if (r < 0)
        return r;
    r = next_event(p); /* the end of the document */
    if (r < 0)
        return r;
    r = next_event(p);
    if (r < 0)
        return r;
    if (p->event.type != YAML_STREAM_END_EVENT)
        return refuse(p, event_line(p), "a second document begins here (---): expected one",
                      "put each policy into a file of its own");
    return 0;
}

int document_parse(const char *name, const char *bytes, size_t size, struct document **ret, struct err *err)
{
    _cleanup_document_ struct document *doc = mem_zalloc(sizeof(*doc));
    struct parse p = {.doc = doc, .err = err};
    int r;

    doc->name = mem_strdup(name);
    if (size > DOCUMENT_MAX) {
        err_set(err, ERR_USAGE, EFBIG, "%.150s: is larger than %d KiB", name, DOCUMENT_MAX / 1024);
        return err_hint(err, "no policy is as large; is it the right file?");
    }
    doc->bytes = mem_zalloc(size + 1);
    memcpy(doc->bytes, bytes, size);
    doc->size = size;
    if (!yaml_parser_initialize(&p.parser))
        return err_set(err, ERR_INTERNAL, ENOMEM, "libyaml: no memory");
    yaml_parser_set_encoding(&p.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.parser, (const unsigned char *)doc->bytes, size);
    r = parse_document(&p);
    if (p.have_event)
        yaml_event_delete(&p.event);
    yaml_parser_delete(&p.parser);
    if (r < 0)
        return r;
    *ret = take_ptr(doc);
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Up to one byte more than is allowed, so that what grows or has no size (/proc) is bounded, too. */
static ssize_t read_bounded(int fd, char *buf, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t n = read(fd, buf + length, size - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

int document_read(const char *path, struct document **ret, struct err *err)
{
    /* Without O_NONBLOCK a FIFO would hold us until somebody writes. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    _cleanup_free_ char *bytes = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, EINVAL, "%.200s: is %s: expected a regular file", path,
                       S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
    bytes = mem_zalloc(DOCUMENT_MAX + 1);
    n = read_bounded(fd, bytes, DOCUMENT_MAX + 1);
    if (n < 0)
        return err_set(err, ERR_USAGE, (int)-n, "%.200s: %m", path);
    return document_parse(path, bytes, (size_t)n, ret, err);
}

/* ---- places ------------------------------------------------------------------------------ */

struct place place_root(const struct document *doc)
{
    return (struct place){.doc = doc, .node = &doc->root};
}

static void path_append(struct place *place, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void path_append(struct place *place, const char *fmt, ...)
{
    size_t length = strlen(place->path);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(place->path + length, sizeof(place->path) - length, fmt, ap);
    va_end(ap);
}

struct place place_below(const struct place *from, const char *dotted)
{
    struct place place = *from;
    bool found = true;

    path_append(&place, "%s%.100s", *place.path ? "." : "", dotted);
    while (*dotted && found) {
        size_t length = strcspn(dotted, ".");
        char key[64];
        const struct document_node *child;

        snprintf(key, sizeof(key), "%.*s", (int)length, dotted);
        child = document_child(place.node, key);
        found = child != NULL;
        if (found)
            place.node = child;
        dotted += length + (dotted[length] == '.');
    }
    return place;
}

struct place place_item(const struct place *from, size_t index)
{
    struct place place = *from;

    path_append(&place, "[%zu]", index);
    if (index < place.node->n)
        place.node = &place.node->children[index];
    return place;
}

int place_complain(const struct place *place, struct err *err, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, ERR_USAGE, EINVAL, "%.180s:%u: %s%s%s", place->doc->name, place->node->line, place->path,
                   *place->path ? ": " : "", text);
}
