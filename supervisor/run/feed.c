/* SPDX-License-Identifier: MIT */
/* What the controller is told: judged results, output, notices, the end. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/stacks.h"
#include "supervisor/report/text.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/console.h"
#include "supervisor/run/detect/blame.h"
#include "supervisor/run/controller.h"
#include "supervisor/run/state.h"

#define RANGES_MAX 2000 /* of one message: below 64 KiB */

/* Most results are small and good news: they travel together, and the controller, which competes with the workers for the
 * CPUs, wakes up ten times a second for them. */
#define FEED_SMALL_BYTES 4096
#define FEED_BATCH_BYTES (32 << 10)
#define FEED_DELAY_S 0.1

void feed_batch_flush(struct controller *controller)
{
    struct feed_batch *batch = &controller->batch;
    char header[48];

    ev_timer_stop(controller->run->loop, &batch->delay);
    if (batch->count == 0)
        return;
    snprintf(header, sizeof(header), "{\"t\":\"feeds\",\"n\":%u}", batch->count);
    channel_send(controller->channel, header, batch->data, batch->size, NULL, 0);
    batch->size = 0;
    batch->count = 0;
}

static void batch_due(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    feed_batch_flush(timer->data);
}

static void batch_add(struct controller *controller, size_t number, const char *name, const struct chunk *chunk)
{
    struct feed_batch *batch = &controller->batch;
    char line[64];
    size_t length = (size_t)snprintf(line, sizeof(line), "%zu %s %zu\n", number, name, chunk->size);

    if (!batch->data)
        batch->data = mem_zalloc(FEED_BATCH_BYTES);
    if (batch->size + length + chunk->size > FEED_BATCH_BYTES)
        feed_batch_flush(controller);
    memcpy(batch->data + batch->size, line, length);
    memcpy(batch->data + batch->size + length, chunk->data, chunk->size);
    batch->size += length + chunk->size;
    batch->count++;
    if (!ev_is_active(&batch->delay)) {
        batch->delay.repeat = FEED_DELAY_S;
        ev_timer_again(controller->run->loop, &batch->delay);
    }
}

void feed_batch_init(struct controller *controller)
{
    ev_init(&controller->batch.delay, batch_due);
    controller->batch.delay.data = controller;
    ev_set_priority(&controller->batch.delay, PRIORITY_TIMER);
}

void feed_batch_done(struct controller *controller)
{
    ev_timer_stop(controller->run->loop, &controller->batch.delay);
    free(controller->batch.data);
    controller->batch.data = NULL;
    controller->batch.size = 0;
    controller->batch.count = 0;
}

/* After all that was to be said before it. */
static void tell(struct controller *controller, const char *header, const void *payload, size_t size)
{
    feed_batch_flush(controller);
    channel_send(controller->channel, header, payload, size, NULL, 0);
}

void controller_error(struct controller *controller, const char *message)
{
    json_t *header;
    char *text;

    if (!controller->channel)
        return;
    header = json_pack("{s:s,s:s}", "t", "error", "message", message);
    text = json_dumps(header, JSON_COMPACT | JSON_ENSURE_ASCII);
    tell(controller, text, NULL, 0);
    free(text);
    json_decref(header);
    controller->state = CONTROLLER_FINISHED;
}

static void send_ranges(struct controller *controller, json_t *ranges)
{
    _cleanup_free_ char *text = json_dumps(ranges, JSON_COMPACT);

    if (controller->channel && json_array_size(ranges))
        tell(controller, "{\"t\":\"deselect\"}", text, strlen(text));
    json_array_clear(ranges);
}

/* Ranges, so that a message holds many; as many messages as it takes. */
void controller_deselect(struct controller *controller, const struct suite *suite, const bool *keep)
{
    json_t *ranges = json_array();

    for (size_t i = 0; i < suite->count; i++) {
        size_t first = i;

        while (i < suite->count && !keep[i] && suite->tests[i].number - suite->tests[first].number == i - first)
            i++;
        if (i > first)
            json_array_append_new(ranges, json_pack("[I,I]", (json_int_t)suite->tests[first].number, (json_int_t)(i - first)));
        if (json_array_size(ranges) == RANGES_MAX)
            send_ranges(controller, ranges);
        i -= i > first && i < suite->count && !keep[i]; /* another range begins here */
    }
    send_ranges(controller, ranges);
    json_decref(ranges);
}

/* As a string of JSON. */
static char *quote(const char *text)
{
    _cleanup_free_ char *clean = text_clean(text, strlen(text), 1);
    json_t *string = json_string(clean);
    char *quoted = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

    json_decref(string);
    return quoted;
}

void controller_feed_reports(struct controller *controller, size_t test, const char *name, const char *failed,
                             struct chunk_list *held)
{
    long long index = test == TEST_NONE ? -1 : (long long)controller->run->suite.tests[test].number;
    _cleanup_free_ char *quoted = failed ? quote(failed) : NULL;
    bool small = test != TEST_NONE && !failed && held->head && !held->head->next && held->bytes <= FEED_SMALL_BYTES;

    if (small) {
        if (controller->channel)
            batch_add(controller, (size_t)index, name, held->head);
        chunk_list_clear(held);
        return;
    }
    for (struct chunk *chunk = held->head; controller->channel && chunk; chunk = chunk->next) {
        _cleanup_free_ char *header = mem_printf("{\"t\":\"feed\",\"i\":%lld,\"worker\":\"%s\"%s%s%s}", index, name,
                                                 chunk->next ? ",\"more\":true" : "", quoted ? ",\"failed\":" : "",
                                                 quoted ? quoted : "");

        tell(controller, header, chunk->data, chunk->size);
    }
    chunk_list_clear(held);
}

static void feed_bare(struct controller *controller, size_t test, const char *name, enum outcome outcome, const char *reason)
{
    const struct test *t = &controller->run->suite.tests[test];
    _cleanup_free_ char *message = text_clean(t->message ? t->message : "", t->message ? strlen(t->message) : 0, 0);
    _cleanup_free_ char *text = NULL;
    char header[128];
    json_t *bare;

    if (!controller->channel)
        return;
    bare = json_pack("{s:{s:s,s:I,s:I,s:I,s:s,s:s}}", "bare", "outcome", outcome_name(outcome), "setup_us",
                     (json_int_t)t->setup_us, "call_us", (json_int_t)t->call_us, "teardown_us",
                     (json_int_t)t->teardown_us, "message", message, "reason", reason);
    text = json_dumps(bare, JSON_COMPACT);
    json_decref(bare);
    snprintf(header, sizeof(header), "{\"t\":\"feed\",\"i\":%zu,\"worker\":\"%s\"}", t->number, name);
    tell(controller, header, text, strlen(text));
}

void controller_feed_bare(struct controller *controller, size_t test, const char *name)
{
    feed_bare(controller, test, name, controller->run->suite.tests[test].outcome,
              "the worker ended before it could send its reports");
}

void controller_feed_given_up(struct controller *controller, size_t test, enum outcome outcome)
{
    feed_bare(controller, test, "gw0", outcome, "the run was stopped before it could be tried again");
}

void controller_feed_killed(struct controller *controller, size_t test, const char *name,
                            const struct incident *incident)
{
    struct run *run = controller->run;
    _cleanup_free_ char *block = incident_text(&run->suite, incident, false);
    _cleanup_free_ char *payload = NULL, *text = NULL;
    char message[sizeof(incident->text) + sizeof(incident->blame.where)];
    size_t size = strlen(block), output_size = 0;
    _cleanup_free_ char *output = NULL;
    json_t *header;

    if (!controller->channel)
        return;
    if (incident->output)
        output = stacks_shorten(incident->output, incident->output_size, run->suite.root ? run->suite.root : "/", &output_size);
    payload = mem_zalloc(size + 3 + output_size);
    memcpy(payload, block, size);
    memcpy(payload + size, "\x1e\n", 2);
    if (output)
        memcpy(payload + size + 2, output, output_size);
    size += 2 + output_size;
    if (size > CHANNEL_MAX_PAYLOAD)
        size = CHANNEL_MAX_PAYLOAD;
    blame_message(incident, message, sizeof(message));
    header = json_pack("{s:s,s:I,s:s,s:s,s:s}", "t", "killed", "i",
                       (json_int_t)run->suite.tests[test].number, "worker", name, "verdict", verdict_name(incident->verdict), "message", message);
    text = json_dumps(header, JSON_COMPACT | JSON_ENSURE_ASCII);
    tell(controller, text, payload, size);
    json_decref(header);
}

void controller_node_down(struct controller *controller, const char *name, const char *why)
{
    _cleanup_free_ char *quoted = quote(why);
    _cleanup_free_ char *header = mem_printf("{\"t\":\"node-down\",\"worker\":\"%s\",\"why\":%s}", name, quoted);

    if (controller->channel && controller->state == CONTROLLER_PLANNED)
        tell(controller, header, NULL, 0);
}

void controller_output(struct controller *controller, const char *name, const void *data,
                       size_t size)
{
    char header[64];

    if (!controller->channel || controller->state != CONTROLLER_PLANNED) {
        console_text(controller->run->console, STDERR_FILENO, data, size);
        return;
    }
    snprintf(header, sizeof(header), "{\"t\":\"output\",\"worker\":\"%s\"}", name);
    tell(controller, header, data, size);
}

/* Lines for people: through the controller while it draws, so that they never land inside of a line of its own. */
void controller_say(void *arg, const char *text)
{
    struct controller *controller = arg;
    size_t left = strlen(text);

    if (controller && controller->channel && controller->state == CONTROLLER_PLANNED) {
        while (left > 0) {
            size_t n = left < CHANNEL_MAX_PAYLOAD ? left : CHANNEL_MAX_PAYLOAD;

            tell(controller, "{\"t\":\"notice\"}", text, n);
            text += n;
            left -= n;
        }
    } else {
        console_text(controller ? controller->run->console : NULL, STDERR_FILENO, text, left);
    }
}

void controller_finish(struct controller *controller)
{
    const struct run_quit *quit = &controller->run->quit;
    _cleanup_free_ char *text = NULL;
    json_t *header;

    if (!controller->channel)
        return;
    header = json_pack("{s:s}", "t", "finish");
    if (quit->why) {
        json_object_set_new(header, "quit", json_string(quit->why));
        json_object_set_new(header, "interrupt", json_boolean(quit->interrupt));
        json_object_set_new(header, "status", quit->status < 0 ? json_null() : json_integer(quit->status));
    }
    text = json_dumps(header, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(header);
    tell(controller, text, NULL, 0);
    controller->state = CONTROLLER_FINISHED;
}

void controller_interrupt(struct controller *controller, const char *text)
{
    size_t size = strlen(text);

    if (!controller->channel)
        return;
    tell(controller, "{\"t\":\"interrupt\"}", text,
                 size < CHANNEL_MAX_PAYLOAD ? size : CHANNEL_MAX_PAYLOAD);
    controller->state = CONTROLLER_FINISHED;
}
