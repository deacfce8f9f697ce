/* SPDX-License-Identifier: MIT */
/* supervisor/run/channel: one end of a socket pair is the channel, the other one a peer that need not be friendly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/run/channel.h"

struct fixture {
    struct ev_loop *loop;
    struct channel *channel;
    int peer, fds_before;
    /* what the handler was told */
    unsigned packets, ends;
    char type[32], payload[64], why[80];
    size_t payload_size, nfds;
    pid_t pid;
    bool has_payload, cloexec;
    int taken;
    /* what it is to do */
    bool take_first_fd, free_at_packet, free_at_end;
};

/* Open descriptors; only those that an exec() would hand on when `leaking`. */
static int count_fds(bool leaking)
{
    _cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            n += !leaking || !(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC);
    return n;
}

static void note_packet(void *arg, struct packet *packet)
{
    struct fixture *f = arg;
    size_t size = packet->payload_size < sizeof(f->payload) ? packet->payload_size : sizeof(f->payload);

    f->packets++;
    snprintf(f->type, sizeof(f->type), "%s", packet->type);
    f->has_payload = packet->payload != NULL;
    f->payload_size = packet->payload_size;
    if (size)
        memcpy(f->payload, packet->payload, size);
    f->pid = packet->pid;
    f->nfds = packet->nfds;
    f->cloexec = true;
    for (size_t i = 0; i < packet->nfds; i++)
        f->cloexec = f->cloexec && (fcntl(packet->fds[i], F_GETFD) & FD_CLOEXEC);
    if (f->take_first_fd) {
        f->taken = packet->fds[0];
        packet->fds[0] = -1;
    }
    if (f->free_at_packet) {
        channel_free(f->channel);
        f->channel = NULL;
    }
}

static void note_end(void *arg, const char *why)
{
    struct fixture *f = arg;

    f->ends++;
    snprintf(f->why, sizeof(f->why), "%s", why ? why : "end of file");
    if (f->free_at_end) {
        channel_free(f->channel);
        f->channel = NULL;
    }
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    const struct channel_handler handler = {.packet = note_packet, .closed = note_end, .arg = f};
    int pair[2];

    *state = f;
    f->taken = -1;
    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->fds_before = count_fds(false);
    if (!f->loop || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    f->channel = channel_new(f->loop, pair[0], &handler);
    f->peer = pair[1];
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int r;

    channel_free(f->channel);
    if (f->peer >= 0)
        close(f->peer);
    if (f->taken >= 0)
        close(f->taken);
    r = count_fds(false) - f->fds_before; /* so a descriptor that is lost fails its test */
    ev_loop_destroy(f->loop);
    free(f);
    return r;
}

static struct fixture *renew(void **state)
{
    int r = teardown(state);

    assert_int_equal(setup(state), 0);
    assert_int_equal(r, 0);
    return *state;
}

static void peer_sends(struct fixture *f, const void *data, size_t size, const int *fds, size_t nfds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 16)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)data, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (nfds) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                                .cmsg_type = SCM_RIGHTS,
                                                .cmsg_len = CMSG_LEN(sizeof(int) * nfds)};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * nfds);
    }
    assert_int_equal(sendmsg(f->peer, &msg, MSG_NOSIGNAL), (ssize_t)size);
}

static void peer_says(struct fixture *f, const char *text)
{
    peer_sends(f, text, strlen(text), NULL, 0);
}

static void turn(struct fixture *f)
{
    ev_run(f->loop, EVRUN_NOWAIT);
}

static void check_end(struct fixture *f, const char *why)
{
    turn(f);
    assert_int_equal(f->ends, 1);
    assert_string_equal(f->why, why);
}

/* --- what comes in --- */

static void a_header_and_a_payload(void **state)
{
    struct fixture *f = *state;
    static const char message[] = "{\"t\":\"report\",\"i\":1}\nab\0c\n";

    peer_sends(f, message, sizeof(message) - 1, NULL, 0);
    turn(f);
    assert_int_equal(f->packets, 1);
    assert_string_equal(f->type, "report");
    assert_int_equal(f->payload_size, 5);
    assert_memory_equal(f->payload, "ab\0c\n", 5);
    assert_int_equal(f->pid, getpid());
    assert_int_equal(f->nfds, 0);
}

static void a_header_alone(void **state)
{
    struct fixture *f = *state;

    peer_says(f, "{\"t\":\"done\"}");
    turn(f);
    assert_string_equal(f->type, "done");
    assert_false(f->has_payload);
    peer_says(f, "{\"t\":\"empty\"}\n");
    turn(f);
    assert_string_equal(f->type, "empty");
    assert_true(f->has_payload);
    assert_int_equal(f->payload_size, 0);
}

static void the_true_sender(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(send(f->peer, "{\"t\":\"x\",\"pid\":1}", 17, 0) == 17 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    turn(f);
    assert_int_equal(f->packets, 1);
    assert_int_equal(f->pid, child);
}

static void headers_refused(void **state)
{
    static const char *const not_objects[] = {
        "\n",
        "\npayload",
        "x",
        "\"t\"",
        "[\"t\"]",
        "{'t':'x'}",
        "{\"t\":\"cut",
        "{\"t\":\"x\"} {}",
        "{\"t\":\"x\",\"t\":\"y\"}",
        "{\"t\":\"\xff\"}",
        "{\"t\":\"x\",\"i\":99999999999999999999}",
    };
    static const char *const no_types[] = {"{}", "{\"t\":1}", "{\"t\":null}", "{\"T\":\"x\"}"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(not_objects) / sizeof(not_objects[0]); i++) {
        peer_says(f, not_objects[i]);
        check_end(f, "a header that is no JSON object");
        f = renew(state);
    }
    for (size_t i = 0; i < sizeof(no_types) / sizeof(no_types[0]); i++) {
        peer_says(f, no_types[i]);
        check_end(f, "a header without a type");
        f = renew(state);
    }
}

static void the_longest_message(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *data = mem_zalloc(CHANNEL_MAX_PACKET + 1);

    memset(data, 'p', CHANNEL_MAX_PACKET + 1);
    memcpy(data, "{\"t\":\"x\"}\n", 10);
    peer_sends(f, data, CHANNEL_MAX_PACKET, NULL, 0);
    turn(f);
    assert_int_equal(f->packets, 1);
    assert_int_equal(f->payload_size, CHANNEL_MAX_PACKET - 10);
    peer_sends(f, data, CHANNEL_MAX_PACKET + 1, NULL, 0);
    check_end(f, "a message of more than 65536 bytes");
    assert_int_equal(f->packets, 1);
}

static void the_longest_header(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *fits = mem_printf("{\"t\":\"x\"%*s}\np", CHANNEL_MAX_HEADER - 9, "");
    _cleanup_free_ char *too_long = mem_printf("{\"t\":\"x\"%*s}\np", CHANNEL_MAX_HEADER - 8, "");

    peer_says(f, fits);
    turn(f);
    assert_int_equal(f->packets, 1);
    peer_says(f, too_long);
    check_end(f, "a header of more than 8192 bytes");
    assert_int_equal(f->packets, 1);
}

static void nothing_is_heard_after_a_violation(void **state)
{
    struct fixture *f = *state;

    peer_says(f, "{\"t\":\"first\"}");
    peer_says(f, "nonsense");
    peer_says(f, "{\"t\":\"later\"}");
    check_end(f, "a header that is no JSON object");
    turn(f);
    channel_drain(f->channel);
    assert_int_equal(f->packets, 1);
    assert_int_equal(f->ends, 1);
    channel_sendf(f->channel, "{\"t\":\"swallowed\"}");
    assert_int_equal(channel_pending_bytes(f->channel), 0);
}

static void the_end_comes_last_and_once(void **state)
{
    struct fixture *f = *state;

    peer_says(f, "{\"t\":\"last words\"}");
    close(f->peer);
    f->peer = -1;
    channel_drain(f->channel);
    assert_int_equal(f->packets, 1);
    assert_string_equal(f->type, "last words");
    check_end(f, "end of file");
    channel_drain(f->channel);
    assert_int_equal(f->ends, 1);
}

static void one_peer_does_not_fill_a_turn(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 40; i++)
        peer_says(f, "{\"t\":\"x\"}");
    turn(f);
    assert_int_equal(f->packets, 32);
    turn(f);
    assert_int_equal(f->packets, 40);
}

static void freed_by_its_own_handlers(void **state)
{
    struct fixture *f = *state;

    f->free_at_packet = true;
    peer_says(f, "{\"t\":\"x\"}");
    peer_says(f, "{\"t\":\"y\"}");
    turn(f);
    assert_int_equal(f->packets, 1);
    assert_null(f->channel);
    assert_int_equal(f->ends, 0);
    f = renew(state);
    f->free_at_end = true;
    peer_says(f, "nonsense");
    channel_drain(f->channel);
    assert_int_equal(f->ends, 1);
    assert_null(f->channel);
}

static void note_other(void *arg, struct packet *packet)
{
    (void)packet;
    ++*(unsigned *)arg;
}

static void another_handler(void **state)
{
    struct fixture *f = *state;
    unsigned others = 0;
    const struct channel_handler handler = {.packet = note_other, .closed = note_end, .arg = &others};

    channel_set_handler(f->channel, &handler);
    peer_says(f, "{\"t\":\"x\"}");
    turn(f);
    assert_int_equal(others, 1);
    assert_int_equal(f->packets, 0);
}

/* --- descriptors (teardown counts them) --- */

static const int stderr_nine_times[9] = {2, 2, 2, 2, 2, 2, 2, 2, 2};

static void descriptors_are_closed_unless_taken(void **state)
{
    struct fixture *f = *state;

    f->take_first_fd = true;
    peer_sends(f, "{\"t\":\"x\"}", 9, stderr_nine_times, 8);
    turn(f);
    assert_int_equal(f->nfds, 8);
    assert_true(f->cloexec);
    assert_true(fcntl(f->taken, F_GETFD) >= 0);
    assert_int_equal(count_fds(false), f->fds_before + 3); /* both ends, and the one taken */
}

static void too_many_descriptors(void **state)
{
    struct fixture *f = *state;

    peer_sends(f, "{\"t\":\"x\"}", 9, stderr_nine_times, 9);
    check_end(f, "more than 8 descriptors in a message");
    assert_int_equal(f->packets, 0);
    assert_int_equal(count_fds(false), f->fds_before + 2);
}

static void descriptors_with_a_broken_message(void **state)
{
    struct fixture *f = *state;

    peer_sends(f, "nonsense", 8, stderr_nine_times, 8);
    check_end(f, "a header that is no JSON object");
    assert_int_equal(count_fds(false), f->fds_before + 2);
}

/* It reads like the end of the file, but it has a sender, and can carry something. */
static void descriptors_with_an_empty_message(void **state)
{
    struct fixture *f = *state;

    peer_sends(f, "", 0, stderr_nine_times, 8);
    check_end(f, "an empty message");
    assert_int_equal(count_fds(false), f->fds_before + 2);
}

/* A child that inherited the peer's end neither speaks for it nor ends it. */
static void a_child_of_the_peer_is_not_heard(void **state)
{
    struct fixture *f = *state;
    pid_t child;

    channel_listen_to(f->channel, getpid());
    child = fork();
    if (child == 0) {
        send(f->peer, "garbage", 7, 0);
        send(f->peer, "", 0, 0);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    peer_says(f, "{\"t\":\"mine\"}");
    turn(f);
    assert_int_equal(f->packets, 1);
    assert_int_equal(f->ends, 0);
    assert_string_equal(f->type, "mine");
}

/* --- what goes out --- */

static void check_received(struct fixture *f, const char *expected, size_t size)
{
    char data[256];

    assert_int_equal(recv(f->peer, data, sizeof(data), MSG_DONTWAIT), (ssize_t)size);
    assert_memory_equal(data, expected, size);
}

static void what_is_sent_arrives(void **state)
{
    struct fixture *f = *state;

    channel_sendf(f->channel, "{\"t\":\"go\",\"i\":%d}", 7);
    channel_send(f->channel, "{\"t\":\"feed\"}", "a\0b", 3, NULL, 0);
    channel_send(f->channel, "{\"t\":\"feed\"}", "", 0, NULL, 0);
    check_received(f, "{\"t\":\"go\",\"i\":7}", 16);
    check_received(f, "{\"t\":\"feed\"}\na\0b", 16);
    check_received(f, "{\"t\":\"feed\"}\n", 13);
    assert_int_equal(channel_pending_bytes(f->channel), 0);
}

/* Sends numbered messages until they wait here, and some more. Returns how many there are. */
static int congest(struct fixture *f)
{
    static char payload[16384];
    int n = 0;

    while (channel_pending_bytes(f->channel) == 0 || n % 8) {
        char header[32];

        snprintf(header, sizeof(header), "{\"t\":\"%d\"}", n++);
        channel_send(f->channel, header, payload, sizeof(payload), NULL, 0);
        assert_true(n < 10000);
    }
    return n;
}

static int receive_number(struct fixture *f, int *ret_fd)
{
    static char data[CHANNEL_MAX_PACKET];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t size = recvmsg(f->peer, &msg, MSG_DONTWAIT);

    if (size < 0)
        return -1;
    if (CMSG_FIRSTHDR(&msg))
        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
    assert_memory_equal(data, "{\"t\":\"", 6);
    return atoi(data + 6);
}

static void a_slow_peer_gets_everything_in_order(void **state)
{
    struct fixture *f = *state;
    int n = congest(f), got = 0, fd = -1;

    while (receive_number(f, &fd) == got) /* room again, but this one must not overtake those that wait */
        got++;
    channel_sendf(f->channel, "{\"t\":\"%d\"}", n++);
    assert_true(got < n - 1);
    for (int turns = 0; got < n; turns++) {
        int number;

        assert_true(turns < 10000);
        while ((number = receive_number(f, &fd)) >= 0)
            assert_int_equal(number, got++);
        turn(f);
    }
    assert_int_equal(fd, -1);
    assert_int_equal(channel_pending_bytes(f->channel), 0);
    assert_int_equal(receive_number(f, &fd), -1);
}

static void descriptors_wait_with_their_message(void **state)
{
    struct fixture *f = *state;
    int leaking = count_fds(true), n = congest(f), fd = -1, pipe_fds[2];
    char c = 0;

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    channel_send(f->channel, "{\"t\":\"10000\"}", NULL, 0, &pipe_fds[1], 1);
    close(pipe_fds[1]); /* the caller's own */
    assert_int_equal(count_fds(true), leaking);
    while (n >= 0 && fd < 0) {
        int number = receive_number(f, &fd);

        if (number == 10000)
            break;
        if (number < 0)
            turn(f);
    }
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_int_equal(read(pipe_fds[0], &c, 1), 1);
    assert_int_equal(c, 'x');
    assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* no copy of it is left */
    close(pipe_fds[0]);
}

static void freed_with_messages_waiting(void **state)
{
    struct fixture *f = *state;

    congest(f);
    channel_send(f->channel, "{\"t\":\"x\"}", NULL, 0, stderr_nine_times, 8);
    channel_free(f->channel);
    f->channel = NULL;
    assert_int_equal(count_fds(false), f->fds_before + 1);
}

/* Neither SIGPIPE nor a queue that nobody will ever read. */
static void sending_to_nobody(void **state)
{
    struct fixture *f = *state;

    signal(SIGPIPE, SIG_DFL);
    close(f->peer);
    f->peer = -1;
    channel_sendf(f->channel, "{\"t\":\"x\"}");
    assert_int_equal(channel_pending_bytes(f->channel), 0);
    check_end(f, "end of file");
    f = renew(state);
    congest(f);
    close(f->peer);
    f->peer = -1;
    check_end(f, "end of file");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_header_and_a_payload),
        TEST(a_header_alone),
        TEST(the_true_sender),
        TEST(headers_refused),
        TEST(the_longest_message),
        TEST(the_longest_header),
        TEST(nothing_is_heard_after_a_violation),
        TEST(the_end_comes_last_and_once),
        TEST(one_peer_does_not_fill_a_turn),
        TEST(freed_by_its_own_handlers),
        TEST(another_handler),
        TEST(descriptors_are_closed_unless_taken),
        TEST(too_many_descriptors),
        TEST(descriptors_with_a_broken_message),
        TEST(descriptors_with_an_empty_message),
        TEST(a_child_of_the_peer_is_not_heard),
        TEST(what_is_sent_arrives),
        TEST(a_slow_peer_gets_everything_in_order),
        TEST(descriptors_wait_with_their_message),
        TEST(freed_with_messages_waiting),
        TEST(sending_to_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
