/* SPDX-License-Identifier: MIT */
/* supervisor/run/suite_reader: believes nothing that a framework says. Refusals are one change to what is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/state.h"
#include "supervisor/run/suite_reader.h"

/* `ret_header` owns the header: json_decref() it. */
static struct packet packet_of(const char *header, const char *payload, json_t **ret_header)
{
    struct packet packet = {.payload = payload, .payload_size = payload ? strlen(payload) : 0};

    *ret_header = json_loads(header, 0, NULL);
    assert_non_null(*ret_header);
    packet.header = *ret_header;
    return packet;
}

static int read_options(const char *header, struct suite *suite, struct suite_options *options, size_t *ret_count)
{
    json_t *json;
    struct packet packet = packet_of(header, NULL, &json);
    int r = suite_reader_options(&packet, suite, options, ret_count);

    json_decref(json);
    return r;
}

static int read_tests(const char *header, const char *payload, struct suite *suite, size_t expected)
{
    json_t *json;
    struct packet packet = packet_of(header, payload, &json);
    int r = suite_reader_tests(&packet, suite, expected);

    json_decref(json);
    return r;
}

/* --- options --- */

static void options_in_full(void **state)
{
    struct suite suite = {0};
    struct suite_options options = {0};
    size_t count = 0;

    (void)state;
    assert_int_equal(read_options("{\"t\":\"suite\",\"count\":3,\"root\":\"/src\",\"n\":4,\"maxfail\":2,"
                                  "\"max_worker_restart\":0,\"fork\":false,\"why\":\"threads\"}",
                                  &suite, &options, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(suite.root, "/src");
    assert_int_equal(options.n, 4);
    assert_int_equal(options.max_fail, 2);
    assert_int_equal(options.max_worker_restart, 0);
    assert_false(options.fork);
    assert_string_equal(options.why_not_fork, "threads");
    suite_done(&suite);
}

static void options_left_out(void **state)
{
    struct suite suite = {0};
    struct suite_options options = {0};
    size_t count;

    (void)state;
    assert_int_equal(read_options("{\"count\":1048576,\"n\":null,\"root\":null,\"max_worker_restart\":null}",
                                  &suite, &options, &count), 0);
    assert_int_equal(count, 1 << 20);
    assert_null(suite.root);
    assert_int_equal(options.n, -1);
    assert_int_equal(options.max_fail, 0);
    assert_int_equal(options.max_worker_restart, -1);
    assert_true(options.fork);
    assert_string_equal(options.why_not_fork, "");
}

static void words_for_n(void **state)
{
    struct suite suite = {0};
    struct suite_options options;
    size_t count;

    (void)state;
    assert_int_equal(read_options("{\"count\":1,\"n\":\"auto\"}", &suite, &options, &count), 0);
    assert_int_equal(options.n, -2);
    assert_int_equal(read_options("{\"count\":1,\"n\":\"logical\"}", &suite, &options, &count), 0);
    assert_int_equal(options.n, -3);
    assert_int_equal(read_options("{\"count\":1,\"n\":0}", &suite, &options, &count), 0);
    assert_int_equal(options.n, 0);
}

static void options_refused(void **state)
{
    static const char *const headers[] = {
        "{}",
        "{\"count\":0}",
        "{\"count\":-1}",
        "{\"count\":1048577}",
        "{\"count\":\"1\"}",
        "{\"count\":1.0}",
        "{\"count\":null}",
        "{\"count\":1,\"n\":-1}",
        "{\"count\":1,\"n\":4097}",
        "{\"count\":1,\"n\":\"many\"}",
        "{\"count\":1,\"n\":\"autoautoautoautoauto\"}",
        "{\"count\":1,\"n\":true}",
        "{\"count\":1,\"maxfail\":-1}",
        "{\"count\":1,\"maxfail\":2147483648}",
        "{\"count\":1,\"max_worker_restart\":-1}",
        "{\"count\":1,\"fork\":1}",
        "{\"count\":1,\"root\":7}",
        "{\"count\":1,\"why\":[]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct suite suite = {0};
        struct suite_options options;
        size_t count = 77;

        if (read_options(headers[i], &suite, &options, &count) != -EPROTO)
            fail_msg("%s was accepted", headers[i]);
        assert_int_equal(count, 77);
        assert_null(suite.root);
    }
}

static void long_texts_of_the_options(void **state)
{
    struct suite suite = {0};
    struct suite_options options;
    size_t count;
    _cleanup_free_ char *fits = mem_printf("{\"count\":1,\"root\":\"%4096s\",\"why\":\"%1024s\"}", "r", "w");
    _cleanup_free_ char *root = mem_printf("{\"count\":1,\"root\":\"%4097s\"}", "r");
    _cleanup_free_ char *why = mem_printf("{\"count\":1,\"why\":\"%1025s\"}", "w");

    (void)state;
    assert_int_equal(read_options(fits, &suite, &options, &count), 0);
    assert_int_equal(strlen(suite.root), 4096);
    assert_int_equal(strlen(options.why_not_fork), sizeof(options.why_not_fork) - 1);
    suite_done(&suite);
    assert_int_equal(read_options(root, &suite, &options, &count), -EPROTO);
    assert_int_equal(read_options(why, &suite, &options, &count), -EPROTO);
}

/* --- tests --- */

static void a_test_in_full(void **state)
{
    struct suite suite = {0};
    const struct test *test;

    (void)state;
    assert_int_equal(read_tests("{\"first\":0,\"n\":1}",
                                "[{\"id\":\"a.py::x\",\"file\":\"a.py\",\"classname\":\"a\",\"name\":\"x\","
                                "\"lane\":\"serial\",\"why\":\"marked\",\"group\":\"g\",\"tasks\":64,"
                                "\"memory\":104857600,\"timeout_ms\":2500,\"weight\":2}]",
                                &suite, 1), 0);
    assert_int_equal(suite.count, 1);
    test = &suite.tests[0];
    assert_string_equal(test->id, "a.py::x");
    assert_string_equal(test->file, "a.py");
    assert_string_equal(test->classname, "a");
    assert_string_equal(test->name, "x");
    assert_string_equal(test->why, "marked");
    assert_string_equal(test->group, "g");
    assert_int_equal(test->lane, LANE_SERIAL);
    assert_int_equal(test->tasks, 64);
    assert_int_equal(test->memory_bytes, 104857600);
    assert_true(test->timeout_ns == 2500 * NS_PER_MS);
    assert_int_equal(test->weight, 2);
    suite_done(&suite);
}

static void a_test_with_nothing_but_its_id(void **state)
{
    struct suite suite = {0};
    const struct test *test;

    (void)state;
    assert_int_equal(read_tests("{\"first\":0,\"n\":2}",
                                "[{\"id\":\"x\"},{\"id\":\"y\",\"file\":null,\"lane\":null,\"group\":null,"
                                "\"tasks\":null,\"weight\":null,\"else\":[1]}]",
                                &suite, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        test = &suite.tests[i];
        assert_string_equal(test->file, "");
        assert_string_equal(test->classname, "");
        assert_string_equal(test->name, test->id);
        assert_null(test->why);
        assert_null(test->group);
        assert_int_equal(test->lane, LANE_PARALLEL);
        assert_int_equal(test->tasks + test->memory_bytes + test->timeout_ns, 0);
        assert_int_equal(test->weight, 1);
        assert_int_equal(test->outcome, OUTCOME_NONE);
        assert_int_equal(test->worker, -1);
    }
    suite_done(&suite);
}

static void several_packets(void **state)
{
    struct suite suite = {0};

    (void)state;
    assert_int_equal(read_tests("{\"first\":0,\"n\":2}", "[{\"id\":\"x\"},{\"id\":\"y\"}]", &suite, 3), 0);
    assert_int_equal(read_tests("{\"first\":1,\"n\":1}", "[{\"id\":\"z\"}]", &suite, 3), -EPROTO);
    assert_int_equal(read_tests("{\"first\":3,\"n\":1}", "[{\"id\":\"z\"}]", &suite, 3), -EPROTO);
    assert_int_equal(suite.count, 2);
    assert_int_equal(read_tests("{\"first\":2,\"n\":1}", "[{\"id\":\"z\",\"lane\":\"parallel\"}]", &suite, 3), 0);
    assert_string_equal(suite.tests[2].id, "z");
    assert_int_equal(read_tests("{\"first\":3,\"n\":1}", "[{\"id\":\"one too many\"}]", &suite, 3), -EPROTO);
    assert_int_equal(suite.count, 3);
    suite_done(&suite);
}

static void packets_refused(void **state)
{
    static const struct {
        const char *header, *payload;
    } rows[] = {
        {"{\"first\":0}", "[{\"id\":\"x\"}]"},
        {"{\"n\":1}", "[{\"id\":\"x\"}]"},
        {"{\"first\":-1,\"n\":1}", "[{\"id\":\"x\"}]"},
        {"{\"first\":\"0\",\"n\":1}", "[{\"id\":\"x\"}]"},
        {"{\"first\":0,\"n\":0}", "[]"},
        {"{\"first\":0,\"n\":1}", NULL},
        {"{\"first\":0,\"n\":1}", ""},
        {"{\"first\":0,\"n\":1}", "[{\"id\":\"x\"}"},
        {"{\"first\":0,\"n\":1}", "[{\"id\":\"x\"}] "
                                  "{}"},
        {"{\"first\":0,\"n\":1}", "{\"id\":\"x\"}"},
        {"{\"first\":0,\"n\":1}", "\"x\""},
        {"{\"first\":0,\"n\":1}", "[]"},
        {"{\"first\":0,\"n\":1}", "[{\"id\":\"x\"},{\"id\":\"y\"}]"},
        {"{\"first\":0,\"n\":2}", "[{\"id\":\"x\"}]"},
        {"{\"first\":0,\"n\":3}", "[{\"id\":\"x\"},{\"id\":\"y\"},{\"id\":\"z\"}]"}, /* two were announced */
        {"{\"first\":0,\"n\":1048577}", "[]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct suite suite = {0};

        if (read_tests(rows[i].header, rows[i].payload, &suite, 2) != -EPROTO)
            fail_msg("%s %s was accepted", rows[i].header, rows[i].payload);
        suite_done(&suite);
    }
}

static int read_one(const char *object)
{
    _cleanup_free_ char *payload = mem_printf("[%s]", object);
    struct suite suite = {0};
    int r = read_tests("{\"first\":0,\"n\":1}", payload, &suite, 1);

    suite_done(&suite);
    return r;
}

static void tests_refused(void **state)
{
    static const char *const objects[] = {
        "{}",
        "1",
        "null",
        "[]",
        "{\"id\":null}",
        "{\"id\":7}",
        "{\"id\":\"a\\u0000b\"}",
        "{\"id\":\"\xff\"}",
        "{\"id\":\"\\ud800\"}",
        "{\"id\":\"x\",\"file\":1}",
        "{\"id\":\"x\",\"classname\":[]}",
        "{\"id\":\"x\",\"name\":{}}",
        "{\"id\":\"x\",\"why\":true}",
        "{\"id\":\"x\",\"group\":3}",
        "{\"id\":\"x\",\"lane\":\"fast\"}",
        "{\"id\":\"x\",\"lane\":\"\"}",
        "{\"id\":\"x\",\"lane\":1}",
        "{\"id\":\"x\",\"lane\":[\"serial\"]}",
        "{\"id\":\"x\",\"tasks\":0}",
        "{\"id\":\"x\",\"tasks\":-1}",
        "{\"id\":\"x\",\"tasks\":4194305}",
        "{\"id\":\"x\",\"tasks\":\"64\"}",
        "{\"id\":\"x\",\"tasks\":1.5}",
        "{\"id\":\"x\",\"tasks\":true}",
        "{\"id\":\"x\",\"memory\":1048575}",
        "{\"id\":\"x\",\"memory\":1125899906842625}",
        "{\"id\":\"x\",\"timeout_ms\":0}",
        "{\"id\":\"x\",\"timeout_ms\":1099511627777}",
        "{\"id\":\"x\",\"weight\":0}",
        "{\"id\":\"x\",\"weight\":4097}",
        "{\"id\":\"x\",\"weight\":99999999999999999999}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        if (read_one(objects[i]) != -EPROTO)
            fail_msg("%s was accepted", objects[i]);
}

static void the_bounds_themselves(void **state)
{
    (void)state;
    assert_int_equal(read_one("{\"id\":\"x\",\"tasks\":1,\"memory\":1048576,\"timeout_ms\":1,\"weight\":1}"), 0);
    assert_int_equal(read_one("{\"id\":\"x\",\"tasks\":4194304,\"memory\":1125899906842624,"
                              "\"timeout_ms\":1099511627776,\"weight\":4096}"), 0);
}

static void long_texts_of_a_test(void **state)
{
    static const char *const keys[] = {"id", "file", "classname", "name", "why", "group"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *id = i > 0 ? "\"id\":\"x\"," : "";
        _cleanup_free_ char *fits = mem_printf("{%s\"%s\":\"%4096s\"}", id, keys[i], "t");
        _cleanup_free_ char *too_long = mem_printf("{%s\"%s\":\"%4097s\"}", id, keys[i], "t");

        assert_int_equal(read_one(fits), 0);
        assert_int_equal(read_one(too_long), -EPROTO);
    }
}

/* What was read before the refusal is a suite that can be taken apart. */
static void a_refusal_in_the_middle(void **state)
{
    struct suite suite = {0};

    (void)state;
    assert_int_equal(read_tests("{\"first\":0,\"n\":3}", "[{\"id\":\"x\"},{\"id\":\"y\",\"weight\":0},{\"id\":\"z\"}]",
                                &suite, 3), -EPROTO);
    assert_true(suite.count < 3);
    suite_done(&suite);
    assert_int_equal(suite.count, 0);
}

/* 50,000 tests took 28 MiB, much of it the same names over and over. */
static void texts_are_kept_once(void **state)
{
    const bool keep[] = {false, true, true, true};
    struct suite suite = {0};

    (void)state;
    assert_int_equal(read_tests("{\"first\":0,\"n\":4}",
                                "[{\"id\":\"a.py::x\",\"file\":\"a.py\",\"classname\":\"a\",\"name\":\"x\"},"
                                "{\"id\":\"a.py::y\",\"file\":\"a.py\",\"classname\":\"a\",\"name\":\"y\"},"
                                "{\"id\":\"b.py::A::y\",\"file\":\"b.py\",\"classname\":\"a\",\"name\":\"other\"},"
                                "{\"id\":\"c\"}]",
                                &suite, 4), 0);
    assert_ptr_equal(suite.tests[0].file, suite.tests[1].file);
    assert_ptr_equal(suite.tests[0].classname, suite.tests[2].classname);
    assert_ptr_equal(suite.tests[1].name, suite.tests[1].id + 6);
    suite_keep(&suite, keep); /* the first one's texts live on in the others */
    assert_string_equal(suite.tests[0].file, "a.py");
    assert_string_equal(suite.tests[1].file, "b.py");
    assert_string_equal(suite.tests[1].classname, "a");
    assert_string_equal(suite.tests[1].name, "other");
    assert_string_equal(suite.tests[2].file, "");
    assert_string_equal(suite.tests[2].name, "c");
    suite_done(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_in_full),
        cmocka_unit_test(options_left_out),
        cmocka_unit_test(words_for_n),
        cmocka_unit_test(options_refused),
        cmocka_unit_test(long_texts_of_the_options),
        cmocka_unit_test(a_test_in_full),
        cmocka_unit_test(a_test_with_nothing_but_its_id),
        cmocka_unit_test(several_packets),
        cmocka_unit_test(packets_refused),
        cmocka_unit_test(tests_refused),
        cmocka_unit_test(the_bounds_themselves),
        cmocka_unit_test(long_texts_of_a_test),
        cmocka_unit_test(a_refusal_in_the_middle),
        cmocka_unit_test(texts_are_kept_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
