/* SPDX-License-Identifier: MIT */
/* supervisor/report/text: hostile bytes made fit for a terminal, for JSON and for XML; numbers for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "supervisor/report/text.h"

#define REPLACED "\xef\xbf\xbd"

static void check_clean(const char *data, size_t size, int lines, const char *expected)
{
    char *text = text_clean(data, size, lines);

    assert_string_equal(text, expected);
    free(text);
}

static void check_xml(const char *data, size_t size, const char *expected)
{
    char *text = text_xml(data, size);

    assert_string_equal(text, expected);
    free(text);
}

#define CLEAN(data, lines, expected) check_clean(data, sizeof(data) - 1, lines, expected)
#define XML(data, expected) check_xml(data, sizeof(data) - 1, expected)

static void plain_text_stays(void **state)
{
    (void)state;
    CLEAN("", 0, "");
    CLEAN("tests/a.py::test_x[1]", 0, "tests/a.py::test_x[1]");
    CLEAN("grün ≥ 𝄞 \u00a0", 0, "grün ≥ 𝄞 \u00a0");
    XML("grün ≥ 𝄞", "grün ≥ 𝄞");
}

static void control_characters_are_shown(void **state)
{
    (void)state;
    CLEAN("\x1b[31mred\a\b\x7f", 0, "\\x1b[31mred\\x07\\x08\\x7f");
    CLEAN("a\0b", 1, "a\\x00b");
    CLEAN("\xc2\x9b"
          "31m",
          0, "\\x9b31m"); /* the one-character CSI of C1 */
    CLEAN("a\r\n\tb", 1, "a\\x0d\n\tb");
    CLEAN("a\r\n\tb", 0, "a\\x0d\\x0a\\x09b");
}

static void what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    CLEAN("\xff\xfe", 0, REPLACED REPLACED);
    CLEAN("a\x80z", 0, "a" REPLACED "z");
    CLEAN("\xc3", 0, REPLACED);            /* cut off */
    CLEAN("\xe2\x89", 0, REPLACED REPLACED);
    CLEAN("\xc3(", 0, REPLACED "(");
    CLEAN("\xc0\xaf", 0, REPLACED REPLACED); /* '/' in two bytes */
    CLEAN("\xe0\x80\xaf", 0, REPLACED REPLACED REPLACED);
    CLEAN("\xf0\x80\x80\xaf", 0, REPLACED REPLACED REPLACED REPLACED);
    CLEAN("\xed\xa0\x80", 0, REPLACED REPLACED REPLACED); /* a surrogate */
    CLEAN("\xf4\x90\x80\x80", 0, REPLACED REPLACED REPLACED REPLACED); /* beyond Unicode */
    CLEAN("\xf8\x88\x80\x80\x80", 0, REPLACED REPLACED REPLACED REPLACED REPLACED);
    CLEAN("\xf4\x8f\xbf\xbf", 0, "\xf4\x8f\xbf\xbf"); /* the last one */
}

/* `size` bounds the text, not a NUL behind it. */
static void no_byte_beyond_the_end_is_read(void **state)
{
    char *data = malloc(2);

    (void)state;
    data[0] = 'a';
    data[1] = (char)0xe2;
    check_clean(data, 2, 0, "a" REPLACED);
    check_xml(data, 2, "a#xE2");
    check_clean(data, 1, 0, "a");
    free(data);
    check_clean("\xe2\x89\xa5", 2, 0, REPLACED REPLACED);
}

static void entities_of_xml(void **state)
{
    (void)state;
    XML("a<b>&\"c\" 'd'", "a&lt;b&gt;&amp;&quot;c&quot; 'd'");
    XML("]]>", "]]&gt;");
    XML("&amp;", "&amp;amp;");
}

static void what_xml_cannot_hold(void **state)
{
    (void)state;
    XML("\x1b[0m\0\x7f", "#x1B[0m#x00#x7F");
    XML("a\tb\nc\rd", "a\tb\nc\rd");
    XML("\xef\xbf\xbe\xef\xbf\xbf", "#xFFFE#xFFFF");
    XML("\xff\xc3(", "#xFF#xC3(");
    XML("\xed\xa0\x80", "#xED#xA0#x80");
}

/* Any bytes at all: jansson takes only valid UTF-8, and nothing may be left that moves a cursor. */
static void any_bytes(void **state)
{
    uint32_t random = 12345;
    char data[64];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)round % sizeof(data);
        char *clean, *xml;
        json_t *string;

        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            data[i] = (char)(random >> 24);
        }
        clean = text_clean(data, size, 0);
        xml = text_xml(data, size);
        for (const char *c = clean; *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f &&
                        !((unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0));
        assert_null(strpbrk(xml, "<>\""));
        string = json_string(clean);
        assert_non_null(string);
        json_decref(string);
        string = json_string(xml);
        assert_non_null(string);
        json_decref(string);
        free(clean);
        free(xml);
    }
}

static void times(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        {0, "1 ms"},
        {400 * NS_PER_US, "1 ms"},
        {11 * NS_PER_MS, "11 ms"},
        {99 * NS_PER_MS, "99 ms"},
        {100 * NS_PER_MS, "0.1 s"},
        {8400 * NS_PER_MS, "8.4 s"},
        {59900 * NS_PER_MS, "59.9 s"},
        {59990 * NS_PER_MS, "1 m 00 s"},
        {60 * NS_PER_SEC, "1 m 00 s"},
        {125 * NS_PER_SEC, "2 m 05 s"},
        {3725 * NS_PER_SEC, "62 m 05 s"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        units_print_time(text, sizeof(text), rows[i].ns);
        assert_string_equal(text, rows[i].text);
    }
}

static void sizes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "none"},
        {1ULL << 20, "1 MiB"},
        {512ULL << 20, "512 MiB"},
        {1023ULL << 20, "1023 MiB"},
        {1ULL << 30, "1.0 GiB"},
        {5734ULL << 20, "5.6 GiB"},
        {22ULL << 30, "22 GiB"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        units_print_size(text, sizeof(text), rows[i].bytes);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(control_characters_are_shown),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(no_byte_beyond_the_end_is_read),
        cmocka_unit_test(entities_of_xml),
        cmocka_unit_test(what_xml_cannot_hold),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(times),
        cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
