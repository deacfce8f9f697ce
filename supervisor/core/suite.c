/* SPDX-License-Identifier: MIT */
#include "supervisor/core/suite.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

void test_add_lock(struct test *test, const char *name)
{
    size_t n = 0, room;

    for (; test->locks && test->locks[n]; n++)
        if (strcmp(test->locks[n], name) == 0)
            return;
    room = test->locks ? n + 1 : 0;
    mem_grow(&test->locks, &room, n + 2, sizeof(*test->locks));
    test->locks[n] = mem_strdup(name);
    test->locks[n + 1] = NULL;
}

void test_set_environment(struct test *test, char *const *words)
{
    size_t n = 0;

    free_words(test->environment);
    while (words[n])
        n++;
    test->environment = mem_calloc(n + 1, sizeof(*test->environment));
    for (size_t i = 0; i < n; i++)
        test->environment[i] = mem_strdup(words[i]);
    test->environment[n] = NULL;
}

static bool is_end_of_id(const struct test *t)
{
    return (uintptr_t)t->name - (uintptr_t)t->id <= strlen(t->id);
}

static void test_done(struct test *t)
{
    free_words(t->markers);
    free_words(t->locks);
    free_words(t->environment);
    if (!t->shared) {
        free(t->file);
        free(t->classname);
    }
    if (!t->shared || !is_end_of_id(t))
        free(t->name);
    free(t->id);
    free(t->why);
    free(t->group);
    free(t->message);
    free(t->starved);
    free(t->text);
    attempts_done(&t->attempts);
}

void suite_done(struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        test_done(&suite->tests[i]);
    for (size_t i = 0; i < suite->npool; i++)
        free(suite->pool[i]);
    free(suite->pool);
    free(suite->tests);
    free(suite->shuffled);
    free(suite->root);
    *suite = (struct suite){0};
}

struct test *suite_add(struct suite *suite)
{
    mem_grow(&suite->tests, &suite->room, suite->count + 1, sizeof(*suite->tests));
    suite->tests[suite->count] = (struct test){.verdict = VERDICT_NONE, .known = VERDICT_NONE, .weight = 1, .retries = -1, .worker = -1,
                                               .number = suite->count};
    return &suite->tests[suite->count++];
}

/* `text` is taken; returns it, or `before`, which is the pool's, if that says the same. */
static char *share(struct suite *suite, char *text, char *before)
{
    if (before && strcmp(text, before) == 0) {
        free(text);
        return before;
    }
    mem_grow(&suite->pool, &suite->pool_room, suite->npool + 1, sizeof(*suite->pool));
    suite->pool[suite->npool++] = text;
    return text;
}

void suite_share(struct suite *suite)
{
    struct test *test = &suite->tests[suite->count - 1];
    const struct test *before = suite->count > 1 && test[-1].shared ? &test[-1] : NULL;
    size_t id = strlen(test->id), name = strlen(test->name);

    test->file = share(suite, test->file, before ? before->file : NULL);
    test->classname = share(suite, test->classname, before ? before->classname : NULL);
    test->shared = true;
    if (name <= id && strcmp(test->id + id - name, test->name) == 0) {
        free(test->name);
        test->name = test->id + id - name;
    }
}

void suite_keep(struct suite *suite, const bool *keep)
{
    size_t n = 0;

    for (size_t i = 0; i < suite->count; i++) {
        if (keep[i])
            suite->tests[n++] = suite->tests[i];
        else
            test_done(&suite->tests[i]);
    }
    suite->count = n;
}

static int by_number(const void *a, const void *b, void *arg)
{
    const struct test *tests = arg;
    size_t x = tests[*(const size_t *)a].number, y = tests[*(const size_t *)b].number;

    return (x > y) - (x < y);
}

void suite_permute(struct suite *suite, const size_t *order)
{
    struct test *tests = mem_calloc(suite->count + 1, sizeof(*tests));

    free(suite->shuffled);
    suite->shuffled = mem_calloc(suite->count + 1, sizeof(*suite->shuffled));
    for (size_t i = 0; i < suite->count; i++) {
        tests[i] = suite->tests[order[i]];
        suite->shuffled[i] = i;
    }
    free(suite->tests);
    suite->tests = tests;
    suite->room = suite->count + 1;
    qsort_r(suite->shuffled, suite->count, sizeof(*suite->shuffled), by_number, tests);
}

size_t suite_find(const struct suite *suite, size_t number)
{
    size_t low = 0, high = suite->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (suite->tests[suite->shuffled ? suite->shuffled[middle] : middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == suite->count)
        return (size_t)-1;
    low = suite->shuffled ? suite->shuffled[low] : low;
    return suite->tests[low].number == number ? low : (size_t)-1;
}

void suite_count(const struct suite *suite, struct ledger *ret)
{
    *ret = (struct ledger){.total = suite->count};
    for (size_t i = 0; i < suite->count; i++) {
        ret->by_outcome[suite->tests[i].outcome]++;
        ret->rerouted += suite->tests[i].rerouted;
    }
}
