/* SPDX-License-Identifier: MIT */
#include "supervisor/exec/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"

#define CLOSING_TURNS 1024 /* more than a pipe holds */
#define TURN_BYTES PIPE_BUF /* what a pipe that polls writable takes without blocking */

int relay_open(struct relay *relay, bool relayed, int stdio[3])
{
    for (int i = 0; i < 3; i++) {
        int pair[2];

        relay->streams[i] = (struct relay_stream){-1, -1, -1};
        stdio[i] = i;
        if (!relayed || !isatty(i))
            continue;
        if (pipe2(pair, O_CLOEXEC) < 0)
            return -errno;
        relay->streams[i] = i == 0 ? (struct relay_stream){0, pair[1], pair[0]} : (struct relay_stream){pair[0], i, pair[1]};
        stdio[i] = relay->streams[i].inside;
    }
    return 0;
}

void relay_started(struct relay *relay)
{
    for (int i = 0; i < 3; i++)
        close_fd(&relay->streams[i].inside);
}

static bool takes_more(const struct relay_stream *stream)
{
    struct pollfd fd = {stream->to, POLLOUT, 0};

    return poll(&fd, 1, 0) > 0;
}

int relay_poll(const struct relay *relay, struct pollfd *fds)
{
    int n = 0;

    for (int i = 0; i < 3; i++) {
        const struct relay_stream *stream = &relay->streams[i];

        if (stream->from < 0)
            continue;
        if (takes_more(stream))
            fds[n++] = (struct pollfd){stream->from, POLLIN, 0};
        else
            fds[n++] = (struct pollfd){stream->to, POLLOUT, 0};
    }
    return n;
}

/* False at the end. */
static bool copy(const struct relay_stream *stream)
{
    char buf[TURN_BYTES];
    ssize_t n = read(stream->from, buf, sizeof(buf));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    return n > 0 && io_write_all(stream->to, buf, (size_t)n) == 0;
}

/* Only the pipe's end is ours to close. */
static void stream_close(struct relay_stream *stream, bool input)
{
    if (stream->from < 0)
        return;
    close_fd(input ? &stream->to : &stream->from);
    stream->from = stream->to = -1;
}

void relay_turn(struct relay *relay, const struct pollfd *fds, int n)
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < n; k++)
            if (relay->streams[i].from >= 0 && fds[k].fd == relay->streams[i].from && fds[k].revents &&
                !copy(&relay->streams[i]))
                stream_close(&relay->streams[i], i == 0);
}

void relay_close(struct relay *relay)
{
    for (int i = 0; i < 3; i++) {
        struct relay_stream *stream = &relay->streams[i];

        if (stream->from < 0)
            continue;
        if (i > 0) {
            /* Something that outlived the command may still hold the other end: what is there now is enough. */
            io_set_nonblock(stream->from, true);
            for (int turns = 0; turns < CLOSING_TURNS; turns++) {
                struct pollfd fd = {stream->from, POLLIN, 0};

                if (poll(&fd, 1, 0) <= 0 || !copy(stream))
                    break;
            }
        }
        stream_close(stream, i == 0);
    }
}
