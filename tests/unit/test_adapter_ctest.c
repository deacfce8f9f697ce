/* SPDX-License-Identifier: MIT */
/* supervisor/adapters/ctest: what its list means, and what its results do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"

/* As ctest answers: `tests` is the inside of its list. */
static int answer(struct adapter_list *list, const char *text, int status, struct err *err)
{
    static char *const argv[] = {(char *)"ctest", (char *)"--test-dir", (char *)"b", (char *)"-j3", NULL};
    const struct adapter *ctest = adapter_find("ctest");

    *list = (struct adapter_list){.argv = argv};
    assert_int_equal(ctest->list(list, err), 0);
    assert_int_equal(list->nsteps, 1);
    assert_string_equal(list->steps[0].argv[4], "--show-only=json-v1");
    list->steps[0].output = mem_strdup(text);
    list->steps[0].size = strlen(text);
    list->steps[0].wait_status = status;
    return ctest->list(list, err);
}

static void read_tests(struct adapter_list *list, const char *tests)
{
    struct err err = ERR_INIT;
    char *text = mem_printf("Internal ctest changing into directory: /b\n{\"kind\":\"ctestInfo\",\"tests\":[%s]}\n", tests);

    if (answer(list, text, 0, &err) < 0)
        fail_msg("%s", err.message);
    free(text);
}

#define TEST(name, properties) "{\"name\":\"" name "\",\"command\":[\"/bin/" name "\",\"1\"],\"properties\":[" properties "]}"
#define P(name, value) "{\"name\":\"" name "\",\"value\":" value "}"

static void properties_become_fields(void **state)
{
    struct adapter_list list;
    const struct adapter_entry *t;

    (void)state;
    read_tests(&list,
               TEST("a", P("RUN_SERIAL", "true") "," P("TIMEOUT", "2.5") "," P("PROCESSORS", "3") "," P("SKIP_RETURN_CODE", "9") ","
                         P("WORKING_DIRECTORY", "\"/w\"") "," P("RESOURCE_LOCK", "[\"db\"]") "," P("LABELS", "[\"slow\",\"net\"]") "," P("WILL_FAIL", "true") ","
                         P("ENVIRONMENT", "[\"A=1\",\"B=2\"]") "," P("ENVIRONMENT_MODIFICATION", "[\"A=path_list_append:2\",\"C=unset:\"]"))
               "," TEST("b", P("DISABLED", "true")));
    t = list.entries;
    assert_int_equal(list.nentries, 2);
    assert_int_equal(list.workers, 3);
    assert_string_equal(t->argv[0], "/bin/a");
    assert_string_equal(t->cwd, "/w");
    assert_int_equal(t->lane, LANE_SERIAL);
    assert_string_equal(t->why, "RUN_SERIAL");
    assert_int_equal(t->timeout_ns, 2500000000);
    assert_int_equal(t->weight, 3);
    assert_int_equal(t->skip_status, 9);
    assert_string_equal(t->locks[0], "db");
    assert_string_equal(t->labels[0], "slow");
    assert_string_equal(t->labels[1], "net");
    assert_true(t->will_fail);
    assert_string_equal(t->env[0], "A=1");
    assert_string_equal(t->env[2], "A=1:2");
    assert_string_equal(t->env[3], "C");
    assert_string_equal(t[1].skipped, "DISABLED");
    adapter_list_done(&list);
}

static void fixtures_make_an_order(void **state)
{
    struct adapter_list list;
    struct err err = ERR_INIT;
    static const char *const order[] = {"setup", "other", "use", "cleanup"};

    (void)state;
    read_tests(&list, TEST("cleanup", P("FIXTURES_CLEANUP", "[\"f\"]")) "," TEST("use", P("FIXTURES_REQUIRED", "[\"f\"]")) "," TEST(
                          "setup", P("FIXTURES_SETUP", "[\"f\"]")) "," TEST("other", P("DEPENDS", "[\"setup\",\"gone\"]")));
    assert_int_equal(adapter_list_finish(&list, &err), 0);
    for (size_t i = 0; i < 4; i++)
        assert_true(adapter_index_of(&list, order[i]) != (size_t)-1);
    assert_true(adapter_index_of(&list, "setup") < adapter_index_of(&list, "use"));
    assert_true(adapter_index_of(&list, "use") < adapter_index_of(&list, "cleanup"));
    assert_true(adapter_index_of(&list, "setup") < adapter_index_of(&list, "other"));
    assert_int_equal(list.entries[adapter_index_of(&list, "use")].needs[0], adapter_index_of(&list, "setup"));
    assert_int_equal(list.entries[adapter_index_of(&list, "other")].nneeds, 0);
    adapter_list_done(&list);
}

static void a_program_that_is_not_there_is_not_run(void **state)
{
    struct adapter_list list;

    (void)state;
    read_tests(&list, "{\"name\":\"x\",\"properties\":[]}");
    assert_non_null(strstr(list.entries[0].absent, "names no program"));
    adapter_list_done(&list);
}

static void what_is_no_list_is_an_error(void **state)
{
    static const char *const texts[] = {"", "{", "No tests", "{\"tests\":3}", "{\"tests\":[{\"name\":1}]}",
                                        "{\"tests\":[{\"name\":\"a\",\"command\":[1]}]}", "{\"tests\":[3]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct adapter_list list;
        struct err err = ERR_INIT;

        if (answer(&list, texts[i], 0, &err) >= 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(err.kind, ERR_USAGE);
        adapter_list_done(&list);
    }
}

static void a_failed_list_says_its_status(void **state)
{
    struct adapter_list list;
    struct err err = ERR_INIT;

    (void)state;
    assert_true(answer(&list, "{\"tests\":[]}", 1 << 8, &err) < 0);
    assert_non_null(strstr(err.message, "exit status 1"));
    adapter_list_done(&list);
}

static void expect(const char *properties, int status, const char *output, enum outcome outcome, const char *word)
{
    struct adapter_list list;
    struct adapter_judgement judgement = {0};
    struct adapter_result result = {.wait_status = status, .output = output, .size = strlen(output)};
    char *test = mem_printf("{\"name\":\"a\",\"command\":[\"a\"],\"properties\":[%s]}", properties);

    read_tests(&list, test);
    adapter_find("ctest")->judge(&list.entries[0], &result, &judgement);
    if (judgement.outcome != outcome || !strstr(judgement.message, word))
        fail_msg("%s, %d, \"%s\": %s \"%s\"", properties, status, output, outcome_name(judgement.outcome), judgement.message);
    adapter_list_done(&list);
    free(test);
}

#define PASS_ P("PASS_REGULAR_EXPRESSION", "[\"o.k\",\"fine\"]")
#define FAIL_ P("FAIL_REGULAR_EXPRESSION", "[\"[Ee]rror\"]")
#define SKIP_ P("SKIP_REGULAR_EXPRESSION", "[\"not here\"]")
#define WILL_ P("WILL_FAIL", "true")

static void results_as_ctest_judges_them(void **state)
{
    (void)state;
    expect("", 0, "", OUTCOME_PASSED, "");
    expect("", 8 << 8, "", OUTCOME_FAILED, "exit status 8");
    expect(PASS_, 1 << 8, "all o-k", OUTCOME_PASSED, "");
    expect(PASS_, 0, "nothing", OUTCOME_FAILED, "no PASS_REGULAR_EXPRESSION");
    expect(PASS_, 11, "fine", OUTCOME_FAILED, "SIGSEGV");
    expect(FAIL_, 0, "an Error", OUTCOME_FAILED, "FAIL_REGULAR_EXPRESSION [Ee]rror");
    expect(FAIL_, 0, "well", OUTCOME_PASSED, "");
    expect(PASS_ "," FAIL_, 0, "fine, but error", OUTCOME_FAILED, "FAIL_");
    expect(SKIP_, 1 << 8, "not here", OUTCOME_SKIPPED, "SKIP_REGULAR_EXPRESSION");
    expect(WILL_, 1 << 8, "", OUTCOME_PASSED, "");
    expect(WILL_, 0, "", OUTCOME_FAILED, "expected to fail");
    expect(WILL_ "," FAIL_, 0, "error", OUTCOME_PASSED, "");
    expect(WILL_ "," PASS_, 0, "fine", OUTCOME_FAILED, "expected to fail");
    expect(P("SKIP_RETURN_CODE", "77") "," PASS_, 77 << 8, "", OUTCOME_SKIPPED, "77");
    expect(P("PASS_REGULAR_EXPRESSION", "[\"(\"]"), 0, "x", OUTCOME_ERROR, "cannot be understood");
}

static void other_uses_are_not_taken_apart(void **state)
{
    char *const uses[][4] = {{(char *)"ctest", (char *)"-N", NULL},
                             {(char *)"ctest", (char *)"--show-only", NULL},
                             {(char *)"ctest", (char *)"-S", (char *)"x.cmake", NULL},
                             {(char *)"ctest", (char *)"--build-and-test", NULL},
                             {(char *)"cmake", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
        assert_int_equal(adapter_find("ctest")->recognise(uses[i]), ADAPTER_NO);
}

static void options_ask_for_workers_and_time(void **state)
{
    static char *const argv[] = {(char *)"ctest", (char *)"--timeout", (char *)"2.5", NULL};
    const struct adapter *ctest = adapter_find("ctest");
    struct adapter_list list = {.argv = argv};
    struct err err = ERR_INIT;

    (void)state;
    setenv("CTEST_PARALLEL_LEVEL", "7", 1);
    assert_int_equal(ctest->list(&list, &err), 0);
    unsetenv("CTEST_PARALLEL_LEVEL");
    assert_int_equal(list.workers, 7);
    assert_null(list.notice);
    list.steps[0].output = mem_strdup("{\"tests\":[" TEST("a", "") "," TEST("b", P("TIMEOUT", "9")) "]}");
    list.steps[0].size = strlen(list.steps[0].output);
    assert_int_equal(ctest->list(&list, &err), 0);
    assert_int_equal(list.entries[0].timeout_ns, 2500000000);
    assert_int_equal(list.entries[1].timeout_ns, 9000000000);
    adapter_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_become_fields),
        cmocka_unit_test(fixtures_make_an_order),
        cmocka_unit_test(a_program_that_is_not_there_is_not_run),
        cmocka_unit_test(what_is_no_list_is_an_error),
        cmocka_unit_test(a_failed_list_says_its_status),
        cmocka_unit_test(results_as_ctest_judges_them),
        cmocka_unit_test(options_ask_for_workers_and_time),
        cmocka_unit_test(other_uses_are_not_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
