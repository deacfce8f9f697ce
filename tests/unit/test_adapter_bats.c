/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/bats: tests as they stand in files, and what bats says of one (recorded from bats 1.8.2). */
#include "adapter_steps.h"

static char *file(const char *name, const char *text)
{
    return mem_printf("%zu %s\n%s", strlen(text), name, text);
}

static int answer(struct adapter_list *list, char *const argv[], const char *count, const char *files, struct err *err)
{
    *list = (struct adapter_list){.argv = argv};
    *err = (struct err)ERR_INIT;
    if (adapter_find("bats")->list(list, err) < 0)
        return -1;
    assert_int_equal(list->nsteps, 2);
    step_answer(list, 0, count, strlen(count), 0);
    step_answer(list, 1, files, strlen(files), 0);
    return adapter_find("bats")->list(list, err);
}

static const char three[] = "@test \"costs \\$2 (or [more])\" {\n  true\n}\r\n@test 'single' { false; }\n"
                            "  @test   plain {\n}\nfunction last() { # @test\n}\n# @test \"no\"\n";

static void tests_are_read_from_files(void **state)
{
    struct adapter_list list;
    struct err err;
    char *text = file("a.bats", three);

    (void)state;
    assert_int_equal(answer(&list, COMMAND("bats", "-r", "-j", "3", "--print-output-on-failure", "-o", "out", "dir"), "4\n", text, &err), 0);
    assert_string_equal(joined(list.steps[0].argv), "bats --count -r --print-output-on-failure dir");
    assert_string_equal(list.steps[1].argv[4], "");
    assert_string_equal(list.notice, "bats's -o is left out");
    assert_int_equal(list.workers, 3);
    assert_int_equal(list.nentries, 4);
    assert_string_equal(list.entries[0].id, "a.bats::costs $2 (or [more])");
    assert_string_equal(joined(list.entries[0].argv),
                        "bats --print-output-on-failure --tap -f ^costs \\\\?\\$2 \\(or \\[more\\]\\)$ a.bats");
    assert_string_equal(list.entries[1].name, "single");
    assert_string_equal(list.entries[2].name, "plain");
    assert_string_equal(list.entries[3].name, "last");
    adapter_list_done(&list);
    free(text);
}

static void a_filter_selects(void **state)
{
    struct adapter_list list;
    struct err err;
    char *text = file("a.bats", three);

    (void)state;
    assert_int_equal(answer(&list, COMMAND("bats", "--filter", "^(single|plain)$", "a.bats"), "2\n", text, &err), 0);
    assert_int_equal(list.nentries, 2);
    adapter_list_done(&list);
    assert_true(answer(&list, COMMAND("bats", "-f", "(", "a.bats"), "2\n", text, &err) < 0);
    assert_non_null(strstr(err.message, "no regular expression"));
    adapter_list_done(&list);
    free(text);
}

static void files_that_stay_whole(void **state)
{
    struct adapter_list list;
    struct err err;
    char *text = file("a.bats", three), *shared = file("b.bats", "setup_file() { :; }\n@test x {\n}\n@test y {\n}\n");
    char *both = mem_printf("%s%s", text, shared);

    (void)state;
    assert_int_equal(answer(&list, COMMAND("bats", "."), "6\n", both, &err), 0);
    assert_int_equal(list.nentries, 5);
    assert_string_equal(list.entries[4].id, "b.bats");
    assert_null(list.entries[4].name);
    assert_string_equal(joined(list.entries[4].argv), "bats --tap b.bats");
    adapter_list_done(&list);
    /* as many as --filter-tags leaves: not what the files show */
    assert_int_equal(answer(&list, COMMAND("bats", "--filter-tags", "slow", "."), "2\n", both, &err), 0);
    assert_int_equal(list.nentries, 2);
    assert_string_equal(joined(list.entries[0].argv), "bats --filter-tags slow --tap a.bats");
    assert_non_null(strstr(list.notice, "each file is one test"));
    adapter_list_done(&list);
    assert_int_equal(answer(&list, COMMAND("bats", "."), "0\n", both, &err), 0);
    assert_int_equal(list.nentries, 0);
    adapter_list_done(&list);
    free(both);
    free(text);
    free(shared);
}

static void groups(void **state)
{
    struct adapter_list list;
    struct err err;
    char *text = file("a.bats", three);

    (void)state;
    assert_int_equal(answer(&list, COMMAND("bats", "--no-parallelize-within-files", "."), "4", text, &err), 0);
    assert_string_equal(list.entries[0].group, "a.bats");
    adapter_list_done(&list);
    assert_int_equal(answer(&list, COMMAND("bats", "--no-parallelize-across-files", "."), "4", text, &err), 0);
    assert_string_equal(list.entries[0].group, "--no-parallelize-across-files");
    adapter_list_done(&list);
    free(text);
}

static void bad_answers(void **state)
{
    static const char *const files[] = {"x", "9 a.bats\nshort", "99999999999999999999 a\nb", "-1 a\n", "1a b\nc", "1\n"};
    struct adapter_list list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (answer(&list, COMMAND("bats", "."), "1\n", files[i], &err) >= 0)
            fail_msg("taken: %s", files[i]);
        assert_int_equal(err.kind, ERR_USAGE);
        adapter_list_done(&list);
    }
    assert_true(answer(&list, COMMAND("bats", "."), "none\n", "", &err) < 0);
    adapter_list_done(&list);
    assert_int_equal(adapter_find("bats")->recognise(COMMAND("bats", "-c", ".")), ADAPTER_NO);
    assert_int_equal(adapter_find("bats")->recognise(COMMAND("bats", ".")), ADAPTER_YES);
}

static void what_bats_says(void **state)
{
    struct adapter_entry one = {.id = (char *)"a.bats::x", .name = (char *)"x"}, whole = {.id = (char *)"a.bats"};

    (void)state;
    expect_outcome("bats", &one, "1..1\nok 1 x\n", 0, OUTCOME_PASSED, "");
    expect_outcome("bats", &one, "1..1\nok 1 x # skip no db\n", 0, OUTCOME_SKIPPED, "no db");
    expect_outcome("bats", &one, "1..1\nnot ok 1 x\n# (in test file a.bats, line 4)\n#   `false' failed\n# hello\n", 256, OUTCOME_FAILED,
                   "(in test file a.bats, line 4) `false' failed hello");
    expect_outcome("bats", &one, "1..0\n", 0, OUTCOME_ERROR, "bats ran 0 tests of this name, and not one");
    expect_outcome("bats", &one, "1..2\nok 1 x\nok 2 x\n", 0, OUTCOME_ERROR, "bats ran 2 tests of this name, and not one");
    expect_outcome("bats", &one, "", 256, OUTCOME_FAILED, "exit status 1");
    expect_outcome("bats", &one, "1..1\n", 15, OUTCOME_FAILED, "died of SIGTERM");
    expect_outcome("bats", &whole, "1..2\nok 1 x\nnot ok 2 y\n# (in test file b.bats, line 3)\n", 256, OUTCOME_FAILED,
                   "not ok 2 y: (in test file b.bats, line 3)");
    expect_outcome("bats", &whole, "1..2\nok 1 x # skip\nok 2 y\n", 0, OUTCOME_PASSED, "");
    expect_outcome("bats", &whole, "1..1\nok 1 x # skip\n", 0, OUTCOME_SKIPPED, "");
    expect_outcome("bats", &whole, "1..0\n", 0, OUTCOME_SKIPPED, "none of its tests is selected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_are_read_from_files), cmocka_unit_test(a_filter_selects), cmocka_unit_test(files_that_stay_whole),
        cmocka_unit_test(groups),                    cmocka_unit_test(bad_answers),      cmocka_unit_test(what_bats_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
