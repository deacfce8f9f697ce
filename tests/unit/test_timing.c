/* SPDX-License-Identifier: MIT */
/* supervisor/core/timing: how a test spent its time, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/core/timing.h"

#define MS 1000000ULL

static void test_numbers(void **state)
{
    struct timing timing = {.elapsed_ns = 60210 * MS, .limit_ns = 60000 * MS, .cpu_known = true, .cpu_ns = 100 * MS};
    char buf[100];

    (void)state;
    timing_numbers(&timing, buf, sizeof(buf));
    assert_string_equal(buf, "60.2 s of 60 s, CPU 0.1 s");
    timing.limit_ns = 0;
    timing.cpu_known = false;
    timing_numbers(&timing, buf, sizeof(buf));
    assert_string_equal(buf, "60.2 s");
}

static void test_busy(void **state)
{
    struct timing timing = {.elapsed_ns = 10000 * MS, .cpu_known = true, .cpu_ns = 5000 * MS};

    (void)state;
    assert_true(timing_is_busy(&timing));
    timing.cpu_ns--;
    assert_false(timing_is_busy(&timing));
    timing.cpu_known = false;
    timing.cpu_ns = 20000 * MS;
    assert_false(timing_is_busy(&timing));
}

static void check_where(const char *line, bool busy, const char *expected)
{
    char buf[200];

    timing_where(line, busy, buf, sizeof(buf));
    assert_string_equal(buf, expected);
}

static void test_where(void **state)
{
    (void)state;
    check_where("", false, "");
    check_where("tests/a.py:14 in test_it (queue.py:171 in get)", false, "waits in get (tests/a.py:14)");
    check_where("tests/a.py:14 in test_it", false, "waits at tests/a.py:14");
    check_where("tests/a.py:14 in test_it", true, "runs at tests/a.py:14");
    check_where("tests/a.py:14 in <listcomp> (b in c.py:3 in f)", true, "runs in f (tests/a.py:14)");
    check_where("tests/a.py:14", true, "runs at tests/a.py:14");
    check_where(")", false, "waits at )");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_where),
    };

    return cmocka_run_group_tests_name("timing", tests, NULL, NULL);
}
