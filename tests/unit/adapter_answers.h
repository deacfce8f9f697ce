/* SPDX-License-Identifier: MIT */
#pragma once

/* Adapters without their frameworks: what is answered to their steps, and what a test is said to
 * have done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"

#define WORDS(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

/* To the step that was asked last. */
static inline void answer_bytes(struct adapter_list *list, const char *text, size_t size,
                                int status)
{
    struct adapter_step *step = &list->steps[list->nsteps - 1];

    step->output = mem_zalloc(size + 1);
    memcpy(step->output, text, size);
    step->size = size;
    step->wait_status = status;
}

/* Asks once, answers, and has it read. Returns what list() does. */
static inline int read_answer(const char *adapter, struct adapter_list *list, char *const argv[],
                              const char *text, size_t size, int status, struct err *err)
{
    const struct adapter *found = adapter_find(adapter);
    int r;

    *list = (struct adapter_list){.argv = argv};
    *err = (struct err)ERR_INIT;
    r = found->list(list, err);
    if (r < 0)
        return r;
    assert_int_equal(list->nsteps, 1);
    answer_bytes(list, text, size, status);
    return found->list(list, err);
}

static inline void must_read(const char *adapter, struct adapter_list *list, char *const argv[],
                             const char *text)
{
    struct err err;

    if (read_answer(adapter, list, argv, text, strlen(text), 0, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void expect_words(char *const *words, char *const *expected)
{
    size_t i = 0;

    for (; expected[i]; i++) {
        if (!words[i] || strcmp(words[i], expected[i]) != 0)
            fail_msg("word %zu is %s and not %s", i, words[i] ? words[i] : "missing", expected[i]);
    }
    if (words[i])
        fail_msg("word %zu is %s and nothing was expected", i, words[i]);
}

static inline void expect_judged_bytes(const char *adapter, const struct adapter_entry *entry,
                                       int status, const char *output, size_t size,
                                       enum outcome outcome, const char *message)
{
    struct adapter_result result = {.wait_status = status, .output = output, .size = size};
    struct adapter_judgement judgement;

    adapter_find(adapter)->judge(entry, &result, &judgement);
    if (judgement.outcome != outcome || strcmp(judgement.message, message) != 0)
        fail_msg("%s \"%s\" and not %s \"%s\"", outcome_name(judgement.outcome), judgement.message,
                 outcome_name(outcome), message);
}

static inline void expect_judged(const char *adapter, const struct adapter_entry *entry, int status,
                                 const char *output, enum outcome outcome, const char *message)
{
    expect_judged_bytes(adapter, entry, status, output, strlen(output), outcome, message);
}
