/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/doctest: what its list means, what its options become, and what its results
 * are. */
#include "adapter_answers.h"

#define HEAD                                                                                       \
    "the program's own line\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<doctest binary=\"./d\" " \
    "version=\"2.4.9\">\n"
#define TAIL "  <OverallResultsTestCases unskipped=\"5\"/>\n</doctest>\n"

static const char listing[] =
    HEAD "  <TestCase name=\"adds\" filename=\"d.cc\" line=\"5\" skipped=\"false\"/>\n"
         "  <TestCase name=\"a, b* &quot;c&quot; /> d\\e\" filename=\"d.cc\" line=\"6\" "
         "skipped=\"false\"/>\n"
         "  <TestCase name=\"off\" filename=\"d.cc\" line=\"7\" skipped=\"true\"/>\n"
         "  <TestCase name=\"&lt;&amp;>'\" testsuite=\"s,1\" filename=\"d.cc\" line=\"18\" "
         "skipped=\"false\"/>\n"
         "  <TestCase name=\"adds\" testsuite=\"s,1\" filename=\"d.cc\" line=\"18\" "
         "skipped=\"false\"/>\n"
         "  <TestCase name=\"adds\" filename=\"e.cc\" line=\"1\" skipped=\"false\"/>\n" TAIL;

static void lists_become_tests(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("doctest", &list, WORDS("./d"), listing);
    expect_words(list.steps[0].argv,
                 WORDS("./d", "--dt-reporters=xml", "--dt-list-test-cases", "--dt-no-skip=1"));
    assert_int_equal(list.nentries,
                     5); /* the second "adds" runs with the first: doctest cannot tell them apart */
    assert_string_equal(list.entries[0].id, "adds");
    expect_words(
        list.entries[0].argv,
        WORDS("./d", "--dt-test-case=adds", "--dt-test-suite-exclude=?*", "--dt-case-sensitive=1"));
    assert_string_equal(list.entries[1].id, "a, b* \"c\" /> d\\e");
    expect_words(list.entries[1].argv,
                 WORDS("./d", "--dt-test-case=a? b? \"c\" /> d?e", "--dt-test-suite-exclude=?*",
                       "--dt-case-sensitive=1"));
    assert_string_equal(list.entries[2].skipped, "doctest::skip()");
    assert_string_equal(list.entries[3].id, "s,1/<&>'");
    assert_string_equal(list.entries[3].classname, "s,1");
    expect_words(list.entries[3].argv, WORDS("./d", "--dt-test-case=<&>'", "--dt-test-suite=s?1",
                                             "--dt-case-sensitive=1"));
    adapter_list_done(&list);
}

static void options_keep_their_meaning(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("doctest", &list,
              WORDS("./d", "-tc=a*", "--dt-test-suite=s*", "-sc=inner", "-ns", "-q", "--dt-r=junit",
                    "-o=x", "-aa=3", "--own=1", "word"),
              listing);
    expect_words(list.steps[0].argv,
                 WORDS("./d", "-tc=a*", "--dt-test-suite=s*", "-sc=inner", "-ns", "--own=1", "word",
                       "--dt-reporters=xml", "--dt-list-test-cases", "--dt-no-skip=1"));
    /* the case of subcases' names is the command's to say */
    expect_words(list.entries[2].argv, WORDS("./d", "-sc=inner", "-ns", "-aa=3", "--own=1", "word",
                                             "--dt-test-case=off", "--dt-test-suite-exclude=?*"));
    assert_null(list.entries[2].skipped);
    assert_int_equal(list.max_fail, 3);
    assert_non_null(strstr(list.notice, "--dt-r, -o: left out"));
    adapter_list_done(&list);
    /* the first and the last are counted without those that are skipped */
    must_read("doctest", &list, WORDS("./d", "-f=2"), listing);
    expect_words(list.steps[0].argv,
                 WORDS("./d", "-f=2", "--dt-reporters=xml", "--dt-list-test-cases"));
    adapter_list_done(&list);
}

static void bad_commands_and_answers_are_errors(void **state)
{
    static const struct {
        const char *word, *answer;
        int status;
        const char *message;
    } cases[] = {
        {"-ltc", "", 0, "with -ltc doctest runs no tests"},
        {"--dt-count", "", 0, "with --dt-count doctest runs no tests"},
        {"-s", "hello\n", 0, "./d did not list its tests as doctest does"},
        {"-s", HEAD "  <TestCase name=\"cut", 0, "./d did not list its tests as doctest does"},
        {"-s", HEAD TAIL, 2 << 8, "./d could not list its tests: exit status 2"},
        {"-s", HEAD TAIL, 9, "./d could not list its tests: died of SIGKILL"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct adapter_list list;
        struct err err;

        assert_true(read_answer("doctest", &list, WORDS("./d", cases[i].word), cases[i].answer,
                                strlen(cases[i].answer), cases[i].status, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_true(*err.hint);
        adapter_list_done(&list);
    }
}

static void hostile_lists_do_no_harm(void **state)
{
    static const char nul[] = HEAD "<TestCase name=\"a\0b\" skipped=\"true\"/><TestCase "
                                   "line=\"1\"/><TestCase name=\"\\x00\\x1bz\\x41\"/>" TAIL;
    struct adapter_list list;
    struct err err;

    (void)state;
    assert_int_equal(read_answer("doctest", &list, WORDS("./d"), nul, sizeof(nul) - 1, 0, &err), 0);
    assert_int_equal(list.nentries, 2);
    assert_string_equal(list.entries[0].id, "a");
    assert_string_equal(list.entries[1].id, "\\x00\x1bz\\x41");
    adapter_list_done(&list);
    must_read("doctest", &list, WORDS("./d"), HEAD TAIL);
    assert_int_equal(list.nentries, 0);
    adapter_list_done(&list);
}

#define INTRO "[doctest] doctest version is \"2.4.9\"\n[doctest] run with \"--help\" for options\n"
#define RULE "===============================================================================\n"
#define SUM(what)                                                                                 \
    RULE "[doctest] test cases: 1 | 0 passed | 1 failed | 3 skipped\n[doctest] Status: " what "!" \
                                                                                              "\n"

static void results_have_reasons(void **state)
{
    const struct adapter_entry test = {.id = (char *)"adds"};

    (void)state;
    expect_judged("doctest", &test, 0, INTRO SUM("SUCCESS"), OUTCOME_PASSED, "");
    expect_judged("doctest", &test, 0, "quiet, by the program's own main()", OUTCOME_PASSED, "");
    expect_judged("doctest", &test, 0, INTRO, OUTCOME_FAILED,
                  "exit status 0 in the middle of the test: something called exit()");
    expect_judged("doctest", &test, 0,
                  INTRO RULE "[doctest] test cases: 0 | 0 passed | 0 failed | 17 skipped\n",
                  OUTCOME_ERROR, "the program that listed this test did not run it");
    expect_judged("doctest", &test, 1 << 8,
                  INTRO RULE "d.cc:6:\nTEST SUITE: s\nTEST CASE:  fails\n  two\n  inner one\n\n"
                             "d.cc:6: FATAL ERROR: REQUIRE( 1 + 1 == 3 ) is NOT correct!\n  "
                             "values: REQUIRE( 2 == 3 )\n\n" SUM("FAILURE"),
                  OUTCOME_FAILED,
                  "d.cc:6: FATAL ERROR: REQUIRE( 1 + 1 == 3 ) is NOT correct! values: REQUIRE( 2 "
                  "== 3 ) [in two, inner one]");
    expect_judged("doctest", &test, 1 << 8,
                  INTRO RULE
                  "d.cc:9:\nTEST CASE:  t\n\nd.cc:9: ERROR: test case THREW exception: boom\n",
                  OUTCOME_FAILED, "d.cc:9: ERROR: test case THREW exception: boom");
    expect_judged("doctest", &test, 11,
                  INTRO RULE "d.cc:9: FATAL ERROR: test case CRASHED: SIGSEGV\n", OUTCOME_FAILED,
                  "died of SIGSEGV: d.cc:9: FATAL ERROR: test case CRASHED: SIGSEGV");
    expect_judged("doctest", &test, 1 << 8, "", OUTCOME_FAILED, "exit status 1");
}

static void hostile_output_does_no_harm(void **state)
{
    const struct adapter_entry test = {.id = (char *)"adds"};
    static const char nul[] = "\nTEST CASE:  \0\n  a\0b\n  \n\n\0: ERROR: x\0";

    (void)state;
    expect_judged_bytes("doctest", &test, 1 << 8, nul, sizeof(nul) - 1, OUTCOME_FAILED,
                        "?: ERROR: x? [in a?b, ]");
    expect_judged("doctest", &test, 1 << 8, "\nTEST CASE:  x: ERROR: ", OUTCOME_FAILED,
                  "TEST CASE: x: ERROR:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_become_tests),
        cmocka_unit_test(options_keep_their_meaning),
        cmocka_unit_test(bad_commands_and_answers_are_errors),
        cmocka_unit_test(hostile_lists_do_no_harm),
        cmocka_unit_test(results_have_reasons),
        cmocka_unit_test(hostile_output_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
