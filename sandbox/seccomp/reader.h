/* SPDX-License-Identifier: MIT */
#pragma once

/* Reading JSON by tables of keys, with the place in mind (walk.c); what reads a rule (rule.c) and a file (read.c). */
#include "sandbox/seccomp/internal.h"

#define READER_DEPTH_MAX 8

struct reader {
    struct seccomp_file *file;
    uint64_t caps;
    const char *text; /* the JSON, for line numbers */
    struct seccomp_step steps[READER_DEPTH_MAX];
    size_t depth;
    struct err *err;
};

struct reader_key {
    const char *name;
    int (*read)(struct reader *reader, const json_t *value, void *into); /* NULL: known, and looked at elsewhere */
};

/* Where the reader is. After an error it stays where that was. */
void reader_step_in(struct reader *reader, const char *key, size_t index);
void reader_step_out(struct reader *reader);

/* "FILE:LINE: PLACE is FOUND", "expected ..."; `found` NULL: it is missing. */
int reader_bad(struct reader *reader, const json_t *found, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "FILE:LINE: PLACE: WHAT", with a hint. */
int reader_refuse(struct reader *reader, const char *what, const char *hint);

/* A member that is null is one that is not there, as in the programs that write these files. `what`: for the hint. */
int reader_object(struct reader *reader, const json_t *object, const struct reader_key *keys, const char *what,
                  void *into);
int reader_list(struct reader *reader, const json_t *list, size_t most, const char *what,
                int (*read)(struct reader *reader, const json_t *value, void *into), void *into);
int reader_word(struct reader *reader, const json_t *value, const struct seccomp_word *table, uint32_t *ret);
/* Any text, not kept. */
int reader_text(struct reader *reader, const json_t *value, void *into);
/* The action `key` of an object with the errno that goes with it, as SECCOMP_RET_*. */
int reader_answer(struct reader *reader, const char *key, const json_t *object, const char *name_key,
                  const char *number_key, uint32_t *ret);

/* One rule, appended to the file's if it holds here. */
int reader_rule(struct reader *reader, const json_t *value, void *into);
