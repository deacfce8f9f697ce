/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/gtest: what its list means, what its options become, and what its results
 * are. */
#include "adapter_answers.h"

#include <stdio.h>

#define FILTER(name) "--gtest_filter=" name

static const char listing[] = "Running main() from ./googletest/src/gtest_main.cc\n"
                              "Loading the configuration.\n"
                              "Calc.\n"
                              "  adds\n"
                              "  DISABLED_off\n"
                              "Ty/0.  # TypeParam = int\n"
                              "  sized\n"
                              "Ty/1.  # TypeParam = std::vector<int, std::allocator<int> >\n"
                              "  sized\n"
                              "All/DISABLED_P.\n"
                              "  small/0  # GetParam() = \"  a\\nb\"\n"
                              "Odd/a::b-c.  # TypeParam = a::b\n"
                              "  t\n";

static void lists_become_tests(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("gtest", &list, WORDS("./t"), listing);
    assert_int_equal(list.nentries, 6);
    assert_string_equal(list.entries[0].id, "Calc.adds");
    assert_string_equal(list.entries[0].classname, "Calc");
    assert_string_equal(list.entries[0].name, "adds");
    expect_words(list.entries[0].argv, WORDS("./t", FILTER("Calc.adds")));
    assert_null(list.entries[0].skipped);
    assert_string_equal(list.entries[1].id, "Calc.DISABLED_off");
    assert_non_null(list.entries[1].skipped);
    assert_string_equal(list.entries[3].id, "Ty/1.sized");
    assert_string_equal(list.entries[4].id, "All/DISABLED_P.small/0");
    assert_non_null(list.entries[4].skipped);
    assert_string_equal(list.entries[5].id, "Odd/a::b-c.t");
    expect_words(list.entries[5].argv,
                 WORDS("./t", FILTER("Odd/a??b?c.t"))); /* those have a meaning in a filter */
    adapter_list_done(&list);
}

static void options_keep_their_meaning(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("gtest", &list,
              WORDS("valgrind", "-q", "./t", FILTER("Calc.*"), "--gtest_also_run_disabled_tests",
                    "--gtest_repeat=3", "--gtest_color=yes", "--gtest_output=xml:x.xml",
                    "--gtest_shuffle", "--gtest_fail_fast", "--own", "word"),
              listing);
    expect_words(list.steps[0].argv,
                 WORDS("valgrind", "-q", "./t", FILTER("Calc.*"), "--gtest_also_run_disabled_tests",
                       "--gtest_repeat=3", "--own", "word", "--gtest_list_tests"));
    expect_words(list.entries[1].argv,
                 WORDS("valgrind", "-q", "./t", "--gtest_also_run_disabled_tests",
                       "--gtest_repeat=3", "--gtest_fail_fast", "--own", "word",
                       FILTER("Calc.DISABLED_off")));
    assert_null(list.entries[1].skipped);
    assert_int_equal(list.max_fail, 1);
    assert_non_null(strstr(list.notice, "--gtest_output, --gtest_shuffle: left out"));
    adapter_list_done(&list);
}

static void shards_are_those_of_gtest(void **state)
{
    struct adapter_list list;

    (void)state;
    setenv("GTEST_TOTAL_SHARDS", "2", 1);
    setenv("GTEST_SHARD_INDEX", "1", 1);
    must_read("gtest", &list, WORDS("./t"), listing);
    unsetenv("GTEST_TOTAL_SHARDS");
    unsetenv("GTEST_SHARD_INDEX");
    /* what is disabled is in none, and shown in all */
    assert_int_equal(list.nentries, 4);
    assert_string_equal(list.entries[1].id, "Ty/0.sized");
    assert_string_equal(list.entries[3].id, "Odd/a::b-c.t");
    assert_string_equal(list.entries[1].env[0],
                        "GTEST_TOTAL_SHARDS"); /* taken away: a test is one shard's */
    adapter_list_done(&list);
}

static void bad_commands_and_answers_are_errors(void **state)
{
    static const struct {
        const char *word, *answer;
        int status;
        const char *message;
    } cases[] = {
        {"--gtest_list_tests", "", 0, "with --gtest_list_tests gtest runs no tests"},
        {"--help", "", 0, "with --help gtest runs no tests"},
        {"--gtest_repeat=-1", "", 0, "--gtest_repeat=-1 never ends"},
        {"--x", "Calc.\n  adds\n", 3 << 8, "./t could not list its tests: exit status 3"},
        {"--x", "Calc.\n  adds\n", 11, "./t could not list its tests: died of SIGSEGV"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct adapter_list list;
        struct err err;

        assert_true(read_answer("gtest", &list, WORDS("./t", cases[i].word), cases[i].answer,
                                strlen(cases[i].answer), cases[i].status, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_true(*err.hint);
        adapter_list_done(&list);
    }
}

static void bad_shards_are_errors(void **state)
{
    static const char *const cases[][2] = {
        {"2", "2"}, {"x", "0"}, {"2", "x"}, {"0", "0"}, {"2", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct adapter_list list;
        struct err err;

        setenv("GTEST_TOTAL_SHARDS", cases[i][0], 1);
        setenv("GTEST_SHARD_INDEX", cases[i][1], 1);
        assert_true(read_answer("gtest", &list, WORDS("./t"), listing, strlen(listing), 0, &err) <
                    0);
        assert_non_null(strstr(err.message, "no shard"));
        adapter_list_done(&list);
    }
    unsetenv("GTEST_TOTAL_SHARDS");
    unsetenv("GTEST_SHARD_INDEX");
}

static void hostile_lists_do_no_harm(void **state)
{
    static const char nul[] = "A.\n  x\0y\n  z\nB\0.\n  b\n";
    static const char *const none[] = {
        "",   "\n\n\n",        "  orphan\n",       ".\n  x\n", "A b.\n  x\n",
        "A.", "A.\n   deep\n", "A.\n  two words\n"};
    struct adapter_list list;
    struct err err;
    size_t size = 3 << 20;
    char *huge = mem_zalloc(size + 1);

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        must_read("gtest", &list, WORDS("./t"), none[i]);
        assert_int_equal(list.nentries, 0);
        adapter_list_done(&list);
    }
    assert_int_equal(read_answer("gtest", &list, WORDS("./t"), nul, sizeof(nul) - 1, 0, &err), 0);
    assert_int_equal(list.nentries, 1);
    assert_string_equal(list.entries[0].id, "A.z");
    adapter_list_done(&list);
    memset(huge, 'a', size);
    memcpy(huge, "A.\n  ", 5);
    must_read("gtest", &list, WORDS("./t"), huge);
    assert_int_equal(list.nentries, 1);
    adapter_list_done(&list);
    must_read("gtest", &list, WORDS("./t"), "A.\n  x\n  x\n");
    assert_int_equal(adapter_list_finish(&list, &err), 0);
    assert_string_equal(list.entries[1].id, "A.x#2");
    adapter_list_done(&list);
    free(huge);
}

#define RUN "[ RUN      ] Calc.adds\n"
#define END(what) \
    "[" what "] Calc.adds (0 ms)\n[==========] 1 test from 1 test suite ran. (0 ms total)\n"

static void results_have_reasons(void **state)
{
    const struct adapter_entry test = {
        .id = (char *)"Calc.adds#2", .classname = (char *)"Calc", .name = (char *)"adds"};

    (void)state;
    expect_judged("gtest", &test, 0, RUN "printed" END("       OK "), OUTCOME_PASSED, "");
    expect_judged("gtest", &test, 0, "a printer of the program's own", OUTCOME_PASSED, "");
    expect_judged("gtest", &test, 0, RUN "a.cc:6: Skipped\nnot\n  here\n" END("  SKIPPED "),
                  OUTCOME_SKIPPED, "a.cc:6: not here");
    expect_judged("gtest", &test, 0, RUN "\n\n" END("  SKIPPED "), OUTCOME_SKIPPED, "");
    /* what a test prints of another one is no result of its own */
    expect_judged("gtest", &test, 0, RUN "[  SKIPPED ] Calc.adds_more (0 ms)\n" END("       OK "),
                  OUTCOME_PASSED, "");
    expect_judged("gtest", &test, 0, RUN, OUTCOME_FAILED,
                  "exit status 0 in the middle of the test: something called exit()");
    expect_judged("gtest", &test, 0, "[==========] Running 0 tests from 0 test suites.\n",
                  OUTCOME_ERROR, "the program that listed this test did not run it");
    expect_judged("gtest", &test, 1 << 8,
                  RUN "a.cc:5: Failure\nExpected equality of these values:\n  1 + 1\n    Which is: "
                      "2\n  3\na.cc:6: Failure\nFailed\n" END("  FAILED  "),
                  OUTCOME_FAILED, "a.cc:5: Expected equality of these values: 1 + 1 Which is: 2 3");
    expect_judged("gtest", &test, 1 << 8, RUN "a.cc:5: Failure\n", OUTCOME_FAILED, "a.cc:5: ");
    expect_judged("gtest", &test, 1 << 8, RUN "a.cc:5: Failure\nFailed", OUTCOME_FAILED,
                  "a.cc:5: Failed");
    expect_judged("gtest", &test, 1 << 8, "", OUTCOME_FAILED, "exit status 1");
    expect_judged("gtest", &test, 11, RUN, OUTCOME_FAILED, "died of SIGSEGV");
    expect_judged("gtest", &test, 6, RUN "t: a.cc:12: f: Assertion `x' failed.\n", OUTCOME_FAILED,
                  "died of SIGABRT: t: a.cc:12: f: Assertion `x' failed.");
    expect_judged(
        "gtest", &test, 6,
        RUN "terminate called after throwing an instance of 'E'\n  what():  boom\n", OUTCOME_FAILED,
        "died of SIGABRT: terminate called after throwing an instance of 'E' what(): boom");
    expect_judged("gtest", &test, 23 << 8,
                  RUN END("       OK ") "SUMMARY: AddressSanitizer: 24 byte(s) leaked\n",
                  OUTCOME_FAILED, "exit status 23: SUMMARY: AddressSanitizer: 24 byte(s) leaked");
}

static void a_batch_is_a_suite(void **state)
{
    const struct adapter *gtest = adapter_find("gtest");
    const struct adapter_entry suite = {
        .id = (char *)"A.*", .classname = (char *)"A", .name = (char *)"*"};
    struct adapter_list list = {.argv = WORDS("./t"), .batch = true};
    struct err err = ERR_INIT;
    static const char tests[] = "A.\n  x\n  DISABLED_y\n  z\nB.\n  x\n";

    (void)state;
    assert_true(gtest->batches);
    assert_int_equal(gtest->list(&list, &err), 0);
    answer_bytes(&list, tests, strlen(tests), 0);
    assert_int_equal(gtest->list(&list, &err), 0);
    assert_int_equal(list.nentries, 3);
    assert_string_equal(list.entries[0].id, "A.*");
    expect_words(list.entries[0].argv, WORDS("./t", FILTER("A.x:A.z")));
    assert_string_equal(list.entries[1].id, "A.DISABLED_y");
    assert_string_equal(list.entries[2].id, "B.*");
    adapter_list_done(&list);
    expect_judged("gtest", &suite, 0, "[==========] 2 tests from 1 test suite ran. (0 ms total)\n",
                  OUTCOME_PASSED, "");
    expect_judged("gtest", &suite, 0,
                  "[==========] Running 2 tests from 1 test suite.\n[ RUN      ] A.z\n",
                  OUTCOME_FAILED, "exit status 0 in the middle of A.z: something called exit()");
    expect_judged("gtest", &suite, 1 << 8,
                  "[ RUN      ] A.x\na.cc:1: Failure\nFailed\n[  FAILED  ] A.x (0 ms)\n"
                  "[ RUN      ] A.z\n[       OK ] A.z (0 ms)\n"
                  "[==========] 2 tests from 1 test suite ran. (0 ms total)\n",
                  OUTCOME_FAILED, "A.x: a.cc:1: Failed");
    expect_judged("gtest", &suite, 11,
                  "[ RUN      ] A.x\na.cc:1: Failure\nFailed\n[ RUN      ] A.z\n", OUTCOME_FAILED,
                  "died of SIGSEGV in A.z");
    expect_judged("gtest", &suite, 1 << 8, "", OUTCOME_FAILED, "exit status 1");
}

static void hostile_output_does_no_harm(void **state)
{
    const struct adapter_entry test = {
        .id = (char *)"A.x", .classname = (char *)"A", .name = (char *)"x"};
    static const char nul[] = "\0\0a.cc:1: Failure\nb\0c\x1b[31m\n";
    size_t size = 2 << 20;
    char *huge = mem_zalloc(size + 1), message[ADAPTER_MESSAGE];
    struct adapter_result result = {.wait_status = 1 << 8, .output = huge, .size = size};
    struct adapter_judgement judgement;

    (void)state;
    expect_judged_bytes("gtest", &test, 1 << 8, nul, sizeof(nul) - 1, OUTCOME_FAILED,
                        "??a.cc:1: b?c?[31m");
    memset(huge, 'y', size);
    memcpy(huge, "a.cc:1: Failure\n", 16);
    adapter_find("gtest")->judge(&test, &result, &judgement);
    snprintf(message, sizeof(message), "%s", judgement.message);
    assert_int_equal(judgement.outcome, OUTCOME_FAILED);
    assert_true(strlen(message) > 400 && strlen(message) < ADAPTER_MESSAGE);
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_become_tests),
        cmocka_unit_test(options_keep_their_meaning),
        cmocka_unit_test(shards_are_those_of_gtest),
        cmocka_unit_test(bad_commands_and_answers_are_errors),
        cmocka_unit_test(bad_shards_are_errors),
        cmocka_unit_test(hostile_lists_do_no_harm),
        cmocka_unit_test(results_have_reasons),
        cmocka_unit_test(a_batch_is_a_suite),
        cmocka_unit_test(hostile_output_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
