/* SPDX-License-Identifier: MIT */
/* Refused system calls of one test: an event each, and lines for people where the test failed. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/core/denials.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define LINES_MAX 6 /* of one test, on the terminal */

static void emit_denial(struct report *report, const struct test *test, size_t index, const struct denials *denials,
                        const struct denial *denial)
{
    char errnum[24];
    json_t *fields = json_pack("{s:o,s:o,s:o,s:s,s:I,s:o,s:o}", "test", test ? json_integer((json_int_t)index) : json_null(),
                               "id", test ? events_text(test->id) : json_null(), "call", events_text(denial->name), "errno",
                               denials_errno_name(denial->errnum, errnum, sizeof(errnum)), "count",
                               (json_int_t)denial->count, "policy", events_text(denials_policy(denials)), "profile",
                               events_text(*denial->profile ? denial->profile : NULL));

    if (*denial->where)
        json_object_set_new(fields, "where", events_text(denial->where));
    report_emit(report, "denied", fields);
}

/* A killed test's block has them already. */
static bool is_shown(const struct test *test)
{
    return test && (test->outcome == OUTCOME_FAILED || test->outcome == OUTCOME_ERROR);
}

static void print_denials(FILE *out, const struct test *test, const struct denials *denials, const struct denial *first)
{
    _cleanup_free_ char *id = text_clean(test->id, strlen(test->id), 0);
    size_t n = 0;

    fprintf(out, "! %s %s, and calls of it were refused\n", id,
            test->outcome == OUTCOME_ERROR ? "ended in an error" : "failed");
    for (const struct denial *d = first; d; d = d->next) {
        _cleanup_free_ char *clean = NULL;
        char text[1024];

        if (n++ >= LINES_MAX)
            continue;
        denials_describe(denials, d, text, sizeof(text));
        clean = text_clean(text, strlen(text), 0);
        fprintf(out, "    denied: %s\n", clean);
    }
    if (n > LINES_MAX)
        fprintf(out, "    denied: %zu more (all are in --events)\n", n - LINES_MAX);
}

static void say_denials(struct report *report, const struct test *test, const struct denials *denials,
                        const struct denial *first)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    print_denials(out, test, denials, first);
    fclose(out);
    report_say(report, text);
}

void report_denials(struct report *report, const struct suite *suite, size_t index, const struct denials *denials)
{
    const struct denial *first = denials_of_test(denials, index);
    const struct test *test = index < suite->count ? &suite->tests[index] : NULL;

    for (const struct denial *d = report->events ? first : NULL; d; d = d->next)
        emit_denial(report, test, index, denials, d);
    if (first && is_shown(test))
        say_denials(report, test, denials, first);
}

void report_not_writable(struct report *report, const struct test *test, int errnum, const char *where, const char *policy)
{
    _cleanup_free_ char *id = text_clean(test->id, strlen(test->id), 0), *at = text_clean(where, strlen(where), 0);
    char text[2048];

    if (strcmp(report->not_writable, at) == 0) /* a fixture's line fails test after test */
        return;
    snprintf(report->not_writable, sizeof(report->not_writable), "%s", at);
    snprintf(text, sizeof(text),
             "! %.600s failed with %s\n"
             "    at %.500s\n"
             "    under policy %.64s only what is named can be written to, beside /tmp and /dev/shm: --write PATH, or --learn FILE\n",
             id, errnum == EROFS ? "EROFS (read-only file system)" : "EACCES (permission denied)", at, policy);
    report_say(report, text);
}
