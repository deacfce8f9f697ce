/* SPDX-License-Identifier: MIT */
/* One worker generation, from the preparation of its cell to the removal of its cgroup. */
#include <errno.h>
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
#include "supervisor/run/detect/blame_alone.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/cold.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/detect/held_result.h"
#include "supervisor/run/detect/leak_files.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"
#include "supervisor/run/terminal.h"
#include "supervisor/run/detect/timeout.h"

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
    report_notice(run->report, "a worker could not be started: %s%s%s", stage, errnum ? ": " : "",
                  errnum ? strerror(errnum) : "");
    worker_kill(worker);
    if (run->start_failures >= 5)
        run_fail(run, "5 workers in a row could not be started: %s%s%s", stage, errnum ? ": " : "",
                 errnum ? strerror(errnum) : "");
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
    if (worker->run->native) {
        int r = native_launch(worker);

        if (r < 0)
            worker_start_failed(worker, "starting a worker", -r);
    } else if (worker->cold) {
        int out[2] = {-1, -1};
        int r = worker_make_pipes(worker, out);

        if (r == 0)
            r = cold_spawn(worker, out);
        if (r < 0)
            worker_start_failed(worker, "starting a cold worker", -r);
        else
            worker->state = WORKER_FORKING;
        close_fd(&out[0]);
        close_fd(&out[1]);
    } else if (worker->run->template_ready) {
        worker_fork(worker);
    } else {
        worker->awaits_template = true;
    }
}

void worker_template_ready(struct run *run)
{
    /* The list begins with the youngest; the first slots are to have the eldest. */
    for (unsigned number = 1; number <= run->next_cell; number++) {
        struct worker *worker = worker_find(run, number);

        if (!worker || !worker->awaits_template || worker->state != WORKER_CELL)
            continue;
        worker->awaits_template = false;
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
    worker->box_fd = worker->stacks_fd = -1;
    worker->suspect = worker->result.test = TEST_NONE;
    worker->next = run->workers;
    run->workers = worker;
    if (run->cgroup) {
        struct cgroup_limits limits = limits_of_test(run, TEST_NONE, false);

        if (cgroup_leaf_create(run->cgroup, worker->number, &limits, &worker->leaf, &err) < 0) {
            worker_start_failed(worker, err.message, err.errnum);
            return worker;
        }
    }
    if (run_init_cells(run->init)) {
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
    int r = worker->leaf ? cgroup_leaf_attach(worker->leaf, pid) : 0;

    if (r < 0)
        worker_start_failed(worker, "moving the worker into its cgroup", -r);
    else
        run_init_proceed(worker->run->init, worker->number);
}

void worker_cold_connected(struct worker *worker, struct channel *channel)
{
    _cleanup_free_ char *header = NULL;

    if (!worker->cold || worker->state != WORKER_FORKING || worker->channel) {
        channel_free(channel);
        return;
    }
    worker_take_channel(worker, channel);
    worker->state = WORKER_COLLECTING;
    header = mem_printf("{\"t\":\"welcome\",\"v\":1,\"cpu_count\":%u}", cpu_count_told(worker->run, worker->reserved));
    channel_send(channel, header, worker->run->inputs, worker->run->inputs_size, NULL, 0);
}

/* --- life in a slot --- */

void worker_assign(struct worker *worker, struct slot *slot)
{
    struct run *run = worker->run;
    _cleanup_free_ char *cpu = cpu_assignment(run, slot), *header = NULL;

    worker->slot = slot;
    worker->generation = ++slot->generation;
    slot->worker = worker;
    worker->state = WORKER_WAITING;
    header = mem_printf(
                  "{\"t\":\"assign\",\"name\":\"%s\",\"slot\":%u,\"generation\":%u,\"workers\":%u,"
                  "\"run\":\"%s\",%s}",
                  slot->name, slot->index, worker->generation, run->limits.workers, run->run_id, cpu);
    channel_send(worker->channel, header, run->inputs, run->inputs_size, NULL, 0);
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
    else if (!worker->leaf && counted_tasks(worker->run))
        counted_set_limit(worker, limits.tasks);
    worker->limits_changed = own;
    worker->limits.tasks = limits.tasks;
    worker->limits.memory_bytes = limits.memory_bytes;
    worker->limits.timeout_ns = t->timeout_ns ? t->timeout_ns : run_timeout_ns(worker->run);
    worker->limits.stall_ns = worker->run->config->stall_ns;
}

/* "" or `,"env":{...}` */
static char *environment_of(const struct test *test)
{
    _cleanup_free_ char *text = NULL;
    json_t *object;

    if (!test->environment)
        return mem_strdup("");
    object = json_object();
    for (char **word = test->environment; *word; word++) {
        size_t length = strcspn(*word, "=");
        _cleanup_free_ char *name = mem_printf("%.*s", (int)length, *word);

        json_object_set_new(object, name, (*word)[length] ? json_string(*word + length + 1) : json_null());
    }
    text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    return mem_printf(",\"env\":%s", text);
}

void worker_go(struct worker *worker, size_t test, size_t next)
{
    struct run *run = worker->run;
    char next_text[24] = "null";
    _cleanup_free_ char *env = environment_of(&run->suite.tests[test]), *header = NULL;

    worker->test = test;
    worker->next_test = next;
    if (run->native)
        native_test_starts(worker);
    worker_apply_limits(worker, test);
    blame_confirm_go(worker, test);
    judge_start(worker);
    if (next != TEST_NONE)
        snprintf(next_text, sizeof(next_text), "%zu", run->suite.tests[next].number);
    worker->state = WORKER_RUNNING;
    report_test_start(run->report, &run->suite, test, worker->slot->index, worker->generation,
                      worker->slot->serial ? LANE_SERIAL : LANE_PARALLEL, run_elapsed_ns(run));
    header = mem_printf("{\"t\":\"go\",\"i\":%zu,\"next\":%s%s}", run->suite.tests[test].number, next_text,
                        run->native ? "" : env); /* a program's own is in the table */
    channel_send(worker->channel, header, NULL, 0, NULL, 0);
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
    terminal_release(worker);
    held_result_end(worker);
    if (worker->leaf)
        cgroup_leaf_kill(worker->leaf);
    if (run_init_cells(run->init))
        run_init_drop_cell(run->init, worker->number);
    else if (worker->pid_inside > 0 && !worker->exited)
        run_init_kill_tree(run->init, worker->pid_inside);
    worker->dying_ns = clock_now_ns();
    worker_read_output(worker);
    leak_watch_free(worker);
    leak_files_free(worker);
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
    close_fd(&worker->stacks_fd);
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        close_fd(&worker->ns_fd[i]);
    channel_free(worker->channel);
    chunk_list_clear(&worker->held);
    leak_watch_free(worker);
    timeout_free(worker);
    native_output_free(worker);
    free(worker->tail);
    free(worker);
    return true;
}
