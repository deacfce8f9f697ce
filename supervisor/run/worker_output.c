/* SPDX-License-Identifier: MIT */
/* What a worker says: reports that are held, output outside of capture, and the last words of a dead one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/run/console.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

#define LIVE_BYTES (1u << 20) /* --no-capture: so much may wait for the terminal */

/* --- held reports --- */

void chunk_list_add(struct chunk_list *list, const void *data, size_t size)
{
    struct chunk *chunk = mem_zalloc(sizeof(*chunk) + size);

    if (!list->tail)
        list->tail = &list->head;
    memcpy(chunk->data, data, size);
    chunk->size = size;
    *list->tail = chunk;
    list->tail = &chunk->next;
    list->bytes += size;
}

void chunk_list_clear(struct chunk_list *list)
{
    while (list->head) {
        struct chunk *chunk = list->head;

        list->head = chunk->next;
        free(chunk);
    }
    *list = (struct chunk_list){0};
}

/* --- output outside of capture --- */

static void worker_keep_tail(struct worker *worker, const char *data, size_t size)
{
    if (!worker->tail)
        worker->tail = mem_zalloc(OUTPUT_TAIL);
    for (size_t i = 0; i < size; i++)
        worker->tail[worker->tail_size++ % OUTPUT_TAIL] = data[i];
}

static void worker_forward(struct worker *worker, const char *data, size_t size)
{
    static const char cut[] = "\n[shunt: more than 64 MiB from this worker; the rest is not shown]\n";
    const struct slot *slot = worker->slot ? worker->slot : worker->reserved;
    const char *name = slot ? slot->name : "standby";
    uint64_t before = worker->output_bytes;

    worker->output_bytes += size;
    if (before >= OUTPUT_LIMIT)
        return;
    controller_output(worker->run->controller, name, data, size);
    if (worker->output_bytes >= OUTPUT_LIMIT)
        controller_output(worker->run->controller, name, cut, sizeof(cut) - 1);
}

/* What nobody reads is not read here either: the test waits, as it would without shunt. */
static bool live_is_full(const struct worker *worker)
{
    return worker->run->config->no_capture && console_pending(worker->run->console) > LIVE_BYTES;
}

void worker_output_again(struct worker *worker)
{
    if (!worker->output_held || live_is_full(worker))
        return;
    worker->output_held = false;
    for (int i = 0; i < 2; i++)
        if (worker->output_fd[i] >= 0)
            ev_io_start(worker->run->loop, &worker->output_io[i]);
}

static void worker_output_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct worker *worker = watcher->data;
    char buf[32768];

    (void)revents;
    if (live_is_full(worker) && revents) {
        worker->output_held = true;
        ev_io_stop(loop, watcher);
        return;
    }
    for (int turn = 0; turn < 8; turn++) {
        ssize_t n = read(watcher->fd, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            ev_io_stop(loop, watcher);
            return;
        }
        worker_keep_tail(worker, buf, (size_t)n);
        if (worker->run->native && worker->test != TEST_NONE) {
            native_output(worker, buf, (size_t)n);
            if (worker->run->config->no_capture) {
                worker->run->native->live_open = buf[n - 1] != '\n';
                console_text(worker->run->console, STDOUT_FILENO, buf, (size_t)n);
            }
        }
        else
            worker_forward(worker, buf, (size_t)n);
    }
}

void worker_read_output(struct worker *worker)
{
    for (int i = 0; i < 2; i++)
        if (worker->output_fd[i] >= 0 && (worker->output_held || ev_is_active(&worker->output_io[i])))
            worker_output_readable(worker->run->loop, &worker->output_io[i], 0);
}

static size_t worker_read_capture(int fd, char *buf, size_t room)
{
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n;

    if (size <= 0)
        return 0;
    n = pread(fd, buf, room, size > (off_t)room ? size - (off_t)room : 0);
    return n > 0 ? (size_t)n : 0;
}

/* What the dead one said last: what its capture held, then what went past it. NULL when there is nothing. */
char *worker_last_output(struct worker *worker, size_t *ret_size)
{
    char *text = mem_zalloc((CAPTURE_FILES + 1) * OUTPUT_TAIL + 1);
    size_t n = 0, kept;

    worker_read_output(worker);
    for (int i = 0; i < CAPTURE_FILES; i++)
        if (worker->capture_fd[i] >= 0)
            n += worker_read_capture(worker->capture_fd[i], text + n, OUTPUT_TAIL);
    kept = worker->tail_size < OUTPUT_TAIL ? worker->tail_size : OUTPUT_TAIL;
    for (size_t i = 0; i < kept; i++)
        text[n++] = worker->tail[(worker->tail_size - kept + i) % OUTPUT_TAIL];
    *ret_size = n;
    if (n)
        return text;
    free(text);
    return NULL;
}

int worker_make_pipes(struct worker *worker, int ret_write[2])
{
    for (int i = 0; i < 2; i++) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
            return -errno;
        worker->output_fd[i] = fds[0];
        ret_write[i] = fds[1];
        io_set_nonblock(fds[0], true);
        ev_io_init(&worker->output_io[i], worker_output_readable, fds[0], EV_READ);
        worker->output_io[i].data = worker;
        ev_set_priority(&worker->output_io[i], PRIORITY_MESSAGE);
        ev_io_start(worker->run->loop, &worker->output_io[i]);
    }
    return 0;
}
