/* SPDX-License-Identifier: MIT */
#include "supervisor/core/denials.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"

#define BUCKETS 256
#define PROFILES_MAX 16

struct entry {
    struct denial seen; /* first: what is handed out */
    struct entry *next; /* of the same test */
    char name[40];
    char *where;
};

struct test_list {
    struct test_list *next; /* in the bucket */
    size_t test, n;
    struct entry *head, *last;
};

struct denials {
    char *policy;
    struct test_list *buckets[BUCKETS];
    struct test_list *last; /* calls come in rows of one test */
    size_t n, tests;
    uint64_t overflow;
    char *profiles[PROFILES_MAX]; /* each name once */
    size_t nprofiles;
};

struct denials *denials_new(const char *policy)
{
    struct denials *denials = mem_zalloc(sizeof(*denials));

    denials->policy = mem_strdup(policy);
    return denials;
}

static void list_free(struct test_list *list)
{
    struct entry *next;

    for (struct entry *e = list->head; e; e = next) {
        next = e->next;
        free(e->where);
        free(e);
    }
    free(list);
}

void denials_free(struct denials *denials)
{
    if (!denials)
        return;
    for (size_t b = 0; b < BUCKETS; b++)
        for (struct test_list *list = denials->buckets[b], *next; list; list = next) {
            next = list->next;
            list_free(list);
        }
    for (size_t i = 0; i < denials->nprofiles; i++)
        free(denials->profiles[i]);
    free(denials->policy);
    free(denials);
}

const char *denials_policy(const struct denials *denials)
{
    return denials->policy;
}

static struct test_list *list_find(const struct denials *denials, size_t test)
{
    if (denials->last && denials->last->test == test)
        return denials->last;
    for (struct test_list *list = denials->buckets[test % BUCKETS]; list; list = list->next)
        if (list->test == test)
            return list;
    return NULL;
}

static struct test_list *list_of(struct denials *denials, size_t test)
{
    struct test_list *list = list_find(denials, test);

    if (!list) {
        list = mem_zalloc(sizeof(*list));
        list->test = test;
        list->next = denials->buckets[test % BUCKETS];
        denials->buckets[test % BUCKETS] = list;
        denials->tests += test != DENIALS_NO_TEST;
    }
    denials->last = list;
    return list;
}

/* Programs have few names, and each denial wants one. */
static const char *intern_profile(struct denials *denials, const char *profile)
{
    if (!profile)
        return "";
    for (size_t i = 0; i < denials->nprofiles; i++)
        if (strcmp(denials->profiles[i], profile) == 0)
            return denials->profiles[i];
    if (denials->nprofiles >= PROFILES_MAX)
        return "";
    return denials->profiles[denials->nprofiles++] = mem_strdup(profile);
}

static void entry_add(struct denials *denials, struct test_list *list, const char *name, int errnum, const char *profile)
{
    struct entry *e = mem_zalloc(sizeof(*e));

    snprintf(e->name, sizeof(e->name), "%s", name);
    e->seen = (struct denial){.test = list->test, .errnum = errnum, .count = 1, .name = e->name, .profile = profile,
                              .where = ""};
    if (list->last) {
        list->last->next = e;
        list->last->seen.next = &e->seen;
    } else {
        list->head = e;
    }
    list->last = e;
    list->n++;
    denials->n++;
}

void denials_add(struct denials *denials, size_t test, const char *name, int errnum, const char *profile)
{
    struct test_list *list = list_find(denials, test);
    const char *kept = intern_profile(denials, profile);

    for (struct entry *e = list ? list->head : NULL; e; e = e->next)
        if (e->seen.errnum == errnum && e->seen.profile == kept && strncmp(e->name, name, sizeof(e->name) - 1) == 0) {
            e->seen.count++;
            denials->last = list;
            return;
        }
    if (denials->n >= DENIALS_MAX || (list && list->n >= DENIALS_OF_TEST_MAX)) {
        denials->overflow++;
        return;
    }
    entry_add(denials, list ? list : list_of(denials, test), name, errnum, kept);
}

void denials_set_where(struct denials *denials, size_t test, int errnum, const char *where)
{
    struct test_list *list = list_find(denials, test);

    for (struct entry *e = list ? list->head : NULL; e; e = e->next)
        if (e->seen.errnum == errnum && !e->where) {
            e->where = mem_strdup(where);
            e->seen.where = e->where;
        }
}

const struct denial *denials_of_test(const struct denials *denials, size_t test)
{
    const struct test_list *list = denials ? list_find(denials, test) : NULL;

    return list && list->head ? &list->head->seen : NULL;
}

/* --- the sum of all --- */

struct name_count {
    const char *name;
    uint64_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct name_count *)a)->name, ((const struct name_count *)b)->name);
}

static int by_count(const void *a, const void *b)
{
    const struct name_count *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Sorted by name, equal ones become one. */
static size_t merge_names(struct name_count *names, size_t n)
{
    size_t kept = 0;

    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++)
        if (kept && strcmp(names[kept - 1].name, names[i].name) == 0)
            names[kept - 1].count += names[i].count;
        else
            names[kept++] = names[i];
    return kept;
}

void denials_total(const struct denials *denials, struct denials_total *ret)
{
    struct name_count *names = mem_calloc(denials->n + 1, sizeof(*names));
    size_t n = 0;

    *ret = (struct denials_total){.tests = denials->tests, .overflow = denials->overflow, .count = denials->overflow,
                                  .outside = list_find(denials, DENIALS_NO_TEST) != NULL};
    for (size_t b = 0; b < BUCKETS; b++)
        for (const struct test_list *list = denials->buckets[b]; list; list = list->next)
            for (const struct entry *e = list->head; e; e = e->next) {
                names[n++] = (struct name_count){e->name, e->seen.count};
                ret->count += e->seen.count;
            }
    ret->calls = merge_names(names, n);
    qsort(names, ret->calls, sizeof(*names), by_count);
    for (; ret->ntop < DENIALS_TOP && ret->ntop < ret->calls; ret->ntop++) {
        ret->top[ret->ntop].name = names[ret->ntop].name;
        ret->top[ret->ntop].count = names[ret->ntop].count;
    }
    free(names);
}

/* --- for people --- */

const char *denials_errno_name(int errnum, char *buf, size_t size)
{
    const char *name = errnum ? strerrorname_np(errnum) : "success";

    if (name)
        snprintf(buf, size, "%s", name);
    else
        snprintf(buf, size, "errno %d", errnum);
    return buf;
}

void denials_describe(const struct denials *denials, const struct denial *denial, char *buf, size_t size)
{
    char errnum[24], times[32] = "";

    denials_errno_name(denial->errnum, errnum, sizeof(errnum));
    if (denial->count > 1)
        snprintf(times, sizeof(times), ", %" PRIu64 " times", denial->count);
    snprintf(buf, size, "%s (policy %s%s%s), %s%s%s%s", denial->name, denials->policy, *denial->profile ? ", " : "",
             denial->profile, errnum, times, *denial->where ? ", at " : "", denial->where);
}

void denials_describe_test(const struct denials *denials, size_t test, char *buf, size_t size)
{
    size_t at = 0;

    if (size)
        buf[0] = '\0';
    for (const struct denial *d = denials_of_test(denials, test); d; d = d->next) {
        char one[512];
        size_t length;

        denials_describe(denials, d, one, sizeof(one));
        length = strlen(one) + (at ? 2 : 8);
        if (at + length + 5 > size) { /* "; …" and the end */
            if (at)
                snprintf(buf + at, size - at, "; …");
            return;
        }
        at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? "; " : "denied: ", one);
    }
}
