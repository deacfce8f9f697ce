/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * System calls that were refused, by test: what reports are made from. Pure, bounded: a test that makes millions of
 * refused calls, or calls of a thousand numbers, costs a few lines.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DENIALS_OF_TEST_MAX 64 /* different ones of one test */
#define DENIALS_MAX 4096       /* in all */
#define DENIALS_NO_TEST ((size_t)-1) /* made while no test ran: collection, hooks, the session's end */

struct denials;

struct denial {
    const struct denial *next; /* of the same test, in the order in which they came first; NULL */
    size_t test;
    int errnum;
    uint64_t count;
    const char *name;    /* "io_uring_setup" */
    const char *profile; /* "seccomp/tight.json"; "" */
    const char *where;   /* "tests/test_a.py:12"; "" when not known */
};

/* `policy`: its name ("hardened"); copied. */
struct denials *denials_new(const char *policy);
void denials_free(struct denials *denials);
const char *denials_policy(const struct denials *denials);

/* One refused call. `errnum` positive; `profile` may be NULL. Texts are copied, cut where they are long. */
void denials_add(struct denials *denials, size_t test, const char *name, int errnum, const char *profile);
/* The source line that got this errno in that test: noted with those of its denials that have no line yet. */
void denials_set_where(struct denials *denials, size_t test, int errnum, const char *where);

/* The first of a test; NULL: none. Accepts NULL. */
const struct denial *denials_of_test(const struct denials *denials, size_t test);

#define DENIALS_TOP 6
struct denials_total {
    size_t calls, tests;   /* different calls by name; tests that made them */
    bool outside;          /* some were made while no test ran */
    uint64_t count;        /* refused calls in all, those that were not kept by name included */
    uint64_t overflow;     /* of them: not kept by name */
    struct {
        const char *name;
        uint64_t count;
    } top[DENIALS_TOP];    /* the most frequent first */
    size_t ntop;
};
void denials_total(const struct denials *denials, struct denials_total *ret);

/* "io_uring_setup (policy hardened, seccomp/tight.json), EPERM, 3 times at tests/test_a.py:12". */
void denials_describe(const struct denials *denials, const struct denial *denial, char *buf, size_t size);
/* All of a test in one line, "denied: " in front, as far as they fit; "" when there is none. */
void denials_describe_test(const struct denials *denials, size_t test, char *buf, size_t size);
/* "EPERM"; "errno 4000" in `buf`. */
const char *denials_errno_name(int errnum, char *buf, size_t size);
