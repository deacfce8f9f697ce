/* SPDX-License-Identifier: MIT */
#pragma once

/* The Test Anything Protocol (versions 12 to 14), read from a test's whole output. Pure; the text may hold anything. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/adapters/adapter.h"

struct tap {
    bool has_plan, bailed_out, out_of_order;
    uint64_t plan;
    size_t seen, failed, skipped, todo, todo_passed; /* `failed` are those that are no TODO */
    uint64_t first_number;                            /* of the first one that failed */
    char first[ADAPTER_MESSAGE];                      /* "not ok 2 - adds", and what is said of it */
    char reason[ADAPTER_MESSAGE];                     /* of the plan "1..0 # SKIP reason", of a skip or TODO, or of Bail out! */
};

struct tap tap_read(const char *text, size_t size);
/* What it comes to, as prove has it: a plan, kept, no failure, exit status 0. A program of which every test is skipped is
 * skipped; one whose only test is a TODO, expected to fail. */
void tap_judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret);
/* Appends text as one line: runs of blanks and control characters become one blank, and none at the end. */
void tap_say(char message[ADAPTER_MESSAGE], const char *text, size_t size);
/* Appends it as it is. */
void tap_say_mark(char message[ADAPTER_MESSAGE], const char *mark);
/* Into the message: why it failed, as far as its TAP says so. */
void tap_say_reason(const struct tap *tap, char message[ADAPTER_MESSAGE]);
