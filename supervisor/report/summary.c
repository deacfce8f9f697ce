/* SPDX-License-Identifier: MIT */
/* The closing summary: the ledger in one line, then each test that did not simply run, with its cause. */
#include "supervisor/report/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/denials.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define REASONS_MAX 8
#define NAMES_MAX 3
#define LEAKS_MAX 10
#define RULES_MAX 3
#define OUTSIDE_MAX 8

static void print_ledger(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    static const enum outcome order[] = {OUTCOME_PASSED,  OUTCOME_PASSED_SERIAL, OUTCOME_FLAKY, OUTCOME_FAILED,
                                         OUTCOME_ERROR,   OUTCOME_KILLED,        OUTCOME_NOT_RUN,
                                         OUTCOME_SKIPPED, OUTCOME_XFAILED,       OUTCOME_XPASSED};
    const char *glue = ": ";
    struct ledger ledger;
    char time[32];

    suite_count(suite, &ledger);
    units_print_time(time, sizeof(time), summary->wall_ns);
    fprintf(out, "shunt: %zu test%s", ledger.total, ledger.total == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (ledger.by_outcome[order[i]]) {
            fprintf(out, "%s%zu %s", glue, ledger.by_outcome[order[i]], outcome_name(order[i]));
            glue = ", ";
        }
    fprintf(out, " in %s", time);
    if (summary->restarts)
        fprintf(out, "; %u worker%s replaced", summary->restarts, summary->restarts == 1 ? "" : "s");
    fputc('\n', out);
}

static bool is_recorded_only(enum verdict verdict)
{
    return verdict == VERDICT_LEAK || verdict == VERDICT_CPU;
}

static const struct incident *last_incident(const struct report_summary *summary, size_t test)
{
    for (size_t i = summary->nincidents; i > 0; i--) {
        const struct incident *incident = &summary->incidents[i - 1];

        if (incident->test == test && !incident->is_void && !is_recorded_only(incident->verdict))
            return incident;
    }
    return NULL;
}

static const struct incident *first_parallel_incident(const struct report_summary *summary, size_t test)
{
    for (size_t i = 0; i < summary->nincidents; i++) {
        const struct incident *incident = &summary->incidents[i];

        if (incident->test == test && !incident->is_void && !is_recorded_only(incident->verdict) &&
            !incident->serial)
            return incident;
    }
    return NULL;
}

static void print_test(FILE *out, const struct suite *suite, size_t test, const char *word,
                       const char *why, const char *advice)
{
    _cleanup_free_ char *id = text_clean(suite->tests[test].id, strlen(suite->tests[test].id), 0);
    _cleanup_free_ char *cause = text_clean(why ? why : "", why ? strlen(why) : 0, 0);

    fprintf(out, "  %-13s %s\n                %s%s%s\n", word, id, cause, advice ? "; " : "",
            advice ? advice : "");
}

static void print_failed(FILE *out, const struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++) {
        const struct test *test = &suite->tests[i];
        _cleanup_free_ char *tries = NULL;

        if (test->outcome != OUTCOME_FAILED && test->outcome != OUTCOME_ERROR)
            continue;
        tries = attempts_bad(&test->attempts) ? mem_printf("the last of %zu tries", test->attempts.n + 1) : NULL;
        print_test(out, suite, i, outcome_name(test->outcome), test->message, tries);
    }
}

/* Why the framework's own last line has more tests than there are. */
static void print_revised(FILE *out, const struct report_summary *summary)
{
    size_t n = 0;

    for (size_t i = 0; i < summary->nincidents; i++)
        n += summary->incidents[i].blame.revised;
    if (n)
        fprintf(out, "  %-13s %zu killed test%s had passed before: pytest's last line counts %s twice, as passed and as failed\n",
                "revised", n, n == 1 ? "" : "s", n == 1 ? "it" : "them");
}

static void print_killed(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    for (size_t i = 0; i < suite->count; i++) {
        const struct test *test = &suite->tests[i];
        const struct incident *incident = last_incident(summary, i);
        char twice[300];

        if (test->outcome != OUTCOME_KILLED)
            continue;
        snprintf(twice, sizeof(twice), "[%s] %s%s", verdict_name(test->verdict),
                 test->message ? test->message : "", test->rerouted && !(incident && incident->blame.by_thread) ? ", alone as well" : "");
        print_test(out, suite, i, "killed", twice, incident ? incident_advice(incident) : NULL);
    }
}

static bool is_of_low_limit(const struct report_summary *summary, const struct test *test)
{
    enum verdict verdict = test->verdict != VERDICT_NONE ? test->verdict : test->known;

    for (size_t i = 0; i < summary->nlow; i++)
        if (summary->low[i].verdict == verdict)
            return true;
    return false;
}

/* Instead of a line for each test that broke it. */
static void print_low_limits(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    for (size_t i = 0; i < summary->nlow; i++) {
        _cleanup_free_ char *text = text_clean(summary->low[i].text, strlen(summary->low[i].text), 0);
        size_t passed = 0;

        for (size_t t = 0; t < suite->count; t++)
            passed += suite->tests[t].outcome == OUTCOME_PASSED_SERIAL &&
                      (suite->tests[t].verdict == summary->low[i].verdict || suite->tests[t].known == summary->low[i].verdict);
        fprintf(out, "  %-13s [%s] %s\n", "limit", verdict_name(summary->low[i].verdict), text);
        if (passed)
            fprintf(out, "                %zu of these tests passed alone\n", passed);
    }
}

/* In a filter: "\\" and "\\)"; in YAML's single quotes: ''. */
static void print_rule(FILE *out, const struct test *test)
{
    _cleanup_free_ char *id = text_clean(test->id, strlen(test->id), 0);

    fputs("    - match: 'test(=", out);
    for (const char *c = id; *c; c++)
        fprintf(out, *c == '\\' || *c == '(' || *c == ')' ? "\\%c" : *c == '\'' ? "''" : "%c", *c);
    fputs(")'\n      lane: serial\n", out);
}

/* What `shunt mark` would write for pytest. */
static void print_rules(FILE *out, const struct suite *suite, const size_t *tests, size_t n, size_t all)
{
    fprintf(out, "  in shunt.yaml this gives %s the serial lane from the start%s:\n    rules:\n", all == 1 ? "it" : "them",
            all > n ? " (the first of them)" : "");
    for (size_t i = 0; i < n; i++)
        print_rule(out, &suite->tests[tests[i]]);
}

static void print_passed_serial(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    size_t n = 0, all = 0, rules[RULES_MAX];

    for (size_t i = 0; i < suite->count; i++) {
        const struct incident *incident = first_parallel_incident(summary, i);
        char why[300];

        if (suite->tests[i].outcome != OUTCOME_PASSED_SERIAL)
            continue;
        all++;
        if (is_of_low_limit(summary, &suite->tests[i]))
            continue;
        if (suite->tests[i].verdict == VERDICT_CONTENTION)
            snprintf(why, sizeof(why), "[contention] %.200s beside others, passed alone",
                     suite->tests[i].message ? suite->tests[i].message : "");
        else if (incident)
            snprintf(why, sizeof(why), "[%s] %s beside others, passed alone",
                     verdict_name(suite->tests[i].verdict), incident->text);
        else
            snprintf(why, sizeof(why), "%s; passed alone", suite->tests[i].message ? suite->tests[i].message : "");
        if (suite->tests[i].verdict == VERDICT_CONTENTION) {
            print_test(out, suite, i, "passed-serial", why, summary->failures ? "use fewer workers (-n), or let it weigh more"
                                                                               : "use fewer workers (-n), or let it weigh more: @pytest.mark.shunt(weight=…)");
            continue;
        }
        if (incident && incident->blame.by_thread) {
            print_test(out, suite, i, "passed-serial", why, incident_advice(incident));
            continue;
        }
        print_test(out, suite, i, "passed-serial", why, summary->failures ? "give it the serial lane" : "mark it parallel_unsafe");
        if (n < RULES_MAX)
            rules[n] = i;
        n++;
    }
    if (n && summary->failures)
        print_rules(out, suite, rules, n < RULES_MAX ? n : RULES_MAX, n);
    else if (n && summary->marks)
        fprintf(out, "  \"shunt mark\" writes %s as a patch\n", n == 1 ? "this marker" : "these markers");
    if (all && summary->reroute_warns)
        fprintf(out, "  %-13s what passed only alone does not fail the run (--on-reroute=fail: it does; =pass: without this line)\n",
                "warning");
}

static void print_flaky(FILE *out, const struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        if (suite->tests[i].outcome == OUTCOME_FLAKY)
            print_test(out, suite, i, "flaky", suite->tests[i].message, NULL);
}

static void print_leaks(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    size_t n = 0;

    for (size_t i = 0; i < summary->nincidents; i++) {
        const struct incident *incident = &summary->incidents[i];

        if (incident->verdict == VERDICT_LEAK && n++ < LEAKS_MAX)
            print_test(out, suite, incident->test, "leak", incident->text, NULL);
    }
    if (n > LEAKS_MAX)
        fprintf(out, "  %-13s and %zu more tests left something behind (all are in --events)\n", "leak",
                n - LEAKS_MAX);
}

static void print_crowds(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    size_t n = 0;

    for (size_t i = 0; i < summary->nincidents; i++) {
        const struct incident *incident = &summary->incidents[i];

        if (incident->verdict == VERDICT_CPU && incident->next == INCIDENT_NOTHING && n++ < LEAKS_MAX)
            print_test(out, suite, incident->test, "cpu", incident->text,
                       summary->failures ? "let it start fewer, or weigh more" : "let it start fewer, or weigh more: @pytest.mark.shunt(weight=…)");
    }
    if (n > LEAKS_MAX)
        fprintf(out, "  %-13s and %zu more tests wanted more than their share of the CPUs (all are in --events)\n", "cpu",
                n - LEAKS_MAX);
}

/* "a, b and 10 more", of the not-run tests with this reason. */
static void print_names(FILE *out, const struct suite *suite, const char *reason, size_t count)
{
    size_t n = 0;

    fprintf(out, "%16s", "");
    for (size_t i = 0; i < suite->count && n < NAMES_MAX; i++) {
        const struct test *test = &suite->tests[i];
        _cleanup_free_ char *id = NULL;

        if (test->outcome != OUTCOME_NOT_RUN || strcmp(test->message ? test->message : "", reason) != 0)
            continue;
        id = text_clean(test->id, strlen(test->id), 0);
        fprintf(out, "%s%s", n++ ? ", " : "", id);
    }
    if (count > n)
        fprintf(out, " and %zu more", count - n);
    fputc('\n', out);
}

/* Not-run tests by reason: "not-run  12 tests: interrupted". */
static void print_not_run(FILE *out, const struct suite *suite)
{
    const char *reasons[REASONS_MAX];
    size_t counts[REASONS_MAX] = {0}, n = 0, others = 0;

    for (size_t i = 0; i < suite->count; i++) {
        const char *why = suite->tests[i].message ? suite->tests[i].message : "";
        size_t r = 0;

        if (suite->tests[i].outcome != OUTCOME_NOT_RUN)
            continue;
        while (r < n && strcmp(reasons[r], why) != 0)
            r++;
        if (r == n && n < REASONS_MAX)
            reasons[n++] = why;
        if (r < n)
            counts[r]++;
        else
            others++;
    }
    for (size_t r = 0; r < n; r++) {
        _cleanup_free_ char *reason = text_clean(reasons[r], strlen(reasons[r]), 0);

        fprintf(out, "  %-13s %zu test%s: %s\n", "not-run", counts[r], counts[r] == 1 ? "" : "s", reason);
        print_names(out, suite, reasons[r], counts[r]);
    }
    if (others)
        fprintf(out, "  %-13s %zu tests for other reasons\n", "not-run", others);
}

static void print_deaths(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    for (size_t i = 0; i < summary->nincidents; i++) {
        const struct incident *incident = &summary->incidents[i];

        if (incident->next == INCIDENT_NO_TEST && incident->blame.culprit == BLAME_NO_TEST)
            fprintf(out, "  %-13s worker %u: %s\n", "died", incident->slot, incident->text);
        else if (incident->blame.open)
            print_test(out, suite, incident->test, "died beside", incident->text,
                       "nobody was seen to do it: look for what an earlier test of that worker leaves behind (--events has their order)");
    }
}

/* "denied  2 calls in 3 tests: io_uring_setup 5, keyctl 1 (policy hardened); --events has each". */
static void print_denials(FILE *out, const struct denials *denials)
{
    struct denials_total total;

    if (!denials)
        return;
    denials_total(denials, &total);
    if (!total.count)
        return;
    fprintf(out, "  %-13s %zu call%s", "denied", total.calls, total.calls == 1 ? "" : "s");
    if (total.tests)
        fprintf(out, " in %zu test%s", total.tests, total.tests == 1 ? "" : "s");
    if (total.outside)
        fprintf(out, "%s outside of tests", total.tests ? " and" : "");
    for (size_t i = 0; i < total.ntop; i++)
        fprintf(out, "%s%s %" PRIu64, i ? ", " : ": ", total.top[i].name, total.top[i].count);
    if (total.calls > total.ntop)
        fprintf(out, ", and %zu more", total.calls - total.ntop);
    if (total.overflow)
        fprintf(out, "; %" PRIu64 " more were not kept by name", total.overflow);
    fprintf(out, " (policy %s); --events has each\n", denials_policy(denials));
}

/* Of a run that failed: what no test stands for may be why. */
static void print_outside(FILE *out, const struct report_summary *summary, const char *before)
{
    const struct denial *denial = summary->exit_status ? denials_of_test(summary->denials, DENIALS_NO_TEST) : NULL;
    size_t n = 0;

    for (; denial && n < OUTSIDE_MAX; denial = denial->next, n++) {
        char text[512];
        _cleanup_free_ char *clean = NULL;

        denials_describe(summary->denials, denial, text, sizeof(text));
        clean = text_clean(text, strlen(text), 0);
        fprintf(out, "%s: %s\n", before, clean);
    }
    for (; denial; denial = denial->next)
        n++;
    if (n > OUTSIDE_MAX)
        fprintf(out, "%s: %zu more; --events has each\n", before, n - OUTSIDE_MAX);
}

char *summary_text(const struct suite *suite, const struct report_summary *summary, bool color)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)color;
    if (!out)
        abort();
    print_ledger(out, suite, summary);
    if (summary->failures)
        print_failed(out, suite);
    print_killed(out, suite, summary);
    if (!summary->failures) /* else there is no such line */
        print_revised(out, summary);
    print_passed_serial(out, suite, summary);
    print_flaky(out, suite);
    print_low_limits(out, suite, summary);
    print_leaks(out, suite, summary);
    print_crowds(out, suite, summary);
    print_deaths(out, suite, summary);
    print_denials(out, summary->denials);
    print_outside(out, summary, "  denied        outside of tests");
    print_not_run(out, suite);
    if (summary->status_reason)
        fprintf(out, "shunt: exit status %d: %s\n", summary->exit_status, summary->status_reason);
    fclose(out);
    return text;
}

char *summary_no_suite(const struct report_summary *summary)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    print_outside(out, summary, "shunt: denied before there were tests");
    fflush(out);
    if (size)
        fputs("  if that is what failed: another --policy, or --learn FILE to see what it needs\n", out);
    fclose(out);
    return text;
}
