/* SPDX-License-Identifier: MIT */
/* sandbox/base/nearest: what was probably meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/base/nearest.h"

static const char *const words[] = {"run", "exec", "doctor", "policy", "tasks", NULL};

static void one_mistake(void **state)
{
    (void)state;
    assert_string_equal(nearest_word("polcy", words), "policy");
    assert_string_equal(nearest_word("taskss", words), "tasks");
    assert_string_equal(nearest_word("dactor", words), "doctor");
    assert_string_equal(nearest_word("doc", words), "doctor");
}

/* "exce" is one slip of the fingers, though two letters differ. */
static void letters_in_the_wrong_order(void **state)
{
    (void)state;
    assert_string_equal(nearest_word("exce", words), "exec");
    assert_string_equal(nearest_word("rnu", words), "run");
    assert_string_equal(nearest_word("polciy", words), "policy");
}

static void nothing_near(void **state)
{
    (void)state;
    assert_null(nearest_word("x", words));
    assert_null(nearest_word("frobnicate", words));
    assert_null(nearest_word("nur", words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mistake),
        cmocka_unit_test(letters_in_the_wrong_order),
        cmocka_unit_test(nothing_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
