/* SPDX-License-Identifier: MIT */
/* The project's own directory: made, found again, and refused where somebody else could lead us away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/base/err.h"
#include "supervisor/config/state_dir.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/shunt-unit-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static const char *path(const char *name)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s/%s", root, name);
    return text;
}

static int remove_root(void **state)
{
    (void)state;
    unlink(path(".shunt/.gitignore"));
    if (unlink(path(".shunt")) < 0)
        rmdir(path(".shunt"));
    rmdir(path("elsewhere"));
    return rmdir(root);
}

static void made_and_found_again(void **state)
{
    struct err err = ERR_INIT;
    int first = state_dir_open(root, &err), second = state_dir_open(root, &err);
    char text[8] = "";
    FILE *file = fopen(path(".shunt/.gitignore"), "r");

    (void)state;
    assert_true(first >= 0 && second >= 0 && file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_string_equal(text, "*\n");
    fclose(file);
    close(first);
    close(second);
}

static void a_link_is_refused(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(mkdir(path("elsewhere"), 0755), 0);
    assert_int_equal(symlink("elsewhere", path(".shunt")), 0);
    assert_true(state_dir_open(root, &err) < 0);
    assert_non_null(strstr(err.message, ".shunt"));
    assert_int_equal(access(path("elsewhere/.gitignore"), F_OK), -1);
}

static void one_that_others_may_write_to_is_refused(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(mkdir(path(".shunt"), 0755), 0);
    assert_int_equal(chmod(path(".shunt"), 0777), 0);
    assert_true(state_dir_open(root, &err) < 0);
    assert_non_null(strstr(err.message, "everybody may write"));
}

static void no_such_root(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_true(state_dir_open(path("nowhere"), &err) < 0);
    assert_non_null(strstr(err.message, "nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_and_found_again, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_link_is_refused, make_root, remove_root),
        cmocka_unit_test_setup_teardown(one_that_others_may_write_to_is_refused, make_root, remove_root),
        cmocka_unit_test_setup_teardown(no_such_root, make_root, remove_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
