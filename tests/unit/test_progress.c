/* SPDX-License-Identifier: MIT */
/* supervisor/report/progress: a status line that fits, with the longest-running tests first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "supervisor/report/progress.h"

#define TENTH (NS_PER_SEC / 10)

static void check(const struct progress *progress, unsigned columns, const char *expected)
{
    char *line = progress_line(progress, columns);

    assert_string_equal(line, expected);
    free(line);
}

static void test_longest_first(void **state)
{
    const struct progress_test running[] = {{"young", 2 * TENTH}, {"old", 75 * NS_PER_SEC}, {"middle", 12 * NS_PER_SEC + TENTH}};
    const struct progress progress = {.done = 3, .total = 10, .failed = 1, .running = running, .nrunning = 3};

    (void)state;
    check(&progress, 100, "3/10, 1 failed  1m15s old, 12s middle, 0.2s young");
    check(&progress, 79, "3/10, 1 failed  1m15s old, 12s middle, 0.2s young");
}

static void test_narrow(void **state)
{
    const struct progress_test running[] = {{"Suite.a_name_that_is_longer_than_all_there_is", 2 * TENTH}, {"short", TENTH}};
    const struct progress progress = {.done = 3, .total = 10, .running = running, .nrunning = 2};

    (void)state;
    check(&progress, 39, "3/10  0.2s Suite.a_.._than_all_there_is");
    check(&progress, 24, "3/10  0.2s Sui..there_is");
    check(&progress, 22, "3/10");
    check(&progress, 4, "3/10");
    check(&progress, 3, "");
}

static void test_a_second_one_where_it_fits(void **state)
{
    const struct progress_test running[] = {{"first", 2 * TENTH}, {"a_second_one_of_length", TENTH}};
    const struct progress progress = {.done = 0, .total = 2, .running = running, .nrunning = 2};

    (void)state;
    check(&progress, 60, "0/2  0.2s first, 0.1s a_second_one_of_length");
    check(&progress, 35, "0/2  0.2s first, 0.1s a_s..f_length");
    check(&progress, 30, "0/2  0.2s first");
}

static void test_wide_and_hostile_ids(void **state)
{
    const struct progress_test wide[] = {{"\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac", 0}};
    const struct progress_test hostile[] = {{"a\033[2Jb\nc\rd", 0}};
    struct progress progress = {.done = 1, .total = 2, .running = wide, .nrunning = 1};
    char *line;

    (void)state;
    check(&progress, 24, "1/2  0.0s \xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac");
    check(&progress, 23, "1/2  0.0s \xe6\xb8\xac..\xe8\xa9\xa6\xe6\xb8\xac\xe8\xa9\xa6\xe6\xb8\xac");
    progress.running = hostile;
    line = progress_line(&progress, 60);
    assert_null(strpbrk(line, "\033\n\r"));
    free(line);
}

static void test_nothing_runs(void **state)
{
    const struct progress progress = {.done = 2, .total = 2};

    (void)state;
    check(&progress, 40, "2/2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_first),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_a_second_one_where_it_fits),
        cmocka_unit_test(test_wide_and_hostile_ids),
        cmocka_unit_test(test_nothing_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
