/* SPDX-License-Identifier: MIT */
/* supervisor/report/events: each line is one JSON object with a version, whatever the workers said. */
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
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"

#define LINES_MAX 4096

struct fixture {
    char path[40];
    struct report *report;
    struct suite suite;
    json_t *lines[LINES_MAX];
    size_t nlines;
};

static void say_nothing(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct report_options options = {.events_path = f->path, .say = say_nothing};
    struct err err = ERR_INIT;
    int fd;

    *state = f;
    strcpy(f->path, "/tmp/test_events.XXXXXX");
    fd = mkstemp(f->path);
    if (fd < 0)
        return -1;
    close(fd);
    return report_new(&options, &f->report, &err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    report_free(f->report);
    for (size_t i = 0; i < f->nlines; i++)
        json_decref(f->lines[i]);
    unlink(f->path);
    suite_done(&f->suite);
    free(f);
    return 0;
}

/* Reads the file again; every line must hold what every line has. */
static void read_lines(struct fixture *f)
{
    _cleanup_fclose_ FILE *in = fopen(f->path, "r");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    ssize_t size;

    assert_non_null(in);
    while ((size = getline(&line, &room, in)) > 0) {
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)size - 1, JSON_REJECT_DUPLICATES, &error);

        if (!json_is_object(object))
            fail_msg("%s: %s", error.text, line);
        assert_int_equal(line[size - 1], '\n');
        assert_int_equal(json_integer_value(json_object_get(object, "v")), 1);
        assert_true(json_is_real(json_object_get(object, "t")));
        assert_true(json_real_value(json_object_get(object, "t")) >= 0);
        assert_true(json_is_string(json_object_get(object, "event")));
        assert_true(f->nlines < LINES_MAX);
        f->lines[f->nlines++] = object;
    }
}

static void finish(struct fixture *f)
{
    report_free(f->report);
    f->report = NULL;
    read_lines(f);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text)
        fail_msg("no text \"%s\"", key);
    return text;
}

static long long number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        fail_msg("no number \"%s\"", key);
    return json_integer_value(value);
}

static struct test *add(struct fixture *f, const char *id, enum outcome outcome)
{
    struct test *test = suite_add(&f->suite);

    test->id = mem_strdup(id);
    test->outcome = outcome;
    return test;
}

static void a_whole_run(void **state)
{
    static const char *const names[] = {"run-start", "suite",  "worker", "test-start",
                                        "incident",  "notice", "test-end", "run-end"};
    struct fixture *f = *state;
    const struct report_header header = {.version = "0.1.0",
                                         .command = "pytest -q",
                                         .run_id = "abc",
                                         .workers = 4,
                                         .tasks = 64,
                                         .memory_bytes = 6ULL << 30,
                                         .cgroup = "hybrid cgroup",
                                         .isolation = "pid namespaces",
                                         .budget = "200 tasks"};
    const struct report_summary summary = {.exit_status = 1, .wall_ns = 2 * NS_PER_SEC, .restarts = 3};
    struct incident incident = {.verdict = VERDICT_TASKS, .test = 0, .text = "64 of 64 tasks"};
    struct err err = ERR_INIT;

    add(f, "a.py::x", OUTCOME_KILLED);
    report_run_start(f->report, &header);
    report_suite(f->report, &f->suite);
    report_worker(f->report, "ready", 1, 2, 4711, 5000);
    report_test_start(f->report, &f->suite, 0, 1, 2, LANE_PARALLEL, 0);
    report_incident(f->report, &f->suite, &incident);
    report_notice(f->report, "%d slots", 4);
    report_test_end(f->report, &f->suite, 0, 0);
    assert_int_equal(report_run_end(f->report, &f->suite, &summary, &err), 0);
    finish(f);
    assert_int_equal(f->nlines, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < f->nlines; i++)
        assert_string_equal(text_of(f->lines[i], "event"), names[i]);
    assert_int_equal(number_of(f->lines[0], "memory_bytes"), 6LL << 30);
    assert_true(json_is_null(json_object_get(f->lines[0], "missing")));
    assert_int_equal(number_of(f->lines[1], "tests"), 1);
    assert_int_equal(number_of(f->lines[2], "us"), 5);
    assert_string_equal(text_of(f->lines[3], "lane"), "parallel");
    assert_string_equal(text_of(f->lines[5], "text"), "4 slots");
    assert_string_equal(text_of(f->lines[6], "outcome"), "killed");
    assert_int_equal(number_of(json_object_get(f->lines[7], "outcomes"), "killed"), 1);
    assert_int_equal(number_of(json_object_get(f->lines[7], "outcomes"), "passed"), 0);
    assert_int_equal(number_of(f->lines[7], "wall_us"), 2000000);
    assert_int_equal(number_of(f->lines[7], "restarts"), 3);
    assert_int_equal(number_of(f->lines[7], "exit_status"), 1);
}

static void a_test_that_ended(void **state)
{
    struct fixture *f = *state;
    struct test *test = add(f, "a.py::x", OUTCOME_PASSED_SERIAL);

    test->verdict = VERDICT_STALL;
    test->message = mem_strdup("two\nlines");
    test->setup_us = 1;
    test->call_us = 2;
    test->teardown_us = 3;
    test->cpu_ns = 4000;
    test->peak_tasks = 5;
    add(f, "a.py::y", OUTCOME_PASSED);
    report_test_end(f->report, &f->suite, 0, 0);
    report_test_end(f->report, &f->suite, 1, 0);
    finish(f);
    assert_string_equal(text_of(f->lines[0], "outcome"), "passed-serial");
    assert_string_equal(text_of(f->lines[0], "verdict"), "stall");
    assert_string_equal(text_of(f->lines[0], "message"), "two\nlines");
    assert_int_equal(number_of(f->lines[0], "setup_us"), 1);
    assert_int_equal(number_of(f->lines[0], "call_us"), 2);
    assert_int_equal(number_of(f->lines[0], "teardown_us"), 3);
    assert_int_equal(number_of(f->lines[0], "cpu_us"), 4);
    assert_int_equal(number_of(f->lines[0], "peak_tasks"), 5);
    assert_null(json_object_get(f->lines[1], "verdict"));
    assert_null(json_object_get(f->lines[1], "message"));
    assert_int_equal(number_of(f->lines[1], "test"), 1);
}

static void hostile_text(void **state)
{
    struct fixture *f = *state;
    char output[] = "\x1b[2J\xff\0tail\n\"}";
    struct incident_task task = {.tid = 7, .tgid = 7, .ppid = 1, .state = 'S', .comm = "a\"\x1b\xff"};
    struct incident incident = {.verdict = VERDICT_EXIT,
                                .test = 0,
                                .text = "\x01\xc3",
                                .output = output,
                                .output_size = sizeof(output) - 1,
                                .tasks = &task,
                                .ntasks = 1,
                                .ntasks_total = 9};
    const json_t *got;

    add(f, "a.py::x[\"\\\x07\xed\xa0\x80\n\t]", OUTCOME_FAILED)->message = mem_strdup("\x9b\r\n\"");
    report_test_start(f->report, &f->suite, 0, 0, 0, LANE_SERIAL, 0);
    report_test_end(f->report, &f->suite, 0, 0);
    report_incident(f->report, &f->suite, &incident);
    report_notice(f->report, "%s", "two\nlines \x1b\xff");
    finish(f);
    assert_int_equal(f->nlines, 4);
    assert_string_equal(text_of(f->lines[0], "id"), "a.py::x[\"\\\\x07\ufffd\ufffd\ufffd\n\t]");
    assert_string_equal(text_of(f->lines[1], "message"), "\ufffd\\x0d\n\"");
    assert_string_equal(text_of(f->lines[2], "text"), "\\x01\ufffd");
    assert_string_equal(text_of(f->lines[2], "output"), "\\x1b[2J\ufffd\\x00tail\n\"}");
    assert_int_equal(number_of(f->lines[2], "ntasks"), 9);
    got = json_array_get(json_object_get(f->lines[2], "tasks"), 0);
    assert_string_equal(text_of(got, "comm"), "a\"\\x1b\ufffd");
    assert_string_equal(text_of(got, "state"), "S");
    assert_string_equal(text_of(f->lines[3], "text"), "two\\x0alines \\x1b\ufffd");
}

static void a_notice_is_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    char text[2000];

    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "ü", 3);
    report_notice(f->report, "%s", text);
    finish(f);
    assert_int_equal(f->nlines, 1);
    assert_true(strlen(text_of(f->lines[0], "text")) > 1000);
}

static void an_incident_without_a_test(void **state)
{
    static const char *const nexts[] = {"recorded", "failed", "rerouted", "retried", "again", "killed", "no-test"};
    struct fixture *f = *state;
    struct incident incident = {.verdict = VERDICT_NONE, .test = (size_t)-1};

    for (int next = INCIDENT_NOTHING; next <= INCIDENT_NO_TEST; next++) {
        incident.next = (enum incident_next)next;
        report_incident(f->report, &f->suite, &incident);
    }
    read_lines(f); /* incidents are on the disk at once */
    assert_int_equal(f->nlines, 7);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(text_of(f->lines[i], "next"), nexts[i]);
    assert_true(json_is_null(json_object_get(f->lines[0], "id")));
    assert_true(json_is_null(json_object_get(f->lines[0], "output")));
    assert_string_equal(text_of(f->lines[0], "verdict"), "none");
    assert_int_equal(json_array_size(json_object_get(f->lines[0], "tasks")), 0);
}

/* More than the buffer holds, and nobody has asked for it to be written out. */
static void whole_lines_only(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3000; i++)
        report_worker(f->report, "ready", (unsigned)i, 0, 1, 0);
    read_lines(f);
    assert_true(f->nlines > 500 && f->nlines < 3000);
    for (size_t i = 0; i < f->nlines; i++)
        json_decref(f->lines[i]);
    f->nlines = 0;
    finish(f);
    assert_int_equal(f->nlines, 3000);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(number_of(f->lines[i], "worker"), i);
}

static void text_of_any_kind(void **state)
{
    json_t *null = events_text(NULL), *text = events_text("a\tb\x7f");

    (void)state;
    assert_true(json_is_null(null));
    assert_string_equal(json_string_value(text), "a\tb\\x7f");
    json_decref(text);
}

static void a_file_that_cannot_be_written(void **state)
{
    struct events *events = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(events_open("/nowhere/at/all", &events, &err), -ENOENT);
    assert_null(events);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.message, "--events: cannot write /nowhere/at/all"));
    assert_string_not_equal(err.hint, "");
    events_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_run),
        TEST(a_test_that_ended),
        TEST(hostile_text),
        TEST(a_notice_is_cut_between_characters),
        TEST(an_incident_without_a_test),
        TEST(whole_lines_only),
        cmocka_unit_test(text_of_any_kind),
        cmocka_unit_test(a_file_that_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
