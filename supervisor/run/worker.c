/* SPDX-License-Identifier: MIT */
/*
 * One worker generation, from the preparation of its cell to the removal of its cgroup. What it may say depends
 * on its state; the first violation ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/cold.h"
#include "supervisor/run/leak_watch.h"
#include "supervisor/run/state.h"

/* A small budget may be used up for a moment. */
#define START_PAUSE_NS (20 * NS_PER_MS)
#define DYING_GRACE_NS (5 * NS_PER_SEC)

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[] = {
#define X(name) [WORKER_##name] = #name,
        WORKER_STATES(X)
#undef X
    };

    return names[state];
}

struct worker *worker_find(struct run *run, unsigned number)
{
    for (struct worker *w = run->workers; w; w = w->next)
        if (w->number == number)
            return w;
    return NULL;
}

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
    const char *name = worker->slot ? worker->slot->name : "standby";
    uint64_t before = worker->output_bytes;

    worker->output_bytes += size;
    if (before >= OUTPUT_LIMIT)
        return;
    controller_output(worker->run->controller, name, data, size);
    if (worker->output_bytes >= OUTPUT_LIMIT)
        controller_output(worker->run->controller, name, cut, sizeof(cut) - 1);
}

static void worker_output_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct worker *worker = watcher->data;
    char buf[32768];

    (void)revents;
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
        worker_forward(worker, buf, (size_t)n);
    }
}

void worker_read_output(struct worker *worker)
{
    for (int i = 0; i < 2; i++)
        if (worker->output_fd[i] >= 0 && ev_is_active(&worker->output_io[i]))
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

static int worker_make_pipes(struct worker *worker, int ret_write[2])
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

/* --- entering --- */

static void worker_joining(struct worker *worker, struct packet *packet)
{
    char header[256];
    int fds[CHANNEL_MAX_FDS], out[2] = {-1, -1}, filter;
    size_t n = 0;
    int at;

    if (worker->leaf && cgroup_leaf_attach(worker->leaf, packet->pid) < 0) {
        worker_start_failed(worker, "moving the worker into its cgroup", errno);
        return;
    }
    if (worker_make_pipes(worker, out) < 0) {
        worker_start_failed(worker, "pipe", errno);
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
    filter = run_init_worker_filter_fd(worker->run->init);
    if (filter >= 0) {
        at += snprintf(header + at, sizeof(header) - (size_t)at, ",\"filter\"");
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

    worker->pid = packet->pid;
    channel_listen_to(worker->channel, packet->pid);
    worker->pid_inside = inside > 0 ? inside : worker->pid_inside;
    worker->capture_fd[0] = packet_take_file(packet, "out");
    worker->capture_fd[1] = packet_take_file(packet, "err");
    worker->capture_fd[2] = packet_take_file(packet, "faults");
    worker->box_fd = packet_take_file(packet, "box");
    worker->state = WORKER_STANDBY;
    worker->run->start_failures = 0;
    report_worker(worker->run->report, "ready", worker->slot ? worker->slot->index : 0,
                  worker->generation, worker->pid, clock_now_ns() - worker->born_ns);
}

/* Tests that run, and workers that are being cleared away, hold tasks that come back. */
static bool tasks_will_come_back(const struct run *run)
{
    for (const struct worker *w = run->workers; w; w = w->next)
        if (w->state == WORKER_RUNNING ||
            (w->state == WORKER_DYING && clock_now_ns() - w->dying_ns < DYING_GRACE_NS))
            return true;
    return false;
}

void worker_start_failed(struct worker *worker, const char *stage, int errnum)
{
    struct run *run = worker->run;

    if (errnum == EAGAIN && tasks_will_come_back(run)) {
        run->start_again_ns = clock_now_ns() + START_PAUSE_NS;
        worker_kill(worker);
        return;
    }
    run->start_failures++;
    report_notice(run->report, "a worker could not be started: %s: %s", stage, strerror(errnum));
    worker_kill(worker);
    if (run->start_failures >= 5)
        run_fail(run, "5 workers in a row could not be started: %s: %s", stage, strerror(errnum));
}

/* --- messages --- */

static int worker_done(struct worker *worker, struct packet *packet)
{
    struct test_result result = {0};
    const char *outcome, *stop;
    int64_t test, setup, call, teardown;

    if (worker->owed != TEST_NONE || packet_int(packet, "i", 0, INT32_MAX, &test) < 0 ||
        (size_t)test != worker->test || packet_text(packet, "outcome", 16, false, &outcome) < 0 ||
        packet_int_or(packet, "setup_us", 0, 1LL << 53, 0, &setup) < 0 ||
        packet_int_or(packet, "call_us", 0, 1LL << 53, 0, &call) < 0 ||
        packet_int_or(packet, "teardown_us", 0, 1LL << 53, 0, &teardown) < 0 ||
        packet_text(packet, "message", 1024, true, &result.message) < 0 ||
        packet_text(packet, "stop", 256, true, &stop) < 0)
        return -EPROTO;
    result.outcome = outcome_parse(outcome);
    if (result.outcome < OUTCOME_PASSED || result.outcome > OUTCOME_XPASSED)
        return -EPROTO;
    result.setup_us = (uint64_t)setup;
    result.call_us = (uint64_t)call;
    result.teardown_us = (uint64_t)teardown;
    result.text = packet->payload;
    result.text_size = packet->payload_size;
    if (leak_watch_kept(worker, json_object_get(packet->header, "kept")) < 0)
        return -EPROTO;
    if (stop)
        run_stop(worker->run, stop);
    worker->state = WORKER_WAITING;
    judge_boundary(worker, &result);
    return 0;
}

/* The test asked for the end of the run: pytest.exit(), KeyboardInterrupt. It has no result; the controller does as it says. */
static int worker_quit(struct worker *worker, struct packet *packet)
{
    struct run *run = worker->run;
    int64_t test, status;
    const char *why;
    bool interrupt;

    if (worker->owed != TEST_NONE || packet_int(packet, "i", 0, INT32_MAX, &test) < 0 ||
        (size_t)test != worker->test || packet_text(packet, "why", 1024, false, &why) < 0 ||
        packet_int_or(packet, "status", 0, 255, -1, &status) < 0 ||
        packet_bool(packet, "interrupt", false, &interrupt) < 0)
        return -EPROTO;
    worker->state = WORKER_WAITING;
    judge_quit(worker);
    run_quit(run, (size_t)test, &(struct run_quit){.status = (int)status, .interrupt = interrupt}, why);
    return 0;
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
    if (of == TEST_NONE ? test != -1 || worker->state != WORKER_ENDING : (size_t)test != of)
        return -EPROTO;
    if (worker->held.bytes + packet->payload_size > PAYLOAD_LIMIT)
        return -EFBIG;
    chunk_list_add(&worker->held, packet->payload, packet->payload_size);
    if (of == TEST_NONE || more)
        return 0;
    controller_feed_reports(worker->run->controller, of, worker->slot->name, &worker->held);
    worker->owed = TEST_NONE;
    return 0;
}

static void worker_bye(struct worker *worker)
{
    worker->said_bye = true;
    worker->bye_ns = run_clock_ns(worker->run);
    worker_read_output(worker);
    if (worker->slot)
        controller_feed_reports(worker->run->controller, TEST_NONE, worker->slot->name,
                                &worker->held);
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
        if (strcmp(type, "report") == 0)
            return worker_report(worker, packet);
        if (strcmp(type, "quit") == 0)
            return worker_quit(worker, packet);
        return strcmp(type, "done") == 0 ? worker_done(worker, packet) : -EPROTO;
    case WORKER_ENDING:
        if (strcmp(type, "report") == 0)
            return worker_report(worker, packet);
        if (strcmp(type, "bye") != 0 || worker->said_bye || worker->owed != TEST_NONE)
            return -EPROTO;
        worker_bye(worker);
        return 0;
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

static void worker_open_channel(struct worker *worker, int fd)
{
    struct channel_handler handler = {
        .packet = worker_packet, .closed = worker_closed, .arg = worker, .priority = PRIORITY_MESSAGE};

    worker->channel = channel_new(worker->run->loop, fd, &handler);
}

/* --- making --- */

static void worker_fork(struct worker *worker)
{
    char header[64];
    int pair[2];
    int one = 1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        worker_start_failed(worker, "socketpair", errno);
        return;
    }
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    worker_open_channel(worker, pair[0]);
    snprintf(header, sizeof(header), "{\"t\":\"fork\",\"cell\":%u,\"fds\":[\"worker\"]}",
             worker->number);
    channel_send(worker->run->template, header, NULL, 0, &pair[1], 1);
    close(pair[1]);
    worker->state = WORKER_FORKING;
}

static void worker_launch(struct worker *worker)
{
    if (worker->cold) {
        int out[2] = {-1, -1};

        if (worker_make_pipes(worker, out) < 0 || cold_spawn(worker, out) < 0)
            worker_start_failed(worker, "starting a cold worker", errno);
        else
            worker->state = WORKER_FORKING;
        close_fd(&out[0]);
        close_fd(&out[1]);
    } else {
        worker_fork(worker);
    }
}

/* `reserved`: for cold workers, which are told their name at birth. */
struct worker *worker_new(struct run *run, struct slot *reserved)
{
    struct worker *worker = mem_zalloc(sizeof(*worker));
    struct err err = ERR_INIT;

    worker->run = run;
    worker->number = ++run->next_cell;
    worker->cold = run->cold;
    worker->reserved = run->cold ? reserved : NULL;
    worker->test = worker->next_test = worker->last_test = worker->owed = TEST_NONE;
    worker->born_ns = clock_now_ns();
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        worker->ns_fd[i] = -1;
    for (int i = 0; i < 2; i++)
        worker->output_fd[i] = -1;
    for (int i = 0; i < CAPTURE_FILES; i++)
        worker->capture_fd[i] = -1;
    worker->box_fd = -1;
    worker->next = run->workers;
    run->workers = worker;
    if (run->cgroup) {
        struct cgroup_limits limits = limits_of_test(run, TEST_NONE, false);

        if (cgroup_leaf_create(run->cgroup, worker->number, &limits, &worker->leaf, &err) < 0) {
            worker_start_failed(worker, err.message, err.errnum);
            return worker;
        }
    }
    if (run_init_has(run->init) & RUN_INIT_CELLS) {
        worker->state = WORKER_CELL;
        if (run_init_prepare_cell(run->init, worker->number) < 0)
            worker_start_failed(worker, "asking for a cell", errno);
    } else {
        worker_launch(worker);
    }
    return worker;
}

void worker_cell_ready(struct worker *worker, struct run_init_event *event)
{
    if (worker->state != WORKER_CELL)
        return;
    for (int i = 0; i < RUN_INIT_CELL_NS; i++) {
        worker->ns_fd[i] = take_fd(&event->ns_fd[i]);
        memcpy(worker->ns_name[i], event->ns_name[i], sizeof(worker->ns_name[i]));
    }
    worker_launch(worker);
}

void worker_cold_pending(struct worker *worker, pid_t pid)
{
    if (worker->leaf && cgroup_leaf_attach(worker->leaf, pid) < 0)
        worker_start_failed(worker, "moving the worker into its cgroup", errno);
    else
        run_init_proceed(worker->run->init, worker->number);
}

void worker_cold_connected(struct worker *worker, struct channel *channel)
{
    if (!worker->cold || worker->state != WORKER_FORKING || worker->channel) {
        channel_free(channel);
        return;
    }
    worker->channel = channel;
    channel_set_handler(channel, &(struct channel_handler){.packet = worker_packet,
                                                           .closed = worker_closed,
                                                           .arg = worker,
                                                           .priority = PRIORITY_MESSAGE});
    worker->state = WORKER_COLLECTING;
    channel_sendf(worker->channel, "{\"t\":\"welcome\",\"v\":1}");
}

/* --- life in a slot --- */

void worker_assign(struct worker *worker, struct slot *slot)
{
    struct run *run = worker->run;

    worker->slot = slot;
    worker->generation = ++slot->generation;
    slot->worker = worker;
    worker->state = WORKER_WAITING;
    channel_sendf(worker->channel,
                  "{\"t\":\"assign\",\"name\":\"%s\",\"slot\":%u,\"generation\":%u,\"workers\":%u,"
                  "\"run\":\"%s\",\"env\":{}}",
                  slot->name, slot->index, worker->generation, run->limits.workers, run->run_id);
    report_worker(run->report, "assigned", slot->index, worker->generation, worker->pid, 0);
    judge_incident_replaced(slot, clock_now_ns());
}

static void worker_apply_limits(struct worker *worker, size_t test)
{
    bool serial = worker->slot->serial;
    struct cgroup_limits limits = limits_of_test(worker->run, test, serial);
    const struct test *t = &worker->run->suite.tests[test];
    bool own = t->tasks || t->memory_bytes;

    if (worker->leaf && (own || worker->limits_changed || serial))
        cgroup_leaf_set_limits(worker->leaf, &limits);
    worker->limits_changed = own;
    worker->limits.tasks = limits.tasks;
    worker->limits.memory_bytes = limits.memory_bytes;
    worker->limits.timeout_ns = t->timeout_ns ? t->timeout_ns : worker->run->config->timeout_ns;
    worker->limits.stall_ns = worker->run->config->stall_ns;
}

void worker_go(struct worker *worker, size_t test, size_t next)
{
    struct run *run = worker->run;
    char next_text[24] = "null";

    worker->test = test;
    worker->next_test = next;
    worker_apply_limits(worker, test);
    judge_start(worker);
    if (next != TEST_NONE)
        snprintf(next_text, sizeof(next_text), "%zu", next);
    worker->state = WORKER_RUNNING;
    report_test_start(run->report, &run->suite, test, worker->slot->index, worker->generation,
                      worker->slot->serial ? LANE_SERIAL : LANE_PARALLEL, run_elapsed_ns(run));
    channel_sendf(worker->channel, "{\"t\":\"go\",\"i\":%zu,\"next\":%s}", test, next_text);
}

void worker_end(struct worker *worker)
{
    worker->state = WORKER_ENDING;
    worker->go_ns = run_clock_ns(worker->run);
    channel_sendf(worker->channel, "{\"t\":\"end\"}");
}

/* --- the end --- */

void worker_kill(struct worker *worker)
{
    struct run *run = worker->run;

    if (worker->state == WORKER_DYING)
        return;
    if (worker->leaf)
        cgroup_leaf_kill(worker->leaf);
    if (run_init_has(run->init) & RUN_INIT_CELLS)
        run_init_drop_cell(run->init, worker->number);
    else if (worker->pid_inside > 0 && !worker->exited)
        run_init_kill_tree(run->init, worker->pid_inside);
    worker->dying_ns = clock_now_ns();
    worker_read_output(worker);
    leak_watch_free(worker);
    worker->state = WORKER_DYING;
    if (worker->slot && worker->slot->worker == worker)
        worker->slot->worker = NULL;
    worker->slot = NULL;
}

/* A DYING worker may be gone from the kernel only milliseconds later; nobody waits for it. */
bool worker_clear(struct worker *worker)
{
    struct run *run = worker->run;
    struct worker **link = &run->workers;

    if (worker->leaf) {
        int r = cgroup_leaf_remove(worker->leaf);

        if (r == -EBUSY) {
            cgroup_leaf_kill(worker->leaf);
            return false;
        }
        worker->leaf = NULL;
    }
    while (*link && *link != worker)
        link = &(*link)->next;
    if (*link)
        *link = worker->next;
    for (int i = 0; i < 2; i++) {
        if (worker->output_fd[i] >= 0)
            ev_io_stop(run->loop, &worker->output_io[i]);
        close_fd(&worker->output_fd[i]);
    }
    for (int i = 0; i < CAPTURE_FILES; i++)
        close_fd(&worker->capture_fd[i]);
    close_fd(&worker->box_fd);
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        close_fd(&worker->ns_fd[i]);
    channel_free(worker->channel);
    chunk_list_clear(&worker->held);
    leak_watch_free(worker);
    free(worker->tail);
    free(worker);
    return true;
}
