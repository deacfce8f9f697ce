/* SPDX-License-Identifier: MIT */
/* The messages of one worker. What it may say depends on its state; the first violation ends it. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/cold.h"
#include "supervisor/run/detect/held_result.h"
#include "supervisor/run/detect/leak_files.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/native.h"
#include "supervisor/run/outside.h"
#include "supervisor/run/state.h"
#include "supervisor/run/terminal.h"

/* --- entering --- */

static void worker_joining(struct worker *worker, struct packet *packet)
{
    char header[256];
    int fds[CHANNEL_MAX_FDS], out[2] = {-1, -1}, filter;
    size_t n = 0;
    int at, r = worker->leaf ? cgroup_leaf_attach(worker->leaf, packet->pid) : 0;

    if (r < 0) {
        worker_start_failed(worker, "moving the worker into its cgroup", -r);
        return;
    }
    r = worker_make_pipes(worker, out);
    if (r < 0) {
        worker_start_failed(worker, "making its pipes", -r);
        return;
    }
    at = snprintf(header, sizeof(header), "{\"t\":\"enter\",\"fds\":[");
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        if (worker->ns_fd[i] >= 0) {
            at += snprintf(header + at, sizeof(header) - (size_t)at, "\"%s\",", worker->ns_name[i]);
            fds[n++] = worker->ns_fd[i];
        }
    at += snprintf(header + at, sizeof(header) - (size_t)at, "\"stdout\",\"stderr\"");
    fds[n++] = out[0];
    fds[n++] = out[1];
    filter = run_init_seal_fd(worker->run->init);
    if (filter >= 0) {
        at += snprintf(header + at, sizeof(header) - (size_t)at, ",\"seal\"");
        fds[n++] = filter;
    }
    snprintf(header + at, sizeof(header) - (size_t)at, "]}");
    channel_send(worker->channel, header, NULL, 0, fds, n);
    close_fd(&out[0]);
    close_fd(&out[1]);
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        close_fd(&worker->ns_fd[i]);
    worker->state = WORKER_ENTERING;
}

static void worker_ready(struct worker *worker, struct packet *packet)
{
    pid_t inside = run_init_pid_inside(worker->run->init, packet->pid);
    struct incident_task task;

    worker->pid = packet->pid;
    channel_listen_to(worker->channel, packet->pid);
    worker->pid_inside = inside > 0 ? inside : worker->pid_inside;
    worker->capture_fd[0] = packet_take_file(packet, "out");
    worker->capture_fd[1] = packet_take_file(packet, "err");
    worker->capture_fd[2] = packet_take_file(packet, "faults");
    worker->box_fd = packet_take_file(packet, "box");
    worker->stacks_fd = packet_take_file(packet, "stacks");
    if (proc_task_read(worker->pid, &task) == 0)
        worker->pid_in_cell = task.inside;
    worker->state = WORKER_STANDBY;
    worker->run->start_failures = 0;
    report_worker(worker->run->report, "ready", worker->slot ? worker->slot->index : 0,
                  worker->generation, worker->pid, clock_now_ns() - worker->born_ns);
}

/* --- messages --- */

/* Does the worker mean this test of the suite? */
static bool is_number_of(const struct worker *worker, size_t test, int64_t number)
{
    return test != TEST_NONE && worker->run->suite.tests[test].number == (size_t)number;
}

/* What a test wants that asked for the end of the run; `ret_why` is NULL where it did not, and then it may be. */
static int read_quit(struct packet *packet, const char *name, bool may_lack, struct run_quit *ret_quit,
                     const char **ret_why)
{
    int64_t status;

    if (packet_text(packet, name, 1024, may_lack, ret_why) < 0 ||
        packet_int_or(packet, "status", 0, 255, -1, &status) < 0 ||
        packet_bool(packet, "interrupt", false, &ret_quit->interrupt) < 0)
        return -EPROTO;
    ret_quit->status = (int)status;
    return 0;
}

static int worker_done(struct worker *worker, struct packet *packet)
{
    struct test_result result = {0};
    struct run_quit quit = {0};
    const char *outcome, *stop, *quit_why;
    int64_t test, setup, call, teardown, errnum;
    bool reports;

    if (worker->owed != TEST_NONE || packet_int(packet, "i", 0, INT32_MAX, &test) < 0 ||
        !is_number_of(worker, worker->test, test) || packet_text(packet, "outcome", 16, false, &outcome) < 0 ||
        packet_int_or(packet, "setup_us", 0, 1LL << 53, 0, &setup) < 0 ||
        packet_int_or(packet, "call_us", 0, 1LL << 53, 0, &call) < 0 ||
        packet_int_or(packet, "teardown_us", 0, 1LL << 53, 0, &teardown) < 0 ||
        packet_text(packet, "message", 1024, true, &result.message) < 0 ||
        packet_int_or(packet, "errno", 1, 4095, 0, &errnum) < 0 ||
        packet_text(packet, "where", 512, true, &result.where) < 0 ||
        packet_bool(packet, "file", false, &result.file) < 0 ||
        packet_bool(packet, "reports", false, &reports) < 0 || (reports && !packet->payload) ||
        packet_text(packet, "stop", 256, true, &stop) < 0 ||
        read_quit(packet, "quit", true, &quit, &quit_why) < 0)
        return -EPROTO;
    result.errnum = (int)errnum;
    result.outcome = outcome_parse(outcome);
    if (result.outcome < OUTCOME_PASSED || result.outcome > OUTCOME_XPASSED ||
        (reports && result.outcome != OUTCOME_PASSED))
        return -EPROTO;
    result.setup_us = (uint64_t)setup;
    result.call_us = (uint64_t)call;
    result.teardown_us = (uint64_t)teardown;
    if (!reports) {
        result.text = packet->payload;
        result.text_size = packet->payload_size;
    }
    if (leak_watch_kept(worker, json_object_get(packet->header, "kept")) < 0 ||
        leak_files_kept(worker, json_object_get(packet->header, "kept_files")) < 0 ||
        leak_watch_left(worker, json_object_get(packet->header, "left")) < 0)
        return -EPROTO;
    if (quit_why && !worker->confirming)
        run_quit_after(worker->run, worker->test, &quit, quit_why);
    if (stop && !worker->confirming)
        run_stop(worker->run, stop);
    worker->state = WORKER_WAITING;
    judge_boundary(worker, &result);
    if (reports && is_number_of(worker, worker->owed, test)) {
        chunk_list_add(&worker->held, packet->payload, packet->payload_size);
        worker_reports_complete(worker);
    }
    return 0;
}

/* The test asked for the end of the run: pytest.exit(), KeyboardInterrupt. It has no result; the controller does as it says. */
static int worker_quit(struct worker *worker, struct packet *packet)
{
    struct run *run = worker->run;
    struct run_quit quit = {0};
    const char *why;
    int64_t test;
    size_t of;

    if (worker->owed != TEST_NONE || packet_int(packet, "i", 0, INT32_MAX, &test) < 0 ||
        !is_number_of(worker, worker->test, test) || read_quit(packet, "why", false, &quit, &why) < 0)
        return -EPROTO;
    worker->state = WORKER_WAITING;
    of = worker->test;
    if (judge_quit(worker))
        return 0;
    run_quit(run, of, &quit, why);
    return 0;
}

void worker_reports_complete(struct worker *worker)
{
    size_t of = worker->owed;

    if (of == TEST_NONE)
        return;
    if (worker->confirming || worker->reports_void)
        chunk_list_clear(&worker->held); /* it has its outcome, or none yet */
    else if (held_result_reports(worker))
        return;
    else
        controller_feed_reports(worker->run->controller, of, worker->slot->name, NULL, &worker->held);
    worker->reports_void = false;
    worker->owed = TEST_NONE;
}

/* Of the test that was judged last; at the session's end of no test. */
static int worker_report(struct worker *worker, struct packet *packet)
{
    size_t of = worker->owed;
    int64_t test;
    bool more;

    if (packet_int(packet, "i", -1, INT32_MAX, &test) < 0 ||
        packet_bool(packet, "more", false, &more) < 0 || !packet->payload)
        return -EPROTO;
    if (of == TEST_NONE ? test != -1 || worker->state != WORKER_ENDING : !is_number_of(worker, of, test))
        return -EPROTO;
    if (worker->held.bytes + packet->payload_size > PAYLOAD_LIMIT)
        return -EFBIG;
    chunk_list_add(&worker->held, packet->payload, packet->payload_size);
    if (!more)
        worker_reports_complete(worker);
    return 0;
}

static int worker_bye(struct worker *worker, struct packet *packet)
{
    const char *error;

    if (packet_text(packet, "error", 1024, true, &error) < 0)
        return -EPROTO;
    if (error && worker->slot && !worker->confirming)
        outside_failed(worker->run, worker, error);
    worker->said_bye = true;
    worker->bye_ns = run_clock_ns(worker->run);
    worker_read_output(worker);
    if (worker->slot && !worker->confirming)
        controller_feed_reports(worker->run->controller, TEST_NONE, worker->slot->name, NULL,
                                &worker->held);
    return 0;
}

/* A debugger in its test. False: it says something else. */
static bool worker_debug(struct worker *worker, const char *type)
{
    if (strcmp(type, "debug") == 0)
        terminal_ask(worker);
    else if (strcmp(type, "debug-end") == 0)
        terminal_release(worker);
    else
        return false;
    return true;
}

/* Which message is permitted in which state; anything else is a violation. */
static int worker_message(struct worker *worker, struct packet *packet)
{
    const char *type = packet->type;

    switch (worker->state) {
    case WORKER_FORKING:
        if (strcmp(type, "joining") != 0 || worker->cold)
            return -EPROTO;
        worker_joining(worker, packet);
        return 0;
    case WORKER_ENTERING:
        if (strcmp(type, "enter-failed") == 0) {
            const char *stage = "?";
            int64_t errnum = EPROTO;

            packet_text(packet, "stage", 64, false, &stage);
            packet_int(packet, "errno", 0, 4096, &errnum);
            worker_start_failed(worker, stage, (int)errnum);
            return 0;
        }
        __attribute__((fallthrough));
    case WORKER_COLLECTING:
        if (worker->cold && strcmp(type, "collected") == 0)
            return cold_collected(worker, packet);
        if (strcmp(type, "ready") != 0)
            return -EPROTO;
        worker_ready(worker, packet);
        return 0;
    case WORKER_WAITING:
        return strcmp(type, "report") == 0 ? worker_report(worker, packet) : -EPROTO;
    case WORKER_RUNNING:
        if (worker->run->native)
            return strcmp(type, "done") == 0 ? native_done(worker, packet) : -EPROTO;
        if (strcmp(type, "report") == 0)
            return worker_report(worker, packet);
        if (worker_debug(worker, type))
            return 0;
        terminal_release(worker);
        if (strcmp(type, "quit") == 0)
            return worker_quit(worker, packet);
        return strcmp(type, "done") == 0 ? worker_done(worker, packet) : -EPROTO;
    case WORKER_ENDING:
        if (strcmp(type, "report") == 0)
            return worker_report(worker, packet);
        if (worker_debug(worker, type))
            return 0;
        terminal_release(worker);
        if (strcmp(type, "bye") != 0 || worker->said_bye || worker->owed != TEST_NONE)
            return -EPROTO;
        return worker_bye(worker, packet);
    case WORKER_CELL:
    case WORKER_STANDBY:
        return -EPROTO;
    case WORKER_DYING:
        return 0;
    }
    return -EPROTO;
}

static void worker_packet(void *arg, struct packet *packet)
{
    struct worker *worker = arg;
    char why[160];
    int r;

    r = worker_message(worker, packet);
    if (r == -EFBIG)
        judge_violation(worker, "its reports of one test exceed 64 MiB");
    else if (r < 0) {
        snprintf(why, sizeof(why), "sent a malformed or unexpected \"%.32s\" while %s", packet->type,
                 worker_state_name(worker->state));
        judge_violation(worker, why);
    }
}

static void worker_closed(void *arg, const char *why)
{
    struct worker *worker = arg;

    if (worker->state == WORKER_DYING || worker->closed_ns)
        return;
    if (why) {
        char text[160];

        snprintf(text, sizeof(text), "sent %s", why);
        judge_violation(worker, text);
        return;
    }
    /* Usually its death, which the run init reports in a moment; a test may also have closed descriptors that
     * are not its own. judge_tick() decides. */
    worker->closed_ns = clock_now_ns();
}

void worker_open_channel(struct worker *worker, int fd)
{
    struct channel_handler handler = {
        .packet = worker_packet, .closed = worker_closed, .arg = worker, .priority = PRIORITY_MESSAGE};

    worker->channel = channel_new(worker->run->loop, fd, &handler);
}

void worker_take_channel(struct worker *worker, struct channel *channel)
{
    struct channel_handler handler = {
        .packet = worker_packet, .closed = worker_closed, .arg = worker, .priority = PRIORITY_MESSAGE};

    worker->channel = channel;
    channel_set_handler(channel, &handler);
}
