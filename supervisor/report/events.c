/* SPDX-License-Identifier: MIT */
/* The JSON lines of docs/events.md. Only whole lines are ever written, so that a killed run leaves a readable file. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define EVENTS_VERSION 1
#define BUFFER 65536

struct events {
    int fd, error; /* of the first write that failed; 0 */
    char *buffer;
    size_t used, room;
};

int events_open(const char *path, struct events **ret, struct err *err)
{
    struct events *events;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0) {
        err_set(err, ERR_USAGE, errno, "--events: cannot write %s: %m", path);
        return err_hint(err, "name a file in a directory that exists and that you can write to");
    }
    events = mem_zalloc(sizeof(*events));
    events->fd = fd;
    *ret = events;
    return 0;
}

void events_flush(struct events *events)
{
    int r = events->used && !events->error ? io_write_all(events->fd, events->buffer, events->used) : 0;

    if (r < 0)
        events->error = r;
    events->used = 0;
}

int events_error(const struct events *events)
{
    return events->error;
}

json_t *events_text(const char *text)
{
    _cleanup_free_ char *clean = text ? text_clean(text, strlen(text), 1) : NULL;

    return clean ? json_string(clean) : json_null();
}

void events_write(struct events *events, double t, const char *name, json_t *fields)
{
    json_t *line = json_pack("{s:i,s:f,s:s}", "v", EVENTS_VERSION, "t", t, "event", name);
    char *text;
    size_t size;

    json_object_update(line, fields);
    json_decref(fields);
    text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(line);
    if (!text)
        return;
    size = strlen(text);
    mem_grow(&events->buffer, &events->room, events->used + size + 1, 1);
    memcpy(events->buffer + events->used, text, size);
    events->used += size;
    events->buffer[events->used++] = '\n';
    free(text);
    if (events->used >= BUFFER)
        events_flush(events);
}

void events_close(struct events *events)
{
    if (!events)
        return;
    events_flush(events);
    close(events->fd);
    free(events->buffer);
    free(events);
}
