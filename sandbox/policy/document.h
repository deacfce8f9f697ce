/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A small YAML file as a tree of nodes that know their lines, so that every later complaint can say where. Refused at once:
 * what is no regular file, is larger than DOCUMENT_MAX or no UTF-8; aliases, anchors and tags (nothing can be multiplied);
 * nesting beyond DOCUMENT_DEPTH_MAX; duplicate keys; a second document.
 */
#include <stdbool.h>
#include <stddef.h>

struct err;

enum {
    DOCUMENT_MAX = 256 * 1024, /* bytes */
    DOCUMENT_DEPTH_MAX = 12,
    DOCUMENT_ENTRIES_MAX = 1024 /* of one mapping or list */
};

enum document_kind { DOCUMENT_SCALAR, DOCUMENT_LIST, DOCUMENT_MAP };

struct document_node {
    enum document_kind kind;
    unsigned line;  /* of the key where there is one */
    char *key;      /* NULL: the root, or an item of a list */
    char *text;     /* scalars only */
    struct document_node *children;
    size_t n, room;
};

struct document {
    char *name; /* as messages call it */
    char *bytes;
    size_t size;
    struct document_node root;
};

int document_read(const char *path, struct document **ret, struct err *err);
/* Of bytes in memory; they are copied. */
int document_parse(const char *name, const char *bytes, size_t size, struct document **ret, struct err *err);
void document_free(struct document *doc);

/* The value of `key` in a mapping; NULL: none, or no mapping. */
const struct document_node *document_child(const struct document_node *node, const char *key);

/* "a list", "a mapping", "a single value", "nothing". */
const char *document_kind_name(const struct document_node *node);

/* A value in a document and the way to it, for complaints. */
struct place {
    const struct document *doc;
    const struct document_node *node;
    char path[160]; /* "files.writable[2]"; cut when longer */
};

struct place place_root(const struct document *doc);
/* `dotted` ("limits.memory") below `from`; where that does not exist: the nearest that does, with the full path. */
struct place place_below(const struct place *from, const char *dotted);
struct place place_item(const struct place *from, size_t index);
/* ERR_USAGE "name:line: path: ...". */
int place_complain(const struct place *place, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static inline void document_freep(struct document **doc)
{
    document_free(*doc);
}
#define _cleanup_document_ __attribute__((cleanup(document_freep)))
