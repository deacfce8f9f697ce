/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/prove: its options, prove's list, and what it says of a file (recorded from prove 3.44). */
#include "adapter_steps.h"

static int answer(struct adapter_list *list, char *const argv[], const char *text, size_t size, int status, struct err *err)
{
    *list = (struct adapter_list){.argv = argv};
    if (adapter_find("prove")->list(list, err) < 0)
        return -1;
    step_answer(list, 0, text, size, status);
    return adapter_find("prove")->list(list, err);
}

static void options_go_where_they_mean_something(void **state)
{
    struct adapter_list list;
    struct err err = ERR_INIT;
    static const char files[] = "./t/a.t\nt/db-1.t\nt/db-2.t\n";

    (void)state;
    assert_int_equal(answer(&list,
                            COMMAND("/usr/bin/prove", "-lvj4", "-Iinc", "-r", "--state=failed", "--exec", "perl -w", "--rules=seq=t/db-*",
                                    "-a", "x.tgz", "t", "::", "--fast"),
                            files, sizeof(files) - 1, 0, &err),
                     0);
    assert_string_equal(joined(list.steps[0].argv), "/usr/bin/prove --dry -l -I inc -r --state failed --exec perl -w t");
    assert_int_equal(list.nentries, 3);
    assert_int_equal(list.workers, 4);
    assert_string_equal(list.notice, "prove's -a is left out");
    assert_string_equal(list.entries[0].id, "t/a.t");
    assert_string_equal(joined(list.entries[0].argv), "/usr/bin/prove -l -I inc --exec perl -w -v --nocolor ./t/a.t :: --fast");
    assert_null(list.entries[0].group);
    assert_string_equal(list.entries[1].group, list.entries[2].group);
    adapter_list_done(&list);
}

static void names_may_be_cut_short(void **state)
{
    struct adapter_list list;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(answer(&list, COMMAND("prove", "--rec", "--jo", "3", "--exe=sh", "--state", "slow", "--co", "--unknown", "t"), "a.t", 3, 0, &err),
                     0);
    assert_int_equal(list.workers, 3);
    assert_string_equal(joined(list.steps[0].argv), "prove --dry --recurse --exec sh --state slow --co --unknown t");
    adapter_list_done(&list);
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("prove", "--vers")), ADAPTER_NO);
}

static void only_what_runs_tests_is_claimed(void **state)
{
    (void)state;
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("prove", "-v", "t")), ADAPTER_YES);
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("prove", "::", "-D")), ADAPTER_YES);
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("prove", "-vD")), ADAPTER_NO);
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("prove", "--version")), ADAPTER_NO);
    assert_int_equal(adapter_find("prove")->recognise(COMMAND("improve")), ADAPTER_NO);
}

static void bad_lists(void **state)
{
    struct adapter_list list;
    struct err err = ERR_INIT;

    (void)state;
    assert_true(answer(&list, COMMAND("prove"), "No tests named\n", 15, 2 << 8, &err) < 0);
    assert_non_null(strstr(err.message, "exit status 2"));
    adapter_list_done(&list);
    err = (struct err)ERR_INIT;
    assert_true(answer(&list, COMMAND("prove"), "a\0b\n", 4, 0, &err) < 0);
    assert_non_null(strstr(err.message, "NUL"));
    adapter_list_done(&list);
    assert_int_equal(answer(&list, COMMAND("prove"), "\n\na.t\na.t", 9, 0, &err), 0);
    assert_int_equal(list.nentries, 2);
    assert_int_equal(adapter_list_finish(&list, &err), 0);
    assert_string_equal(list.entries[1].id, "a.t#2");
    adapter_list_done(&list);
}

static void what_prove_says(void **state)
{
    struct adapter_entry entry = {.id = (char *)"t/a.t"};

    (void)state;
    expect_outcome("prove", &entry, "t/ok.t .. \nok 1\n1..1\nok\nAll tests successful.\nResult: PASS\n", 0, OUTCOME_PASSED, "");
    expect_outcome("prove", &entry, "t/s.t .. skipped: not here\nFiles=1, Tests=0\nResult: NOTESTS\n", 0, OUTCOME_SKIPPED, "not here");
    expect_outcome("prove", &entry,
                   "\n#   Failed test 'two'\n#   at t/a.t line 3.\n# Looks like you failed 1 test of 2.\nt/a.t .. \n1..2\nok 1 - one\n"
                   "not ok 2 - two\nDubious, test returned 1 (wstat 256, 0x100)\n\nTest Summary Report\n"
                   "t/a.t (Wstat: 256 (exited 1) Tests: 2 Failed: 1)\n  Failed test:  2\n  Non-zero exit status: 1\nResult: FAIL\n",
                   1 << 8, OUTCOME_FAILED, "not ok 2 - two: Failed test 'two' at t/a.t line 3.");
    expect_outcome("prove", &entry,
                   "t/d.t .. \n1..2\nok 1\nTest Summary Report\nt/d.t (Wstat: 11 (Signal: SEGV) Tests: 1 Failed: 0)\n"
                   "  Non-zero wait status: 11\n  Parse errors: Bad plan.  You planned 2 tests but ran 1.\nResult: FAIL\n",
                   1 << 8, OUTCOME_FAILED, "died of SIGSEGV; Bad plan. You planned 2 tests but ran 1.");
    expect_outcome("prove", &entry, "t/e.t .. \n  Non-zero exit status: 3\n  Parse errors: No plan found in TAP output\n", 1 << 8,
                   OUTCOME_FAILED, "No plan found in TAP output; exit status 3");
    expect_outcome("prove", &entry, "FAILED--Further testing stopped: no net\n", 255 << 8, OUTCOME_FAILED, "Bail out! no net");
    expect_outcome("prove", &entry, "", 2 << 8, OUTCOME_FAILED, "prove: exit status 2");
    expect_outcome("prove", &entry, "", 9, OUTCOME_FAILED, "died of SIGKILL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_go_where_they_mean_something),
        cmocka_unit_test(names_may_be_cut_short),
        cmocka_unit_test(only_what_runs_tests_is_claimed),
        cmocka_unit_test(bad_lists),
        cmocka_unit_test(what_prove_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
