/* SPDX-License-Identifier: MIT */
/* supervisor/report/junit: one testcase a test, escaped, and never half a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/report/report.h"

struct fixture {
    char directory[32], path[64];
    struct suite suite;
    struct report_summary summary;
    char text[16384]; /* the file, once the run has ended */
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    strcpy(f->directory, "/tmp/test_junit.XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/junit.xml", f->directory);
    f->summary.wall_ns = 1500 * NS_PER_MS;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int r;

    unlink(f->path);
    r = rmdir(f->directory); /* so a test that leaves a file behind fails */
    suite_done(&f->suite);
    free(f);
    return r;
}

static void say_nothing(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static struct report *report_begin(struct fixture *f)
{
    const struct report_options options = {.junit_path = f->path, .say = say_nothing};
    struct report *report = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(report_new(&options, &report, &err), 0);
    return report;
}

static void write_report(struct fixture *f)
{
    struct report *report = report_begin(f);
    struct err err = ERR_INIT;

    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), 0);
    report_free(report);
    assert_true(io_read_file_at(-1, f->path, f->text, sizeof(f->text)) > 0);
}

static struct test *add(struct fixture *f, const char *name, enum outcome outcome)
{
    struct test *test = suite_add(&f->suite);

    test->id = mem_printf("tests/a.py::%s", name);
    test->file = mem_strdup("tests/a.py");
    test->classname = mem_strdup("tests.a");
    test->name = mem_strdup(name);
    test->outcome = outcome;
    return test;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void expect(const struct fixture *f, const char *part)
{
    if (!strstr(f->text, part))
        fail_msg("%s\nis not in\n%s", part, f->text);
}

static void each_test_is_one_testcase(void **state)
{
    struct fixture *f = *state;

    for (int o = 0; o < OUTCOME_COUNT; o++)
        add(f, outcome_name((enum outcome)o), (enum outcome)o);
    write_report(f);
    assert_int_equal(count(f->text, "<testcase "), OUTCOME_COUNT);
    assert_int_equal(count(f->text, "</testcase>"), OUTCOME_COUNT);
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        char part[80];

        snprintf(part, sizeof(part), "<testcase classname=\"tests.a\" name=\"%s\" time=\"0.000\">",
                 outcome_name((enum outcome)o));
        expect(f, part);
    }
}

static void the_head_has_the_numbers(void **state)
{
    struct fixture *f = *state;

    for (int o = 0; o < OUTCOME_COUNT; o++)
        add(f, "t", (enum outcome)o);
    write_report(f);
    /* failed; error and killed; skipped, xfailed and not-run */
    assert_ptr_equal(strstr(f->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                     "<testsuites><testsuite name=\"pytest\" errors=\"2\" failures=\"1\" "
                                     "skipped=\"3\" tests=\"11\" time=\"1.500\" timestamp=\"2"),
                     f->text);
    expect(f, "</testcase>\n</testsuite></testsuites>\n");
}

static void no_test_at_all(void **state)
{
    struct fixture *f = *state;

    write_report(f);
    expect(f, "tests=\"0\"");
    expect(f, ">\n</testsuite></testsuites>\n");
}

static void outcomes(void **state)
{
    struct fixture *f = *state;
    struct test *test;

    test = add(f, "passed", OUTCOME_PASSED);
    test->setup_us = 1000;
    test->call_us = 2500000;
    test->teardown_us = 499;
    test = add(f, "failed", OUTCOME_FAILED);
    test->message = mem_strdup("assert 1 == 2");
    test->text = mem_strdup("E   assert 1 == 2\n");
    add(f, "error", OUTCOME_ERROR)->message = mem_strdup("no fixture");
    add(f, "skipped", OUTCOME_SKIPPED)->message = mem_strdup("not here");
    add(f, "xfailed", OUTCOME_XFAILED);
    add(f, "not-run", OUTCOME_NOT_RUN)->message = mem_strdup("interrupted");
    write_report(f);
    expect(f, "name=\"passed\" time=\"2.501\"></testcase>\n");
    expect(f, "name=\"failed\" time=\"0.000\"><failure message=\"assert 1 == 2\">E   assert 1 == 2\n"
              "</failure></testcase>\n");
    expect(f, "><error message=\"no fixture\"></error></testcase>\n");
    expect(f, "><skipped type=\"pytest.skip\" message=\"not here\"></skipped></testcase>\n");
    expect(f, "><skipped type=\"pytest.xfail\" message=\"\"></skipped></testcase>\n");
    expect(f, "><skipped type=\"not-run\" message=\"interrupted\"></skipped></testcase>\n");
}

static void hostile_text_is_escaped(void **state)
{
    struct fixture *f = *state;
    struct test *test = add(f, "test_x[<\">&\x1b]", OUTCOME_FAILED);

    free(test->classname);
    test->classname = mem_strdup("a\"b");
    test->message = mem_strdup("\" onload=\"<x>");
    test->text = mem_strdup("\x1b[31m</failure>\xff]]>\x01");
    write_report(f);
    expect(f, "<testcase classname=\"a&quot;b\" name=\"test_x[&lt;&quot;&gt;&amp;#x1B]\"");
    expect(f, "<failure message=\"&quot; onload=&quot;&lt;x&gt;\">"
              "#x1B[31m&lt;/failure&gt;#xFF]]&gt;#x01</failure></testcase>");
}

static void a_killed_test_tells_its_last_incident(void **state)
{
    struct fixture *f = *state;
    struct test *test = add(f, "killed", OUTCOME_KILLED);
    struct incident incidents[3] = {
        {.verdict = VERDICT_TASKS, .test = 0, .text = "the first time", .next = INCIDENT_REROUTED},
        {.verdict = VERDICT_SIGNAL, .test = 0, .text = "died of SIGSEGV", .next = INCIDENT_KILLED, .serial = true},
        {.verdict = VERDICT_LEAK, .test = 0, .text = "left a task behind"},
    };

    test->verdict = VERDICT_SIGNAL;
    test->message = mem_strdup("died of SIGSEGV");
    f->summary.incidents = incidents;
    f->summary.nincidents = 3;
    write_report(f);
    expect(f, "<error type=\"signal\" message=\"died of SIGSEGV\">✗ tests/a.py::killed ended the serial lane: "
              "died of SIGSEGV   [signal]\n");
    assert_null(strstr(f->text, "the first time"));
    assert_null(strstr(f->text, "left a task behind"));
}

static void properties(void **state)
{
    struct fixture *f = *state;
    struct test *test;

    add(f, "plain", OUTCOME_PASSED);
    test = add(f, "rerouted", OUTCOME_PASSED_SERIAL);
    test->rerouted = true;
    test->verdict = VERDICT_TASKS;
    test->peak_tasks = 64;
    test->peak_tasks_exact = true;
    test->peak_memory_bytes = 4096;
    add(f, "serial", OUTCOME_PASSED)->lane = LANE_SERIAL;
    add(f, "memory", OUTCOME_PASSED)->peak_memory_bytes = 8192;
    write_report(f);
    expect(f, "name=\"plain\" time=\"0.000\"></testcase>");
    expect(f, "name=\"rerouted\" time=\"0.000\"><properties><property name=\"shunt.lane\" value=\"serial\"/>"
              "<property name=\"shunt.verdict\" value=\"tasks\"/><property name=\"shunt.peak_tasks\" value=\"64\"/>"
              "<property name=\"shunt.peak_memory_bytes\" value=\"≥4096\"/></properties></testcase>");
    expect(f, "name=\"serial\" time=\"0.000\"><properties><property name=\"shunt.lane\" value=\"serial\"/>"
              "</properties></testcase>");
    expect(f, "name=\"memory\" time=\"0.000\"><properties>"
              "<property name=\"shunt.peak_memory_bytes\" value=\"≥8192\"/></properties></testcase>");
}

static size_t files_in(const char *directory)
{
    _cleanup_closedir_ DIR *dir = opendir(directory);
    size_t n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    return n;
}

static void the_file_appears_when_it_is_whole(void **state)
{
    struct fixture *f = *state;
    struct report *report = report_begin(f);
    struct err err = ERR_INIT;

    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(files_in(f->directory), 1);
    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), 0);
    assert_int_equal(access(f->path, R_OK), 0);
    assert_int_equal(files_in(f->directory), 1);
    report_free(report);
    report = report_begin(f);
    report_free(report); /* a run that did not end leaves the old one */
    assert_int_equal(access(f->path, R_OK), 0);
    assert_int_equal(files_in(f->directory), 1);
}

static void a_file_that_cannot_be_made_is_told_at_once(void **state)
{
    const struct report_options options = {.junit_path = "/nowhere/at/all/junit.xml", .say = say_nothing};
    struct report *report = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(report_new(&options, &report, &err), -ENOENT);
    assert_null(report);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.message, "--junit: cannot write /nowhere/at/all/junit.xml"));
    assert_string_not_equal(err.hint, "");
}

static void a_file_that_cannot_be_finished_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct report *report = report_begin(f);
    struct err err = ERR_INIT;

    assert_int_equal(mkdir(f->path, 0700), 0); /* what stands there now cannot be replaced */
    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), -EISDIR);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_non_null(strstr(err.message, f->path));
    report_free(report);
    assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(files_in(f->directory), 0);
}

static void a_full_disk_is_told(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *aside = mem_printf("%s.%d.part", f->path, (int)getpid());
    struct report *report;
    struct err err = ERR_INIT;

    assert_int_equal(symlink("/dev/full", aside), 0);
    report = report_begin(f);
    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), -ENOSPC);
    assert_int_equal(err.kind, ERR_SYSTEM);
    report_free(report);
    assert_int_equal(files_in(f->directory), 0);
}

/* Renaming a file onto /dev/null would put a file in its place. */
static void what_is_no_file_is_written_to_not_replaced(void **state)
{
    struct fixture *f = *state;
    struct report *report;
    struct err err = ERR_INIT;
    struct stat st;

    assert_int_equal(mkfifo(f->path, 0600), 0);
    int fd = open(f->path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    report = report_begin(f);
    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), 0);
    report_free(report);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    close(fd);
    assert_int_equal(files_in(f->directory), 1);
    unlink(f->path);
}

static void a_link_stays_a_link(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *real = mem_printf("%s.real", f->path);
    struct report *report;
    struct err err = ERR_INIT;
    struct stat st;
    int fd = open(real, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(symlink(real, f->path), 0);
    report = report_begin(f);
    assert_int_equal(report_run_end(report, &f->suite, &f->summary, &err), 0);
    report_free(report);
    assert_int_equal(lstat(f->path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(real, &st), 0);
    assert_true(st.st_size > 0);
    unlink(real);
    unlink(f->path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_test_is_one_testcase),
        TEST(the_head_has_the_numbers),
        TEST(no_test_at_all),
        TEST(outcomes),
        TEST(hostile_text_is_escaped),
        TEST(a_killed_test_tells_its_last_incident),
        TEST(properties),
        TEST(the_file_appears_when_it_is_whole),
        TEST(a_file_that_cannot_be_made_is_told_at_once),
        TEST(a_file_that_cannot_be_finished_leaves_nothing),
        TEST(a_full_disk_is_told),
        TEST(what_is_no_file_is_written_to_not_replaced),
        TEST(a_link_stays_a_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
