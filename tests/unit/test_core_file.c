/* SPDX-License-Identifier: MIT */
/* supervisor/core/core_file: where a core went, as core(5) reads the pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/core/core_file.h"

static void check(const char *pattern, bool uses_pid, const char *expected)
{
    char text[300];

    core_file_describe(pattern, uses_pid, 7, 4021, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void files(void **state)
{
    (void)state;
    check("core\n", false, "core file: core in its working directory");
    check("core\n", true, "core file: core.7 in its working directory");
    check("core.%p\n", true, "core file: core.7 in its working directory");
    check("/var/crash/%P-%e\n", false, "core file: /var/crash/4021-%e");
    check("/var/crash/100%%\n", false, "core file: /var/crash/100%");
    check("\n", false, "core file: core.7 in its working directory");
    check("", false, "core file: core.7 in its working directory");
}

static void pipes(void **state)
{
    (void)state;
    check("|/usr/share/apport/apport -p%p -s%s -- %E\n", false, "core handed to /usr/share/apport/apport (core_pattern)");
    check("|  /usr/lib/systemd/systemd-coredump %P\n", true,
          "core handed to /usr/lib/systemd/systemd-coredump (core_pattern)");
}

static void anything_fits(void **state)
{
    char pattern[600], text[40];

    (void)state;
    memset(pattern, '%', sizeof(pattern) - 1);
    pattern[sizeof(pattern) - 1] = '\0';
    core_file_describe(pattern, true, 2147483647, 2147483647, text, sizeof(text));
    assert_true(strlen(text) < sizeof(text));
    memset(pattern, 'p', sizeof(pattern) - 1);
    for (size_t i = 0; i + 1 < sizeof(pattern); i += 2)
        pattern[i] = '%';
    core_file_describe(pattern, false, 2147483647, 2147483647, text, sizeof(text));
    assert_true(strlen(text) < sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(pipes),
        cmocka_unit_test(anything_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
