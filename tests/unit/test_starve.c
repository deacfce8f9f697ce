/* SPDX-License-Identifier: MIT */
/* supervisor/core/starve: waiting for what others have, and wanting more than one's share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/core/starve.h"

#define MS 1000000ULL
#define S 1000000000ULL

static char text[200];

static void starved_for_half_of_its_time(void **state)
{
    struct starve starve = {.elapsed_ns = 5 * S, .cpu_wait_ns = 4100 * MS};

    (void)state;
    assert_true(starve_judge(&starve, text, sizeof(text)));
    assert_string_equal(text, "waited for a CPU 4.1 s of 5 s");
    starve.cpu_wait_ns = 5 * S / 2 - 1;
    assert_false(starve_judge(&starve, text, sizeof(text)));
    starve.memory_wait_ns = 3 * S;
    assert_true(starve_judge(&starve, text, sizeof(text)));
    assert_string_equal(text, "waited for memory 3 s of 5 s");
    starve = (struct starve){.elapsed_ns = 200 * MS, .cpu_wait_ns = 199 * MS}; /* too short to matter */
    assert_false(starve_judge(&starve, text, sizeof(text)));
    starve = (struct starve){0};
    assert_false(starve_judge(&starve, text, sizeof(text)));
}

static void own_threads_are_no_starvation(void **state)
{
    (void)state;
    assert_int_equal(starve_cpu_wait(4 * S, 5 * S, 1 * S), 4 * S);
    assert_int_equal(starve_cpu_wait(4 * S, 5 * S, 4 * S), 1 * S); /* its other threads ran meanwhile */
    assert_int_equal(starve_cpu_wait(4 * S, 5 * S, 9 * S), 0);
}

static void kernel_texts(void **state)
{
    uint64_t ns = 7;

    (void)state;
    assert_true(starve_parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
                                      "full avg10=1.00 avg60=0.00 avg300=0.00 total=123\n", &ns));
    assert_int_equal(ns, 123000);
    assert_false(starve_parse_pressure("some avg10=0.00 total=99\n", &ns));
    assert_false(starve_parse_pressure("full avg10=0.00\nsome total=5\n", &ns));
    assert_false(starve_parse_pressure("", &ns));
    assert_true(starve_parse_schedstat("1000 2345 6\n", &ns));
    assert_int_equal(ns, 2345);
    assert_false(starve_parse_schedstat("", &ns));
    assert_false(starve_parse_schedstat("12", &ns));
    assert_false(starve_parse_schedstat("12 x", &ns));
}

static void add(struct oversubscription *over, uint64_t runnable, uint64_t cpu_ms, uint64_t share)
{
    const struct oversubscription_sample sample = {
        .span_ns = 500 * MS, .cpu_ns = cpu_ms * MS, .runnable = runnable, .share_milli = share};

    oversubscription_add(over, &sample);
}

static void more_than_its_share_for_long(void **state)
{
    struct oversubscription over = {0};

    (void)state;
    for (int i = 0; i < 9; i++)
        add(&over, 12, 500, 1000);
    assert_false(oversubscription_judge(&over, 1000, 0, 0, text, sizeof(text)));
    add(&over, 22, 500, 1000);
    assert_true(oversubscription_judge(&over, 1000, 0, 0, text, sizeof(text)));
    assert_string_equal(text, "13 tasks at a time wanted its 1 CPU, for 5 s");
    assert_true(oversubscription_judge(&over, 1500, 31, 2100 * MS, text, sizeof(text)));
    assert_string_equal(text, "13 tasks at a time wanted its 1.5 CPUs, for 5 s; throttled 31 times, 2.1 s");
    assert_true(oversubscription_judge(&over, 2000, 1, 100 * MS, text, sizeof(text)));
    assert_string_equal(text, "13 tasks at a time wanted its 2 CPUs, for 5 s; throttled 1 time, 0.1 s");
}

static void what_is_no_oversubscription(void **state)
{
    struct oversubscription over = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        add(&over, 4, 500, 1000);  /* few */
        add(&over, 16, 2000, 4000); /* four a CPU */
        add(&over, 40, 300, 1000); /* they pile up, since others have the CPUs */
    }
    assert_int_equal(over.over_ns, 0);
    assert_int_equal(oversubscription_limit(1000), 4);
    assert_int_equal(oversubscription_limit(1100), 5);
    assert_int_equal(oversubscription_limit(8000), 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starved_for_half_of_its_time), cmocka_unit_test(own_threads_are_no_starvation),
        cmocka_unit_test(kernel_texts),                 cmocka_unit_test(more_than_its_share_for_long),
        cmocka_unit_test(what_is_no_oversubscription),
    };

    return cmocka_run_group_tests_name("starve", tests, NULL, NULL);
}
