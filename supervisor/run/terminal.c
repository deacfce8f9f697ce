/* SPDX-License-Identifier: MIT */
#include "supervisor/run/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/state.h"
#include "supervisor/run/watcher.h"

#define DRAIN_TURNS 256 /* of what it showed last */

struct terminal {
    struct run *run;
    struct worker *holder;
    int master; /* -1 */
    bool raw;
    bool given;   /* the worker has it; until then the controller is asked to be silent */
    bool foreign; /* it is our standard input, which is no terminal */
    struct termios saved;
    ev_io typed, shown;
    ev_signal resized;
};

bool terminal_is_taken(const struct run *run)
{
    return run->terminal != NULL;
}

/* --- copying --- */

/* True at the end. */
static bool copy_shown(struct terminal *terminal)
{
    char buf[4096];
    ssize_t n = read(terminal->master, buf, sizeof(buf));

    if (n > 0)
        return io_write_all(STDOUT_FILENO, buf, (size_t)n) < 0;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void on_shown(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)revents;
    if (copy_shown(watcher->data))
        ev_io_stop(loop, watcher);
}

/* The pseudo terminal is nobody's controlling one: taking that away again would send SIGHUP to all that the test started.
 * So ^C, where the debugger has not switched it off, is our signal. */
static void pass_interrupt(const struct terminal *terminal, const char *typed, size_t size)
{
    struct termios mode;

    if (tcgetattr(terminal->master, &mode) < 0 || !(mode.c_lflag & ISIG) || !memchr(typed, mode.c_cc[VINTR], size))
        return;
    if (terminal->holder->pid > 0 && !terminal->holder->exited)
        kill(terminal->holder->pid, SIGINT);
}

static void on_typed(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct terminal *terminal = watcher->data;
    char buf[1024];
    ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

    (void)revents;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) { /* our terminal went away: so does the debugger's */
        ev_io_stop(loop, watcher);
        ev_feed_signal_event(loop, SIGHUP);
        return;
    }
    if (write(terminal->master, buf, (size_t)n) < 0)
        return; /* it reads nothing: as with any terminal, what does not fit is lost */
    pass_interrupt(terminal, buf, (size_t)n);
}

static void on_resized(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    struct terminal *terminal = watcher->data;
    struct winsize size;

    (void)loop;
    (void)revents;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(terminal->master, TIOCSWINSZ, &size);
}

/* --- who has it --- */

static int open_pair(struct terminal *terminal, int *ret_slave)
{
    int slave;

    terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal->master < 0 || grantpt(terminal->master) < 0 || unlockpt(terminal->master) < 0)
        return -errno;
    slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -errno;
    io_set_nonblock(terminal->master, true);
    *ret_slave = slave;
    return 0;
}

/* The new one is as ours was; ours hands on each key as it is typed. */
static void go_raw(struct terminal *terminal, int slave)
{
    struct termios raw;
    struct winsize size;

    if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
        return;
    tcsetattr(slave, TCSANOW, &terminal->saved);
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(terminal->master, TIOCSWINSZ, &size);
    raw = terminal->saved;
    cfmakeraw(&raw);
    terminal->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void start_copying(struct terminal *terminal)
{
    struct ev_loop *loop = terminal->run->loop;

    ev_io_init(&terminal->typed, on_typed, STDIN_FILENO, EV_READ);
    ev_io_init(&terminal->shown, on_shown, terminal->master, EV_READ);
    ev_signal_init(&terminal->resized, on_resized, SIGWINCH);
    terminal->typed.data = terminal->shown.data = terminal->resized.data = terminal;
    ev_io_start(loop, &terminal->typed);
    ev_io_start(loop, &terminal->shown);
    ev_signal_start(loop, &terminal->resized);
}

static void say_who(const struct worker *worker)
{
    const struct run *run = worker->run;
    _cleanup_free_ char *line =
        mem_printf("shunt: %s: a debugger in %s; running tests go on to their end, no other starts until it is left\n",
                   worker->slot ? worker->slot->name : "a worker",
                   worker->test == TEST_NONE ? "the session's end" : run->suite.tests[worker->test].id);

    io_write_all(STDERR_FILENO, line, strlen(line));
}

/* There is none to give: its debugger reads the end of the file. */
static void give_nothing(struct terminal *terminal, int error)
{
    struct run *run = terminal->run;

    report_notice(run->report, "no terminal for a debugger: %s", strerror(error));
    channel_sendf(terminal->holder->channel, "{\"t\":\"terminal\"}");
    close_fd(&terminal->master);
    run->terminal = NULL;
    free(terminal);
    controller_resume(run->controller);
}

/* The controller is silent now. */
void terminal_go_on(struct run *run)
{
    struct terminal *terminal = run->terminal;
    _cleanup_close_ int slave = -1;
    int r;

    if (!terminal || terminal->given || terminal->foreign)
        return;
    r = open_pair(terminal, &slave);
    if (r < 0) {
        give_nothing(terminal, -r);
        return;
    }
    terminal->given = true;
    run->frozen_since_ns = clock_now_ns();
    say_who(terminal->holder);
    go_raw(terminal, slave);
    start_copying(terminal);
    channel_send(terminal->holder->channel, "{\"t\":\"terminal\",\"fds\":[\"terminal\"]}", NULL, 0, &slave, 1);
}

static void give(struct worker *worker)
{
    struct run *run = worker->run;
    struct terminal *terminal = mem_zalloc(sizeof(*terminal));

    worker->wants_terminal = false;
    watcher_pause(run);
    terminal->run = run;
    terminal->holder = worker;
    terminal->master = -1;
    run->terminal = terminal;
    if (!isatty(STDIN_FILENO)) { /* nobody sits there: a pipe, or nothing. Limits of time hold as always. */
        terminal->foreign = true;
        channel_send(worker->channel, "{\"t\":\"terminal\",\"fds\":[\"input\"]}", NULL, 0, (int[]){STDIN_FILENO},
                     fcntl(STDIN_FILENO, F_GETFD) >= 0 ? 1 : 0);
    } else if (!controller_pause(run->controller)) {
        terminal_go_on(run);
    }
}

/* What it showed last is shown, and our terminal is as it was. */
static void end_copying(struct terminal *terminal)
{
    struct run *run = terminal->run;

    for (int i = 0; i < DRAIN_TURNS && ev_is_active(&terminal->shown); i++) {
        struct pollfd fd = {terminal->master, POLLIN, 0};

        if (poll(&fd, 1, 0) <= 0 || copy_shown(terminal))
            break;
    }
    ev_io_stop(run->loop, &terminal->typed);
    ev_io_stop(run->loop, &terminal->shown);
    ev_signal_stop(run->loop, &terminal->resized);
    if (terminal->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->saved);
    close_fd(&terminal->master);
    run->frozen_ns += clock_now_ns() - run->frozen_since_ns;
    run->frozen_since_ns = 0;
}

static void take_back(struct terminal *terminal)
{
    struct run *run = terminal->run;

    run->terminal = NULL;
    if (terminal->given)
        end_copying(terminal);
    if (!terminal->foreign)
        controller_resume(run->controller);
    free(terminal);
}

static void give_to_next(struct run *run)
{
    bool running = run->phase == PHASE_PARALLEL || run->phase == PHASE_SERIAL;

    for (struct worker *w = run->workers; w && running && !run->terminal; w = w->next)
        if (w->wants_terminal && w->channel)
            give(w);
}

void terminal_ask(struct worker *worker)
{
    worker->wants_terminal = true;
    if (!worker->run->terminal)
        give(worker);
}

void terminal_release(struct worker *worker)
{
    struct run *run = worker->run;

    worker->wants_terminal = false;
    if (run->terminal && run->terminal->holder == worker)
        take_back(run->terminal);
    give_to_next(run);
}

void terminal_close(struct run *run)
{
    if (run->terminal)
        take_back(run->terminal);
}
