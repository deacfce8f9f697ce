/* SPDX-License-Identifier: MIT */
/* supervisor/run/channel: the checked fields of a message's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/run/channel.h"

static int setup(void **state)
{
    *state = json_loads("{\"t\":\"x\",\"zero\":0,\"seven\":7,\"minus\":-7,\"big\":9223372036854775807,"
                        "\"real\":7.0,\"null\":null,\"text\":\"four\",\"empty\":\"\",\"umlaut\":\"\u00fc\","
                        "\"yes\":true,\"no\":false,\"list\":[7]}",
                        0, NULL);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void numbers(void **state)
{
    static const char *const others[] = {"real", "null", "text", "empty", "yes", "no", "list", "absent"};
    struct packet packet = {.header = *state};
    int64_t n = 4711;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(packet_int(&packet, others[i], INT64_MIN, INT64_MAX, &n), -EPROTO);
    assert_int_equal(packet_int(&packet, "seven", 8, 100, &n), -EPROTO);
    assert_int_equal(packet_int(&packet, "seven", 0, 6, &n), -EPROTO);
    assert_int_equal(packet_int(&packet, "minus", 0, INT64_MAX, &n), -EPROTO);
    assert_int_equal(n, 4711);
    assert_int_equal(packet_int(&packet, "seven", 7, 7, &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(packet_int(&packet, "minus", -7, 0, &n), 0);
    assert_int_equal(n, -7);
    assert_int_equal(packet_int(&packet, "zero", 0, 0, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(packet_int(&packet, "big", 0, INT64_MAX, &n), 0);
    assert_true(n == INT64_MAX);
}

static void numbers_that_may_be_absent(void **state)
{
    struct packet packet = {.header = *state};
    int64_t n = 4711;

    assert_int_equal(packet_int_or(&packet, "text", 0, 10, -1, &n), -EPROTO);
    assert_int_equal(packet_int_or(&packet, "no", 0, 10, -1, &n), -EPROTO);
    assert_int_equal(packet_int_or(&packet, "seven", 0, 6, -1, &n), -EPROTO);
    assert_int_equal(n, 4711);
    assert_int_equal(packet_int_or(&packet, "absent", 0, 10, -1, &n), 0);
    assert_int_equal(n, -1);
    assert_int_equal(packet_int_or(&packet, "null", 0, 10, -2, &n), 0);
    assert_int_equal(n, -2);
    assert_int_equal(packet_int_or(&packet, "seven", 0, 10, -1, &n), 0);
    assert_int_equal(n, 7);
}

static void texts(void **state)
{
    struct packet packet = {.header = *state};
    const char *text = "as it was";

    assert_int_equal(packet_text(&packet, "text", 3, false, &text), -EPROTO);
    assert_int_equal(packet_text(&packet, "umlaut", 1, false, &text), -EPROTO); /* bytes, not characters */
    assert_int_equal(packet_text(&packet, "seven", 100, true, &text), -EPROTO);
    assert_int_equal(packet_text(&packet, "no", 100, true, &text), -EPROTO);
    assert_int_equal(packet_text(&packet, "absent", 100, false, &text), -EPROTO);
    assert_int_equal(packet_text(&packet, "null", 100, false, &text), -EPROTO);
    assert_string_equal(text, "as it was");
    assert_int_equal(packet_text(&packet, "text", 4, false, &text), 0);
    assert_string_equal(text, "four");
    assert_int_equal(packet_text(&packet, "umlaut", 2, true, &text), 0);
    assert_string_equal(text, "\u00fc");
    assert_int_equal(packet_text(&packet, "empty", 0, false, &text), 0);
    assert_string_equal(text, "");
    assert_int_equal(packet_text(&packet, "absent", 100, true, &text), 0);
    assert_null(text);
    text = "";
    assert_int_equal(packet_text(&packet, "null", 100, true, &text), 0);
    assert_null(text);
}

static void truths(void **state)
{
    struct packet packet = {.header = *state};
    bool value = false;

    assert_int_equal(packet_bool(&packet, "yes", false, &value), 0);
    assert_true(value);
    assert_int_equal(packet_bool(&packet, "zero", true, &value), -EPROTO);
    assert_int_equal(packet_bool(&packet, "text", true, &value), -EPROTO);
    assert_true(value);
    assert_int_equal(packet_bool(&packet, "no", true, &value), 0);
    assert_false(value);
    assert_int_equal(packet_bool(&packet, "absent", true, &value), 0);
    assert_true(value);
    assert_int_equal(packet_bool(&packet, "absent", false, &value), 0);
    assert_false(value);
}

/* A packet with the read end of a pipe and a file, named as `names` says. */
static struct packet packet_with(const char *names, int *pipe_write, json_t **ret_header)
{
    struct packet packet = {.nfds = 2};
    int pair[2], file = memfd_create("file", MFD_CLOEXEC);

    assert_true(file >= 0);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    *pipe_write = pair[1];
    packet.fds[0] = pair[0];
    packet.fds[1] = file;
    *ret_header = json_loads(names, 0, NULL);
    assert_non_null(*ret_header);
    packet.header = *ret_header;
    return packet;
}

static void check_file(const char *header, const char *name, bool found)
{
    json_t *json;
    int pipe_write, fd;
    struct packet packet = packet_with(header, &pipe_write, &json);
    int file = packet.fds[1];

    fd = packet_take_file(&packet, name);
    if (fd != (found ? file : -1) || packet.fds[1] != (found ? -1 : file))
        fail_msg("%s: \"%s\" gives %d", header, name, fd);
    assert_true(packet.fds[0] >= 0);
    assert_int_equal(packet_take_file(&packet, name), -1); /* taken once */
    close(packet.fds[0]);
    close(pipe_write);
    close(file);
    json_decref(json);
}

static void files(void **state)
{
    (void)state;
    check_file("{\"fds\":[\"p\",\"f\"]}", "f", true);
    check_file("{\"fds\":[null,\"f\",\"g\"]}", "f", true);
    check_file("{\"fds\":[\"p\",\"f\"]}", "p", false); /* a pipe: reading from it could block */
    check_file("{\"fds\":[\"p\",\"f\"]}", "g", false);
    check_file("{\"fds\":[\"p\"]}", "f", false);
    check_file("{\"fds\":[\"p\",7]}", "f", false);
    check_file("{\"fds\":[\"p\",\"x\",\"f\"]}", "f", false); /* more names than descriptors */
    check_file("{\"fds\":\"f\"}", "f", false);
    check_file("{}", "f", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_may_be_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test_setup_teardown(truths, setup, teardown),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
