/* SPDX-License-Identifier: MIT */
/*
 * The framework's first process. It brings the suite, and it shows the results: whatever is fed to it has been
 * judged. The listening socket through which it comes lives in a directory of our own, and both are gone as soon
 * as nobody else is expected.
 */
#include <errno.h>
#include <sched.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/mount_plan.h"
#include "supervisor/config/paths.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/controller.h"
#include "supervisor/run/cpu.h"
#include "sandbox/plan/plan.h"
#include "supervisor/run/scratch.h"
#include "supervisor/run/select.h"
#include "supervisor/run/state.h"
#include "supervisor/run/suite_reader.h"
#include "supervisor/run/terminal.h"

struct visitor { /* connected, but has not said who it is */
    struct controller *controller;
    struct channel *channel;
    struct visitor *next;
};

bool controller_in_loop(const struct controller *controller)
{
    return controller->state == CONTROLLER_PLANNED;
}

bool controller_seen(const struct controller *controller)
{
    return controller->state != CONTROLLER_ABSENT;
}

const char *controller_socket_path(const struct controller *controller)
{
    return scratch_socket(controller->scratch);
}

bool controller_congested(const struct controller *controller)
{
    return controller->channel && channel_pending_bytes(controller->channel) > CONGESTED_BYTES;
}

bool controller_pause(struct controller *controller)
{
    if (!controller->channel || !controller_in_loop(controller))
        return false;
    feed_batch_flush(controller);
    channel_sendf(controller->channel, "{\"t\":\"pause\"}");
    return true;
}

void controller_resume(struct controller *controller)
{
    if (controller && controller->channel && controller->state >= CONTROLLER_PLANNED)
        channel_sendf(controller->channel, "{\"t\":\"resume\"}");
}

/* --- what it says --- */

static int controller_suite_end(struct controller *controller, struct packet *packet)
{
    struct run *run = controller->run;
    const char *digest, *keep;

    if (run->suite.count != controller->expected)
        return -EPROTO;
    if (packet_text(packet, "digest", 64, true, &digest) < 0 || packet_text(packet, "keep", 1000, true, &keep) < 0)
        return -EPROTO;
    /* Seen from inside the run sandbox only: it cannot name more than the template reaches anyway. */
    if (keep && *keep == '/')
        run_init_keep(run->init, keep);
    run->options.collected = run->suite.count;
    snprintf(run->options.digest, sizeof(run->options.digest), "%s", digest ? digest : "");
    run_suite_ready(run);
    return 0;
}

static int controller_message(struct controller *controller, struct packet *packet)
{
    const char *type = packet->type;
    struct run *run = controller->run;

    if (strcmp(type, "stop") == 0 && controller->state >= CONTROLLER_PLANNED) {
        const char *why;

        if (packet_text(packet, "why", 1024, true, &why) < 0)
            return -EPROTO;
        run_stop(run, why ? why : "the framework asked to stop");
        return 0;
    }
    if (strcmp(type, "inputs") == 0 && run->inputs_awaited) {
        run->inputs = mem_zalloc(packet->payload_size + 1);
        memcpy(run->inputs, packet->payload, packet->payload_size);
        run->inputs_size = packet->payload_size;
        run->inputs_awaited = false;
        return 0;
    }
    switch (controller->state) {
    case CONTROLLER_COLLECTING:
        if (strcmp(type, "suite") != 0)
            return -EPROTO;
        controller->state = CONTROLLER_LISTING;
        return suite_reader_options(packet, &run->suite, &run->options, &controller->expected);
    case CONTROLLER_LISTING:
        if (strcmp(type, "tests") == 0)
            return suite_reader_tests(packet, &run->suite, controller->expected);
        return strcmp(type, "suite-end") == 0 ? controller_suite_end(controller, packet) : -EPROTO;
    case CONTROLLER_PLANNED:
    case CONTROLLER_FINISHED:
        if (strcmp(type, "paused") == 0)
            terminal_go_on(run);
        else if (strcmp(type, "fed") != 0)
            return -EPROTO;
        return 0;
    case CONTROLLER_ABSENT:
    case CONTROLLER_GONE:
        return -EPROTO;
    }
    return -EPROTO;
}

static void controller_lost(struct controller *controller, const char *why)
{
    struct run *run = controller->run;
    enum controller_state state = controller->state;

    controller->state = CONTROLLER_GONE;
    feed_batch_done(controller);
    channel_free(controller->channel);
    controller->channel = NULL;
    /* Before the plan it is the framework's own business why it ends: a collection error, --collect-only. */
    if (state == CONTROLLER_PLANNED && run->phase != PHASE_STOPPING) {
        if (why)
            run_fail(run, "the process that shows the results %s", why);
        else
            run_fail(run, "the process that shows the results ended before the run did");
    } else if (why) {
        run_fail(run, "the framework's plugin %s", why);
    }
}

static void controller_packet(void *arg, struct packet *packet)
{
    struct controller *controller = arg;
    char why[128];

    if (controller_message(controller, packet) < 0) {
        snprintf(why, sizeof(why), "sent a malformed or unexpected \"%.32s\"", packet->type);
        controller_lost(controller, why);
    }
}

static void controller_closed(void *arg, const char *why)
{
    char text[160];

    if (why)
        snprintf(text, sizeof(text), "sent %s", why);
    controller_lost(arg, why ? text : NULL);
}

/* --- who connects --- */

static void visitor_free(struct visitor *visitor)
{
    struct visitor **link = &visitor->controller->visitors;

    while (*link != visitor)
        link = &(*link)->next;
    *link = visitor->next;
    channel_free(visitor->channel);
    free(visitor);
}

static void visitor_refuse(struct visitor *visitor, const char *why)
{
    channel_sendf(visitor->channel, "{\"t\":\"refused\",\"why\":\"%s\"}", why);
    visitor_free(visitor);
}

static void visitor_is_controller(struct visitor *visitor)
{
    struct controller *controller = visitor->controller;
    uint64_t workers = controller->run->config->workers;

    if (controller->state != CONTROLLER_ABSENT) {
        report_notice(controller->run->report,
                      "a second test session of this command runs without shunt's lanes and limits");
        visitor_refuse(visitor, "only the first session of a command is supervised");
        return;
    }
    controller->channel = take_ptr(visitor->channel);
    controller->state = CONTROLLER_COLLECTING;
    channel_set_handler(controller->channel, &(struct channel_handler){.packet = controller_packet,
                                                                       .closed = controller_closed,
                                                                       .arg = controller,
                                                                       .priority = PRIORITY_MESSAGE});
    channel_sendf(controller->channel, "{\"t\":\"welcome\",\"v\":1,\"cpu_count\":%u,\"markers\":%s,\"workers\":%u}",
                  cpu_count_told(controller->run, NULL), select_needs_markers(controller->run) ? "true" : "false",
                  workers < RUN_CONFIG_UNSET ? (unsigned)workers : 0);
    visitor_free(visitor);
}

static void visitor_packet(void *arg, struct packet *packet)
{
    struct visitor *visitor = arg;
    struct controller *controller = visitor->controller;
    const char *role = NULL;
    int64_t version = 0, cell = 0;

    if (strcmp(packet->type, "hello") != 0 || packet_int(packet, "v", 1, 1, &version) < 0 ||
        packet_text(packet, "role", 16, false, &role) < 0) {
        visitor_refuse(visitor, "expected hello of protocol version 1");
    } else if (strcmp(role, "controller") == 0) {
        visitor_is_controller(visitor);
    } else if (packet_int(packet, "cell", 1, UINT32_MAX, &cell) < 0 ||
               !worker_find(controller->run, (unsigned)cell)) {
        visitor_refuse(visitor, "nobody was asked for");
    } else {
        struct channel *channel = take_ptr(visitor->channel);

        visitor_free(visitor);
        worker_cold_connected(worker_find(controller->run, (unsigned)cell), channel);
    }
}

static void visitor_closed(void *arg, const char *why)
{
    (void)why;
    visitor_free(arg);
}

static void controller_accept(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct controller *controller = watcher->data;
    struct visitor *visitor;
    struct ucred cred;
    socklen_t size = sizeof(cred);
    int fd = accept4(controller->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0)
        return;
    /* Another run of the same user can reach the socket, too, and a test of it might. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 ||
        !run_init_owns(controller->run->init, cred.pid, cred.uid)) {
        close(fd);
        return;
    }
    visitor = mem_zalloc(sizeof(*visitor));
    visitor->controller = controller;
    visitor->next = controller->visitors;
    controller->visitors = visitor;
    visitor->channel = channel_new(loop, fd,
                                   &(struct channel_handler){.packet = visitor_packet,
                                                             .closed = visitor_closed,
                                                             .arg = visitor,
                                                             .priority = PRIORITY_MESSAGE});
}

/* On a /tmp of the run's own the directory is mapped to the run's user as it is, where its file system can do that. */
static int give_socket(struct controller *controller)
{
    const struct sandbox_plan *plan = run_init_plan(controller->run->init);
    bool mapped = plan->namespaces & CLONE_NEWNS && plan->spec.tmp != SPEC_TMP_HOST &&
                  scratch_is_kept(controller->scratch) &&
                  !mount_plan_keeps_ids(plan->mounts[MOUNTS_RUN]);

    return mapped ? 0 : scratch_give(controller->scratch, plan->uid);
}

static int controller_listen(struct controller *controller, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = scratch_socket(controller->scratch);
    int fd;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(path, 0600) < 0 || give_socket(controller) < 0 ||
        listen(fd, 64) < 0) {
        int saved = errno;

        close_fd(&fd);
        return err_set(err, ERR_SYSTEM, saved, "cannot listen on %s: %m", path);
    }
    controller->listen_fd = fd;
    ev_io_init(&controller->accept_io, controller_accept, fd, EV_READ);
    controller->accept_io.data = controller;
    ev_set_priority(&controller->accept_io, PRIORITY_MESSAGE);
    ev_io_start(controller->run->loop, &controller->accept_io);
    return 0;
}

int controller_new(struct run *run, struct controller **ret, struct err *err)
{
    struct controller *controller = mem_zalloc(sizeof(*controller));
    int r;

    controller->run = run;
    controller->listen_fd = -1;
    controller->scratch = run->scratch;
    feed_batch_init(controller);
    r = controller_listen(controller, err);
    if (r < 0) {
        controller_free(controller);
        return r;
    }
    *ret = controller;
    return 0;
}

void controller_free(struct controller *controller)
{
    if (!controller)
        return;
    while (controller->visitors)
        visitor_free(controller->visitors);
    if (controller->listen_fd >= 0)
        ev_io_stop(controller->run->loop, &controller->accept_io);
    close_fd(&controller->listen_fd);
    feed_batch_done(controller);
    channel_free(controller->channel);
    free(controller);
}

/* --- what it is told --- */

static void template_packet(void *arg, struct packet *packet)
{
    struct run *run = arg;
    int64_t cell, errnum;

    if (strcmp(packet->type, "template") == 0) {
        run->template_ready = true;
        worker_template_ready(run);
    } else if (strcmp(packet->type, "fork-failed") == 0 &&
               packet_int(packet, "cell", 1, UINT32_MAX, &cell) == 0 &&
               packet_int(packet, "errno", 0, 4096, &errnum) == 0) {
        struct worker *worker = worker_find(run, (unsigned)cell);

        if (worker && worker->state == WORKER_FORKING)
            worker_start_failed(worker, "fork", (int)errnum);
    } else {
        run_fail(run, "the template sent a malformed or unexpected \"%.32s\"", packet->type);
    }
}

static void template_closed(void *arg, const char *why)
{
    struct run *run = arg;

    channel_free(run->template);
    run->template = NULL;
    run->template_ready = false;
    if (run->phase == PHASE_PARALLEL || run->phase == PHASE_SERIAL)
        run_fail(run, "the template, from which workers are forked, %s",
                 why ? "sent nonsense" : "died");
}

static int controller_template(struct controller *controller, int *ret_fd)
{
    struct run *run = controller->run;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    run->template = channel_new(run->loop, pair[0],
                                &(struct channel_handler){.packet = template_packet,
                                                          .closed = template_closed,
                                                          .arg = run,
                                                          .priority = PRIORITY_MESSAGE});
    *ret_fd = pair[1];
    return 0;
}

void controller_plan(struct controller *controller)
{
    struct run *run = controller->run;
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *lib = paths_find("libshunt-enter.so");
    json_t *plan;
    char *text;

    if (!run->cold && controller_template(controller, &fd) < 0) {
        run_fail(run, "no socket for the template: %s", strerror(errno));
        return;
    }
    plan = json_pack("{s:s,s:i,s:b,s:b,s:s,s:s}", "t", "plan", "workers", (int)run->limits.workers,
                     "cold", run->cold, "xdist", run->limits.workers > 1, "enter_lib",
                     lib && !run->config->no_sandbox ? lib : "", "run", run->run_id);
    if (fd >= 0)
        json_object_set_new(plan, "fds", json_pack("[s]", "template"));
    text = json_dumps(plan, JSON_COMPACT | JSON_ENSURE_ASCII);
    channel_send(controller->channel, text, NULL, 0, &fd, fd >= 0 ? 1 : 0);
    free(text);
    json_decref(plan);
    controller->state = CONTROLLER_PLANNED;
    run->inputs_awaited = run->options.inputs;
    if (!run->cold)
        scratch_remove(controller->scratch); /* nobody else is expected */
}
