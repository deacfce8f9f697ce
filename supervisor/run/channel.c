/* SPDX-License-Identifier: MIT */
#include "supervisor/run/channel.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"

/* What one peer may make us read before the others get their turn. */
#define PACKETS_PER_TURN 32

struct outgoing {
    struct outgoing *next;
    size_t size;
    int fds[CHANNEL_MAX_FDS];
    size_t nfds;
    char data[];
};

struct channel {
    struct ev_loop *loop;
    ev_io reader, writer;
    int fd;
    struct channel_handler handler;
    struct outgoing *head, **tail;
    size_t pending_bytes;
    pid_t sender; /* nobody else is listened to; 0: whoever holds the other end */
    bool closed;  /* `closed` has been called */
    bool *freed;  /* set when the channel is freed inside of a handler */
    char *buffer; /* CHANNEL_MAX_PACKET + 1 */
};

static void channel_end(struct channel *channel, const char *why)
{
    if (channel->closed)
        return;
    channel->closed = true;
    ev_io_stop(channel->loop, &channel->reader);
    ev_io_stop(channel->loop, &channel->writer);
    channel->handler.closed(channel->handler.arg, why);
}

static void packet_close_fds(struct packet *packet)
{
    for (size_t i = 0; i < packet->nfds; i++)
        close_fd(&packet->fds[i]);
}

static void packet_read_control(struct msghdr *msg, struct packet *packet)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred cred;

            memcpy(&cred, CMSG_DATA(c), sizeof(cred));
            packet->pid = cred.pid;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                if (packet->nfds < CHANNEL_MAX_FDS)
                    packet->fds[packet->nfds++] = fd;
                else
                    close(fd);
            }
        }
    }
}

/* Splits a message into header and payload. Returns NULL or what is wrong with it. */
static const char *packet_parse(char *data, size_t size, struct packet *packet, json_t **ret_header)
{
    char *newline = memchr(data, '\n', size);
    size_t length = newline ? (size_t)(newline - data) : size;
    json_t *header;

    if (length > CHANNEL_MAX_HEADER)
        return "a header of more than 8192 bytes";
    header = json_loadb(data, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(header)) {
        json_decref(header);
        return "a header that is no JSON object";
    }
    packet->header = header;
    packet->type = json_string_value(json_object_get(header, "t"));
    if (!packet->type) {
        json_decref(header);
        return "a header without a type";
    }
    if (newline) {
        packet->payload = newline + 1;
        packet->payload_size = size - length - 1;
    }
    *ret_header = header;
    return NULL;
}

/* Reads and handles one message. Returns false when there is nothing more, or the channel is closed or freed. */
static bool channel_read_one(struct channel *channel)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {channel->buffer, CHANNEL_MAX_PACKET};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct packet packet = {0};
    json_t *header = NULL;
    const char *why;
    bool freed = false;
    ssize_t n;

    do
        n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n >= 0)
        packet_read_control(&msg, &packet);
    if (n < 0 || (n == 0 && !packet.pid)) { /* the end of the file has no sender */
        packet_close_fds(&packet);
        channel_end(channel, NULL);
        return false;
    }
    if (channel->sender && packet.pid != channel->sender) {
        packet_close_fds(&packet);
        return true;
    }
    channel->buffer[n] = '\0';
    why = n == 0 ? "an empty message"
          : msg.msg_flags & MSG_TRUNC ? "a message of more than 65536 bytes"
          : msg.msg_flags & MSG_CTRUNC
              ? "more than 8 descriptors in a message"
              : packet_parse(channel->buffer, (size_t)n, &packet, &header);
    if (why) {
        packet_close_fds(&packet);
        channel_end(channel, why);
        return false;
    }
    channel->freed = &freed;
    channel->handler.packet(channel->handler.arg, &packet);
    json_decref(header);
    packet_close_fds(&packet);
    if (freed)
        return false;
    channel->freed = NULL;
    return !channel->closed;
}

static void channel_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct channel *channel = watcher->data;

    (void)loop;
    (void)revents;
    for (int i = 0; i < PACKETS_PER_TURN && channel_read_one(channel); i++)
        ;
}

void channel_listen_to(struct channel *channel, pid_t sender)
{
    channel->sender = sender;
}

void channel_drain(struct channel *channel)
{
    if (channel->closed)
        return;
    /* A living peer can keep this busy, so it is bounded as well. */
    for (int i = 0; i < PACKETS_PER_TURN * 8; i++)
        if (!channel_read_one(channel))
            break;
}

static void outgoing_free(struct outgoing *out)
{
    for (size_t i = 0; i < out->nfds; i++)
        close_fd(&out->fds[i]);
    free(out);
}

/* One attempt. Returns 0 when it is sent (or can never be), -EAGAIN when the peer must read first. */
static int channel_transmit(struct channel *channel, const struct iovec *iov, size_t niov,
                            const int *fds, size_t nfds)
{
    union io_fds control;
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = niov};
    ssize_t n;

    io_attach_fds(&msg, &control, fds, nfds);
    do
        n = sendmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) ? -EAGAIN : 0;
}

static void channel_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct channel *channel = watcher->data;

    (void)revents;
    while (channel->head) {
        struct outgoing *out = channel->head;
        struct iovec iov = {out->data, out->size};

        if (channel_transmit(channel, &iov, 1, out->fds, out->nfds) == -EAGAIN)
            return;
        channel->head = out->next;
        if (!channel->head)
            channel->tail = &channel->head;
        channel->pending_bytes -= out->size;
        outgoing_free(out);
    }
    ev_io_stop(loop, watcher);
}

void channel_send(struct channel *channel, const char *header, const void *payload,
                  size_t payload_size, const int *fds, size_t nfds)
{
    struct iovec iov[3] = {{(void *)header, strlen(header)}, {(void *)"\n", 1}, {(void *)payload, payload_size}};
    size_t size = iov[0].iov_len + (payload ? 1 + payload_size : 0), at = 0;
    struct outgoing *out;

    if (channel->closed)
        return;
    if (!channel->head &&
        channel_transmit(channel, iov, payload ? 3 : 1, fds, nfds) != -EAGAIN)
        return;
    out = mem_zalloc(sizeof(*out) + size);
    for (size_t i = 0; i < (payload ? 3 : 1); i++) {
        memcpy(out->data + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    out->size = size;
    for (size_t i = 0; i < nfds; i++)
        out->fds[out->nfds++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
    *channel->tail = out;
    channel->tail = &out->next;
    channel->pending_bytes += size;
    ev_io_start(channel->loop, &channel->writer);
}

void channel_sendf(struct channel *channel, const char *fmt, ...)
{
    char header[CHANNEL_MAX_HEADER];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(header, sizeof(header), fmt, ap);
    va_end(ap);
    channel_send(channel, header, NULL, 0, NULL, 0);
}

size_t channel_pending_bytes(const struct channel *channel)
{
    return channel->pending_bytes;
}

struct channel *channel_new(struct ev_loop *loop, int fd, const struct channel_handler *handler)
{
    struct channel *channel = mem_zalloc(sizeof(*channel));
    int one = 1;

    channel->loop = loop;
    channel->fd = fd;
    channel->tail = &channel->head;
    channel->buffer = mem_zalloc(CHANNEL_MAX_PACKET + 1);
    io_set_nonblock(fd, true);
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    ev_io_init(&channel->reader, channel_readable, fd, EV_READ);
    ev_io_init(&channel->writer, channel_writable, fd, EV_WRITE);
    channel->reader.data = channel->writer.data = channel;
    channel->handler = *handler;
    ev_set_priority(&channel->reader, handler->priority);
    ev_io_start(loop, &channel->reader);
    return channel;
}

void channel_set_handler(struct channel *channel, const struct channel_handler *handler)
{
    channel->handler = *handler;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->freed)
        *channel->freed = true;
    ev_io_stop(channel->loop, &channel->reader);
    ev_io_stop(channel->loop, &channel->writer);
    while (channel->head) {
        struct outgoing *out = channel->head;

        channel->head = out->next;
        outgoing_free(out);
    }
    close(channel->fd);
    free(channel->buffer);
    free(channel);
}

int packet_int(const struct packet *packet, const char *key, int64_t min, int64_t max, int64_t *ret)
{
    json_t *value = json_object_get(packet->header, key);
    int64_t number;

    if (!json_is_integer(value))
        return -EPROTO;
    number = json_integer_value(value);
    if (number < min || number > max)
        return -EPROTO;
    *ret = number;
    return 0;
}

int packet_int_or(const struct packet *packet, const char *key, int64_t min, int64_t max,
                  int64_t fallback, int64_t *ret)
{
    json_t *value = json_object_get(packet->header, key);

    if (!value || json_is_null(value)) {
        *ret = fallback;
        return 0;
    }
    return packet_int(packet, key, min, max, ret);
}

int packet_text(const struct packet *packet, const char *key, size_t max, bool optional,
                const char **ret)
{
    json_t *value = json_object_get(packet->header, key);

    if (optional && (!value || json_is_null(value))) {
        *ret = NULL;
        return 0;
    }
    if (!json_is_string(value) || json_string_length(value) > max)
        return -EPROTO;
    *ret = json_string_value(value);
    return 0;
}

int packet_bool(const struct packet *packet, const char *key, bool fallback, bool *ret)
{
    json_t *value = json_object_get(packet->header, key);

    if (value && !json_is_boolean(value))
        return -EPROTO;
    *ret = value ? json_is_true(value) : fallback;
    return 0;
}

int packet_take_file(struct packet *packet, const char *name)
{
    const json_t *names = json_object_get(packet->header, "fds");

    for (size_t i = 0; i < packet->nfds && i < json_array_size(names); i++) {
        const char *text = json_string_value(json_array_get(names, i));
        struct stat st;

        if (!text || strcmp(text, name) != 0 || packet->fds[i] < 0)
            continue;
        if (fstat(packet->fds[i], &st) < 0 || !S_ISREG(st.st_mode))
            return -1;
        return take_fd(&packet->fds[i]);
    }
    return -1;
}
