/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/meson: its answers (recorded from meson 1.0.1), and results as mtest judges them. */
#include "adapter_steps.h"

#define TEST(name, suites, more) \
    "{\"cmd\":[\"/bin/sh\",\"-c\",\"true\"],\"env\":{\"A\":\"1\"},\"name\":\"" name "\",\"workdir\":null,\"timeout\":30,\"suite\":[" suites \
    "],\"is_parallel\":true,\"priority\":0,\"protocol\":\"exitcode\"" more "}"
#define SETUP(name, fails) \
    "{\"name\":\"" name "\",\"should_fail\":" fails ",\"env\":[\"A=1\",\"P=/x:/y\"],\"wrapper\":[]}"

static const char tests_text[] = "[" TEST("one", "\"demo\"", ",\"is_parallel\":false") "," TEST(
    "same", "\"demo:a\",\"demo:b\"", ",\"workdir\":\"/w\",\"protocol\":\"tap\"") "," TEST("same", "\"demo:c\"", ",\"timeout\":0") "]";
static const char setup_text[] =
    "{\"tests\":[" SETUP("one", "true") "," SETUP("same", "false") "," SETUP("same", "false") "],\"wrapper\":[\"vg\",\"-q\"],\"args\":[\"--x\"]}";

static int answer(struct adapter_list *list, char *const argv[], const char *names, const char *tests, const char *setup, struct err *err)
{
    const struct adapter *meson = adapter_find("meson");

    *list = (struct adapter_list){.argv = argv};
    *err = (struct err)ERR_INIT;
    if (meson->list(list, err) < 0)
        return -1;
    assert_int_equal(list->nsteps, 3); /* with --no-rebuild */
    step_answer(list, 0, names, strlen(names), 0);
    step_answer(list, 1, tests, strlen(tests), 0);
    step_answer(list, 2, setup, strlen(setup), 0);
    return meson->list(list, err);
}

#define MESON "meson", "test", "--no-rebuild", "-C", "/tmp"

static void tests_become_entries(void **state)
{
    struct adapter_list list;
    struct err err;
    const struct adapter_entry *t;

    (void)state;
    assert_int_equal(answer(&list, COMMAND(MESON, "--wrapper", "vg -q", "--test-args=--x", "-t2", "--suite", "a", "--maxfail=2", "-j3", "one"),
                            "demo / one\ndemo:a+b / same\ndemo:c / same\n", tests_text, setup_text, &err),
                     0);
    assert_string_equal(joined(list.steps[0].argv), "meson test -C /tmp --list --no-rebuild --suite a one");
    assert_string_equal(joined(list.steps[1].argv), "meson introspect --tests /tmp");
    assert_string_equal(list.steps[2].argv[4], "vg -q");
    assert_int_equal(list.max_fail, 2);
    assert_int_equal(list.workers, 3);
    assert_int_equal(list.nentries, 3);
    t = list.entries;
    assert_string_equal(t->id, "demo / one");
    assert_string_equal(joined(t->argv), "vg -q /bin/sh -c true --x");
    assert_int_equal(t->lane, LANE_SERIAL);
    assert_true(t->will_fail);
    assert_int_equal(t->timeout_ns, 60000000000);
    assert_string_equal(t->cwd, "/tmp");
    assert_string_equal(t->env[1], "P=/x:/y");
    assert_string_equal(t[1].cwd, "/w");
    assert_int_equal(t[2].timeout_ns, 0);
    adapter_list_done(&list);
}

static void the_list_selects(void **state)
{
    struct adapter_list list;
    struct err err;

    (void)state;
    assert_int_equal(answer(&list, COMMAND(MESON), "WARNING: x\ndemo:c / same\n", tests_text, setup_text, &err), 0);
    assert_int_equal(list.nentries, 1);
    assert_int_equal(list.entries[0].timeout_ns, 0);
    adapter_list_done(&list);
    assert_int_equal(answer(&list, COMMAND(MESON), "same\nsame\nsame\n", tests_text, setup_text, &err), 0);
    assert_int_equal(list.nentries, 2);
    adapter_list_done(&list);
    assert_int_equal(answer(&list, COMMAND(MESON), "No suitable tests defined.\n", tests_text, setup_text, &err), 0);
    assert_int_equal(list.nentries, 0);
    adapter_list_done(&list);
}

static void a_setup_of_other_tests_is_said(void **state)
{
    static const char other[] = "{\"tests\":[" SETUP("x", "true") "],\"wrapper\":[],\"args\":[]}";
    struct adapter_list list;
    struct err err;

    (void)state;
    assert_int_equal(answer(&list, COMMAND(MESON), "demo / one\n", tests_text, other, &err), 0);
    assert_false(list.entries[0].will_fail);
    assert_string_equal(list.entries[0].env[0], "A=1");
    assert_non_null(strstr(list.notice, "should fail is not known"));
    adapter_list_done(&list);
}

static void bad_answers(void **state)
{
    static const char *const tests[] = {"", "{}", "[1]", "[{\"name\":1,\"cmd\":[\"x\"]}]", "[{\"name\":\"demo\",\"cmd\":[]}]",
                                        "[{\"name\":\"a\",\"cmd\":[3]}]"};
    static const char *const setups[] = {"", "[]", "{\"wrapper\":1,\"args\":[]}"};
    struct adapter_list list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        if (answer(&list, COMMAND(MESON), "a\n", tests[i], setup_text, &err) >= 0)
            fail_msg("taken: %s", tests[i]);
        assert_int_equal(err.kind, ERR_USAGE);
        adapter_list_done(&list);
    }
    for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
        assert_true(answer(&list, COMMAND(MESON), "demo / one\n", tests_text, setups[i], &err) < 0);
        adapter_list_done(&list);
    }
    assert_true(answer(&list, COMMAND(MESON), "other\n", tests_text, setup_text, &err) < 0);
    adapter_list_done(&list);
    assert_true(answer(&list, COMMAND("meson", "test", "--setup", "x"), "", "", "", &err) < 0);
    assert_non_null(strstr(err.message, "--setup cannot be done"));
    adapter_list_done(&list);
}

static void it_is_built_first(void **state)
{
    struct adapter_list list = {.argv = COMMAND("meson", "test", "-C", "b")};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(adapter_find("meson")->list(&list, &err), 0);
    assert_int_equal(list.nsteps, 1);
    assert_string_equal(list.steps[0].argv[5], "meson-test-prereq");
    step_answer(&list, 0, "", 0, 127 << 8);
    assert_true(adapter_find("meson")->list(&list, &err) < 0);
    assert_non_null(strstr(err.hint, "ninja-build"));
    adapter_list_done(&list);
    assert_int_equal(adapter_find("meson")->recognise(COMMAND("meson", "setup", "b")), ADAPTER_NO);
    assert_int_equal(adapter_find("meson")->recognise(COMMAND("meson", "test", "--list")), ADAPTER_NO);
    assert_int_equal(adapter_find("meson")->recognise(COMMAND("meson")), ADAPTER_NO);
}

/* Of the recorded list: 0 should fail, 1 prints TAP, 2 does neither. */
static void expect(size_t i, const char *output, int status, enum outcome outcome, const char *message)
{
    struct adapter_list list;
    struct err err;

    assert_int_equal(answer(&list, COMMAND(MESON), "demo / one\ndemo:a+b / same\ndemo:c / same\n", tests_text, setup_text, &err), 0);
    expect_outcome("meson", &list.entries[i], output, status, outcome, message);
    adapter_list_done(&list);
}

static void results(void **state)
{
    (void)state;
    expect(2, "", 0, OUTCOME_PASSED, "");
    expect(2, "", 1 << 8, OUTCOME_FAILED, "exit status 1");
    expect(2, "", 77 << 8, OUTCOME_SKIPPED, "exit status 77 says skipped");
    expect(2, "", 99 << 8, OUTCOME_FAILED, "exit status 99 says that it could not be set up");
    expect(2, "", 11, OUTCOME_FAILED, "died of SIGSEGV");
    expect(0, "", 1 << 8, OUTCOME_XFAILED, "exit status 1");
    expect(0, "", 0, OUTCOME_FAILED, "passed, and should_fail is true");
    expect(0, "", 99 << 8, OUTCOME_FAILED, "exit status 99 says that it could not be set up");
    expect(0, "", 77 << 8, OUTCOME_SKIPPED, "exit status 77 says skipped");
    expect(1, "ok 1\n", 0, OUTCOME_PASSED, "");
    expect(1, "", 0, OUTCOME_SKIPPED, "");
    expect(1, "1..2\nok 1 # SKIP a\nok 2 # SKIP b\n", 0, OUTCOME_SKIPPED, "b");
    expect(1, "1..2\nok 1\nnot ok 2 - b\n", 0, OUTCOME_FAILED, "not ok 2 - b");
    expect(1, "1..2\nok 1\nnot ok 2 - b # TODO\n", 0, OUTCOME_PASSED, "");
    expect(1, "1..2\nok 1\nok 2 - b # TODO\n", 0, OUTCOME_FAILED, "1 of its TODO tests passed");
    expect(1, "1..2\nok 1\n", 0, OUTCOME_FAILED, "planned 2 tests, and ran 1");
    expect(1, "1..1\nok 1\n", 3 << 8, OUTCOME_FAILED, "exit status 3");
    expect(1, "1..1\nok 1\n", 77 << 8, OUTCOME_FAILED, "exit status 77");
    expect(1, "Bail out! no\n", 1 << 8, OUTCOME_FAILED, "exit status 1; Bail out! no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_become_entries), cmocka_unit_test(the_list_selects), cmocka_unit_test(a_setup_of_other_tests_is_said),
        cmocka_unit_test(bad_answers),          cmocka_unit_test(it_is_built_first), cmocka_unit_test(results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
