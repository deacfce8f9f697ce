/* SPDX-License-Identifier: MIT */
/* The page that a worker writes: told in words, and believed in nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/core/blackbox.h"

static unsigned char page[BLACKBOX_SIZE];
static char text[256];

static void put_u32(size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        page[at + (size_t)i] = (unsigned char)(value >> 8 * i);
}

static void record(uint32_t number, uint32_t count, const char *what)
{
    put_u32(0, number);
    put_u32(number * 256, count);
    put_u32(number * 256 + 4, (uint32_t)strlen(what));
    memcpy(page + number * 256 + 8, what, strlen(what));
}

static const char *described(void)
{
    blackbox_describe(page, sizeof(page), text, sizeof(text));
    return text;
}

static int clear(void **state)
{
    (void)state;
    memset(page, 0, sizeof(page));
    return 0;
}

static void nothing_noted(void **state)
{
    (void)state;
    assert_string_equal(described(), "");
    blackbox_describe(page, 100, text, sizeof(text));
    assert_string_equal(text, "");
}

static void the_most_frequent_first(void **state)
{
    (void)state;
    record(1, 1, "processes started at a.py:1");
    record(2, 61, "threads of pool started at a.py:2");
    assert_string_equal(described(),
                        "61 threads of pool started at a.py:2, 1 process started at a.py:1");
    record(3, 1, "threads of x started at a.py:3");
    record(4, 7, "threads of y started at a.py:4");
    assert_string_equal(described(), "61 threads of pool started at a.py:2, 7 threads of y started at a.py:4, "
                                     "and more from 2 other lines");
}

static void refused_starts(void **state)
{
    struct blackbox box;

    (void)state;
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.refused, 0);
    put_u32(252, 37);
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.refused, 37);
    put_u32(248, 5);
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.current, 5);
    put_u32(8, 1); /* an exit whose text would reach into that word is none */
    put_u32(16, 225);
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.exit_task, 0);
    put_u32(16, 224);
    memset(page + 24, 'a', 224);
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.exit_task, 1);
    assert_int_equal(strlen(box.exit_where), 224);
}

static void one_is_singular(void **state)
{
    (void)state;
    record(1, 1, "threads of watcher started at a.py:1");
    assert_string_equal(described(), "1 thread of watcher started at a.py:1");
}

/* Two processes of a test may have noted the same line. */
static void the_same_line_is_added_up(void **state)
{
    (void)state;
    record(1, 3, "threads of pool started at a.py:2");
    record(2, 4, "threads of pool started at a.py:2");
    assert_string_equal(described(), "7 threads of pool started at a.py:2");
}

static void nonsense(void **state)
{
    (void)state;
    record(1, 3, "threads of pool started at a.py:2");
    put_u32(0, UINT32_MAX); /* more records than there is room */
    put_u32(256 + 4, 249);  /* longer than a record */
    assert_string_equal(described(), "");
    memset(page, 0xff, sizeof(page));
    assert_string_equal(described(), "");
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(page); i++)
            page[i] = (unsigned char)(rand() & (i % 256 < 8 ? 0x3f : 0xff));
        blackbox_describe(page, sizeof(page), text, 1 + (size_t)rand() % sizeof(text));
    }
}

static void a_small_buffer(void **state)
{
    (void)state;
    record(1, 61, "threads of pool started at a.py:2");
    blackbox_describe(page, sizeof(page), text, 11);
    assert_string_equal(text, "61 threads");
}

static void phase_and_exit(void **state)
{
    struct blackbox box;
    static const char where[] = "tests/a.py:9 in thread Thread-1";

    (void)state;
    blackbox_read(page, sizeof(page), &box);
    assert_null(box.phase);
    assert_int_equal(box.exit_task, 0);
    assert_int_equal(box.nstarts, 0);
    put_u32(4, 2);
    put_u32(8, 17);
    put_u32(12, 7);
    put_u32(16, sizeof(where) - 1);
    memcpy(page + 24, where, sizeof(where) - 1);
    record(1, 3, "processes started at a.py:1");
    blackbox_read(page, sizeof(page), &box);
    assert_string_equal(box.phase, "call");
    assert_int_equal(box.exit_task, 17);
    assert_int_equal(box.exit_status, 7);
    assert_string_equal(box.exit_where, where);
    assert_int_equal(box.nstarts, 1);
    assert_string_equal(box.starts[0].text, "processes started at a.py:1");
    put_u32(16, 4000); /* a length beyond the header */
    put_u32(4, 77);
    blackbox_read(page, sizeof(page), &box);
    assert_null(box.phase);
    assert_int_equal(box.exit_task, 0);
    put_u32(16, 4);
    put_u32(8, 0xffffffff);
    blackbox_read(page, sizeof(page), &box);
    assert_int_equal(box.exit_task, 0);
    blackbox_read(page, 100, &box);
    assert_int_equal(box.nstarts, 0);
    srand(3);
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof(page); i++)
            page[i] = (unsigned char)(rand() & rand());
        put_u32(0, (uint32_t)rand() % 20);
        blackbox_read(page, sizeof(page), &box);
        assert_true(strlen(box.exit_where) < sizeof(box.exit_where) && box.nstarts <= BLACKBOX_STARTS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_noted, clear),
        cmocka_unit_test_setup(the_most_frequent_first, clear),
        cmocka_unit_test_setup(one_is_singular, clear),
        cmocka_unit_test_setup(refused_starts, clear),
        cmocka_unit_test_setup(the_same_line_is_added_up, clear),
        cmocka_unit_test_setup(nonsense, clear),
        cmocka_unit_test_setup(a_small_buffer, clear),
        cmocka_unit_test_setup(phase_and_exit, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
