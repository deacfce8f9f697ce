/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/units.h"
#include "supervisor/config/paths.h"

struct row {
    const char *text;
    int r;
    uint64_t value;
};

static void check_rows(const struct row *rows, int (*parse)(const char *, uint64_t *))
{
    for (; rows->text; rows++) {
        uint64_t value = 4711;
        int r = parse(rows->text, &value);

        if (r != rows->r || value != (r == 0 ? rows->value : 4711))
            fail_msg("\"%s\": returned %d and %llu", rows->text, r, (unsigned long long)value);
    }
}

static void sizes(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0},
        {"100", 0, 100},
        {"512M", 0, 512ULL << 20},
        {"512m", 0, 512ULL << 20},
        {"1.5G", 0, 3ULL << 29},
        {"2GiB", 0, 2ULL << 30},
        {"2GB", 0, 2ULL << 30},
        {"4k", 0, 4096},
        {"1T", 0, 1ULL << 40},
        {"0.5k", 0, 512},
        {"1.0000000000001K", 0, 1024},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"16777216T", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"M", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 M", -EINVAL, 0},
        {"1.", -EINVAL, 0},
        {".5G", -EINVAL, 0},
        {"1.5.5G", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"nan", -EINVAL, 0},
        {"inf", -EINVAL, 0},
        {"12Q", -EINVAL, 0},
        {"12MM", -EINVAL, 0},
        {NULL, 0, 0},
    };

    (void)state;
    check_rows(rows, units_parse_size);
}

static void durations(void **state)
{
    static const struct row rows[] = {
        {"10s", 0, 10000000000ULL},
        {"10", 0, 10000000000ULL},
        {"1.5", 0, 1500000000ULL},
        {"500ms", 0, 500000000ULL},
        {"250us", 0, 250000ULL},
        {"2m", 0, 120000000000ULL},
        {"2min", 0, 120000000000ULL},
        {"1h", 0, 3600000000000ULL},
        {"0.25h", 0, 900000000000ULL},
        {"2M", -EINVAL, 0}, /* mega is no minute */
        {"10 s", -EINVAL, 0},
        {"ten", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"9999999999999h", -ERANGE, 0},
        {NULL, 0, 0},
    };

    (void)state;
    check_rows(rows, units_parse_duration);
}

static void counts(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0},        {"64", 0, 64},      {"007", 0, 7},
        {"", -EINVAL, 0},   {"-1", -EINVAL, 0}, {"1.5", -EINVAL, 0},
        {"4k", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"18446744073709551616", -ERANGE, 0},
        {NULL, 0, 0},
    };

    (void)state;
    check_rows(rows, units_parse_count);
}

static void paths_come_from_the_given_directory(void **state)
{
    char directory[] = "/tmp/shunt-test-paths-XXXXXX";
    _cleanup_free_ char *made = NULL;
    _cleanup_free_ char *found = NULL;

    (void)state;
    assert_non_null(mkdtemp(directory));
    made = mem_printf("%s/python", directory);
    assert_int_equal(symlink("/", made), 0);
    assert_int_equal(setenv("SHUNT_DATADIR", directory, 1), 0);
    found = paths_find("python");
    unlink(made);
    rmdir(directory);
    unsetenv("SHUNT_DATADIR");
    assert_non_null(found);
    assert_string_equal(found, "/");
}

static void paths_are_found_beside_the_program(void **state)
{
    _cleanup_free_ char *python = NULL;

    (void)state;
    unsetenv("SHUNT_DATADIR");
    python = paths_find("python");
    assert_non_null(python);
    assert_int_equal(python[0], '/');
    assert_non_null(strstr(python, "/share/shunt/python"));
    assert_null(strstr(python, "/../"));
}

static void paths_that_do_not_exist(void **state)
{
    (void)state;
    assert_null(paths_find("no-such-file"));
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(counts),
        cmocka_unit_test(paths_come_from_the_given_directory),
        cmocka_unit_test(paths_are_found_beside_the_program),
        cmocka_unit_test(paths_that_do_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
