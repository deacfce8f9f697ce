/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/golang: what go and its programs say, what options become, and what results
 * are. */
#include "adapter_answers.h"

/* "@" stands for a NUL. */
static int read_text(struct adapter_list *list, char *const argv[], const char *text, int status,
                     struct err *err)
{
    size_t size = strlen(text);
    char *bytes = mem_zalloc(size + 1);
    int r;

    for (size_t i = 0; i < size; i++)
        bytes[i] = text[i] == '@' ? '\0' : text[i];
    r = read_answer("go", list, argv, bytes, size, status, err);
    free(bytes);
    return r;
}

static void must_list(struct adapter_list *list, char *const argv[], const char *text)
{
    struct err err;

    if (read_text(list, argv, text, 0, &err) < 0)
        fail_msg("%s", err.message);
}

#define BASE "HOME=/root@PWD=/w@@"
#define FIRST                                                                                  \
    "@shunt@/w\n@8@/tmp/b001/"                                                                 \
    "demo.test@-test.paniconexit0@-test.timeout=10m0s@-test.v=true@-test.count=1@-test.run=T/" \
    "x@-test.short=true@a@"                                                                    \
    "HOME=/root@PWD=/w@PATH=/go/bin@@"                                                         \
    "said by TestMain\nTestAdd\nBenchmarkAdd\nTest\xc3\xa4\nFuzzAdd\nExampleAdd\nTest "        \
    "me\n@/c/1-demo.test@0@"
#define SECOND \
    "@shunt@/w/sub\n@1@/tmp/b002/sub.test@HOME=/root@PWD=/w/sub@@TestAdd\n@/c/2-sub.test@0@"
#define ALL                                                                                     \
    BASE FIRST                                                                                  \
        "ok  \texample.org/demo\t0.003s\n?   \texample.org/demo/none\t[no test files]\n" SECOND \
        "ok  \texample.org/demo/sub\t0.002s\n"

static void lists_become_tests(void **state)
{
    struct adapter_list list;

    (void)state;
    must_list(&list, WORDS("go", "test", "./..."), ALL);
    assert_int_equal(list.nentries, 5);
    assert_string_equal(list.entries[0].id, "example.org/demo.TestAdd");
    assert_string_equal(list.entries[0].classname, "example.org/demo");
    assert_string_equal(list.entries[0].cwd, "/w");
    expect_words(list.entries[0].env, WORDS("PATH=/go/bin"));
    expect_words(list.entries[0].argv,
                 WORDS("/c/1-demo.test", "-test.v=true", "-test.run=^TestAdd$",
                       "-test.paniconexit0", "-test.timeout=10m0s", "-test.count=1",
                       "-test.short=true", "a"));
    assert_string_equal(list.entries[1].id, "example.org/demo.Test\xc3\xa4");
    assert_string_equal(list.entries[2].id, "example.org/demo.FuzzAdd");
    assert_string_equal(list.entries[3].id, "example.org/demo.ExampleAdd");
    assert_string_equal(list.entries[4].id, "example.org/demo/sub.TestAdd");
    adapter_list_done(&list);
}

static void options_keep_their_meaning(void **state)
{
    struct adapter_list list;

    (void)state;
    must_list(&list,
              WORDS("go", "test", "-v", "-race", "-run", "Test[/]A(b/c)/one", "-p=3", "-failfast",
                    "-coverprofile", "x", "./...", "-args", "-json", "-run=z"),
              ALL);
    expect_words(list.steps[0].argv + 3,
                 WORDS("sh", "Test[/]A(b/c)", "go", "test", "-exec", list.steps[0].argv[8], "-v",
                       "-count=1", "-race", "-run", "Test[/]A(b/c)/one", "-p=3", "./...", "-args",
                       "-json", "-run=z"));
    assert_string_equal(list.entries[0].argv[2], "-test.run=^TestAdd$/one");
    assert_int_equal(list.workers, 3);
    assert_int_equal(list.max_fail, 1);
    assert_non_null(strstr(list.notice, "-coverprofile: left out"));
    adapter_list_done(&list);
}

static void commands_are_known(void **state)
{
    const struct adapter *go = adapter_find("go");

    (void)state;
    assert_int_equal(go->recognise(WORDS("go", "test")), ADAPTER_YES);
    assert_int_equal(go->recognise(WORDS("/usr/bin/go", "test", "./...", "-args", "-bench")),
                     ADAPTER_YES);
    assert_int_equal(go->recognise(WORDS("go")), ADAPTER_NO);
    assert_int_equal(go->recognise(WORDS("go", "vet")), ADAPTER_NO);
    assert_int_equal(go->recognise(WORDS("go", "test", "-bench=.")), ADAPTER_NO);
    assert_int_equal(go->recognise(WORDS("go", "test", "--exec", "x")), ADAPTER_NO);
    assert_int_equal(go->recognise(WORDS("go", "test", "-c")), ADAPTER_NO);
}

static void bad_commands_and_answers_are_errors(void **state)
{
    static const struct {
        const char *word, *answer;
        int status;
        const char *message;
    } cases[] = {
        {"-c", "", 0, "with -c go test runs no tests"},
        {"-run=A/x|B", "", 0, "-run=A/x|B: shunt cannot take \"|\" and \"/\" apart"},
        {".", "", 2 << 8,
         "go test did not build and list the tests of every package: exit status 2"},
        {".", ALL, 9, "go test did not build and list the tests: died of SIGKILL"},
        {".", BASE "@shunt@/w\n@1@/tmp/d.test@A=1@@@/c/1@3@ok  \tdemo\t0s\n", 0,
         "the tests of demo could not be listed: exit status 3"},
        {".", BASE "@shunt@/w\n@1@/tmp/d.test@A=1@@TestA\n@@0@", 0,
         "the tests of /w could not be listed: exit status 0"},
        {".", BASE "@shunt@/w\n@1@/tmp/d.test@A=1@@TestA", 0,
         "the tests of /w could not be listed: exit status -1"},
        {".", BASE "@shunt@@shunt@", 0, "the tests of  could not be listed: exit status -1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct adapter_list list;
        struct err err;

        assert_true(read_text(&list, WORDS("go", "test", cases[i].word), cases[i].answer,
                              cases[i].status, &err) < 0);
        assert_string_equal(err.message, cases[i].message);
        assert_true(*err.hint);
        adapter_list_done(&list);
    }
}

static void hostile_lists_do_no_harm(void **state)
{
    static const char *const answers[] = {"",           "@", "@@@", "ok  \tx\n", BASE "TestA\n",
                                          BASE "ok  \t"};
    struct adapter_list list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        assert_int_equal(read_text(&list, WORDS("go", "test"), answers[i], 0, &err), 0);
        assert_int_equal(list.nentries, 0);
        adapter_list_done(&list);
    }
}

static void results_have_reasons(void **state)
{
    const struct adapter_entry test = {.id = (char *)"demo.TestX", .name = (char *)"TestX"};
    const struct adapter_entry left = {.id = (char *)"demo.TestX",
                                       .name = (char *)"TestX",
                                       .argv = (char **)WORDS("d.test", "-test.skip=X")};

    (void)state;
    expect_judged("go", &test, 0, "=== RUN   TestX\nsaid--- PASS: TestX (0.00s)\nPASS\n",
                  OUTCOME_PASSED, "");
    expect_judged(
        "go", &test, 0,
        "=== RUN   TestX\n    demo_test.go:20: no network\n--- SKIP: TestX (0.00s)\nPASS\n",
        OUTCOME_SKIPPED, "demo_test.go:20: no network");
    expect_judged("go", &test, 0, "testing: warning: no tests to run\nPASS\n", OUTCOME_ERROR,
                  "the program that listed this test did not run it");
    expect_judged("go", &left, 0, "testing: warning: no tests to run\nPASS\n", OUTCOME_SKIPPED,
                  "left out by -skip");
    expect_judged("go", &test, 0, "=== RUN   TestX\n", OUTCOME_FAILED,
                  "exit status 0 in the middle of the test: something called os.Exit()");
    expect_judged("go", &test, 1 << 8,
                  "=== RUN   TestX\n    d_test.go:3: a log\n    d_test.go:4: got\n        two "
                  "lines\n--- FAIL: TestX (0.00s)\nFAIL\n",
                  OUTCOME_FAILED, "d_test.go:4: got two lines");
    expect_judged("go", &test, 1 << 8,
                  "=== RUN   TestX\n=== RUN   TestX/one\n=== PAUSE TestX/one\n=== RUN   "
                  "TestX/two\n    d_test.go:9: fine\n"
                  "=== CONT  TestX/one\n    d_test.go:5: bad\n--- FAIL: TestX (0.00s)\n    --- "
                  "PASS: TestX/two (0.00s)\n"
                  "    --- FAIL: TestX/one (0.00s)\nFAIL\n",
                  OUTCOME_FAILED, "d_test.go:5: bad [in one]");
    expect_judged("go", &test, 2 << 8,
                  "=== RUN   TestX\n--- FAIL: TestX (0.00s)\npanic: boom [recovered]\n\tpanic: "
                  "boom\n\ngoroutine 6 [running]:\n"
                  "testing.tRunner.func1.2()\n\t/go/src/testing/testing.go:1396 "
                  "+0x24e\ndemo.TestX(0x0?)\n\t/w/d_test.go:30 +0x2\n",
                  OUTCOME_FAILED, "panic: boom [recovered] at d_test.go:30");
    expect_judged("go", &test, 1 << 8,
                  "=== RUN   ExampleAdd\n--- FAIL: ExampleAdd (0.00s)\ngot:\n3\nwant:\n4\nFAIL\n",
                  OUTCOME_FAILED, "got: 3 want: 4");
    expect_judged("go", &test, 1 << 8, "", OUTCOME_FAILED, "exit status 1");
    expect_judged("go", &test, 9, "", OUTCOME_FAILED, "died of SIGKILL");
}

static void hostile_output_does_no_harm(void **state)
{
    const struct adapter_entry test = {.id = (char *)"x", .name = (char *)"TestX"};
    static const char nul[] = "=== RUN   T\0\n    \0.go:1: \0\n--- FAIL: T\0 (\0\n";

    (void)state;
    expect_judged_bytes("go", &test, 1 << 8, nul, sizeof(nul) - 1, OUTCOME_FAILED, "?.go:1: ?");
    expect_judged("go", &test, 1 << 8, "--- FAIL: ", OUTCOME_FAILED, "exit status 1");
    expect_judged("go", &test, 1 << 8, "--- FAIL: T/ (\n=== RUN   \n=== RUN   T/\n    .go:1",
                  OUTCOME_FAILED, ".go:1 [in ]");
    expect_judged("go", &test, 2 << 8, "\npanic: ", OUTCOME_FAILED, "panic:");
    expect_judged("go", &test, 2 << 8, "\npanic: x\n_test.go:", OUTCOME_FAILED,
                  "panic: x at _test.go:");
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
        cmocka_unit_test(hostile_output_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
