/* SPDX-License-Identifier: MIT */
#pragma once

/* An adapter without its framework: its steps are answered with recorded text. */
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

#define COMMAND(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

static inline void step_answer(struct adapter_list *list, size_t step, const char *text, size_t size, int status)
{
    assert_true(step < list->nsteps);
    list->steps[step].output = mem_zalloc(size + 1);
    memcpy(list->steps[step].output, text, size);
    list->steps[step].size = size;
    list->steps[step].wait_status = status;
}

/* Of a command as one text; freed by the next call. */
static inline const char *joined(char *const argv[])
{
    static char *text;

    free(text);
    text = adapter_join_words(argv);
    return text;
}

static inline void expect_outcome(const char *adapter, const struct adapter_entry *entry, const char *output, int status,
                                  enum outcome outcome, const char *message)
{
    struct adapter_result result = {.wait_status = status, .output = output, .size = strlen(output)};
    struct adapter_judgement judgement = {0};

    adapter_find(adapter)->judge(entry, &result, &judgement);
    if (judgement.outcome != outcome || strcmp(judgement.message, message) != 0)
        fail_msg("\"%s\": %s \"%s\", and not %s \"%s\"", output, outcome_name(judgement.outcome), judgement.message,
                 outcome_name(outcome), message);
}
