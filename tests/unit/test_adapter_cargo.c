/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/cargo: what cargo and its programs say, what options become, and what results
 * are. */
#include "adapter_answers.h"

/* Text with NULs in it: "@" stands for one. */
static size_t with_nuls(const char *text, char *ret)
{
    size_t size = strlen(text);

    for (size_t i = 0; i <= size; i++)
        ret[i] = text[i] == '@' ? '\0' : text[i];
    return size;
}

#define BASE "HOME=/root@KEEP=1@PWD=/w@@"
#define ARTIFACT(kind, name, program)                                                    \
    "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/w/"                          \
    "Cargo.toml\",\"target\":{\"kind\":[\"" kind "\"],\"name\":\"" name                  \
    "\",\"test\":true},\"profile\":{\"opt_level\":\"0\",\"test\":true},\"features\":[]," \
    "\"executable\":\"" program "\",\"fresh\":false}\n"
#define LIB ARTIFACT("lib", "demo", "/w/t/demo-1")
#define API ARTIFACT("test", "api", "/w/t/api-2")
#define MAIN ARTIFACT("bin", "demo", "/w/t/demo-3")
#define START(cwd, words, program)                                      \
    "@shunt@" cwd "\n@" words "@" program "@HOME=/root@KEEP=1@PWD=" cwd \
    "@CARGO_PKG_NAME=demo@LD_LIBRARY_PATH=/w/t@@"
#define LISTED                                                                                 \
    START("/w", "3", "/w/t/demo-1@--list@s")                                                   \
    "tests::adds: test\ntests::slow: test\ntests::quick: benchmark\n\n2 tests, 1 benchmark\n@" \
    "tests::slow: test\n\n1 test, 0 benchmarks\n@0@"
#define OTHERS                            \
    START("/w", "2", "/w/t/api-2@--list") \
    "adds: test\n@@0@" START("/w", "3", "/w/t/demo-3@--list@s") "@own@0@"
#define DOCUMENTED "src/lib.rs - add (line 1): test\n\n1 test, 0 benchmarks\n"
#define ALL BASE LIB API MAIN LISTED OTHERS DOCUMENTED

static int read_text(struct adapter_list *list, char *const argv[], const char *text, int status,
                     struct err *err)
{
    char *bytes = mem_zalloc(strlen(text) + 1);
    size_t size = with_nuls(text, bytes);
    int r = read_answer("cargo", list, argv, bytes, size, status, err);

    free(bytes);
    return r;
}

static void must_list(struct adapter_list *list, char *const argv[], const char *text)
{
    struct err err;

    if (read_text(list, argv, text, 0, &err) < 0)
        fail_msg("%s", err.message);
}

static void lists_become_tests(void **state)
{
    struct adapter_list list;

    (void)state;
    must_list(&list, WORDS("cargo", "test", "s"), ALL);
    assert_int_equal(list.nentries, 6);
    assert_string_equal(list.entries[0].id, "demo tests::adds");
    assert_string_equal(list.entries[0].cwd, "/w");
    expect_words(list.entries[0].argv,
                 WORDS("/w/t/demo-1", "--nocapture", "--exact", "tests::adds"));
    expect_words(list.entries[0].env, WORDS("CARGO_PKG_NAME=demo", "LD_LIBRARY_PATH=/w/t"));
    assert_null(list.entries[0].skipped);
    assert_string_equal(list.entries[1].id, "demo tests::slow");
    assert_string_equal(list.entries[1].skipped, "#[ignore]");
    assert_string_equal(list.entries[2].id, "demo tests::quick");
    assert_string_equal(list.entries[3].id, "demo::api adds");
    assert_string_equal(list.entries[4].id, "demo::bin/demo"); /* with a main() of its own */
    expect_words(list.entries[4].argv, WORDS("/w/t/demo-3", "s"));
    assert_string_equal(list.entries[5].id, "doctests");
    expect_words(list.entries[5].argv,
                 WORDS("cargo", "test", "s", "--doc", "--no-fail-fast", "--"));
    adapter_list_done(&list);
}

static void options_keep_their_meaning(void **state)
{
    struct adapter_list list;
    char **words;
    size_t n = 0;

    (void)state;
    must_list(&list,
              WORDS("cargo", "+nightly", "test", "-p", "demo", "--message-format", "short", "--",
                    "--skip", "x", "--ignored", "--test-threads=3", "--nocapture", "--logfile", "f",
                    "word"),
              ALL);
    words = list.steps[0].argv;
    while (words[n])
        n++;
    expect_words(words + 4, WORDS("cargo", "+nightly", "test", "-p", "demo", "--no-fail-fast",
                                  "--message-format=json-render-diagnostics", "--config", words[12],
                                  "--", "--list", "--skip", "x", "word"));
    assert_int_equal(list.workers, 3);
    assert_non_null(strstr(list.notice, "--logfile: left out"));
    assert_string_equal(list.entries[0].id,
                        "demo tests::slow"); /* of those of libtest only what is ignored */
    assert_null(list.entries[0].skipped);
    expect_words(list.entries[0].argv, WORDS("/w/t/demo-1", "--nocapture", "--include-ignored",
                                             "--exact", "tests::slow"));
    adapter_list_done(&list);
    must_list(&list, WORDS("cargo", "test", "--", "--include-ignored"), ALL);
    assert_int_equal(list.nentries, 6);
    assert_null(list.entries[1].skipped);
    adapter_list_done(&list);
}

static void commands_are_known(void **state)
{
    const struct adapter *cargo = adapter_find("cargo");

    (void)state;
    assert_int_equal(cargo->recognise(WORDS("cargo", "test")), ADAPTER_YES);
    assert_int_equal(
        cargo->recognise(WORDS("/usr/bin/cargo", "+stable", "--color", "never", "-q", "t", "x")),
        ADAPTER_YES);
    assert_int_equal(cargo->recognise(WORDS("cargo", "build")), ADAPTER_NO);
    assert_int_equal(cargo->recognise(WORDS("cargo")), ADAPTER_NO);
    assert_int_equal(cargo->recognise(WORDS("cargo", "test", "--no-run")), ADAPTER_NO);
    assert_int_equal(cargo->recognise(WORDS("cargo", "test", "--", "--list")), ADAPTER_NO);
    assert_int_equal(cargo->recognise(WORDS("make", "test")), ADAPTER_NO);
}

static void bad_commands_and_answers_are_errors(void **state)
{
    static const struct {
        const char *word, *answer;
        int status;
        const char *message;
    } cases[] = {
        {"--no-run", "", 0, "with --no-run cargo test runs no tests"},
        {"-q", "", 101 << 8, "cargo test did not build and list the tests: exit status 101"},
        {"-q", ALL, 9, "cargo test did not build and list the tests: died of SIGKILL"},
        {"-q", BASE LIB "tests::adds: test\n", 0,
         "cargo did not start its test programs by shunt's runner"},
        {"-q", BASE LIB START("/w", "1", "/w/t/demo-1") "@@101@", 0,
         "the tests of demo could not be listed: exit status 101"},
        {"-q", BASE LIB START("/w", "1", "/w/t/demo-1") "tests::adds: te", 0,
         "the tests of demo could not be listed: exit status -1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct adapter_list list;
        struct err err;

        assert_true(read_text(&list, WORDS("cargo", "test", cases[i].word), cases[i].answer,
                              cases[i].status, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_true(*err.hint);
        adapter_list_done(&list);
    }
}

static void hostile_lists_do_no_harm(void **state)
{
    static const char *const answers[] = {
        "",
        "@",
        "@@",
        "@shunt@",
        "@shunt@@shunt@",
        BASE "@shunt@/w\n@99999@a@b",
        BASE "@shunt@/w\n@-1@a@",
        BASE "@shunt@/w\n@123456789@a@",
        BASE "{\"reason\":\"compiler-artifact\",\n",
        BASE "[]\n{}\nnull\n@shunt@",
    };
    struct adapter_list list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        read_text(&list, WORDS("cargo", "test"), answers[i], 0, &err);
        assert_int_equal(list.nentries, 0);
        adapter_list_done(&list);
    }
    /* a program that writes a NUL into its list spoils its own, and not the next one's */
    assert_true(
        read_text(&list, WORDS("cargo", "test"),
                  BASE LIB API START("/w", "1", "/w/t/demo-1") "a: test\n@b: test\n@@0@" OTHERS, 0,
                  &err) < 0);
    adapter_list_done(&list);
    must_list(&list, WORDS("cargo", "test"),
              BASE START("/w", "1", "/w/t/x") ": test\nno\na: test\na: test\n@a: test\n@0@");
    assert_int_equal(list.nentries, 2);
    assert_string_equal(list.entries[0].id, "demo a");
    adapter_list_done(&list);
}

#define HEAD "\nrunning 1 test\n"
#define FAILED_TAIL                                                                             \
    "test tests::wrong ... FAILED\n\nfailures:\n\nfailures:\n    tests::wrong\n\ntest result: " \
    "FAILED. 0 passed; 1 failed\n\n"

static void results_have_reasons(void **state)
{
    const struct adapter_entry test = {.id = (char *)"demo tests::wrong",
                                       .name = (char *)"tests::wrong"};

    (void)state;
    expect_judged("cargo", &test, 0,
                  HEAD "test tests::wrong ... ok\n\ntest result: ok. 1 passed; 0 failed\n",
                  OUTCOME_PASSED, "");
    expect_judged("cargo", &test, 0, HEAD, OUTCOME_FAILED,
                  "exit status 0 in the middle of the test: something called exit()");
    expect_judged("cargo", &test, 0, "\nrunning 0 tests\n\ntest result: ok. 0 passed\n",
                  OUTCOME_ERROR, "the program that listed this test did not run it");
    expect_judged(
        "cargo", &test, 101 << 8,
        HEAD "said before\n\nthread 'tests::wrong' (8158) panicked at src/lib.rs:10:9:\nassertion "
             "`left == right` failed: "
             "one and two\n  left: 3\n right: 4\nnote: run with `RUST_BACKTRACE=1`\n" FAILED_TAIL,
        OUTCOME_FAILED,
        "src/lib.rs:10:9: assertion `left == right` failed: one and two left: 3 right: 4");
    /* before Rust 1.73 */
    expect_judged("cargo", &test, 101 << 8,
                  HEAD "thread 'tests::wrong' panicked at 'no', src/lib.rs:10:9\nnote: run with "
                       "`RUST_BACKTRACE=1`\n" FAILED_TAIL,
                  OUTCOME_FAILED, "'no', src/lib.rs:10:9");
    /* of its own thread before another one's; the last before those that were caught */
    expect_judged(
        "cargo", &test, 101 << 8,
        HEAD
        "thread 'tests::wrong' (1) panicked at a.rs:1:1:\ncaught\n\nthread 'tests::wrong' (1) "
        "panicked at "
        "a.rs:2:1:\nlast\n\nthread '<unnamed>' (2) panicked at b.rs:3:1:\nother\n\n" FAILED_TAIL,
        OUTCOME_FAILED, "a.rs:2:1: last");
    /* before Rust 1.65 */
    expect_judged("cargo", &test, 101 << 8,
                  HEAD "Error: \"no\"\nthread 'tests::wrong' panicked at 'assertion failed: `(left "
                       "== right)`\n  left: `1`,\n right: `0`: "
                       "the test returned a termination value with a non-zero status code (1) "
                       "which indicates a failure', "
                       "/usr/src/rustc-1.63.0/library/test/src/lib.rs:184:5\n" FAILED_TAIL,
                  OUTCOME_FAILED, "Error: \"no\"");
    expect_judged("cargo", &test, 101 << 8, HEAD "Error: \"no\"\n" FAILED_TAIL, OUTCOME_FAILED,
                  "Error: \"no\"");
    expect_judged("cargo", &test, 101 << 8,
                  HEAD "test tests::wrong - should panic ... FAILED\n\n---- tests::wrong stdout "
                       "----\nnote: test did not panic as "
                       "expected at src/lib.rs:14:32\n\nfailures:\n",
                  OUTCOME_FAILED, "test did not panic as expected at src/lib.rs:14:32");
    expect_judged("cargo", &test, 6,
                  HEAD "\nthread 'tests::wrong' (5) has overflowed its stack\nfatal runtime error: "
                       "stack overflow\n",
                  OUTCOME_FAILED,
                  "died of SIGABRT: thread 'tests::wrong' (5) has overflowed its stack");
    expect_judged("cargo", &test, 101 << 8, "", OUTCOME_FAILED, "exit status 101");
}

static void rustdoc_has_reasons(void **state)
{
    struct adapter_list list;

    (void)state;
    must_list(&list, WORDS("cargo", "test"), ALL);
    expect_judged("cargo", &list.entries[5], 0, "", OUTCOME_PASSED, "");
    expect_judged("cargo", &list.entries[4], 0, "", OUTCOME_PASSED, "");
    expect_judged(
        "cargo", &list.entries[5], 101 << 8,
        "failures:\n\n---- src/lib.rs - add (line 1) stdout ----\nTest executable failed (exit "
        "status: 101).\n\nstderr:\n"
        "\nthread 'main' (9) panicked at /tmp/r/d.rs:5:1:\nassertion failed: false\nnote: run\n",
        OUTCOME_FAILED, "src/lib.rs - add (line 1): /tmp/r/d.rs:5:1: assertion failed: false");
    adapter_list_done(&list);
}

static void hostile_output_does_no_harm(void **state)
{
    const struct adapter_entry test = {.id = (char *)"x"};
    static const char nul[] = "thread '\0' panicked at \0\n\0b\n";

    (void)state;
    expect_judged_bytes("cargo", &test, 101 << 8, nul, sizeof(nul) - 1, OUTCOME_FAILED, "? ?b");
    expect_judged("cargo", &test, 101 << 8, "thread 'x' panicked at ", OUTCOME_FAILED,
                  "exit status 101");
    expect_judged("cargo", &test, 101 << 8, "\nError: ", OUTCOME_FAILED, "Error:");
    expect_judged("cargo", &test, 101 << 8, "note: test did not panic as expected", OUTCOME_FAILED,
                  "test did not panic as expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_become_tests),
        cmocka_unit_test(options_keep_their_meaning),
        cmocka_unit_test(commands_are_known),
        cmocka_unit_test(bad_commands_and_answers_are_errors),
        cmocka_unit_test(hostile_lists_do_no_harm),
        cmocka_unit_test(results_have_reasons),
        cmocka_unit_test(rustdoc_has_reasons),
        cmocka_unit_test(hostile_output_does_no_harm),
    };

    unsetenv("RUST_TEST_THREADS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
