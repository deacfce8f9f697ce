/* SPDX-License-Identifier: MIT */
/* Stacks as faulthandler and pytest-timeout write them: the line that matters, and nothing believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/core/stacks.h"

static char text[512];

static const char *line_of(const char *dump, enum stacks_thread which)
{
    return stacks_line(dump, strlen(dump), which, "/p", "tests/test_a.py", text, sizeof(text)) ? text : NULL;
}

static const char dump[] = "Thread 0x00007f01 (most recent call first):\n"
                           "  File \"/p/tests/test_a.py\", line 8 in hold\n"
                           "  File \"/usr/lib/python3.11/threading.py\", line 975 in run\n"
                           "\n"
                           "Current thread 0x00007f02 (most recent call first):\n"
                           "  File \"/usr/lib/python3.11/threading.py\", line 320 in wait\n"
                           "  File \"/usr/lib/python3.11/concurrent/futures/_base.py\", line 243 in as_completed\n"
                           "  File \"/p/tests/helpers.py\", line 5 in drain\n"
                           "  File \"/p/tests/test_a.py\", line 22 in test_it\n"
                           "  File \"/x/shunt_pytest/worker.py\", line 225 in _run_test\n";

static void the_tests_own_line(void **state)
{
    (void)state;
    assert_string_equal(line_of(dump, STACKS_MAIN), "tests/test_a.py:22 in test_it (p/tests/helpers.py:5 in drain)");
}

static void the_projects_line_where_the_test_is_not_on_it(void **state)
{
    (void)state;
    assert_true(stacks_line(dump, sizeof(dump) - 1, STACKS_MAIN, "/p/", "other.py", text, sizeof(text)));
    assert_string_equal(text, "tests/helpers.py:5 in drain (concurrent/futures/_base.py:243 in as_completed)");
    assert_false(stacks_line(dump, sizeof(dump) - 1, STACKS_MAIN, "/q", "other.py", text, sizeof(text)));
    assert_string_equal(text, "");
}

static void a_fatal_signal_names_its_thread(void **state)
{
    static const char fault[] = "Fatal Python error: Segmentation fault\n\n"
                                "Current thread 0x01 (most recent call first):\n"
                                "  File \"/p/tests/test_a.py\", line 3 in crash\n"
                                "  File \"/usr/lib/python3.11/threading.py\", line 975 in run\n\n"
                                "Thread 0x02 (most recent call first):\n"
                                "  File \"/p/tests/test_a.py\", line 9 in test_it\n"
                                "  File \"/x/shunt_pytest/worker.py\", line 225 in _run_test\n";

    (void)state;
    assert_string_equal(line_of(fault, STACKS_CURRENT), "tests/test_a.py:3 in crash");
    assert_false(stacks_fault_in_main(fault, strlen(fault)));
    assert_true(stacks_fault_in_main(dump, strlen(dump)));
    assert_false(stacks_fault_in_main("", 0));
}

static void a_traceback_is_the_other_way_round(void **state)
{
    static const char timeout[] = "+++ Timeout +++\n~~~~ Stack of Thread-1 (1) ~~~~\n"
                                  "  File \"/p/tests/test_a.py\", line 1, in other\n    x()\n"
                                  "~~~~ Stack of MainThread (2) ~~~~\n"
                                  "  File \"/x/shunt_pytest/worker.py\", line 1, in _run\n    loop()\n"
                                  "  File \"/p/tests/test_a.py\", line 22, in test_it\n    for f in as_completed(fs):\n"
                                  "  File \"/usr/lib/python3.11/concurrent/futures/_base.py\", line 243, in as_completed\n"
                                  "    waiter.event.wait(t)\n+++ Timeout +++\n";

    (void)state;
    assert_string_equal(line_of(timeout, STACKS_MAIN),
                        "tests/test_a.py:22 in test_it (concurrent/futures/_base.py:243 in as_completed)");
    assert_null(line_of(timeout, STACKS_CURRENT));
}

static void check_shorter(const char *given, const char *wanted)
{
    size_t size;
    char *shorter = stacks_shorten(given, strlen(given), "/p", &size);

    assert_string_equal(shorter, wanted);
    assert_int_equal(size, strlen(wanted));
    free(shorter);
}

#define F(file) "  File \"" file "\", line 1 in f\n"

static void frames_of_others_are_counted(void **state)
{
    (void)state;
    check_shorter("", "");
    check_shorter("no stack\nat all", "no stack\nat all");
    check_shorter("T\n" F("/l/a") F("/l/b") F("/l/c") F("/l/d") "end\n", "T\n" F("/l/a") "  (3 frames left out)\nend\n");
    check_shorter(F("/l/a") F("/l/b") F("/l/c"), F("/l/a") F("/l/b") F("/l/c")); /* two: not worth it */
    check_shorter(F("/l/a") F("/p/x") F("/l/b") F("/l/c") F("/l/d") F("/p/y"),
                  F("/l/a") F("/p/x") "  (3 frames left out)\n" F("/p/y"));
    check_shorter(F("/p/x") F("/p/site-packages/b") F("/p/site-packages/c") F("/p/site-packages/d") "\n" F("/l/a"),
                  F("/p/x") "  (3 frames left out)\n\n" F("/l/a"));
    check_shorter(F("/l/a") F("/l/b") F("/l/c") "  File \"/l/d\", line 1 in f", F("/l/a") "  (3 frames left out)\n");
}

static void garbage_is_no_stack(void **state)
{
    char noise[2048];

    (void)state;
    assert_null(line_of("", STACKS_MAIN));
    assert_null(line_of("Thread 0x1\n  File \"/p/a.py", STACKS_MAIN));
    assert_null(line_of("Thread 0x1\n  File \"/p/a.py\"", STACKS_MAIN));
    assert_null(line_of("  File \"/p/a.py\", line 1 in x\n", STACKS_MAIN));
    srand(7);
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)rand() % sizeof(noise), keep = (size_t)rand() % sizeof(dump);

        memcpy(noise, dump, keep < size ? keep : size);
        for (size_t i = keep; i < size; i++)
            noise[i] = (char)rand();
        if (size)
            noise[(size_t)rand() % size] = "\n\"/,\0 "[rand() % 6];
        stacks_line(noise, size, rand() & 1 ? STACKS_MAIN : STACKS_CURRENT, "/p", "tests/test_a.py", text,
                    1 + (size_t)rand() % sizeof(text));
        stacks_fault_in_main(noise, size);
    }
}

static void many_frames_are_bounded(void **state)
{
    size_t size = 0;
    char *deep = malloc(400000);

    (void)state;
    size += (size_t)sprintf(deep, "Thread 0x1\n");
    for (int i = 0; i < 5000; i++)
        size += (size_t)sprintf(deep + size, "  File \"/p/tests/test_a.py\", line %d in f\n", i + 1);
    assert_true(stacks_line(deep, size, STACKS_MAIN, "/p", "tests/test_a.py", text, sizeof(text)));
    assert_string_equal(text, "tests/test_a.py:1 in f");
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tests_own_line),
        cmocka_unit_test(the_projects_line_where_the_test_is_not_on_it),
        cmocka_unit_test(a_fatal_signal_names_its_thread),
        cmocka_unit_test(a_traceback_is_the_other_way_round),
        cmocka_unit_test(frames_of_others_are_counted),
        cmocka_unit_test(garbage_is_no_stack),
        cmocka_unit_test(many_frames_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
