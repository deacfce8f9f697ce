/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/locks.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"

struct locks {
    size_t *first;  /* by test: where its own begin in `ids`; one more than there are tests */
    unsigned *ids;  /* sorted within a test, each once */
    unsigned *most, *held; /* by lock */
};

struct use {
    const char *name;
    size_t test;
    unsigned id;
};

static int by_name(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    return r ? r : (x->test > y->test) - (x->test < y->test);
}

static int by_test(const void *a, const void *b)
{
    const struct use *x = a, *y = b;

    if (x->test != y->test)
        return x->test < y->test ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static unsigned limit_of(const struct suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->nlimits; i++)
        if (strcmp(suite->limits[i].name, name) == 0)
            return suite->limits[i].most;
    return 1;
}

/* All uses, sorted by name, each once. */
static struct use *gather(const struct suite *suite, size_t *ret_n)
{
    struct use *uses = NULL;
    size_t n = 0, room = 0, kept = 0;

    for (size_t i = 0; i < suite->count; i++)
        for (char **name = suite->tests[i].locks; name && *name; name++) {
            mem_grow(&uses, &room, n + 1, sizeof(*uses));
            uses[n++] = (struct use){.name = *name, .test = i};
        }
    if (n)
        qsort(uses, n, sizeof(*uses), by_name);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_name(&uses[i], &uses[i - 1]) != 0)
            uses[kept++] = uses[i];
    *ret_n = kept;
    return uses;
}

struct locks *locks_new(const struct suite *suite)
{
    size_t n, count = 0, at = 0;
    struct use *uses = gather(suite, &n);
    struct locks *locks;

    if (!n) {
        free(uses);
        return NULL;
    }
    locks = mem_zalloc(sizeof(*locks));
    locks->most = mem_calloc(n, sizeof(*locks->most));
    locks->held = mem_calloc(n, sizeof(*locks->held));
    locks->ids = mem_calloc(n, sizeof(*locks->ids));
    locks->first = mem_calloc(suite->count + 1, sizeof(*locks->first));
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(uses[i].name, uses[i - 1].name) != 0)
            locks->most[count++] = limit_of(suite, uses[i].name);
        uses[i].id = (unsigned)count - 1;
    }
    qsort(uses, n, sizeof(*uses), by_test);
    for (size_t test = 0; test <= suite->count; test++) {
        while (at < n && uses[at].test < test) {
            locks->ids[at] = uses[at].id;
            at++;
        }
        locks->first[test] = at;
    }
    free(uses);
    return locks;
}

void locks_free(struct locks *locks)
{
    if (!locks)
        return;
    free(locks->first);
    free(locks->ids);
    free(locks->most);
    free(locks->held);
    free(locks);
}

static size_t count_of(const struct locks *locks, size_t test)
{
    return locks ? locks->first[test + 1] - locks->first[test] : 0;
}

bool locks_has(const struct locks *locks, size_t test)
{
    return count_of(locks, test) > 0;
}

bool locks_same(const struct locks *locks, size_t a, size_t b)
{
    size_t n = count_of(locks, a);

    return n == count_of(locks, b) &&
           (n == 0 || memcmp(locks->ids + locks->first[a], locks->ids + locks->first[b], n * sizeof(*locks->ids)) == 0);
}

static bool names(const struct locks *locks, size_t test, unsigned id)
{
    for (size_t i = 0; i < count_of(locks, test); i++)
        if (locks->ids[locks->first[test] + i] == id)
            return true;
    return false;
}

bool locks_can(const struct locks *locks, size_t test, size_t ending)
{
    for (size_t i = 0; i < count_of(locks, test); i++) {
        unsigned id = locks->ids[locks->first[test] + i];
        unsigned back = ending != (size_t)-1 && names(locks, ending, id);

        if (locks->held[id] - back >= locks->most[id])
            return false;
    }
    return true;
}

void locks_take(struct locks *locks, size_t test)
{
    for (size_t i = 0; i < count_of(locks, test); i++)
        locks->held[locks->ids[locks->first[test] + i]]++;
}

void locks_give(struct locks *locks, size_t test)
{
    for (size_t i = 0; i < count_of(locks, test); i++)
        locks->held[locks->ids[locks->first[test] + i]]--;
}
