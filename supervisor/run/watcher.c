/* SPDX-License-Identifier: MIT */
#include "supervisor/run/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/progress.h"
#include "supervisor/run/console.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"
#include "supervisor/run/terminal.h"

struct watcher {
    struct run *run;
    struct termios saved;
    bool keys; /* the terminal is ours; `saved` is how it was */
    bool blind; /* its end was read, or it cannot be set */
    ev_io io;
};

static bool tests_run(const struct run *run)
{
    return (run->phase == PHASE_PARALLEL || run->phase == PHASE_SERIAL) && !run->frozen_since_ns && !run->config->list;
}

/* --- keys --- */

static void say_keys(struct run *run)
{
    report_notice(run->report, "keys: t or Enter: what runs now; ^C: end the run; ^Z: freeze it");
}

static void on_key(struct ev_loop *loop, ev_io *io, int revents)
{
    struct watcher *watcher = io->data;
    char typed[64];
    ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));

    (void)revents;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        ev_io_stop(loop, io);
        watcher->blind = true;
        return;
    }
    switch (typed[n - 1]) { /* a key that is held down is one wish */
    case 't':
    case '\r':
    case '\n':
        signals_say_status(watcher->run);
        break;
    case '?':
    case 'h':
        say_keys(watcher->run);
        break;
    default:
        break;
    }
}

static void keys_off(struct watcher *watcher)
{
    if (!watcher->keys)
        return;
    watcher->keys = false;
    ev_io_stop(watcher->run->loop, &watcher->io);
    /* In the background this would stop us (SIGTTOU), and the terminal is somebody else's then: the shell has set it. */
    if (tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &watcher->saved);
}

static void keys_on(struct watcher *watcher)
{
    struct termios mode;

    if (watcher->keys || watcher->blind)
        return;
    if (tcgetattr(STDIN_FILENO, &watcher->saved) < 0) {
        watcher->blind = true;
        return;
    }
    mode = watcher->saved;
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &mode) < 0) {
        watcher->blind = true;
        return;
    }
    watcher->keys = true;
    ev_io_init(&watcher->io, on_key, STDIN_FILENO, EV_READ);
    watcher->io.data = watcher;
    ev_io_start(watcher->run->loop, &watcher->io);
}

static void keys_tick(struct watcher *watcher)
{
    const struct run *run = watcher->run;
    /* tcgetpgrp() fails where it is no terminal, or not the one that controls us. */
    bool want = tests_run(run) && !run->config->no_keys && !terminal_is_taken(run) && tcgetpgrp(STDIN_FILENO) == getpgrp();

    if (want)
        keys_on(watcher);
    else
        keys_off(watcher);
}

/* --- the status line --- */

static char *line_of(const struct run *run, unsigned columns)
{
    struct progress_test *running = mem_calloc(run->limits.workers + 2, sizeof(*running));
    struct progress progress = {.done = run->settled, .total = run->suite.count, .failed = run->failures,
                                .running = running};
    char *line;

    for (const struct worker *w = run->workers; w && progress.nrunning <= run->limits.workers; w = w->next)
        if (w->state == WORKER_RUNNING && w->test != TEST_NONE)
            running[progress.nrunning++] = (struct progress_test){.id = run->suite.tests[w->test].id,
                                                                  .elapsed_ns = run_clock_ns(run) - w->go_ns};
    line = progress_line(&progress, columns);
    free(running);
    return line;
}

static bool is_dumb(void)
{
    const char *term = getenv("TERM");

    return !term || !*term || strcmp(term, "dumb") == 0;
}

static void line_tick(struct run *run)
{
    unsigned columns = console_width(run->console);
    _cleanup_free_ char *line = NULL;

    if (!columns || !run->native || run->config->quiet || run->config->no_capture || is_dumb())
        return;
    /* One column less: a full last one makes some terminals begin another line. */
    line = tests_run(run) ? line_of(run, columns - 1) : NULL;
    console_status(run->console, line ? line : "");
}

void watcher_tick(struct run *run)
{
    if (!run->watcher) {
        run->watcher = mem_zalloc(sizeof(*run->watcher));
        run->watcher->run = run;
    }
    keys_tick(run->watcher);
    line_tick(run);
}

void watcher_pause(struct run *run)
{
    if (run->watcher)
        keys_off(run->watcher);
    console_status(run->console, "");
}

void watcher_free(struct run *run)
{
    if (run->watcher)
        watcher_pause(run);
    free(run->watcher);
    run->watcher = NULL;
}
