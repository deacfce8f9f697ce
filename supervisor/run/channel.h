/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One side of a SOCK_SEQPACKET connection in an event loop: whole messages in, whole messages out, descriptors
 * and true senders with them. See docs/protocol.md for the format. A message that breaks the format closes the
 * channel with a reason; what it means is the receiver's business.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ev_loop;
struct json_t;
struct channel;

#define CHANNEL_MAX_PACKET 65536
#define CHANNEL_MAX_HEADER 8192
#define CHANNEL_MAX_PAYLOAD (CHANNEL_MAX_PACKET - CHANNEL_MAX_HEADER - 1)
#define CHANNEL_MAX_FDS 8

struct packet {
    const struct json_t *header; /* an object, with a string "t" */
    const char *type;            /* its "t" */
    const char *payload;         /* NULL: none */
    size_t payload_size;
    pid_t pid;                   /* the true sender, in our pid namespace; 0: not ours to see */
    int fds[CHANNEL_MAX_FDS];    /* taken by setting to -1; the rest is closed after the handler */
    size_t nfds;
};

struct channel_handler {
    /* A message came. May free the channel. */
    void (*packet)(void *arg, struct packet *packet);
    /* End of file (why == NULL) or a broken message. Called once, last. May free the channel. */
    void (*closed)(void *arg, const char *why);
    void *arg;
    int priority; /* of the watcher in its loop turn */
};

/* Takes `fd`, makes it nonblocking, asks for credentials. */
struct channel *channel_new(struct ev_loop *loop, int fd, const struct channel_handler *handler);
void channel_set_handler(struct channel *channel, const struct channel_handler *handler);
void channel_free(struct channel *channel);

/* Queues one message. `header` is the text of a JSON object, in ASCII; descriptors are duplicated while the message
 * waits. A channel whose other end is gone swallows it: `closed` will tell. */
void channel_send(struct channel *channel, const char *header, const void *payload,
                  size_t payload_size, const int *fds, size_t nfds);
/* The same with a printed header; only for numbers and words of our own. */
void channel_sendf(struct channel *channel, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that wait here for the other side to read. */
size_t channel_pending_bytes(const struct channel *channel);
/* From now on messages of other processes are dropped unread (a child that a test forked may hold the other end). */
void channel_listen_to(struct channel *channel, pid_t sender);
/* Reads what has arrived now, without waiting for the loop (a dead peer's last words). */
void channel_drain(struct channel *channel);

/* Checked fields of a header: 0, or -EPROTO when missing, of another type, or out of range. */
int packet_int(const struct packet *packet, const char *key, int64_t min, int64_t max, int64_t *ret);
/* null or absent gives `fallback`. */
int packet_int_or(const struct packet *packet, const char *key, int64_t min, int64_t max,
                  int64_t fallback, int64_t *ret);
/* Text of at most `max` bytes, valid while the packet is; absent or null gives NULL when `optional`. */
int packet_text(const struct packet *packet, const char *key, size_t max, bool optional,
                const char **ret);
int packet_bool(const struct packet *packet, const char *key, bool fallback, bool *ret);
/* The descriptor that the header's "fds" names so, taken, if it is a regular file: reading from it cannot block. Else -1. */
int packet_take_file(struct packet *packet, const char *name);
