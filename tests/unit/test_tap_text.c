/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/tap_text: TAP as programs print it, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/adapters/tap_text.h"

static const struct adapter_entry entry = {.weight = 1};

static void expect_result(const struct adapter_result *result, enum outcome outcome, const char *message)
{
    struct adapter_judgement judgement;

    tap_judge(&entry, result, &judgement);
    if (judgement.outcome != outcome || strcmp(judgement.message, message) != 0)
        fail_msg("\"%s\": %s \"%s\", and not %s \"%s\"", result->output, outcome_name(judgement.outcome), judgement.message,
                 outcome_name(outcome), message);
}

static void expect(const char *output, int status, enum outcome outcome, const char *message)
{
    struct adapter_result result = {.wait_status = status, .output = output, .size = strlen(output)};

    expect_result(&result, outcome, message);
}

static void plans_and_tests(void **state)
{
    (void)state;
    expect("1..2\nok 1 - a\nok 2\n", 0, OUTCOME_PASSED, "");
    expect("TAP version 13\r\nok 1 - a\r\nok\r\n1..2\r\n", 0, OUTCOME_PASSED, "");
    expect("ok 1\n    not ok 1 - a subtest\n1..1", 0, OUTCOME_PASSED, "");
    expect("1..2\nok 1\n", 0, OUTCOME_FAILED, "planned 2 tests, and ran 1");
    expect("1..1\nok 1\nok 2\n", 0, OUTCOME_FAILED, "planned 1 test, and ran 2");
    expect("ok 1\n", 0, OUTCOME_FAILED, "no plan (1..N) in its TAP");
    expect("hello\n", 0, OUTCOME_FAILED, "its output is no TAP: no plan (1..N), and no test");
    expect("", 0, OUTCOME_FAILED, "its output is no TAP: no plan (1..N), and no test");
    expect("1..2\nok 2\nok 1\n", 0, OUTCOME_FAILED, "its tests are not numbered one after the other");
    expect("1..2\nok 1\nok 1\n", 0, OUTCOME_FAILED, "its tests are not numbered one after the other");
    expect("1..1\nok 1\n", 3 << 8, OUTCOME_FAILED, "exit status 3, though no test failed");
    expect("1..1\nok 1\n", 11, OUTCOME_FAILED, "died of SIGSEGV");
    expect("1..2\nnot ok 1 - x\n", 6, OUTCOME_FAILED, "died of SIGABRT; not ok 1 - x");
    expect("okay, here we go\nnothing\n1..1 tests\nok 1\n", 0, OUTCOME_PASSED, "");
}

static void directives(void **state)
{
    (void)state;
    expect("1..0 # SKIP no database\n", 0, OUTCOME_SKIPPED, "no database");
    expect("1..1\nok 1 - a # skip  not\there\n", 0, OUTCOME_SKIPPED, "not here");
    expect("1..2\nok 1 # SKIP a\nok 2\n", 0, OUTCOME_PASSED, "");
    expect("1..2\nok 1\nnot ok 2 # TODO later\n", 0, OUTCOME_PASSED, "");
    expect("1..1\nnot ok 1 - x # todo later\n", 0, OUTCOME_XFAILED, "later");
    expect("1..1\nok 1 - x # TODO later\n", 0, OUTCOME_XPASSED, "later");
    expect("1..1\nnot ok 1 - costs \\# TODO\n", 1 << 8, OUTCOME_FAILED, "not ok 1 - costs \\# TODO");
    expect("1..3\nok 1\nBail out! no net\nok 2\n", 0, OUTCOME_FAILED, "Bail out! no net");
    expect("Bail out!\n", 255 << 8, OUTCOME_FAILED, "Bail out!");
}

static void reasons(void **state)
{
    (void)state;
    expect("1..1\nnot ok 1 - sums\n#   Failed test 'sums'\n#   at t/a.t line 7.\n#  got: 1\n# Looks like you failed\n", 1 << 8,
           OUTCOME_FAILED, "not ok 1 - sums: Failed test 'sums' at t/a.t line 7. got: 1");
    expect("#   Failed test 'sums'\n#   at t/a.t line 7.\n1..2\nok 1\nnot ok 2 - sums\n", 1 << 8, OUTCOME_FAILED,
           "not ok 2 - sums: Failed test 'sums' at t/a.t line 7.");
    expect("1..2\nnot ok 1 - y\n  ---\n  message: \"boom\"\n  at: a.js:3\n  ...\nnot ok 2\n", 1 << 8, OUTCOME_FAILED,
           "2 of 2 failed, first: not ok 1 - y: message: \"boom\" at: a.js:3");
    expect("1..1\nnot ok 1\033[1m bold\007\n", 1 << 8, OUTCOME_FAILED, "not ok 1 [1m bold");
}

static void hostile_output(void **state)
{
    static const char nuls[] = "1..2\nok 1 \0x\nnot ok 2 a\0b\n";
    struct adapter_result result = {.wait_status = 256, .output = nuls, .size = sizeof(nuls) - 1};
    size_t size = 3u << 20;
    char *huge = mem_zalloc(size + 1);

    (void)state;
    expect_result(&result, OUTCOME_FAILED, "not ok 2 a b");
    expect("1..99999999999999999999\nok 1\n", 0, OUTCOME_FAILED, "no plan (1..N) in its TAP");
    expect("1..1\nok 99999999999999999999\n", 0, OUTCOME_PASSED, "");
    expect("1..\nnot\nnot ok", 0, OUTCOME_FAILED, "not ok");
    memset(huge, 'a', size);
    memcpy(huge, "not ok 1 ", 9);
    result = (struct adapter_result){.wait_status = 256, .output = huge, .size = size};
    {
        struct adapter_judgement judgement;

        tap_judge(&entry, &result, &judgement);
        assert_int_equal(judgement.outcome, OUTCOME_FAILED);
        assert_true(strlen(judgement.message) > 400);
        assert_true(strlen(judgement.message) < ADAPTER_MESSAGE);
    }
    free(huge);
}

static void what_is_cut_proves_nothing(void **state)
{
    static const char text[] = "1..9\nok 1\nok 9\n", bad[] = "1..9\nnot ok 1 - x\nok 9\n";
    struct adapter_result result = {.output = text, .size = sizeof(text) - 1, .cut = 10};

    (void)state;
    expect_result(&result, OUTCOME_ERROR, "10 bytes of its TAP are not kept: whether a test failed there is not known");
    result.output = bad;
    result.size = sizeof(bad) - 1;
    expect_result(&result, OUTCOME_FAILED, "not ok 1 - x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_and_tests), cmocka_unit_test(directives),
        cmocka_unit_test(reasons),         cmocka_unit_test(hostile_output),
        cmocka_unit_test(what_is_cut_proves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
