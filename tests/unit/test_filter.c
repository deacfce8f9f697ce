/* SPDX-License-Identifier: MIT */
/* supervisor/core/filter: what expressions match, and what is said of wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/filter.h"

static char db[] = "db", slow_net[] = "slow_net";
static char *const markers[] = {db, slow_net, NULL};
static const struct filter_facts facts = {.id = "tests/unit/test_up.py::TestX::test_upload[(1, 2)-a/b]",
                                          .file = "tests/unit/test_up.py",
                                          .framework = "pytest",
                                          .markers = markers,
                                          .serial = true,
                                          .known = true,
                                          .last = OUTCOME_KILLED,
                                          .duration_us = 1500000};

static bool matches_of(const char *text, const struct filter_facts *of)
{
    struct err err = ERR_INIT;
    struct filter *filter;
    bool result;

    if (filter_parse(text, "-E", &filter, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    result = filter_matches(filter, of);
    filter_free(filter);
    return result;
}

static void yes(const char *text)
{
    if (!matches_of(text, &facts))
        fail_msg("%s does not match", text);
}

static void no(const char *text)
{
    if (matches_of(text, &facts))
        fail_msg("%s matches", text);
}

static void test_patterns(void **state)
{
    (void)state;
    yes("test(upload)");
    no("test(download)");
    yes("test(~::TestX::)");
    yes("test(=tests/unit/test_up.py::TestX::test_upload[(1, 2)-a/b])");
    no("test(=tests/unit/test_up.py::TestX)");
    yes("test(#*::test_up*)");
    no("test(#test_up*)");
    yes("test(/test_[a-z]+\\[/)");
    yes("test( /up.py::.*(load|x)/ )");
    yes("test(/a\\/b]$/)");
    yes("test(/\\(1, 2\\)/)");
    no("test(/^upload/)");
    yes("test(\\(1)");
}

static void test_files_and_directories(void **state)
{
    (void)state;
    yes("file(tests/unit)");
    yes("file(tests/unit/)");
    yes("file(tests)");
    no("file(test)");
    no("file(tests/unit/test)");
    yes("file(tests/*_up.py)");
    yes("file(=tests/unit/test_up.py)");
    no("file(=tests/unit)");
    yes("file(~up)");
    no("file(/elsewhere)");
}

static void test_the_other_fields(void **state)
{
    (void)state;
    yes("marker(db)");
    yes("label(slow_*)");
    no("marker(slow)");
    yes("marker(~slow)");
    yes("framework(pytest)");
    no("group(*)"); /* it has none */
    yes("lane(serial)");
    no("lane(parallel)");
    yes("all()");
    no("none()");
}

static void test_history(void **state)
{
    struct filter_facts unknown = facts;

    (void)state;
    unknown.known = false;
    yes("last(killed)");
    yes("last(failed)"); /* everything bad */
    no("last(=failed)");
    no("last(never)");
    yes("duration(>1s)");
    yes("duration( >= 1500ms )");
    no("duration(>1500ms)");
    yes("duration(<2s)");
    yes("duration(<=1.5s)");
    assert_true(matches_of("last(never)", &unknown));
    assert_false(matches_of("last(killed)", &unknown));
    assert_false(matches_of("duration(>1s)", &unknown));
    assert_false(matches_of("duration(<1s)", &unknown));
}

static void test_precedence(void **state)
{
    (void)state;
    yes("all() or none() and none()");
    no("(all() or none()) and none()");
    yes("not none() and all()");
    no("not (none() or all())");
    yes("none() | !none() & all()");
    yes("none() || all() && !none()");
    yes("not not all()");
    yes("none()or all()");
    yes("  all()\n and\tall() ");
}

/* The whole message: `caret` is the column of the caret below the expression. */
static void wrong(const char *text, const char *why, size_t caret)
{
    struct err err = ERR_INIT;
    struct filter *filter;
    const char *last;

    if (filter_parse(text, "-E", &filter, &err) >= 0)
        fail_msg("%s was accepted", text);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.message, why))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, err.message, why);
    last = strrchr(err.message, '\n');
    assert_non_null(last);
    if (strlen(last + 1) != 4 + caret + 1 || last[strlen(last) - 1] != '^')
        fail_msg("%s: the caret is not in column %zu:\n%s", text, caret, err.message);
}

static void test_errors_show_the_place(void **state)
{
    (void)state;
    wrong("", "expected a test", 0);
    wrong("test", "expected ( after test", 4);
    wrong("test(a", "expected a closing )", 6);
    wrong("test()", "expected something", 5);
    wrong("tset(a)", "did you mean test", 0);
    wrong("xyzzy(a)", "\"xyzzy\" is no predicate", 0);
    wrong("test(a) nad test(b)", "expected and, or, or the end", 8);
    wrong("test(a))", "closes nothing", 7);
    wrong("(test(a)", "expected and, or, or a closing )", 8);
    wrong("test(a) and", "nothing follows", 11);
    wrong("test(/[/)", "is no regular expression", 5);
    wrong("test(/a)", "expected a closing )", 8);
    wrong("lane(fast)", "lane(serial)", 5);
    wrong("last(pased)", "did you mean passed", 5);
    wrong("duration(1s)", "expected a comparison", 9);
    wrong("duration(>1x)", "expected a time", 10);
    wrong("all(x)", "expected nothing", 4);
    wrong("test(=)", "expected a pattern", 6);
    wrong("test(ä) x", "expected and", 8); /* columns, not bytes */
}

/* glibc would take all memory for them, or all time. */
static void test_regular_expressions_are_bounded(void **state)
{
    (void)state;
    wrong("test(/(a{200}){200}/)", "repeats too often", 5);
    wrong("test(/a{5000}/)", "repeats too often", 5);
    wrong("test(/((((((((((a+)+)+)+)+)+)+)+)+)+)+/)", "nested too deeply", 5);
    wrong("test(/a++/)", "repeats a repetition", 5);
    wrong("test(/(a)\\1/)", "has a back reference", 5);
    yes("test(/[{+*(]|test{1}_up[[:alpha:]]+/)");
}

static void test_long_ones_show_a_part(void **state)
{
    char text[2000] = "";
    struct err err = ERR_INIT;
    struct filter *filter;

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(text, "test(a) or ");
    strcat(text, "tset(b)");
    assert_true(filter_parse(text, "-E", &filter, &err) < 0);
    assert_non_null(strstr(err.message, "...")); /* the beginning is left out */
    assert_non_null(strstr(err.message, "tset(b)"));
    assert_int_equal(err.message[strlen(err.message) - 1], '^');
}

static void test_bounds(void **state)
{
    _Static_assert(FILTER_TEXT_MAX < 5000, "");
    char text[5001];
    struct err err = ERR_INIT;
    struct filter *filter;

    (void)state;
    memset(text, '(', 100);
    text[100] = '\0';
    assert_true(filter_parse(text, "-E", &filter, &err) < 0);
    assert_non_null(strstr(err.message, "too deeply"));
    memset(text, '!', 4000);
    text[4000] = '\0';
    assert_true(filter_parse(text, "-E", &filter, &err) < 0);
    memset(text, 'a', 5000);
    text[5000] = '\0';
    assert_true(filter_parse(text, "-E", &filter, &err) < 0);
    assert_non_null(strstr(err.message, "longer than"));
}

static void test_needs(void **state)
{
    struct err err = ERR_INIT;
    struct filter *filter;

    (void)state;
    assert_int_equal(filter_parse("test(a) or not (marker(b) and last(passed))", "-E", &filter, &err), 0);
    assert_int_equal(filter_needs(filter), FILTER_NEEDS_MARKERS | FILTER_NEEDS_HISTORY);
    filter_free(filter);
    assert_int_equal(filter_parse("test(a)", "-E", &filter, &err), 0);
    assert_int_equal(filter_needs(filter), 0);
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_files_and_directories),
        cmocka_unit_test(test_the_other_fields),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_errors_show_the_place),
        cmocka_unit_test(test_regular_expressions_are_bounded),
        cmocka_unit_test(test_long_ones_show_a_part),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
