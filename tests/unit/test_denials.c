/* SPDX-License-Identifier: MIT */
/* supervisor/core/denials, and what the reports make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/denials.h"
#include "supervisor/report/report.h"
#include "supervisor/report/summary.h"

#define TIGHT "seccomp/tight.json"

static int setup(void **state)
{
    *state = denials_new("hardened");
    return 0;
}

static int teardown(void **state)
{
    denials_free(*state);
    return 0;
}

static size_t length(const struct denial *d)
{
    size_t n = 0;

    for (; d; d = d->next)
        n++;
    return n;
}

/* --- the table --- */

static void test_counts_by_test_and_call(void **state)
{
    struct denials *denials = *state;
    const struct denial *d;

    for (int i = 0; i < 3; i++) {
        denials_add(denials, 7, "keyctl", EPERM, TIGHT);
        denials_add(denials, 7 + 256, "keyctl", EPERM, TIGHT); /* the same bucket */
    }
    denials_add(denials, 7, "add_key", EPERM, TIGHT);
    denials_add(denials, 7, "keyctl", ENOSYS, TIGHT);
    denials_add(denials, 7, "keyctl", EPERM, "seccomp/guard.json");
    d = denials_of_test(denials, 7);
    assert_int_equal(length(d), 4);
    assert_string_equal(d->name, "keyctl");
    assert_string_equal(d->profile, TIGHT);
    assert_int_equal(d->errnum, EPERM);
    assert_int_equal(d->count, 3);
    assert_int_equal(d->test, 7);
    assert_string_equal(d->next->name, "add_key");
    assert_string_equal(d->next->next->name, "keyctl");
    assert_int_equal(d->next->next->errnum, ENOSYS);
    assert_int_equal(length(denials_of_test(denials, 263)), 1);
    assert_null(denials_of_test(denials, 8));
    assert_null(denials_of_test(NULL, 7));
}

static void test_total(void **state)
{
    struct denials *denials = *state;
    struct denials_total total;

    denials_total(denials, &total);
    assert_int_equal(total.count, 0);
    assert_int_equal(total.ntop, 0);
    for (size_t test = 0; test < 3; test++)
        denials_add(denials, test, "io_uring_setup", EPERM, TIGHT);
    denials_add(denials, 2, "io_uring_setup", EPERM, TIGHT);
    denials_add(denials, 2, "keyctl", EPERM, TIGHT);
    denials_add(denials, DENIALS_NO_TEST, "bpf", EPERM, NULL);
    denials_total(denials, &total);
    assert_int_equal(total.calls, 3);
    assert_int_equal(total.tests, 3);
    assert_true(total.outside);
    assert_int_equal(total.count, 6);
    assert_int_equal(total.ntop, 3);
    assert_string_equal(total.top[0].name, "io_uring_setup");
    assert_int_equal(total.top[0].count, 4);
    assert_string_equal(total.top[1].name, "bpf"); /* equal ones by name */
    assert_string_equal(total.top[2].name, "keyctl");
}

static void test_bounds(void **state)
{
    struct denials *denials = *state;
    struct denials_total total;
    char name[64];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "syscall %d", i);
        denials_add(denials, 1, name, ENOSYS, TIGHT);
    }
    denials_add(denials, 1, "syscall 0", ENOSYS, TIGHT); /* a known one is still counted */
    assert_int_equal(length(denials_of_test(denials, 1)), DENIALS_OF_TEST_MAX);
    assert_int_equal(denials_of_test(denials, 1)->count, 2);
    for (size_t test = 10; test < 10 + DENIALS_MAX; test++)
        denials_add(denials, test, "keyctl", EPERM, TIGHT);
    assert_null(denials_of_test(denials, 9 + DENIALS_MAX));
    denials_total(denials, &total);
    assert_int_equal(total.overflow, 1000 - DENIALS_OF_TEST_MAX + DENIALS_OF_TEST_MAX);
    assert_int_equal(total.count, 1001 + DENIALS_MAX);
    for (int i = 0; i < 40; i++) { /* profiles are few; more of them lose their name, and nothing else */
        snprintf(name, sizeof(name), "seccomp/%d.json", i);
        denials_add(denials, 1, "syscall 0", ENOSYS, name);
    }
}

static void test_long_names_are_cut_and_still_one(void **state)
{
    struct denials *denials = *state;
    char name[200];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    denials_add(denials, 1, name, EPERM, TIGHT);
    denials_add(denials, 1, name, EPERM, TIGHT);
    assert_int_equal(length(denials_of_test(denials, 1)), 1);
    assert_int_equal(denials_of_test(denials, 1)->count, 2);
}

static void test_where(void **state)
{
    struct denials *denials = *state;
    const struct denial *d;

    denials_add(denials, 1, "keyctl", EPERM, TIGHT);
    denials_add(denials, 1, "unshare", EPERM, TIGHT);
    denials_add(denials, 1, "bpf", ENOSYS, TIGHT);
    denials_add(denials, 1, "keyctl", EPERM, TIGHT);
    denials_set_where(denials, 1, EACCES, "nobody got that");
    denials_set_where(denials, 2, EPERM, "nobody");
    denials_set_where(denials, 1, EPERM, "tests/test_a.py:1");
    denials_set_where(denials, 1, EPERM, "tests/test_a.py:12"); /* a second try of the test */
    d = denials_of_test(denials, 1);
    assert_string_equal(d->where, "tests/test_a.py:12");
    assert_string_equal(d->next->where, ""); /* it was not the last one */
    assert_string_equal(d->next->next->where, "");
}

static void test_words(void **state)
{
    struct denials *denials = *state;
    char text[256], small[48];

    denials_describe_test(denials, 1, text, sizeof(text));
    assert_string_equal(text, "");
    for (int i = 0; i < 3; i++)
        denials_add(denials, 1, "io_uring_setup", EPERM, TIGHT);
    denials_add(denials, 1, "keyctl", 4000, NULL);
    denials_set_where(denials, 1, EPERM, "a.py:3");
    denials_describe(denials, denials_of_test(denials, 1), text, sizeof(text));
    assert_string_equal(text, "io_uring_setup (policy hardened, seccomp/tight.json), EPERM, 3 times, at a.py:3");
    denials_describe_test(denials, 1, text, sizeof(text));
    assert_string_equal(text, "denied: io_uring_setup (policy hardened, seccomp/tight.json), EPERM, 3 times, at a.py:3; "
                              "keyctl (policy hardened), errno 4000");
    for (size_t size = 1; size < sizeof(text); size++) {
        char *exact = malloc(size); /* for the sanitizer */

        denials_describe_test(denials, 1, exact, size);
        assert_true(strlen(exact) < size);
        free(exact);
    }
    denials_describe_test(denials, 1, small, sizeof(small));
    assert_string_equal(small, ""); /* nothing is better than half a name */
    denials_describe_test(denials, 1, text, 110);
    assert_string_equal(text + strlen(text) - 5, "; …");
}

/* --- reports --- */

struct reports {
    struct denials *denials;
    struct suite suite;
    struct report *report;
    char events[40], junit[40], *said;
};

static void keep_text(void *arg, const char *text)
{
    struct reports *r = arg;
    char *longer = mem_printf("%s%s", r->said ? r->said : "", text);

    free(r->said);
    r->said = longer;
}

static void temporary(char *path, const char *template)
{
    strcpy(path, template);
    close(mkstemp(path));
}

static int reports_setup(void **state)
{
    struct reports *r = mem_zalloc(sizeof(*r));
    struct report_options options = {.events_path = r->events, .junit_path = r->junit, .say = keep_text, .say_arg = r};
    static const enum outcome outcomes[] = {OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_KILLED};

    *state = r;
    temporary(r->events, "/tmp/test_denials_e.XXXXXX");
    temporary(r->junit, "/tmp/test_denials_j.XXXXXX");
    r->denials = denials_new("hardened");
    for (size_t i = 0; i < 3; i++) {
        struct test *test = suite_add(&r->suite);

        test->id = mem_printf("a.py::x%zu", i);
        test->classname = mem_strdup("a");
        test->name = mem_printf("x%zu", i);
        test->outcome = outcomes[i];
        denials_add(r->denials, i, "keyctl", EPERM, TIGHT);
        denials_add(r->denials, i, "keyctl", EPERM, TIGHT);
    }
    denials_add(r->denials, 1, "bpf", ENOSYS, NULL);
    denials_set_where(r->denials, 1, EPERM, "a\x1b.py:3");
    return report_new(&options, &r->report, NULL);
}

static int reports_teardown(void **state)
{
    struct reports *r = *state;

    report_free(r->report);
    unlink(r->events);
    unlink(r->junit);
    denials_free(r->denials);
    suite_done(&r->suite);
    free(r->said);
    free(r);
    return 0;
}

static void test_lines_only_where_it_failed(void **state)
{
    struct reports *r = *state;

    report_denials(r->report, &r->suite, 0, r->denials);
    report_denials(r->report, &r->suite, 2, r->denials); /* killed: its block has them */
    report_denials(r->report, &r->suite, DENIALS_NO_TEST, r->denials);
    report_denials(r->report, &r->suite, 1, NULL);
    assert_null(r->said);
    report_denials(r->report, &r->suite, 1, r->denials);
    assert_string_equal(r->said, "! a.py::x1 failed, and calls of it were refused\n"
                                 "    denied: keyctl (policy hardened, seccomp/tight.json), EPERM, 2 times, at a\\x1b.py:3\n"
                                 "    denied: bpf (policy hardened), ENOSYS\n");
}

static void test_an_event_each(void **state)
{
    struct reports *r = *state;
    char text[4096], *line, *save;
    json_t *events[8];
    size_t n = 0;

    denials_add(r->denials, DENIALS_NO_TEST, "mount", EPERM, TIGHT);
    report_denials(r->report, &r->suite, 0, r->denials);
    report_denials(r->report, &r->suite, 1, r->denials);
    report_denials(r->report, &r->suite, DENIALS_NO_TEST, r->denials);
    report_free(r->report);
    r->report = NULL;
    assert_true(io_read_file_at(-1, r->events, text, sizeof(text)) > 0);
    for (line = strtok_r(text, "\n", &save); line && n < 8; line = strtok_r(NULL, "\n", &save))
        events[n++] = json_loads(line, 0, NULL);
    assert_int_equal(n, 4);
    assert_string_equal(json_string_value(json_object_get(events[0], "event")), "denied");
    assert_string_equal(json_string_value(json_object_get(events[0], "id")), "a.py::x0");
    assert_string_equal(json_string_value(json_object_get(events[0], "call")), "keyctl");
    assert_string_equal(json_string_value(json_object_get(events[0], "errno")), "EPERM");
    assert_int_equal(json_integer_value(json_object_get(events[0], "count")), 2);
    assert_string_equal(json_string_value(json_object_get(events[0], "policy")), "hardened");
    assert_string_equal(json_string_value(json_object_get(events[0], "profile")), TIGHT);
    assert_null(json_object_get(events[0], "where"));
    assert_string_equal(json_string_value(json_object_get(events[1], "where")), "a\\x1b.py:3");
    assert_true(json_is_null(json_object_get(events[2], "profile")));
    assert_true(json_is_null(json_object_get(events[3], "id")));
    assert_true(json_is_null(json_object_get(events[3], "test")));
    for (size_t i = 0; i < n; i++)
        json_decref(events[i]);
}

static void test_summary_and_junit(void **state)
{
    struct reports *r = *state;
    struct report_summary summary = {.denials = r->denials};
    char text[8192];

    assert_int_equal(report_run_end(r->report, &r->suite, &summary, NULL), 0);
    if (!strstr(r->said, "\n  denied        2 calls in 3 tests: keyctl 6, bpf 1 (policy hardened); --events has each\n"))
        fail_msg("%s", r->said);
    assert_true(io_read_file_at(-1, r->junit, text, sizeof(text)) > 0);
    if (!strstr(text, "<property name=\"shunt.denied\" value=\"keyctl EPERM 2, bpf ENOSYS 1\"/>"))
        fail_msg("%s", text);
    assert_non_null(strstr(text, "<property name=\"shunt.denied\" value=\"keyctl EPERM 2\"/>"));
}

static void test_summary_of_calls_outside_of_tests(void **state)
{
    struct reports *r = *state;
    struct denials *denials = denials_new("standard");
    struct report_summary summary = {.denials = denials};
    _cleanup_free_ char *alone = NULL, *both = NULL;

    denials_add(denials, DENIALS_NO_TEST, "mount", EPERM, TIGHT);
    alone = summary_text(&r->suite, &summary, false);
    denials_add(denials, 0, "mount", EPERM, TIGHT);
    both = summary_text(&r->suite, &summary, false);
    assert_non_null(strstr(alone, "denied        1 call outside of tests: mount 1 (policy standard)"));
    assert_non_null(strstr(both, "denied        1 call in 1 test and outside of tests: mount 2 (policy standard)"));
    denials_free(denials);
}

static void test_no_line_without_denials(void **state)
{
    struct reports *r = *state;
    struct denials *none = denials_new("standard");
    struct report_summary summary = {.denials = none};
    _cleanup_free_ char *text = summary_text(&r->suite, &summary, false);
    _cleanup_free_ char *unseen = NULL;

    summary.denials = NULL;
    unseen = summary_text(&r->suite, &summary, false);
    assert_null(strstr(text, "denied"));
    assert_null(strstr(unseen, "denied"));
    denials_free(none);
}

static void test_in_the_block_of_an_incident(void **state)
{
    struct reports *r = *state;
    struct incident incident = {.verdict = VERDICT_DENIED, .test = 2, .next = INCIDENT_KILLED,
                                .text = "killed by SIGSYS in the middle of the test"};
    _cleanup_free_ char *text = NULL;

    denials_describe_test(r->denials, 2, incident.denied, sizeof(incident.denied));
    text = incident_text(&r->suite, &incident, false);
    assert_non_null(strstr(text, "[denied]\n    denied: keyctl (policy hardened, seccomp/tight.json), EPERM, 2 times\n"));
    assert_non_null(strstr(text, "allow it in the policy"));
}

#define TABLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define REPORT(test) cmocka_unit_test_setup_teardown(test, reports_setup, reports_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TABLE(test_counts_by_test_and_call),
        TABLE(test_total),
        TABLE(test_bounds),
        TABLE(test_long_names_are_cut_and_still_one),
        TABLE(test_where),
        TABLE(test_words),
        REPORT(test_lines_only_where_it_failed),
        REPORT(test_an_event_each),
        REPORT(test_summary_and_junit),
        REPORT(test_summary_of_calls_outside_of_tests),
        REPORT(test_no_line_without_denials),
        REPORT(test_in_the_block_of_an_incident),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
