/* SPDX-License-Identifier: MIT */
#include "supervisor/run/setup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/spec/spec.h"
#include "supervisor/config/setup.h"
#include "supervisor/core/filter.h"
#include "supervisor/report/text.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/select.h"
#include "supervisor/run/state.h"

#define OUTPUT_MAX 3072 /* what all of them may export: it travels in the header of one message, escaped */

struct setup {
    struct run *run;
    const struct setup_script **needed;
    size_t n, at;      /* at: the one that runs; of a teardown, counted down */
    bool tearing, busy, late;
    size_t up;         /* so many have succeeded: those are torn down */
    int fd;            /* its output */
    char output[OUTPUT_MAX + 1];
    size_t size;
    char **exported;   /* "NAME=value", NULL-terminated */
    size_t nexported, room, bytes;
    uint64_t since_ns;
    ev_io io;
    ev_timer timer;
};

/* --- what they export --- */

static bool is_variable(const char *line)
{
    size_t length = strcspn(line, "=");

    if (!line[length] || !length || isdigit((unsigned char)*line))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)line[i]) && line[i] != '_')
            return false;
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            return false;
    return true;
}

/* Lines NAME=value. Returns the first that is none, or NULL. */
static char *take_exports(struct setup *setup)
{
    char *save = NULL;

    for (char *line = strtok_r(setup->output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!is_variable(line) || (setup->bytes += strlen(line) + 8) > OUTPUT_MAX)
            return line;
        mem_grow(&setup->exported, &setup->room, setup->nexported + 2, sizeof(*setup->exported));
        setup->exported[setup->nexported++] = mem_strdup(line);
        setup->exported[setup->nexported] = NULL;
    }
    return NULL;
}

char **setup_environment(const struct run *run, char **env)
{
    const struct setup *setup = run->setup;
    size_t n = 0;
    char **all;

    if (!setup || !setup->nexported)
        return env;
    while (env[n])
        n++;
    all = mem_calloc(n + setup->nexported + 1, sizeof(*all));
    memcpy(all, env, n * sizeof(*all));
    for (size_t i = 0; i < setup->nexported; i++) {
        size_t length = strcspn(setup->exported[i], "=") + 1, at = 0;

        while (at < n && strncmp(all[at], setup->exported[i], length) != 0)
            at++;
        if (at < n)
            free(all[at]);
        else
            n++;
        all[at] = mem_strdup(setup->exported[i]);
    }
    free(env);
    return all;
}

void setup_export(const struct run *run, json_t *object)
{
    for (size_t i = 0; run->setup && i < run->setup->nexported; i++) {
        const char *text = run->setup->exported[i];
        size_t length = strcspn(text, "=");
        _cleanup_free_ char *name = mem_printf("%.*s", (int)length, text);
        json_t *value = json_string(text + length + 1);

        if (value) /* UTF-8, as all that travels in a header */
            json_object_set_new(object, name, value);
    }
}

/* --- one command --- */

static void next(struct setup *setup);

static void read_output(struct setup *setup)
{
    ssize_t n;

    do {
        char rest[4096];
        size_t left = OUTPUT_MAX - setup->size;

        n = read(setup->fd, left ? setup->output + setup->size : rest, left ? left : sizeof(rest));
        if (n > 0 && left)
            setup->size += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    setup->output[setup->size] = '\0';
    if (n == 0)
        ev_io_stop(setup->run->loop, &setup->io);
}

static void readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)loop;
    (void)revents;
    read_output(watcher->data);
}

static void too_late(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct setup *setup = watcher->data;

    (void)loop;
    (void)revents;
    setup->late = true;
    run_init_signal(setup->run->init, SETUP_TAG, SIGKILL);
}

static void stop_watching(struct setup *setup)
{
    ev_io_stop(setup->run->loop, &setup->io);
    ev_timer_stop(setup->run->loop, &setup->timer);
    close_fd(&setup->fd);
    setup->busy = false;
}

static int spawn(struct setup *setup, char *const *words)
{
    struct run *run = setup->run;
    _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char **env;
    int fds[2], r;

    if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    io_set_nonblock(fds[0], true);
    setup->fd = fds[0];
    env = setup_environment(run, cpu_environment(run, budget_environment(spec_environment(&run->spec, environ, NULL)), NULL));
    r = run_init_spawn(run->init, SETUP_TAG, words, env, (int[3]){null, setup->tearing ? STDERR_FILENO : fds[1], STDERR_FILENO});
    spec_environment_free(env);
    close(fds[1]);
    return r;
}

static void failed(struct setup *setup, const char *why)
{
    const char *name = setup->needed[setup->at]->name;
    char reason[240];

    snprintf(reason, sizeof(reason), "%s %.60s %.150s", setup->tearing ? "teardown of" : "setup", name, why);
    report_notice(setup->run->report, "%s", reason);
    if (!setup->tearing)
        run_stop(setup->run, reason);
}

static void start(struct setup *setup, char *const *words)
{
    const struct setup_script *script = setup->needed[setup->at];
    int r;

    setup->size = 0;
    setup->late = false;
    setup->busy = true;
    setup->since_ns = clock_now_ns();
    r = spawn(setup, words);
    ev_io_init(&setup->io, readable, setup->fd, EV_READ);
    setup->io.data = setup;
    ev_timer_init(&setup->timer, too_late, (double)script->timeout_ns / 1e9, 0);
    setup->timer.data = setup;
    if (r < 0) {
        char why[100];

        snprintf(why, sizeof(why), "cannot be started: %s", strerror(-r));
        stop_watching(setup);
        failed(setup, why);
        next(setup);
        return;
    }
    ev_io_start(setup->run->loop, &setup->io);
    ev_timer_start(setup->run->loop, &setup->timer);
}

/* Why it has not done what it should; "" */
static void judge(struct setup *setup, int status, char *ret, size_t size)
{
    char *line, limit[32];

    *ret = '\0';
    units_print_time(limit, sizeof(limit), setup->needed[setup->at]->timeout_ns);
    if (setup->late)
        snprintf(ret, size, "did not end in time, %s: raise its timeout in shunt.yaml", limit);
    else if (WIFSIGNALED(status))
        snprintf(ret, size, "died of SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        snprintf(ret, size, "failed: exit status %d", WEXITSTATUS(status));
    else if (!setup->tearing && (line = take_exports(setup)))
        snprintf(ret, size, "wrote \"%.30s\" to its stdout: expected lines NAME=value, 3 KiB in all", line);
}

static void over(struct setup *setup, int status)
{
    char why[160];

    read_output(setup);
    stop_watching(setup);
    judge(setup, status, why, sizeof(why));
    report_setup(setup->run->report, setup->needed[setup->at]->name, setup->tearing, *why ? why : NULL,
                 clock_now_ns() - setup->since_ns);
    if (*why)
        failed(setup, why);
    else if (!setup->tearing)
        setup->up = setup->at + 1;
    next(setup);
}

/* --- one after the other --- */

static void next(struct setup *setup)
{
    struct run *run = setup->run;

    if (setup->tearing || run->phase == PHASE_STOPPING)
        return; /* setup_finished() goes on */
    if (setup->up == setup->n || run->no_new_tests) {
        run->phase = PHASE_PARALLEL;
        return;
    }
    setup->at = setup->up;
    start(setup, setup->needed[setup->at]->command);
}

void setup_begin(struct run *run)
{
    const struct setup_scripts *scripts = run->config->setup;
    struct setup *setup;

    run->phase = PHASE_PARALLEL;
    if (!scripts || !scripts->n)
        return;
    run->setup = setup = mem_zalloc(sizeof(*setup));
    setup->run = run;
    setup->fd = -1;
    setup->needed = mem_calloc(scripts->n, sizeof(*setup->needed));
    for (size_t i = 0; i < scripts->n; i++)
        if (select_any_matches(run, scripts->items[i].filter))
            setup->needed[setup->n++] = &scripts->items[i];
    if (!setup->n)
        return;
    run->phase = PHASE_STARTING;
    next(setup);
}

bool setup_finished(struct run *run)
{
    struct setup *setup = run->setup;

    if (!setup || setup->busy)
        return !setup;
    setup->tearing = true;
    while (setup->up > 0 && !setup->busy) {
        setup->at = --setup->up;
        if (setup->needed[setup->at]->teardown)
            start(setup, setup->needed[setup->at]->teardown);
    }
    return !setup->busy;
}

void setup_event(struct run *run, struct run_init_event *event)
{
    struct setup *setup = run->setup;

    if (!setup || !setup->busy)
        return;
    if (event->type == RUN_INIT_EXITED) {
        over(setup, event->status);
    } else if (event->type == RUN_INIT_FAILED) {
        const struct setup_script *script = setup->needed[setup->at];
        char why[120];

        snprintf(why, sizeof(why), "cannot be started: %.70s: %s", (setup->tearing ? script->teardown : script->command)[0],
                 strerror(event->errnum));
        stop_watching(setup);
        failed(setup, why);
        next(setup);
    }
}

void setup_free(struct run *run)
{
    struct setup *setup = run->setup;

    if (!setup)
        return;
    if (setup->busy)
        stop_watching(setup);
    for (size_t i = 0; i < setup->nexported; i++)
        free(setup->exported[i]);
    free(setup->exported);
    free(setup->needed);
    free(setup);
    run->setup = NULL;
}
