/* SPDX-License-Identifier: MIT */
#include "supervisor/run/console.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"

#define TERMINAL_PATIENCE_MS 60000 /* at the end, without any progress */
#define PIECE 256                  /* that a terminal which says it has room takes whole (WAKEUP_CHARS, drivers/tty) */

struct sink {
    int fd, own_fd; /* own_fd: the same file, opened again, so that O_NONBLOCK is ours alone; -1 */
    bool plain;     /* a file: it takes everything at once */
    bool tty, dead;
    char *data;
    size_t size, room, sent;
    size_t left_out;
    ev_io io;
};

struct console {
    struct ev_loop *loop;
    struct sink sinks[2]; /* standard output and standard error */
    bool same;            /* they are one file: the second sink has it all, in order */
    char *status;         /* on the screen; NULL */
};

static void sink_open(struct sink *sink, int fd)
{
    char path[32];
    struct stat st;
    bool pipe;

    *sink = (struct sink){.fd = fd, .own_fd = -1, .tty = isatty(fd)};
    pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
    sink->plain = !sink->tty && !pipe;
    if (sink->plain)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* May fail, where a terminal is another user's: then pieces are written that surely fit. */
    sink->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static bool has_room(const struct sink *sink, int timeout_ms)
{
    struct pollfd fd = {sink->fd, POLLOUT, 0};

    return poll(&fd, 1, timeout_ms) > 0;
}

static ssize_t write_some(struct sink *sink)
{
    size_t left = sink->size - sink->sent;

    if (sink->own_fd >= 0)
        return write(sink->own_fd, sink->data + sink->sent, left);
    if (has_room(sink, 0))
        return write(sink->fd, sink->data + sink->sent, left < PIECE ? left : PIECE);
    errno = EAGAIN;
    return -1;
}

/* As much as goes at once. */
static void sink_write(struct sink *sink)
{
    while (!sink->dead && sink->sent < sink->size) {
        ssize_t n = write_some(sink);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        sink->dead = n < 0; /* nobody left to tell */
        sink->sent += n > 0 ? (size_t)n : 0;
    }
    sink->size = sink->sent = 0;
    if (sink->room > CONSOLE_CONGESTED) {
        free(sink->data);
        sink->data = NULL;
        sink->room = 0;
    }
}

static void sink_put(struct sink *sink, const char *text, size_t size)
{
    if (sink->sent > sink->size / 2) {
        memmove(sink->data, sink->data + sink->sent, sink->size - sink->sent);
        sink->size -= sink->sent;
        sink->sent = 0;
    }
    mem_grow(&sink->data, &sink->room, sink->size + size, 1);
    memcpy(sink->data + sink->size, text, size);
    sink->size += size;
}

static void sink_say_left_out(struct sink *sink)
{
    _cleanup_free_ char *text = NULL;

    if (!sink->left_out || sink->size - sink->sent > CONSOLE_CONGESTED)
        return;
    text = mem_printf("\n[shunt: %zu bytes left out here: nobody read them]\n", sink->left_out);
    sink->left_out = 0;
    sink_put(sink, text, strlen(text));
}

static void sink_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct sink *sink = watcher->data;

    (void)revents;
    sink_write(sink);
    sink_say_left_out(sink);
    if (sink->size == sink->sent)
        ev_io_stop(loop, watcher);
}

struct console *console_new(struct ev_loop *loop)
{
    struct console *console = mem_zalloc(sizeof(*console));
    struct stat out, err;

    console->loop = loop;
    for (int i = 0; i < 2; i++) {
        struct sink *sink = &console->sinks[i];

        sink_open(sink, i + 1);
        ev_io_init(&sink->io, sink_writable, sink->own_fd >= 0 ? sink->own_fd : sink->fd, EV_WRITE);
        sink->io.data = sink;
    }
    console->same = fstat(1, &out) == 0 && fstat(2, &err) == 0 && out.st_dev == err.st_dev && out.st_ino == err.st_ino &&
                    !console->sinks[1].plain;
    return console;
}

static struct sink *sink_of(struct console *console, int fd)
{
    return &console->sinks[fd == 1 && !console->same ? 0 : 1];
}

static void deliver(struct console *console, struct sink *sink)
{
    sink_write(sink);
    if (sink->size > sink->sent && !ev_is_active(&sink->io))
        ev_io_start(console->loop, &sink->io);
}

static void put_status(struct console *console, struct sink *sink)
{
    sink_put(sink, "\r", 1);
    sink_put(sink, console->status, strlen(console->status));
    sink_put(sink, "\033[K", 3);
}

void console_text(struct console *console, int fd, const char *text, size_t size)
{
    struct sink *sink = console ? sink_of(console, fd) : NULL;
    bool status;

    if (!sink || sink->plain) {
        io_write_all(fd, text, size);
        return;
    }
    if (sink->dead)
        return;
    if (sink->size - sink->sent + size > CONSOLE_MAX) {
        sink->left_out += size;
        return;
    }
    sink_say_left_out(sink);
    status = console->status && sink->tty;
    if (status)
        sink_put(sink, "\r\033[K", 4);
    sink_put(sink, text, size);
    if (status && size && text[size - 1] == '\n' && sink == &console->sinks[1])
        put_status(console, sink);
    deliver(console, sink);
}

size_t console_pending(const struct console *console)
{
    size_t pending = 0;

    for (int i = 0; console && i < 2; i++)
        pending += console->sinks[i].size - console->sinks[i].sent;
    return pending;
}

unsigned console_width(const struct console *console)
{
    struct winsize size;

    if (!console || !console->sinks[1].tty)
        return 0;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void console_status(struct console *console, const char *line)
{
    struct sink *sink = console ? &console->sinks[1] : NULL;

    if (!sink || !sink->tty || sink->dead || (!*line && !console->status) || console_pending(console))
        return;
    if (console->status && strcmp(console->status, line) == 0)
        return;
    free(console->status);
    console->status = *line ? mem_strdup(line) : NULL;
    if (console->status)
        put_status(console, sink);
    else
        sink_put(sink, "\r\033[K", 4);
    deliver(console, sink);
}

void console_flush(struct console *console)
{
    for (int i = 0; console && i < 2; i++) {
        struct sink *sink = &console->sinks[i];

        sink_write(sink);
        while (sink->size > sink->sent && !sink->dead) {
            size_t before = sink->sent;

            if (!has_room(sink, sink->tty ? TERMINAL_PATIENCE_MS : -1) && errno != EINTR && sink->tty)
                sink->dead = true;
            sink_write(sink);
            if (sink->sent == before && sink->size)
                continue;
        }
        sink_say_left_out(sink);
        sink_write(sink);
    }
}

void console_free(struct console *console)
{
    if (!console)
        return;
    console_status(console, "");
    console_flush(console);
    for (int i = 0; i < 2; i++) {
        ev_io_stop(console->loop, &console->sinks[i].io);
        close_fd(&console->sinks[i].own_fd);
        free(console->sinks[i].data);
    }
    free(console->status);
    free(console);
}
