/* SPDX-License-Identifier: MIT */
/* A line for each test, where no framework shows them: what it came to, how long it took, and of a failure its output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

static const struct {
    const char *word, *color;
} words[OUTCOME_COUNT] = {
    [OUTCOME_PASSED] = {"PASS", "\033[32m"},  [OUTCOME_PASSED_SERIAL] = {"ALONE", "\033[33m"}, [OUTCOME_FAILED] = {"FAIL", "\033[31m"},
    [OUTCOME_ERROR] = {"ERROR", "\033[31m"},  [OUTCOME_SKIPPED] = {"SKIP", "\033[33m"},        [OUTCOME_XFAILED] = {"XFAIL", "\033[33m"},
    [OUTCOME_XPASSED] = {"XPASS", "\033[33m"}, [OUTCOME_FLAKY] = {"FLAKY", "\033[33m"},       [OUTCOME_KILLED] = {"KILL", "\033[31m"},        [OUTCOME_NOT_RUN] = {"NORUN", "\033[31m"},
};

void report_show_tests(struct report *report, const char *framework, size_t total)
{
    report->framework = framework;
    report->total = total;
}

static void put_output(FILE *out, const char *text)
{
    _cleanup_free_ char *clean = text_clean(text, strlen(text), 1);
    size_t size = strlen(clean);

    fprintf(out, "--- its output\n%s%s---\n", clean, size && clean[size - 1] != '\n' ? "\n" : "");
}

static bool outcome_is_shown(enum outcome outcome)
{
    return outcome == OUTCOME_FAILED || outcome == OUTCOME_ERROR || outcome == OUTCOME_KILLED;
}

void lines_test(struct report *report, const struct suite *suite, size_t index)
{
    const struct test *test = &suite->tests[index];
    bool quiet_kind = test->outcome == OUTCOME_PASSED || test->outcome == OUTCOME_SKIPPED;
    _cleanup_free_ char *id = NULL, *message = NULL;
    char *text = NULL;
    size_t size;
    FILE *out;

    if (!report->framework)
        return;
    report->ended++;
    /* The summary has them by reason. */
    if (test->outcome == OUTCOME_NOT_RUN || (report->options.quiet && quiet_kind))
        return;
    out = open_memstream(&text, &size);
    if (!out)
        abort();
    id = text_clean(test->id, strlen(test->id), 0);
    message = test->message && test->outcome != OUTCOME_PASSED ? text_clean(test->message, strlen(test->message), 0) : NULL;
    fprintf(out, "%s%5s%s [%8.3fs] (%zu/%zu) %s%s%s\n", report->options.color ? words[test->outcome].color : "",
            words[test->outcome].word, report->options.color ? "\033[0m" : "", (double)test->call_us / 1e6, report->ended,
            report->total, id, message ? ": " : "", message ? message : "");
    if (test->text && outcome_is_shown(test->outcome))
        put_output(out, test->text);
    fclose(out);
    fputs(text, stdout);
    fflush(stdout);
    free(text);
}
