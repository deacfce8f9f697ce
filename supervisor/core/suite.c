/* SPDX-License-Identifier: MIT */
#include "supervisor/core/suite.h"

#include <stdlib.h>

#include "sandbox/base/mem.h"

void suite_done(struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++) {
        struct test *t = &suite->tests[i];

        free(t->id);
        free(t->file);
        free(t->classname);
        free(t->name);
        free(t->why);
        free(t->group);
        free(t->message);
        free(t->starved);
        free(t->text);
    }
    free(suite->tests);
    free(suite->root);
    *suite = (struct suite){0};
}

struct test *suite_add(struct suite *suite)
{
    mem_grow(&suite->tests, &suite->room, suite->count + 1, sizeof(*suite->tests));
    suite->tests[suite->count] = (struct test){.verdict = VERDICT_NONE, .known = VERDICT_NONE, .weight = 1, .worker = -1};
    return &suite->tests[suite->count++];
}

void suite_count(const struct suite *suite, struct ledger *ret)
{
    *ret = (struct ledger){.total = suite->count};
    for (size_t i = 0; i < suite->count; i++) {
        ret->by_outcome[suite->tests[i].outcome]++;
        ret->rerouted += suite->tests[i].rerouted;
    }
}
