/* SPDX-License-Identifier: MIT */
/* Files that are no policies at all, or want to cost time and memory: refused within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "sandbox/base/err.h"
#include "sandbox/policy/document.h"
#include "tests/unit/policy_files.h"

static void expect_bytes(const char *bytes, size_t size, const char *message)
{
    struct document *doc = NULL;
    struct err err = ERR_INIT;
    struct timespec before, after;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    if (document_parse("f", bytes, size, &doc, &err) >= 0)
        fail_msg("accepted, expected %s", message);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    assert_null(doc);
    if (!strstr(err.message, message))
        fail_msg("got %s\nwant %s", err.message, message);
    assert_true(after.tv_sec - before.tv_sec < 5);
}

static void expect_repeated(const char *before, const char *piece, size_t total, const char *message)
{
    size_t length = strlen(piece), at = strlen(before);
    char *bytes = mem_zalloc(total + at + length);

    strcpy(bytes, before);
    while (at < total) {
        memcpy(bytes + at, piece, length);
        at += length;
    }
    expect_bytes(bytes, at > total ? total : at, message);
    free(bytes);
}

static void expect_text(const char *text, const char *message)
{
    expect_bytes(text, strlen(text), message);
}

static void test_no_regular_files(void **state)
{
    struct fixture *f = *state;
    char *fifo = fixture_path(f, "fifo"), *missing = fixture_path(f, "missing");
    const struct {
        const char *path, *message;
    } rows[] = {
        {f->root, "is a directory: expected a regular file"},
        {fifo, "is no regular file: expected a regular file"}, /* and nobody waits for its writer */
        {"/dev/zero", "is no regular file: expected a regular file"},
        {missing, "missing: No such file or directory"},
        {"/proc/self/mem", ""}, /* a regular file to stat(2), but not to be read from its beginning */
    };

    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct document *doc = NULL;
        struct err err = ERR_INIT;

        assert_true(document_read(rows[i].path, &doc, &err) < 0);
        assert_int_equal(err.kind, ERR_USAGE);
        if (!strstr(err.message, rows[i].message))
            fail_msg("got %s\nwant %s", err.message, rows[i].message);
    }
    free(fifo);
    free(missing);
}

static void test_a_gigabyte(void **state)
{
    struct fixture *f = *state;
    char *path = fixture_path(f, "big.yaml");
    struct document *doc = NULL;
    struct err err = ERR_INIT;

    fixture_write(f, "big.yaml", "policy: big\n");
    assert_int_equal(truncate(path, 1L << 30), 0);
    assert_int_equal(document_read(path, &doc, &err), -EFBIG);
    assert_non_null(strstr(err.message, "big.yaml: is larger than 256 KiB"));
    free(path);
}

static void test_nesting(void **state)
{
    (void)state;
    expect_repeated("a: ", "[", DOCUMENT_MAX, "f:1: is nested too deeply");
    expect_repeated("a: ", "{a: ", DOCUMENT_MAX, "f:1: is nested too deeply");
    expect_repeated("", "- ", DOCUMENT_MAX, "f:1: is nested too deeply");
    expect_repeated("", "? ", DOCUMENT_MAX, "f:1: a key is a list or a mapping");
    expect_repeated("", "a:\n ", 200, "f:");
}

static void test_long_things(void **state)
{
    (void)state;
    expect_repeated("", "- a\n", DOCUMENT_MAX, "f:1025: more than 1024 entries");
    expect_repeated("a: [", "b,", DOCUMENT_MAX, "f:1: more than 1024 entries");
    expect_repeated("a: \"", "b", DOCUMENT_MAX, "is no YAML");
    expect_repeated("", "a", DOCUMENT_MAX + 1, "is larger than 256 KiB");
    expect_repeated("a: \"", "\\", DOCUMENT_MAX, "is no YAML");
}

static void test_bombs(void **state)
{
    (void)state;
    expect_text("a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n", "f:1: YAML anchors and aliases");
    expect_text("a: [x]\nb: *a\n", "f:2: YAML anchors and aliases");
    expect_text("&a a: b\n", "f:1: YAML anchors and aliases");
    expect_text("a: !<tag:yaml.org,2002:python/object/apply:os.system> [ls]\n", "f:1: YAML tags");
    expect_text("%TAG ! tag:x,2002:\n---\na: !b c\n", "f:3: YAML tags");
}

static void test_other_encodings(void **state)
{
    (void)state;
    expect_bytes("\xff\xfe" "a\0:\0 \0b\0", 10, "is no UTF-8 text");
    expect_text("a: 1\nb: \xe4\n", "f:2: is no UTF-8 text");
    expect_text("a: \xc0\xaf\n", "f:1: is no UTF-8 text");
    expect_text("a: \xed\xa0\x80\n", "f:1: is no UTF-8 text");
    expect_bytes("a: b\0c\n", 7, "f:1: is no UTF-8 text");
    expect_bytes("", 0, "f:1: is empty");
    expect_text("\x7f" "ELF\x02\x01\x01", "f:1: is no UTF-8 text");
}

static void test_every_prefix_of_a_policy(void **state)
{
    static const char text[] = "policy: x\nfiles:\n  tmpfs:\n    - {path: \"/a\\\"b\", size: 1M}\n  writable: [a, 'b']\n"
                               "summary: |\n  long\n  text\n";

    (void)state;
    for (size_t size = 0; size < sizeof(text); size++) {
        struct document *doc = NULL;
        struct err err = ERR_INIT;

        if (document_parse("f", text, size, &doc, &err) == 0)
            document_free(doc);
        else
            assert_true(*err.message && err.kind == ERR_USAGE);
    }
}

static void test_lines_and_places(void **state)
{
    static const char text[] = "a:\n  b:\n    - x\n    -\n      c: y\nd: z\n";
    struct document *doc = NULL;
    struct place root, place, item;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(document_parse("f", text, strlen(text), &doc, &err), 0);
    root = place_root(doc);
    place = place_below(&root, "a.b");
    assert_int_equal(place.node->line, 2);
    item = place_item(&place, 1);
    place = place_below(&item, "c");
    assert_string_equal(place.path, "a.b[1].c");
    assert_int_equal(place.node->line, 5);
    place = place_below(&root, "a.nothing.here"); /* the nearest that exists */
    assert_int_equal(place.node->line, 1);
    place_complain(&place, &err, "\"%s\": expected more", "x");
    assert_string_equal(err.message, "f:1: a.nothing.here: \"x\": expected more");
    document_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_regular_files, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_gigabyte, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_long_things),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_other_encodings),
        cmocka_unit_test(test_every_prefix_of_a_policy),
        cmocka_unit_test(test_lines_and_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
