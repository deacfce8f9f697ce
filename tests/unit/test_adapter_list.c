/* SPDX-License-Identifier: MIT */
/* supervisor/adapters: lists (ids, order, locks), the registry, judging by status, and the adapter "commands". */
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
#include "supervisor/adapters/adapter.h"

static void finish(struct adapter_list *list)
{
    struct err err = ERR_INIT;

    if (adapter_list_finish(list, &err) < 0)
        fail_msg("%s", err.message);
}

/* --- lists --- */

static void ids_become_unique(void **state)
{
    struct adapter_list list = {0};

    (void)state;
    adapter_add(&list, "x");
    adapter_add(&list, "y");
    adapter_add(&list, "x");
    adapter_add(&list, "x");
    finish(&list);
    assert_string_equal(list.entries[0].id, "x");
    assert_string_equal(list.entries[2].id, "x#2");
    assert_string_equal(list.entries[3].id, "x#3");
    adapter_list_done(&list);
}

/* In passes over the list: who waits for nobody that is left goes. What order means, and too slow for a suite of many thousands. */
static void order_in_passes(const struct adapter_list *list, size_t n, char **ret)
{
    bool done[64] = {false};

    for (size_t placed = 0; placed < n;)
        for (size_t i = 0; i < n; i++) {
            bool ready = !done[i];

            for (size_t k = 0; ready && k < list->entries[i].nafter; k++)
                ready = done[list->entries[i].after[k]];
            if (ready) {
                done[i] = true;
                ret[placed++] = strdup(list->entries[i].id);
            }
        }
}

static void order_is_that_of_passes_over_the_list(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct adapter_list list = {0};
        size_t n = 2 + (size_t)rand() % 60, rank[64];
        struct err err = ERR_INIT;
        char *expected[64], id[16];

        for (size_t i = 0; i < n; i++) {
            snprintf(id, sizeof(id), "t%zu", i);
            adapter_add(&list, id);
            rank[i] = (size_t)rand();
        }
        for (size_t i = 0; i < n; i++) { /* along the ranks, so never in a circle */
            size_t a = (size_t)rand() % n, b = (size_t)rand() % n;

            if (rank[a] > rank[b])
                adapter_add_after(&list.entries[a], b, false);
        }
        order_in_passes(&list, n, expected);
        assert_int_equal(adapter_list_finish(&list, &err), 0);
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(list.entries[k].id, expected[k]);
            free(expected[k]);
        }
        adapter_list_done(&list);
    }
}

static void what_is_after_comes_after(void **state)
{
    struct adapter_list list = {0};
    struct adapter_entry *a;

    (void)state;
    a = adapter_add(&list, "a");
    adapter_add_after(a, 2, true);
    adapter_add(&list, "b");
    adapter_add(&list, "c");
    finish(&list);
    assert_string_equal(list.entries[0].id, "b");
    assert_string_equal(list.entries[1].id, "c");
    assert_string_equal(list.entries[2].id, "a");
    assert_int_equal(list.entries[2].needs[0], 1); /* renumbered */
    assert_null(list.entries[0].group);
    assert_non_null(list.entries[1].group);
    assert_string_equal(list.entries[1].group, list.entries[2].group);
    adapter_list_done(&list);
}

static void a_circle_is_an_error(void **state)
{
    struct adapter_list list = {0};
    struct err err = ERR_INIT;

    (void)state;
    adapter_add_after(adapter_add(&list, "a"), 1, false);
    adapter_add_after(adapter_add(&list, "b"), 0, false);
    assert_int_equal(adapter_list_finish(&list, &err), -ELOOP);
    assert_non_null(strstr(err.message, "\"a\" is to run before itself"));
    adapter_list_done(&list);
}

static void locks_are_the_suite_s_and_tie_nobody_to_a_worker(void **state)
{
    struct adapter_list list = {0};
    struct suite suite = {0};

    (void)state;
    adapter_append(&adapter_add(&list, "a")->locks, "db");
    adapter_append(&adapter_add(&list, "b")->locks, "net");
    adapter_append(&list.entries[1].locks, "db");
    adapter_append(&adapter_add(&list, "c")->locks, "net");
    list.entries[2].lane = LANE_SERIAL;
    finish(&list);
    adapter_list_to_suite(&list, &suite);
    for (size_t i = 0; i < suite.count; i++)
        assert_null(suite.tests[i].group);
    assert_int_equal(suite.tests[0].lane, LANE_PARALLEL); /* the serial lane runs when nobody else does */
    assert_string_equal(suite.tests[1].locks[0], "net");
    assert_string_equal(suite.tests[1].locks[1], "db");
    assert_null(suite.tests[1].locks[2]);
    suite_done(&suite);
    adapter_list_done(&list);
}

/* --- registry --- */

static void adapters_have_names_and_claims(void **state)
{
    char *const ctest[] = {(char *)"/usr/bin/ctest", NULL}, *const make[] = {(char *)"make", (char *)"ctest", NULL};
    const struct adapter *found[ADAPTERS_MAX + 1];

    (void)state;
    for (size_t i = 0; adapter_all[i]; i++) {
        assert_ptr_equal(adapter_find(adapter_all[i]->name), adapter_all[i]);
        assert_non_null(adapter_all[i]->list);
        assert_true(*adapter_all[i]->help);
    }
    assert_null(adapter_find("none"));
    assert_int_equal(adapter_candidates(ctest, found), 1);
    assert_string_equal(found[0]->name, "ctest");
    assert_int_equal(adapter_candidates(make, found), 0);
}

/* --- judging --- */

static void expect(int status, bool will_fail, enum outcome outcome, const char *message)
{
    struct adapter_entry entry = {.skip_status = 77, .will_fail = will_fail};
    struct adapter_result result = {.wait_status = status, .output = ""};
    struct adapter_judgement judgement;

    adapter_judge_status(&entry, &result, &judgement);
    assert_int_equal(judgement.outcome, outcome);
    assert_string_equal(judgement.message, message);
}

static void statuses_are_outcomes(void **state)
{
    (void)state;
    expect(0, false, OUTCOME_PASSED, "");
    expect(3 << 8, false, OUTCOME_FAILED, "exit status 3");
    expect(77 << 8, false, OUTCOME_SKIPPED, "exit status 77 says skipped");
    expect(11, false, OUTCOME_FAILED, "died of SIGSEGV");
    expect(6 | 0x80, false, OUTCOME_FAILED, "died of SIGABRT (core dumped)");
    expect(3 << 8, true, OUTCOME_PASSED, "");
    expect(0, true, OUTCOME_FAILED, "passed, and is expected to fail");
    expect(11, true, OUTCOME_FAILED, "died of SIGSEGV");
}

/* --- commands --- */

static int read_commands(struct adapter_list *list, const char *text, struct err *err)
{
    *list = (struct adapter_list){.from = "c.txt", .from_text = text, .from_size = strlen(text)};
    return adapter_find("commands")->list(list, err);
}

static void lines_are_for_the_shell(void **state)
{
    struct err err = ERR_INIT;
    struct adapter_list list;

    (void)state;
    assert_int_equal(read_commands(&list, "# no\n\n  echo a; false  \r\nmake b", &err), 0);
    assert_int_equal(list.nentries, 2);
    assert_string_equal(list.entries[0].id, "echo a; false");
    assert_string_equal(list.entries[0].argv[0], "sh");
    assert_string_equal(list.entries[0].argv[2], "echo a; false");
    assert_int_equal(list.entries[1].skip_status, 77);
    assert_string_equal(list.entries[1].id, "make b");
    adapter_list_done(&list);
}

static void objects_say_more(void **state)
{
    struct err err = ERR_INIT;
    struct adapter_list list;

    (void)state;
    assert_int_equal(read_commands(&list,
                                   "{\"id\":\"t\",\"argv\":[\"a\",\"b c\"],\"cwd\":\"/x\",\"env\":{\"A\":\"1\",\"B\":null},\"lane\":\"serial\","
                                   "\"why\":\"w\",\"group\":\"g\",\"locks\":[\"l\"],\"weight\":2,\"tasks\":9,\"memory\":\"2M\",\"timeout\":1.5}\n"
                                   "{\"run\":\"x; y\"}\n{\"argv\":[\"p\",\"q\"],\"timeout\":\"2m\"}",
                                   &err),
                     0);
    assert_string_equal(list.entries[0].argv[1], "b c");
    assert_string_equal(list.entries[0].env[0], "A=1");
    assert_string_equal(list.entries[0].env[1], "B");
    assert_int_equal(list.entries[0].lane, LANE_SERIAL);
    assert_int_equal(list.entries[0].weight, 2);
    assert_int_equal(list.entries[0].memory_bytes, 2 << 20);
    assert_int_equal(list.entries[0].timeout_ns, 1500000000);
    assert_string_equal(list.entries[1].id, "x; y");
    assert_string_equal(list.entries[2].id, "p q");
    assert_int_equal(list.entries[2].timeout_ns, 120000000000);
    adapter_list_done(&list);
}

static void bad_lines_have_a_place(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"true\n{", "c.txt:2: no JSON object"},
        {"{\"id\":\"x\"}", "c.txt:1: neither \"argv\" nor \"run\""},
        {"{\"argv\":[]}", "c.txt:1: \"argv\" must be a list of words"},
        {"{\"argv\":[\"\"]}", "c.txt:1: \"argv\" must be a list of words"},
        {"{\"argv\":[\"a\"],\"run\":\"b\"}", "c.txt:1: \"run\" must be"},
        {"{\"run\":\"a\",\"lane\":\"fast\"}", "c.txt:1: \"lane\" must be \"serial\" or \"parallel\""},
        {"{\"run\":\"a\",\"weigth\":1}", "c.txt:1: unknown key \"weigth\""},
        {"{\"run\":\"a\",\"weight\":0}", "c.txt:1: \"weight\" must be"},
        {"{\"run\":\"a\",\"timeout\":-1}", "c.txt:1: \"timeout\" must be"},
        {"{\"run\":\"a\",\"env\":{\"A=B\":\"1\"}}", "c.txt:1: \"env\" must be"},
        {"{\"id\":\"\",\"run\":\"a\"}", "c.txt:1: \"id\" must be text"},
        {"\n\n{\"run\":1}", "c.txt:3: \"run\" must be"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err err = ERR_INIT;
        struct adapter_list list;

        if (read_commands(&list, cases[i].text, &err) >= 0)
            fail_msg("taken: %s", cases[i].text);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(err.kind, ERR_USAGE);
        adapter_list_done(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_become_unique),
        cmocka_unit_test(what_is_after_comes_after),
        cmocka_unit_test(order_is_that_of_passes_over_the_list),
        cmocka_unit_test(a_circle_is_an_error),
        cmocka_unit_test(locks_are_the_suite_s_and_tie_nobody_to_a_worker),
        cmocka_unit_test(adapters_have_names_and_claims),
        cmocka_unit_test(statuses_are_outcomes),
        cmocka_unit_test(lines_are_for_the_shell),
        cmocka_unit_test(objects_say_more),
        cmocka_unit_test(bad_lines_have_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
