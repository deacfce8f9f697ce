/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/catch2: lists of version 2 and 3, patterns of names, options, shards, and
 * results. */
#include "adapter_answers.h"

#define XML(...)                                                                     \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MatchingTests>\n" __VA_ARGS__ "</" \
    "MatchingTests>\n"
#define CASE(name)                  \
    "  <TestCase>\n    <Name>" name \
    "</Name>\n    <ClassName/>\n    <Tags>[x]</Tags>\n  </TestCase>\n"

/* As version 2 answers: not to the first question. */
static int read_names(struct adapter_list *list, const char *text, size_t size, int count,
                      struct err *err)
{
    assert_int_equal(read_answer("catch2", list, WORDS("./c", "[fast]"),
                                 "All available test cases:\n", 26, count << 8, err),
                     0);
    assert_int_equal(list->nsteps, 2);
    expect_words(list->steps[1].argv, WORDS("./c", "[fast]", "--list-test-names-only"));
    answer_bytes(list, text, size, count << 8);
    return adapter_find("catch2")->list(list, err);
}

static const char *pattern(const struct adapter_list *list, size_t i)
{
    expect_words((char *const[]){list->entries[i].argv[0], list->entries[i].argv[1],
                                 list->entries[i].argv[2], NULL},
                 WORDS("./c", "--reporter", "console"));
    assert_null(list->entries[i].argv[4]);
    return list->entries[i].argv[3];
}

static void names_become_patterns(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("catch2", &list, WORDS("./c"),
              XML(CASE("adds") CASE("a, [b] \"c\" \\ d") CASE("~t") CASE("-d") CASE("# h")
                      CASE("exclude:x") CASE("x&lt;int&gt;") CASE("Adds") CASE("op*") CASE("op*=")
                          CASE("Op* [x]") CASE("*op") CASE("[w]") CASE("[ x, y")));
    expect_words(list.steps[0].argv, WORDS("./c", "--list-tests", "--reporter", "xml"));
    assert_int_equal(list.nentries, 13); /* "Adds" is "adds" to Catch2, and runs with it */
    assert_string_equal(list.entries[0].id, "adds");
    assert_string_equal(pattern(&list, 0), "\"adds\"");
    assert_string_equal(list.entries[1].id, "a, [b] \"c\" \\ d");
    assert_string_equal(pattern(&list, 1), "a\\, \\[b\\] \"c\" \\\\ d");
    assert_string_equal(pattern(&list, 2), "\"~t\"");
    assert_string_equal(pattern(&list, 3), "\"-d\"");
    assert_string_equal(pattern(&list, 4), "\"# h\"");
    assert_string_equal(pattern(&list, 5), "*xclude:x"); /* the word cannot be escaped */
    assert_string_equal(list.entries[6].id, "x<int>");
    assert_string_equal(pattern(&list, 7),
                        "\"op*\"~\"op*=\"~\"Op* [x]\""); /* what the star would match as well */
    assert_string_equal(pattern(&list, 10), "\"*op\"");
    assert_string_equal(pattern(&list, 11), "\"[w]\"");
    assert_string_equal(pattern(&list, 12), "* x\\, y"); /* "\\[ x" would be "[x" to it */
    adapter_list_done(&list);
}

static void version_2_says_names(void **state)
{
    static const char names[] = "starting up\nadds\n\"#hash\"\n\"quoted\"\n";
    struct adapter_list list;
    struct err err;

    (void)state;
    assert_int_equal(read_names(&list, names, sizeof(names) - 1, 3, &err),
                     0); /* its status is their number */
    assert_int_equal(list.nentries, 3);
    assert_string_equal(list.entries[0].id, "adds");
    assert_string_equal(list.entries[1].id, "#hash");
    assert_string_equal(list.entries[2].id, "\"quoted\"");
    adapter_list_done(&list);
    assert_int_equal(read_names(&list, "", 0, 0, &err), 0);
    assert_int_equal(list.nentries, 0);
    adapter_list_done(&list);
    assert_true(read_names(&list, "", 0, 255, &err) < 0);
    assert_string_equal(err.message, "./c could not list its tests: exit status 255");
    adapter_list_done(&list);
}

static void options_keep_their_meaning(void **state)
{
    struct adapter_list list;

    (void)state;
    must_read("catch2", &list,
              WORDS("./c", "[fast]~[slow]", "-sa", "-r", "junit", "-o=x.xml", "--order", "rand",
                    "-x", "3", "-c", "inner", "-d", "yes", "--own", "value", "name",
                    "--rng-seed=5"),
              XML(CASE("adds")));
    expect_words(list.steps[0].argv,
                 WORDS("./c", "[fast]~[slow]", "-s", "-c", "inner", "--own", "value", "name",
                       "--rng-seed=5", "--list-tests", "--reporter", "xml"));
    expect_words(list.entries[0].argv,
                 WORDS("./c", "-s", "-a", "-x", "3", "-c", "inner", "--own", "value",
                       "--rng-seed=5", "--reporter", "console", "\"adds\""));
    assert_int_equal(list.max_fail, 3);
    assert_non_null(strstr(list.notice, "-r, -o, --order: left out"));
    adapter_list_done(&list);
    must_read("catch2", &list, WORDS("./c", "-r", "console"), XML(CASE("adds")));
    assert_null(list.notice);
    adapter_list_done(&list);
}

static void shards_are_those_of_catch2(void **state)
{
    struct adapter_list list;
    struct err err;
    static const char *const first[] = {"a", "c", "e"}, *const patterns[] = {"\"a\"", "\"c\"",
                                                                             "\"e\""};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char index[] = {(char)('0' + i), '\0'};

        must_read("catch2", &list, WORDS("./c", "--shard-count", "3", "--shard-index", index),
                  XML(CASE("a") CASE("b") CASE("c") CASE("d") CASE("e")));
        assert_int_equal(list.nentries, i < 2 ? 2 : 1);
        assert_string_equal(list.entries[0].id, first[i]);
        expect_words(list.entries[0].argv, WORDS("./c", "--reporter", "console", patterns[i]));
        adapter_list_done(&list);
    }
    assert_true(read_answer("catch2", &list, WORDS("./c", "--shard-count=2", "--shard-index=2"),
                            XML(CASE("a")), strlen(XML(CASE("a"))), 0, &err) < 0);
    assert_string_equal(err.message, "--shard-index is 2, and --shard-count only 2");
    adapter_list_done(&list);
}

static void bad_commands_and_answers_are_errors(void **state)
{
    static const char *const elsewhere[] = {"-l", "--list-tags", "-h", "--list-test-names-only",
                                            "-sl"};
    struct adapter_list list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++) {
        assert_true(read_answer("catch2", &list, WORDS("./c", elsewhere[i]), "", 0, 0, &err) < 0);
        assert_non_null(strstr(err.message, "Catch2 runs no tests"));
        adapter_list_done(&list);
    }
    assert_true(read_answer("catch2", &list, WORDS("./c"), XML("<TestCase><Name>cut"),
                            strlen(XML("<TestCase><Name>cut")), 0, &err) < 0);
    assert_string_equal(err.message, "./c did not list its tests as Catch2 does");
    adapter_list_done(&list);
    assert_true(read_answer("catch2", &list, WORDS("./c"), XML(CASE("a")), strlen(XML(CASE("a"))),
                            1 << 8, &err) < 0);
    assert_string_equal(err.message, "./c could not list its tests: exit status 1");
    adapter_list_done(&list);
}

static void hostile_lists_do_no_harm(void **state)
{
    static const char names[] = "a\0b\n\n\0\nA\n*\n**\n",
                      xml[] = XML(CASE("") CASE("a\0b") CASE("&#&bogus;&"));
    struct adapter_list list;
    struct err err;

    (void)state;
    assert_int_equal(read_names(&list, names, sizeof(names) - 1, 0, &err), 0);
    assert_int_equal(list.nentries, 3);
    assert_string_equal(list.entries[0].id, "a");
    assert_string_equal(list.entries[1].id, "*");
    adapter_list_done(&list);
    assert_int_equal(read_answer("catch2", &list, WORDS("./c"), xml, sizeof(xml) - 1, 0, &err), 0);
    assert_int_equal(list.nentries, 2);
    assert_string_equal(list.entries[1].id, "&#&bogus;&");
    adapter_list_done(&list);
}

#define RULE "-------------------------------------------------------------------------------\n"
#define HEAD "\n~~~\nc is a Catch v2.13.10 host application.\n\n"
#define SUM(what)                                                                            \
    "===============================================================================\ntest " \
    "cases: 1 | " what "\nassertions: 2 | 1 passed | 1 failed\n\n"

static void results_have_reasons(void **state)
{
    const struct adapter_entry test = {.id = (char *)"adds"};

    (void)state;
    expect_judged("catch2", &test, 0, "All tests passed (1 assertion in 1 test case)\n",
                  OUTCOME_PASSED, "");
    expect_judged("catch2", &test, 0, SUM("1 failed as expected"), OUTCOME_PASSED, "");
    expect_judged("catch2", &test, 0, "Filters: adds\n", OUTCOME_FAILED,
                  "exit status 0 in the middle of the test: something called exit()");
    expect_judged("catch2", &test, 0, "No test cases matched 'adds'\n===\nNo tests ran\n",
                  OUTCOME_ERROR, "the program that listed this test did not run it");
    expect_judged("catch2", &test, 2 << 8, "No test cases matched '\"adds\"'\n", OUTCOME_ERROR,
                  "the program that listed this test did not run it");
    expect_judged(
        "catch2", &test, 1 << 8,
        HEAD RULE "a name that needs\n  two lines? no: sections\n    inner\n" RULE
                  "c.cc:5\n....\n\nc.cc:5: FAILED:\n  REQUIRE( 1 + 1 == 3 )\nwith expansion:\n  2 "
                  "== 3\n\n" SUM("1 failed"),
        OUTCOME_FAILED,
        "c.cc:5: REQUIRE( 1 + 1 == 3 ) with expansion: 2 == 3 [in two lines? no: sections, inner]");
    expect_judged(
        "catch2", &test, 4 << 8,
        HEAD RULE
        "s\n" RULE
        "c.cc:7\n..\n\nc.cc:7: SKIPPED:\nexplicitly with message:\n  why\n\n" SUM("1 skipped"),
        OUTCOME_SKIPPED, "c.cc:7: explicitly with message: why");
    /* four failed assertions, and a word of the test's own */
    expect_judged("catch2", &test, 4 << 8,
                  "x: SKIPPED:\n\nc.cc:9: FAILED:\n  CHECK( a )\n\n" SUM("1 failed"),
                  OUTCOME_FAILED, "c.cc:9: CHECK( a )");
    expect_judged("catch2", &test, 4 << 8, SUM("1 failed | 1 skipped"), OUTCOME_FAILED,
                  "exit status 4");
    expect_judged("catch2", &test, 11,
                  HEAD "c.cc:20: FAILED:\ndue to a fatal error condition:\n  SIGSEGV\n\n",
                  OUTCOME_FAILED,
                  "died of SIGSEGV: c.cc:20: due to a fatal error condition: SIGSEGV");
}

static void hostile_output_does_no_harm(void **state)
{
    const struct adapter_entry test = {.id = (char *)"adds"};
    static const char nul[] = "\n----------\n  \0a\n\n----------\n\0c.cc:5: FAILED:\n\0";

    (void)state;
    expect_judged_bytes("catch2", &test, 1 << 8, nul, sizeof(nul) - 1, OUTCOME_FAILED,
                        "?c.cc:5: ? [in ?a]");
    expect_judged("catch2", &test, 1 << 8, ": FAILED:\n", OUTCOME_FAILED, ": ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_patterns),
        cmocka_unit_test(version_2_says_names),
        cmocka_unit_test(options_keep_their_meaning),
        cmocka_unit_test(shards_are_those_of_catch2),
        cmocka_unit_test(bad_commands_and_answers_are_errors),
        cmocka_unit_test(hostile_lists_do_no_harm),
        cmocka_unit_test(results_have_reasons),
        cmocka_unit_test(hostile_output_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
