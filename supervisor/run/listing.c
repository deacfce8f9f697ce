/* SPDX-License-Identifier: MIT */
/*
 * Which tests there are: an adapter is asked, and the commands that it wants an answer of run one after the other inside the
 * run sandbox, with a time limit and a bound on what they may say.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"
#include "supervisor/config/paths.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

#define STEP_TIMEOUT_NS (60 * NS_PER_SEC)

static void ask_adapter(struct native *native);

const struct adapter *native_adapter(const struct native *native)
{
    return native->candidates[native->candidate];
}

void native_over(struct run *run)
{
    run->native->over = true;
    ev_break(run->loop, EVBREAK_ALL);
}

/* --- one listing command --- */

static struct adapter_step *current(struct native *native)
{
    return &native->list.steps[native->step];
}

static void step_closed(struct native *native)
{
    if (native->step_fd >= 0)
        ev_io_stop(native->run->loop, &native->step_io);
    close_fd(&native->step_fd);
    ev_timer_stop(native->run->loop, &native->step_timer);
}

static void step_kill(struct native *native)
{
    if (native->step_pid > 0)
        run_init_kill_tree(native->run->init, native->step_pid);
    run_init_signal(native->run->init, STEP_TAG, SIGKILL);
}

/* False at the end of file. */
static bool step_read(struct native *native)
{
    struct adapter_step *step = current(native);
    ssize_t n;

    do {
        mem_grow(&step->output, &native->step_room, step->size + 32768 + 1, 1);
        n = read(native->step_fd, step->output + step->size, native->step_room - step->size - 1);
        if (n > 0)
            step->size += (size_t)n;
        step->output[step->size] = '\0';
        if (step->size > ADAPTER_OUTPUT_MAX) {
            native->step_long = true;
            step_kill(native);
            return false;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0;
}

static void step_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)revents;
    if (!step_read(watcher->data))
        ev_io_stop(loop, watcher);
}

static void step_late(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct native *native = watcher->data;

    (void)loop;
    (void)revents;
    native->step_late = true;
    step_kill(native);
}

static int step_spawn(struct native *native, struct adapter_step *step)
{
    struct run *run = native->run;
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char *const *words = step->argv;
    char **env;
    int fds[2], r;

    if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    native->step_fd = fds[0];
    io_set_nonblock(fds[0], true);
    env = cpu_environment(run, budget_environment(spec_environment(&run->spec, environ, NULL)), NULL);
    r = run_init_spawn(run->init, STEP_TAG, words, env,
                       (int[3]){null, fds[1], step->to == ADAPTER_STDERR_MIX    ? fds[1]
                                              : step->to == ADAPTER_STDERR_SHOW ? STDERR_FILENO
                                                                                : null});
    spec_environment_free(env);
    close(fds[1]);
    return r;
}

static void list_failed(struct native *native)
{
    native_over(native->run);
}

static void step_start(struct native *native)
{
    struct adapter_step *step = current(native);
    uint64_t timeout = step->timeout_ns ? step->timeout_ns : STEP_TIMEOUT_NS;
    int r;

    native->step_room = 0;
    native->step_pid = 0;
    native->step_late = native->step_long = false;
    mem_grow(&step->output, &native->step_room, 1, 1);
    step->output[0] = '\0';
    r = step_spawn(native, step);
    if (r < 0) {
        err_set(&native->err, ERR_SYSTEM, -r, "cannot start %s, which lists the tests: %m", step->argv[0]);
        list_failed(native);
        return;
    }
    ev_io_init(&native->step_io, step_readable, native->step_fd, EV_READ);
    native->step_io.data = native;
    ev_set_priority(&native->step_io, PRIORITY_MESSAGE);
    ev_io_start(native->run->loop, &native->step_io);
    ev_timer_init(&native->step_timer, step_late, (double)timeout / 1e9, 0);
    native->step_timer.data = native;
    ev_timer_start(native->run->loop, &native->step_timer);
}

static void step_over(struct native *native, int status)
{
    struct adapter_step *step = current(native);
    _cleanup_free_ char *words = adapter_join_words(step->argv);

    if (!native->step_long)
        step_read(native);
    step_closed(native);
    step->wait_status = status;
    if (native->step_late || native->step_long) {
        if (native->step_long)
            err_set(&native->err, ERR_USAGE, EFBIG, "\"%.200s\", which lists the tests, said more than 64 MiB", words);
        else
            err_set(&native->err, ERR_USAGE, ETIMEDOUT, "\"%.200s\", which lists the tests, did not end in time", words);
        err_hint(&native->err, "run it by hand; --adapter=command runs the whole command as one test");
        list_failed(native);
        return;
    }
    native->step++;
    if (native->step < native->list.nsteps)
        step_start(native);
    else
        ask_adapter(native);
}

void native_step_event(struct run *run, struct run_init_event *event)
{
    struct native *native = run->native;

    switch (event->type) {
    case RUN_INIT_STARTED:
        native->step_pid = event->pid_inside;
        break;
    case RUN_INIT_EXITED:
        step_over(native, event->status);
        break;
    case RUN_INIT_FAILED:
        step_closed(native);
        err_set(&native->err, ERR_USAGE, event->errnum, "cannot start %s, which lists the tests: %s: %m", current(native)->argv[0],
                event->stage);
        list_failed(native);
        break;
    default:
        break;
    }
}

/* --- asking --- */

static void reset_list(struct native *native)
{
    struct adapter_list *list = &native->list;
    const char *from = list->from, *text = list->from_text;
    size_t size = list->from_size;

    adapter_list_done(list);
    *list = (struct adapter_list){
        .argv = native->run->config->command, .batch = native->run->config->batch, .from = from, .from_text = text, .from_size = size};
    native->step = 0;
}

/* Nobody's: as one that may start pytest. */
static void give_up_candidates(struct native *native)
{
    struct run *run = native->run;

    run->native = NULL;
    native_free(native);
    run_start_command(run);
}

static void suite_is_there(struct native *native)
{
    struct run *run = native->run;
    struct adapter_list *list = &native->list;

    if (adapter_list_finish(list, &native->err) < 0) {
        list_failed(native);
        return;
    }
    adapter_list_to_suite(list, &run->suite);
    run->suite.root = list->root ? mem_strdup(list->root) : getcwd(NULL, 0);
    run->options = (struct suite_options){
        .n = list->workers ? (int64_t)list->workers : -1, .max_fail = (int64_t)list->max_fail, .max_worker_restart = -1};
    if (list->notice)
        report_notice(run->report, "%s", list->notice);
    if (!run->suite.count) {
        report_notice(run->report, "%s lists no tests", native_adapter(native)->name);
        native_over(run);
        return;
    }
    report_show_tests(run->report, native_adapter(native)->name, run->suite.count);
    run_suite_ready(run);
}

/* With what is known now: it asks more, or has all. */
static void ask_adapter(struct native *native)
{
    const struct adapter *adapter = native_adapter(native);
    size_t known = native->list.nsteps;
    int r = adapter->list(&native->list, &native->err);

    if (r == 0 && native->list.batch && !adapter->batches) {
        err_set(&native->err, ERR_USAGE, EINVAL, "--batch: tests of %s have no suites that one process could run", adapter->name);
        r = err_hint(&native->err, "leave it out: each test is a process of its own");
    }

    if (r == -ENOENT && native->err.kind == ERR_NONE) {
        reset_list(native);
        native->candidate++;
        if (native_adapter(native))
            ask_adapter(native);
        else
            give_up_candidates(native);
        return;
    }
    if (r == 0 && native->list.nsteps > ADAPTER_STEPS_MAX)
        r = err_set(&native->err, ERR_USAGE, E2BIG, "to list the tests takes more than %d commands", ADAPTER_STEPS_MAX);
    if (r < 0) {
        list_failed(native);
    } else if (native->list.nsteps > known) {
        native->step = known;
        step_start(native);
    } else {
        suite_is_there(native);
    }
}

/* --- begin and end --- */

static int read_from(struct native *native, const char *path, struct err *err)
{
    struct adapter_list *list = &native->list;
    _cleanup_close_ int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    size_t room = 0, size = 0;
    ssize_t n = -1;

    while (fd >= 0 && size <= ADAPTER_OUTPUT_MAX) {
        mem_grow(&native->from_text, &room, size + 65536, 1);
        n = read(fd, native->from_text + size, room - size);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    if (n < 0) {
        err_set(err, ERR_USAGE, errno, "--from: cannot read %s: %m", path);
        return err_hint(err, "it is a file of commands, one a line; - is the standard input");
    }
    if (size > ADAPTER_OUTPUT_MAX)
        return err_set(err, ERR_USAGE, EFBIG, "--from: %s is larger than 64 MiB", path);
    list->from = strcmp(path, "-") == 0 ? "(standard input)" : path;
    list->from_text = native->from_text;
    list->from_size = size;
    return 0;
}

static size_t choose(const struct run_config *config, const struct adapter *ret[ADAPTERS_MAX + 1])
{
    const char *name = config->from_path ? "commands" : config->adapter;

    if (!name)
        return adapter_candidates(config->command, ret);
    if (strcmp(name, "pytest") == 0)
        return 0;
    ret[0] = adapter_find(name);
    ret[1] = NULL;
    return 1;
}

int native_open(struct run *run, struct err *err)
{
    const struct run_config *config = run->config;
    const struct adapter *candidates[ADAPTERS_MAX + 1];
    struct native *native;
    int r = 0;

    if (!choose(config, candidates)) {
        if (config->batch) {
            err_set(err, ERR_USAGE, EINVAL, "--batch: nobody here takes this command apart into suites");
            return err_hint(err, "it is for programs of GoogleTest; behind a wrapper, say --adapter=gtest");
        }
        /* Whether it starts pytest shows when it runs, and a list runs nothing. */
        if (!config->list || whole_command_means_pytest(config->command) || config->adapter)
            return 0;
        candidates[0] = adapter_find("command");
        candidates[1] = NULL;
    }
    native = run->native = mem_zalloc(sizeof(*native));
    memcpy(native->candidates, candidates, sizeof(candidates));
    native->run = run;
    native->step_fd = native->table_fd = -1;
    native->list.argv = config->command;
    native->list.batch = config->batch;
    native->runner = paths_find("shunt-runner");
    ev_init(&native->step_timer, step_late);
    if (!native->runner) {
        err_set(err, ERR_SYSTEM, ENOENT, "shunt's own shunt-runner was not found");
        return err_hint(err, "reinstall shunt, or name its data directory in SHUNT_DATADIR");
    }
    if (config->from_path)
        r = read_from(native, config->from_path, err);
    return r;
}

void native_begin(struct run *run)
{
    ask_adapter(run->native);
}

void native_free(struct native *native)
{
    if (!native)
        return;
    step_closed(native);
    adapter_list_done(&native->list);
    close_fd(&native->table_fd);
    free(native->from_text);
    free(native->runner);
    free(native);
}
