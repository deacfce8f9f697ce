/* SPDX-License-Identifier: MIT */
#include "supervisor/run/run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/launch/kill_tree.h"
#include "sandbox/learn/learn.h"
#include "supervisor/adapters/pytest/environment.h"
#include "supervisor/config/paths.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/console.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/isolation.h"
#include "supervisor/run/native.h"
#include "supervisor/run/outside.h"
#include "supervisor/run/scratch.h"
#include "supervisor/run/select.h"
#include "supervisor/run/setup.h"
#include "supervisor/run/state.h"
#include "supervisor/run/terminal.h"
#include "supervisor/run/detect/thresholds.h"
#include "supervisor/run/watcher.h"

/* Task refusals on cgroup v1 wake nobody (6.12 and later), so counters are read this often while a test runs. */
#define FAST_TICK_S 0.003
#define SLOW_TICK_S 0.1

/* --- clocks --- */

uint64_t run_clock_ns(const struct run *run)
{
    return (run->frozen_since_ns ? run->frozen_since_ns : clock_now_ns()) - run->frozen_ns;
}

uint64_t run_elapsed_ns(const struct run *run)
{
    return run_clock_ns(run) - run->start_ns;
}

uint64_t run_timeout_ns(const struct run *run)
{
    return run->config->timeout_ns != RUN_CONFIG_UNSET ? run->config->timeout_ns : run->spec.limits.timeout_ns;
}

/* --- the suite arrives --- */

static void report_header(struct run *run)
{
    char isolation[512];
    struct report_header header = {
        .version = SHUNT_VERSION,
        .command = run->config->command[0],
        .run_id = run->run_id,
        .workers = run->limits.workers,
        .cold = run->cold && !run->native,
        .cold_why = run->cold_why,
        .threads = run->limits.threads,
        .cpu_set = run->config->cpu_view == CPU_VIEW_SHARE,
        .shared = budget_describe(run->budget),
        .tasks = run->limits.tasks,
        .memory_bytes = run->limits.memory_bytes,
        .serial_tasks = run->limits.serial_tasks,
        .serial_memory_bytes = run->limits.serial_memory_bytes,
        .cgroup = run->cgroup          ? cgroup_run_describe(run->cgroup)
                  : counted_tasks(run) ? "no cgroup: tasks by RLIMIT_NPROC in user namespaces, counted"
                                       : "",
        .isolation = isolation,
        .missing = run->missing,
        .policy = run->config->no_sandbox ? "off" : run->spec.name,
        .in_force = isolation_gives(run),
        .lacking = spec_wants(&run->spec) & ~isolation_gives(run),
        .budget = run->limits.budget_text,
    };

    isolation_describe(run, isolation, sizeof(isolation));
    report_run_start(run->report, &header);
    report_suite(run->report, &run->suite);
    if (run->limits.notice[0])
        report_notice(run->report, "%s", run->limits.notice);
    limits_say_unenforced(run);
}

void run_suite_ready(struct run *run)
{
    struct err err = ERR_INIT;

    select_tests(run);
    if (limits_resolve(run, &err) < 0) {
        run_fail(run, "%s", err.message);
        return;
    }
    cpu_resolve(run);
    run->cold = run->native || run->config->fork_server == FORK_SERVER_OFF || !run->options.fork;
    if (run->config->fork_server == FORK_SERVER_OFF)
        snprintf(run->cold_why, sizeof(run->cold_why), "--fork-server=off");
    else
        snprintf(run->cold_why, sizeof(run->cold_why), "%s", run->options.why_not_fork);
    run->slots = mem_calloc(run->limits.workers, sizeof(*run->slots));
    for (unsigned i = 0; i < run->limits.workers; i++) {
        run->slots[i] = (struct slot){.run = run, .index = i, .pending = TEST_NONE};
        snprintf(run->slots[i].name, sizeof(run->slots[i].name), "gw%u", i);
    }
    run->serial_slot = (struct slot){.run = run, .serial = true, .name = "gw0", .pending = TEST_NONE};
    run_history_read(run);
    run->lanes = lanes_new(&run->suite, run->limits.workers);
    if (run->config->list) {
        list_print(run);
        run->listed = true;
        ev_break(run->loop, EVBREAK_ALL);
        return;
    }
    if (!run->native)
        controller_plan(run->controller);
    evidence_place(run);
    if (!run->native && (run->config->no_capture || run->config->success_output != OUTPUT_NEVER ||
                         run->config->failure_output != OUTPUT_IMMEDIATE))
        report_notice(run->report, "%s is for tests that are programs; pytest shows these itself (its own options: -s, -rA, --show-capture)",
                      run->config->no_capture ? "--no-capture" : "--success-output or --failure-output");
    report_header(run);
    select_say(run);
    run_history_say(run);
    setup_begin(run);
}

/* --- the loop --- */

static void command_exited(struct run *run, int status)
{
    run->command_exited = true;
    run->command_status = status;
    ev_break(run->loop, EVBREAK_ALL);
}

static void worker_exited(struct run *run, const struct run_init_event *event)
{
    for (struct worker *w = run->workers; w; w = w->next) {
        if (w->exited || w->pid_inside != event->pid_inside)
            continue;
        w->exited = true;
        w->wait_status = event->status;
        judge_death(w);
        return;
    }
}

static void init_failed(struct run *run, const struct run_init_event *event)
{
    struct worker *worker;

    if (event->tag == COMMAND_TAG) {
        report_notice(run->report, "cannot start %s: %s: %s", run->config->command[0], event->stage,
                      strerror(event->errnum));
        run->fatal = true;
        command_exited(run, 0);
        return;
    }
    worker = worker_find(run, (unsigned)event->tag);
    if (worker && worker->state != WORKER_DYING)
        worker_start_failed(worker, event->stage, event->errnum);
}

/* With a pid namespace the kernel has ended everything; without one what we know of is ended here. */
static void init_gone(struct run *run)
{
    bool contained = run_init_contained(run->init);

    for (struct worker *w = run->workers; w && !contained; w = w->next)
        if (w->pid > 0 && !w->exited)
            kill_tree(w->pid);
    report_notice(run->report, "the run's first process was killed from outside%s",
                  contained ? "; everything in it is gone" : ", by a test perhaps; workers were ended");
    run->fatal = true;
}

static void init_event(struct run *run, struct run_init_event *event)
{
    struct worker *worker = worker_find(run, (unsigned)event->tag);

    if (event->tag == STEP_TAG && run->native) {
        native_step_event(run, event);
        return;
    }
    if (event->tag == SETUP_TAG) {
        setup_event(run, event);
        return;
    }
    switch (event->type) {
    case RUN_INIT_STARTED:
        if (worker && event->tag != COMMAND_TAG)
            worker->pid_inside = event->pid_inside;
        break;
    case RUN_INIT_PENDING:
        if (worker)
            worker_cold_pending(worker, event->pid);
        break;
    case RUN_INIT_FAILED:
        init_failed(run, event);
        break;
    case RUN_INIT_CELL:
        if (worker)
            worker_cell_ready(worker, event);
        for (int i = 0; i < RUN_INIT_CELL_NS; i++)
            close_fd(&event->ns_fd[i]);
        break;
    case RUN_INIT_EXITED:
        if (event->tag == COMMAND_TAG)
            command_exited(run, event->status);
        else
            worker_exited(run, event);
        break;
    case RUN_INIT_LISTENER:
        denials_open(run, event->fd);
        break;
    case RUN_INIT_LEFT:
        break;
    case RUN_INIT_GONE:
        init_gone(run);
        ev_break(run->loop, EVBREAK_ALL);
        break;
    case RUN_INIT_NONE:
        break;
    }
}

static void init_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct run *run = watcher->data;
    struct run_init_event event;

    (void)revents;
    for (int i = 0; i < 64; i++) {
        if (run_init_next(run->init, &event) < 0)
            event.type = RUN_INIT_GONE;
        if (event.type == RUN_INIT_NONE)
            return;
        init_event(run, &event);
        if (event.type == RUN_INIT_GONE) {
            ev_io_stop(loop, watcher);
            return;
        }
    }
}

static void notify_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct run *run = watcher->data;

    (void)loop;
    (void)revents;
    cgroup_run_notify_clear(run->cgroup);
    tick_all(run, false);
}

static void fast_tick(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    (void)loop;
    (void)revents;
    tick_all(watcher->data, false);
}

static void slow_tick(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct run *run = watcher->data;

    (void)loop;
    (void)revents;
    tick_all(run, true);
    watcher_tick(run);
    budget_tick(run);
    if (run->phase == PHASE_STOPPING && clock_now_ns() >= run->stop_deadline_ns)
        ev_break(run->loop, EVBREAK_ALL);
}

/* The fast tick runs only while there is something that it alone would see. */
static void arm_fast_tick(struct run *run)
{
    bool notified = run->cgroup && (cgroup_run_has(run->cgroup) & CGROUP_HAS_NOTIFY);
    bool want = false;

    for (const struct worker *w = run->workers; w && !want; w = w->next)
        want = w->state == WORKER_DYING || (w->state == WORKER_WAITING && w->leak) ||
               (w->state == WORKER_RUNNING && (w->leaf ? !notified || w->memory.close : counted_tasks(run)));
    if (want && !ev_is_active(&run->fast_tick)) {
        run->fast_tick.repeat = FAST_TICK_S;
        ev_timer_again(run->loop, &run->fast_tick);
    } else if (!want && ev_is_active(&run->fast_tick)) {
        ev_timer_stop(run->loop, &run->fast_tick);
    }
}

static void schedule(struct ev_loop *loop, ev_prepare *watcher, int revents)
{
    struct run *run = watcher->data;

    (void)loop;
    (void)revents;
    scheduler_pump(run);
    arm_fast_tick(run);
}

static void watch_everything(struct run *run)
{
    int notify = run->cgroup ? cgroup_run_notify_fd(run->cgroup) : -1;

    signals_init(run);
    ev_io_init(&run->init_io, init_readable, run_init_fd(run->init), EV_READ);
    run->init_io.data = run;
    ev_set_priority(&run->init_io, PRIORITY_DEATH);
    ev_io_start(run->loop, &run->init_io);
    ev_io_init(&run->notify_io, notify_readable, notify, EV_READ);
    run->notify_io.data = run;
    if (notify >= 0)
        ev_io_start(run->loop, &run->notify_io);
    ev_init(&run->fast_tick, fast_tick);
    run->fast_tick.data = run;
    ev_set_priority(&run->fast_tick, PRIORITY_TIMER);
    ev_timer_init(&run->slow_tick, slow_tick, SLOW_TICK_S, SLOW_TICK_S);
    run->slow_tick.data = run;
    ev_set_priority(&run->slow_tick, PRIORITY_TIMER);
    ev_timer_start(run->loop, &run->slow_tick);
    ev_prepare_init(&run->schedule, schedule);
    run->schedule.data = run;
    ev_prepare_start(run->loop, &run->schedule);
}

/* --- start and end --- */

static void run_say(void *arg, const char *text)
{
    struct run *run = arg;

    controller_say(run->controller, text);
}

static void run_print(void *arg, const char *text, size_t size)
{
    struct run *run = arg;

    if (run->native && run->native->live_open)
        console_text(run->console, STDOUT_FILENO, "\n", 1);
    if (run->native)
        run->native->live_open = false;
    console_text(run->console, STDOUT_FILENO, text, size);
}

static int open_report(struct run *run, struct err *err)
{
    const struct run_config *config = run->config;
    struct report_options options = {
        .events_path = config->events_path,
        .junit_path = config->junit_path,
        .quiet = config->quiet,
        .color = config->color == COLOR_ALWAYS ||
                 (config->color == COLOR_AUTO && isatty(STDERR_FILENO) && !getenv("NO_COLOR")),
        .say = run_say,
        .print = run_print,
        .success_output = config->success_output,
        .failure_output = config->failure_output,
        .starts = config->no_capture,
        .say_arg = run,
        .run_id = run->run_id,
    };

    return report_new(&options, &run->report, err);
}

static int start_command(struct run *run, struct err *err)
{
    /* A list is all that its caller wants to read. */
    const int stdio[3] = {0, run->config->list ? 2 : 1, 2};
    char **passed, **env;
    int r;

    if (!run->python) {
        err_set(err, ERR_SYSTEM, ENOENT, "shunt's own pytest plugin was not found");
        return err_hint(err, "reinstall shunt, or name its data directory in SHUNT_DATADIR");
    }
    passed = cpu_environment(run, budget_environment(spec_environment(&run->spec, environ, NULL)), NULL);
    env = pytest_environment(passed, run->python, controller_socket_path(run->controller), NULL);
    spec_environment_free(passed);
    r = run_init_spawn(run->init, COMMAND_TAG, run->config->command, env, stdio);
    pytest_environment_free(env);
    return r < 0 ? err_set(err, ERR_SYSTEM, -r, "cannot start %s: %m", run->config->command[0]) : 0;
}

static int run_open(struct run *run, struct err *err)
{
    unsigned char id[16];
    int r;

    if (getrandom(id, sizeof(id), 0) != sizeof(id))
        return err_set(err, ERR_SYSTEM, errno, "no random numbers: %m");
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(run->run_id + 2 * i, 3, "%02x", id[i]);
    run->start_ns = clock_now_ns();
    scratch_sweep();
    run->python = paths_find("python");
    r = open_report(run, err);
    if (r == 0)
        budget_join_make(run);
    if (r == 0)
        r = isolation_load(run, err);
    if (r == 0)
        r = run_learn_open(run, err);
    if (r == 0)
        r = scratch_new(run->spec.tmp != SPEC_TMP_HOST, &run->scratch, err);
    if (r == 0)
        r = isolation_open(run, err);
    if (r == 0)
        r = budget_join_host(run, err);
    if (r == 0)
        run_learn_places(run);
    if (r == 0)
        r = controller_new(run, &run->controller, err);
    if (r == 0)
        r = native_open(run, err);
    if (r == 0 && !run->native)
        r = start_command(run, err);
    return r;
}

void run_start_command(struct run *run)
{
    struct err err = ERR_INIT;

    if (start_command(run, &err) < 0)
        run_fail(run, "%s", err.message);
}

static void run_close(struct run *run)
{
    terminal_close(run);
    watcher_free(run);
    for (struct worker *w = run->workers; w; w = w->next)
        worker_kill(w);
    run_init_free(run->init);
    budget_pause(run);
    for (int i = 0; i < 200 && run->workers; i++) {
        struct worker *next;

        for (struct worker *w = run->workers; w; w = next) {
            next = w->next;
            worker_clear(w);
        }
        if (run->workers)
            usleep(5000);
    }
    cgroup_run_destroy(run->cgroup, 2000);
    cgroup_host_free(run->host);
    isolation_close(run);
}

static int run_finish(struct run *run, struct err *err)
{
    struct report_summary summary = {.end_reason = run->no_new_tests ? run->stop_reason : NULL,
                                     .restarts = run->restarts,
                                     .wall_ns = run_elapsed_ns(run),
                                     .failures = run->native != NULL,
                                     .incidents = run->incidents,
                                     .nincidents = run->nincidents,
                                     .denials = run->denials,
                                     .reroute_warns = run->config->on_reroute == ON_REROUTE_WARN,
                                     .reroute_fails = run->config->on_reroute == ON_REROUTE_FAIL,
                                     .marks = run->history != NULL && !run->native};
    struct report_low_limit low[THRESHOLD_LIMITS];
    int r;

    run->whole = whole_command_settle(run);
    summary.failures |= run->whole;
    if (run->suite.count && !run->no_new_tests)
        snprintf(run->stop_reason, sizeof(run->stop_reason), "the run ended before it");
    run_close_ledger(run);
    for (unsigned i = 0; run->slots && i < run->limits.workers; i++)
        judge_incident_flush(&run->slots[i]);
    if (run->slots)
        judge_incident_flush(&run->serial_slot);
    report_denials(run->report, &run->suite, TEST_NONE, run->denials);
    outside_summary(run, &summary);
    summary.exit_status = run_exit_status(run, &summary.status_reason);
    run_history_write(run, summary.exit_status);
    summary.low = low;
    summary.nlow = thresholds_summary(run, low, THRESHOLD_LIMITS);
    r = report_run_end(run->report, &run->suite, &summary, err);
    console_flush(run->console);
    if (r >= 0)
        r = run_learn_finish(run, summary.exit_status, err);
    return r < 0 ? r : summary.exit_status;
}

static void run_free(struct run *run)
{
    denials_close(run);
    learn_free(run->learn);
    controller_free(run->controller);
    channel_free(run->template);
    cpu_close(run);
    budget_free(run->budget);
    signals_done(run);
    lanes_free(run->lanes);
    free(run->slots);
    for (size_t i = 0; i < run->nincidents; i++) {
        incident_done(&run->incidents[i]);
    }
    free(run->incidents);
    free(run->cases);
    denials_close(run);
    run_history_free(run->history);
    setup_free(run);
    native_free(run->native);
    free(run->quit.why);
    free(run->inputs);
    outside_free(run);
    suite_done(&run->suite);
    report_free(run->report);
    console_free(run->console);
    ev_loop_destroy(run->loop);
}

int run_main(const struct run_config *config, struct err *err)
{
    struct run run = {.config = config, .phase = PHASE_STARTING};
    int r;

    run.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    r = run_open(&run, err);
    if (r < 0) {
        run_close(&run);
        run_free(&run);
        return r;
    }
    run.console = console_new(run.loop);
    watch_everything(&run);
    if (run.native)
        native_begin(&run);
    if (!run.listed && !(run.native && run.native->over))
        ev_run(run.loop, 0);
    run_close(&run);
    if (run.native && run.native->err.kind != ERR_NONE) {
        *err = run.native->err;
        r = -(err->errnum ? err->errnum : EINVAL);
    } else {
        r = run.listed ? 0 : run_finish(&run, err);
    }
    run_free(&run);
    return r;
}
