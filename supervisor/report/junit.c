/* SPDX-License-Identifier: MIT */
/* JUnit in the dialect that pytest writes and CI servers read; written aside and renamed, so never half of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/denials.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

int junit_open(struct report *report, struct err *err)
{
    char *real = realpath(report->options.junit_path, NULL); /* a link stays, what it names is replaced */
    struct stat st;

    report->junit_path = real ? real : mem_strdup(report->options.junit_path);
    if (stat(report->junit_path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        report->junit_fd = open(report->junit_path, O_WRONLY | O_NOCTTY | O_CLOEXEC); /* a device, a pipe */
    } else {
        report->junit_aside = mem_printf("%s.%d.part", report->junit_path, (int)getpid());
        report->junit_fd = open(report->junit_aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (report->junit_fd >= 0)
        return 0;
    err_set(err, ERR_USAGE, errno, "--junit: cannot write %s: %m", report->junit_path);
    return err_hint(err, "name a file in a directory that exists and that you can write to");
}

static void attribute(FILE *out, const char *name, const char *value)
{
    _cleanup_free_ char *text = text_xml(value ? value : "", value ? strlen(value) : 0);

    fprintf(out, " %s=\"%s\"", name, text);
}

static void element(FILE *out, const char *tag, const char *type, const char *message, const char *body)
{
    _cleanup_free_ char *text = text_xml(body ? body : "", body ? strlen(body) : 0);

    fprintf(out, "<%s", tag);
    if (type)
        attribute(out, "type", type);
    attribute(out, "message", message);
    fprintf(out, ">%s</%s>", text, tag);
}

/* One property: "keyctl EPERM 3, add_key EPERM 1". */
static void denied_property(FILE *out, const struct denial *denial)
{
    char errnum[24];

    fprintf(out, "<property name=\"shunt.denied\" value=\"");
    for (const struct denial *d = denial; d; d = d->next) {
        _cleanup_free_ char *name = text_xml(d->name, strlen(d->name));

        fprintf(out, "%s%s %s %" PRIu64, d == denial ? "" : ", ", name,
                denials_errno_name(d->errnum, errnum, sizeof(errnum)), d->count);
    }
    fprintf(out, "\"/>");
}

static void properties(FILE *out, const struct test *test, const struct denial *denial)
{
    bool serial = test->rerouted || test->lane == LANE_SERIAL;

    if (!serial && test->verdict == VERDICT_NONE && !test->peak_tasks && !test->peak_memory_bytes && !denial && !test->attempts.n)
        return;
    fprintf(out, "<properties>");
    if (test->attempts.n)
        fprintf(out, "<property name=\"shunt.tries\" value=\"%zu\"/>", test->attempts.n + 1);
    if (serial)
        fprintf(out, "<property name=\"shunt.lane\" value=\"serial\"/>");
    if (test->verdict != VERDICT_NONE)
        fprintf(out, "<property name=\"shunt.verdict\" value=\"%s\"/>", verdict_name(test->verdict));
    if (test->peak_tasks)
        fprintf(out, "<property name=\"shunt.peak_tasks\" value=\"%s%" PRIu64 "\"/>",
                test->peak_tasks_exact ? "" : "≥", test->peak_tasks);
    if (test->peak_memory_bytes)
        fprintf(out, "<property name=\"shunt.peak_memory_bytes\" value=\"%s%" PRIu64 "\"/>",
                test->peak_memory_exact ? "" : "≥", test->peak_memory_bytes);
    if (denial)
        denied_property(out, denial);
    fprintf(out, "</properties>");
}

static void part(FILE *out, const char *title, const char *data, size_t size)
{
    _cleanup_free_ char *text = data && size ? text_clean(data, size, 1) : NULL;

    if (text)
        fprintf(out, "\n--- %s\n%s", title, text);
}

/* The block, and all evidence below it. */
static char *whole_text(const struct suite *suite, const struct incident *incident)
{
    _cleanup_free_ char *block = incident_text(suite, incident, false), *tree = incident_tree(incident);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    fputs(block, out);
    part(out, "tasks", tree, strlen(tree));
    part(out, "stacks", incident->more.stacks, incident->more.stacks_size);
    part(out, "last output", incident->output, incident->output_size);
    fclose(out);
    return text;
}

/* The incident that decided about a killed test: the last one it had. */
static char *killed_text(const struct suite *suite, size_t test, const struct report_summary *summary)
{
    for (size_t i = summary->nincidents; i > 0; i--)
        if (summary->incidents[i - 1].test == test && summary->incidents[i - 1].verdict != VERDICT_LEAK)
            return whole_text(suite, &summary->incidents[i - 1]);
    return NULL;
}

/* As surefire writes them, and CI servers read them: flakyFailure in a test that passed, rerunFailure in one that did not. */
static void write_attempts(FILE *out, const struct test *test)
{
    const char *kind = outcome_is_bad(test->outcome) ? "rerun" : "flaky";

    for (size_t i = 0; i < test->attempts.n; i++) {
        const struct attempt *attempt = &test->attempts.items[i];
        _cleanup_free_ char *text = text_xml(attempt->text ? attempt->text : "", attempt->text ? strlen(attempt->text) : 0);
        const char *tag = attempt->outcome == OUTCOME_FAILED ? "Failure" : "Error";

        if (!outcome_is_bad(attempt->outcome))
            continue;
        fprintf(out, "<%s%s", kind, tag);
        attribute(out, "message", attempt->message);
        attribute(out, "type", attempt->verdict == VERDICT_NONE ? outcome_name(attempt->outcome) : verdict_name(attempt->verdict));
        fprintf(out, "><stackTrace>%s</stackTrace></%s%s>", text, kind, tag);
    }
}

static void write_case(FILE *out, const struct suite *suite, size_t index,
                       const struct report_summary *summary, bool programs)
{
    const struct test *test = &suite->tests[index];
    _cleanup_free_ char *block = NULL;

    fprintf(out, "<testcase");
    attribute(out, "classname", test->classname);
    attribute(out, "name", test->name);
    fprintf(out, " time=\"%.3f\">", (double)(test->setup_us + test->call_us + test->teardown_us) / 1e6);
    properties(out, test, denials_of_test(summary->denials, index));
    switch (test->outcome) {
    case OUTCOME_FAILED:
        element(out, "failure", NULL, test->message, test->text);
        break;
    case OUTCOME_ERROR:
        element(out, "error", NULL, test->message, test->text);
        break;
    case OUTCOME_KILLED:
        block = killed_text(suite, index, summary);
        element(out, "error", verdict_name(test->verdict), test->message, block);
        break;
    case OUTCOME_NOT_RUN:
        element(out, "skipped", "not-run", test->message, NULL);
        break;
    case OUTCOME_SKIPPED:
        element(out, "skipped", programs ? "skipped" : "pytest.skip", test->message, NULL);
        break;
    case OUTCOME_XFAILED:
        element(out, "skipped", programs ? "xfailed" : "pytest.xfail", test->message, NULL);
        break;
    case OUTCOME_PASSED_SERIAL:
        if (summary->reroute_fails)
            element(out, "failure", "passed-serial", "it passed only once it ran alone (--on-reroute=fail)", test->message);
        break;
    default:
        break;
    }
    write_attempts(out, test);
    fprintf(out, "</testcase>\n");
}

/* Of no test: workers that died between tests or did not end their session, deaths that nobody was seen to bring about, errors of
 * sessions' teardowns. Returns how many; `out` NULL: only that. */
static size_t write_outside(FILE *out, const struct suite *suite, const struct report_summary *summary)
{
    size_t n = 0;

    for (size_t i = 0; i < summary->nincidents; i++) {
        const struct incident *incident = &summary->incidents[i];
        bool of_none = incident->next == INCIDENT_NO_TEST && incident->blame.culprit == BLAME_NO_TEST;
        bool lasts = incident->next == INCIDENT_NO_TEST && (incident->verdict == VERDICT_TIMEOUT || incident->verdict == VERDICT_STALL);
        _cleanup_free_ char *block = NULL, *message = NULL;

        if (!of_none && !incident->blame.open)
            continue;
        n++;
        if (!out)
            continue;
        block = whole_text(suite, incident);
        message = mem_printf("%s%s", lasts ? "it did not end its session: " : "", incident->text);
        fprintf(out, "<testcase classname=\"shunt\" name=\"worker %u, incident %u\" time=\"0\">", incident->slot, incident->number);
        element(out, "error", verdict_name(incident->verdict), message, block);
        fprintf(out, "</testcase>\n");
    }
    for (size_t i = 0; i < summary->noutside; i++, n++) {
        if (!out)
            continue;
        fprintf(out, "<testcase classname=\"shunt\" name=\"session teardown %zu\" time=\"0\">", i + 1);
        element(out, "error", "teardown", summary->outside[i], NULL);
        fprintf(out, "</testcase>\n");
    }
    return n;
}

int junit_write(struct report *report, const struct suite *suite, const struct report_summary *summary,
                struct err *err)
{
    char host[256] = "";
    struct ledger ledger;
    size_t outside = write_outside(NULL, suite, summary);
    bool lost;
    int errnum;
    FILE *out = fdopen(report->junit_fd, "w");

    if (!out)
        return err_set(err, ERR_SYSTEM, errno, "cannot write %s: %m", report->junit_path);
    report->junit_fd = -1;
    suite_count(suite, &ledger);
    gethostname(host, sizeof(host) - 1);
    fprintf(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites><testsuite name=\"%s\" errors=\"%zu\" "
                 "failures=\"%zu\" skipped=\"%zu\" tests=\"%zu\" time=\"%.3f\" timestamp=\"%s\"",
            report->framework ? report->framework : "pytest",
            ledger.by_outcome[OUTCOME_ERROR] + ledger.by_outcome[OUTCOME_KILLED] + outside,
            ledger.by_outcome[OUTCOME_FAILED] + (summary->reroute_fails ? ledger.by_outcome[OUTCOME_PASSED_SERIAL] : 0),
            ledger.by_outcome[OUTCOME_SKIPPED] + ledger.by_outcome[OUTCOME_XFAILED] +
                ledger.by_outcome[OUTCOME_NOT_RUN],
            ledger.total + outside, (double)summary->wall_ns / 1e9, report->wall_clock);
    attribute(out, "hostname", host);
    fprintf(out, ">\n");
    for (size_t i = 0; i < suite->count; i++)
        write_case(out, suite, i, summary, report->framework != NULL);
    write_outside(out, suite, summary);
    fprintf(out, "</testsuite></testsuites>\n");
    lost = ferror(out) != 0; /* fclose() tells of the last write only */
    errnum = fclose(out) != 0 ? errno : lost ? EIO : 0;
    if (errnum == 0 && report->junit_aside && rename(report->junit_aside, report->junit_path) < 0)
        errnum = errno;
    if (errnum == 0)
        return 0;
    if (report->junit_aside)
        unlink(report->junit_aside);
    return err_set(err, ERR_SYSTEM, errnum, "cannot write %s: %s", report->junit_path, strerror(errnum));
}
