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

static bool is_bad(enum outcome outcome)
{
    return outcome == OUTCOME_FAILED || outcome == OUTCOME_ERROR || outcome == OUTCOME_KILLED;
}

static enum run_output when_shown(const struct report *report, const struct test *test)
{
    return is_bad(test->outcome) ? report->options.failure_output : report->options.success_output;
}

static void put_line(FILE *out, const struct report *report, const struct test *test)
{
    _cleanup_free_ char *id = text_clean(test->id, strlen(test->id), 0), *message = NULL;

    message = test->message && test->outcome != OUTCOME_PASSED ? text_clean(test->message, strlen(test->message), 0) : NULL;
    fprintf(out, "%s%5s%s [%8.3fs]", report->options.color ? words[test->outcome].color : "", words[test->outcome].word,
            report->options.color ? "\033[0m" : "", (double)test->call_us / 1e6);
    if (report->final)
        fprintf(out, " %s", id);
    else
        fprintf(out, " (%zu/%zu) %s", report->ended, report->total, id);
    fprintf(out, "%s%s\n", message ? ": " : "", message ? message : "");
}

static void show(struct report *report, const struct test *test, bool with_output)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    put_line(out, report, test);
    if (test->text && *test->text && with_output)
        put_output(out, test->text);
    fclose(out);
    report->options.print(report->options.say_arg, text, size);
    free(text);
}

void lines_start(struct report *report, const struct suite *suite, size_t index)
{
    _cleanup_free_ char *id = NULL, *line = NULL;

    if (!report->framework || !report->options.starts || report->options.quiet)
        return;
    id = text_clean(suite->tests[index].id, strlen(suite->tests[index].id), 0);
    line = mem_printf("START             (%zu/%zu) %s\n", report->ended + 1, report->total, id);
    report->options.print(report->options.say_arg, line, strlen(line));
}

void lines_test(struct report *report, const struct suite *suite, size_t index)
{
    const struct test *test = &suite->tests[index];
    enum run_output when = when_shown(report, test);
    bool quiet_kind = test->outcome == OUTCOME_PASSED || test->outcome == OUTCOME_SKIPPED;
    bool now = when == OUTPUT_IMMEDIATE || when == OUTPUT_IMMEDIATE_FINAL;

    if (!report->framework)
        return;
    report->ended++;
    /* The summary has them by reason. */
    if (test->outcome == OUTCOME_NOT_RUN || (report->options.quiet && quiet_kind && !(now && test->text)))
        return;
    show(report, test, now);
}

void lines_final(struct report *report, const struct suite *suite)
{
    if (!report->framework)
        return;
    report->final = true;
    for (int bad = 0; bad < 2; bad++) /* failures last, where they are seen */
        for (size_t i = 0; i < suite->count; i++) {
            const struct test *test = &suite->tests[i];
            enum run_output when = when_shown(report, test);

            if (is_bad(test->outcome) == (bad == 1) && test->text && *test->text &&
                (when == OUTPUT_FINAL || when == OUTPUT_IMMEDIATE_FINAL))
                show(report, test, true);
        }
}
