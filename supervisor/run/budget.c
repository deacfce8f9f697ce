/* SPDX-License-Identifier: MIT */
#include "supervisor/run/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/plan/jobserver.h"
#include "supervisor/run/budget_pool.h"
#include "supervisor/run/state.h"

#define HELD_MAX 256 /* as many as there can be slots */
/* Tokens go from test to test within a run for this long; then others, who sleep in read(), get the time to be first. */
#define TURN_NS (100 * NS_PER_MS)
#define STAND_BACK_S 0.001
#define RECLAIM_FOR_NS NS_PER_SEC
#define SAY_WAITING_NS (5 * NS_PER_SEC)

struct budget {
    struct ev_loop *loop;
    struct budget_pool *pool; /* NULL: make's */
    char path[300];           /* where make's is opened for writing */
    int fd;                   /* nonblocking, for reading; -1: lost */
    unsigned free_slots;      /* busy slots that need no token */
    char tokens[HELD_MAX];
    unsigned held;
    uint64_t turn_ns;  /* since when no token was given to others */
    bool waiting;      /* a slot wants one */
    bool stand_back;   /* others first, until the timer comes */
    uint64_t starved_ns; /* since when there was nothing to do but wait; 0 */
    bool said_starved;
    uint64_t ended_ns; /* another run ended then, perhaps without giving back; 0 */
    ev_io token_io, watch_io;
    ev_timer timer;
    char text[160];
};

/* --- joining --- */

static void woken(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)loop; /* the scheduler runs at the end of the turn */
    (void)watcher;
    (void)revents;
}

static void run_ended(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct budget *budget = watcher->data;

    (void)loop;
    (void)revents;
    budget_pool_drain_watch(budget->pool);
    budget->ended_ns = clock_now_ns();
}

static void stood_back(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    (void)loop;
    (void)revents;
    ((struct budget *)watcher->data)->stand_back = false;
}

static struct budget *budget_new(struct run *run, int fd)
{
    struct budget *budget = mem_zalloc(sizeof(*budget));

    budget->loop = run->loop;
    budget->fd = fd;
    ev_io_init(&budget->token_io, woken, fd, EV_READ);
    ev_init(&budget->watch_io, run_ended);
    ev_timer_init(&budget->timer, stood_back, STAND_BACK_S, 0);
    budget->watch_io.data = budget->timer.data = budget;
    return budget;
}

/* Opened anew, since O_NONBLOCK on make's own description would surprise make. The inherited descriptors are closed: what
 * shunt starts must not have them, and only so the end of file is seen when make is gone. */
static int open_anew(const struct jobserver *jobserver, char *path, size_t size)
{
    struct stat in, out;
    char inherited[40];
    int fd;

    if (jobserver->kind == JOBSERVER_FIFO) {
        snprintf(path, size, "%s", jobserver->path);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && (fstat(fd, &in) < 0 || !S_ISFIFO(in.st_mode))) {
            close(fd);
            return -EINVAL;
        }
        return fd < 0 ? -errno : fd;
    }
    if (jobserver->read_fd < 3 || jobserver->write_fd < 3 || fstat(jobserver->read_fd, &in) < 0 ||
        fstat(jobserver->write_fd, &out) < 0 || !S_ISFIFO(in.st_mode) || in.st_dev != out.st_dev || in.st_ino != out.st_ino)
        return -EBADF; /* closed by make, and perhaps something else by now: only the two ends of one pipe are believed */
    snprintf(inherited, sizeof(inherited), "/proc/self/fd/%d", jobserver->read_fd);
    fd = open(inherited, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(jobserver->read_fd);
    close(jobserver->write_fd);
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

void budget_join_make(struct run *run)
{
    struct jobserver jobserver;
    char path[300];
    int fd;

    jobserver_parse(getenv("MAKEFLAGS"), &jobserver);
    if (run->config->budget != BUDGET_AUTO || jobserver.kind == JOBSERVER_NONE)
        return;
    fd = jobserver.kind == JOBSERVER_BAD ? -EINVAL : open_anew(&jobserver, path, sizeof(path));
    if (fd < 0) {
        report_notice(run->report,
                      fd == -EBADF ? "make's jobserver is not open here, so make -j and shunt do not share one budget; "
                                     "begin the recipe's line with + (or --budget=none)"
                                   : "make's jobserver cannot be used, so make -j and shunt do not share one budget (%s)",
                      strerror(-fd));
        return;
    }
    run->budget = budget_new(run, fd);
    snprintf(run->budget->path, sizeof(run->budget->path), "%s", path);
    run->budget->free_slots = 1;
    snprintf(run->budget->text, sizeof(run->budget->text), "shared with the make that started this run");
}

int budget_join_host(struct run *run, struct err *err)
{
    unsigned cpus = run->cpu.usable < 1 ? 1 : run->cpu.usable < HELD_MAX ? (unsigned)run->cpu.usable : HELD_MAX;
    struct budget_pool *pool;
    struct budget *budget;
    int r;

    if (run->config->budget != BUDGET_HOST)
        return 0;
    r = budget_pool_open(cpus, &pool, err);
    if (r < 0)
        return r;
    run->budget = budget = budget_new(run, budget_pool_fd(pool));
    budget->pool = pool;
    budget->free_slots = getenv("PYTEST_XDIST_WORKER") ? 1 : 0;
    ev_io_set(&budget->watch_io, budget_pool_watch_fd(pool), EV_READ);
    ev_io_start(budget->loop, &budget->watch_io);
    snprintf(budget->text, sizeof(budget->text), "%u test%s at once, shared with every shunt run --budget=host", cpus,
             cpus == 1 ? "" : "s");
    return 0;
}

const char *budget_describe(const struct budget *budget)
{
    return budget ? budget->text : "";
}

char **budget_environment(char **env)
{
    static const char *const names[] = {"MAKEFLAGS=", "MFLAGS="};

    for (size_t i = 0; env[i]; i++)
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            size_t n = strlen(names[k]);

            if (strncmp(env[i], names[k], n) == 0) {
                _cleanup_free_ char *rest = jobserver_strip(env[i] + n);

                free(env[i]);
                env[i] = mem_printf("%s%s", names[k], rest);
            }
        }
    return env;
}

/* --- tokens --- */

/* Nobody can give or take any more: better too many tests at once than none. */
static void budget_lost(struct run *run, const char *why)
{
    struct budget *budget = run->budget;

    ev_io_stop(budget->loop, &budget->token_io);
    if (!budget->pool)
        close(budget->fd);
    budget->fd = -1;
    budget->held = 0;
    report_notice(run->report, "the shared budget is lost: %s; going on without", why);
}

static bool take(struct run *run)
{
    struct budget *budget = run->budget;
    char token;
    ssize_t n;

    if (budget->held >= HELD_MAX)
        return false;
    /* Noted first: killed in between, one too many is put back, and none is lost. */
    if (budget->pool)
        budget_pool_record(budget->pool, budget->held + 1);
    do
        n = read(budget->fd, &token, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1) {
        if (budget->held == 0)
            budget->turn_ns = clock_now_ns();
        budget->tokens[budget->held++] = token;
        return true;
    }
    if (budget->pool)
        budget_pool_record(budget->pool, budget->held);
    if (n < 0 && errno == EAGAIN)
        return false;
    budget_lost(run, n == 0 ? "make is gone" : strerror(errno));
    return true;
}

static void give(struct run *run, unsigned n)
{
    struct budget *budget = run->budget;
    _cleanup_close_ int make = -1;

    if (budget->fd < 0 || n == 0)
        return;
    if (!budget->pool) {
        make = open(budget->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (make < 0) {
            budget_lost(run, strerror(errno));
            return;
        }
    }
    for (; n > 0 && budget->held > 0; n--) {
        if (write(budget->pool ? budget->fd : make, &budget->tokens[budget->held - 1], 1) != 1) {
            budget_lost(run, strerror(errno));
            return;
        }
        budget->held--;
        if (budget->pool)
            budget_pool_record(budget->pool, budget->held);
    }
}

/* Tokens that the tests of now need. */
static unsigned needed(const struct run *run)
{
    unsigned running = 0;

    for (const struct worker *w = run->workers; w; w = w->next)
        running += w->state == WORKER_RUNNING;
    return running > run->budget->free_slots ? running - run->budget->free_slots : 0;
}

static bool starves(const struct run *run)
{
    for (const struct worker *w = run->workers; w; w = w->next)
        if (w->state == WORKER_RUNNING)
            return false;
    return run->budget->waiting && !run->budget->stand_back;
}

/* Once: a screen on which nothing happens needs a reason. */
static void say_starved(struct run *run)
{
    struct budget *budget = run->budget;

    if (!budget->starved_ns || budget->said_starved || clock_now_ns() - budget->starved_ns < SAY_WAITING_NS)
        return;
    budget->said_starved = true;
    report_notice(run->report, "no slot was free for 5 s: other runs with --budget=host have all of them, and this one waits "
                               "(--budget=none would not)");
}

static void give_spare(struct run *run)
{
    unsigned need = needed(run);

    if (run->budget->held > need)
        give(run, run->budget->held - need);
}

/* --- for the scheduler --- */

void budget_begin(struct run *run)
{
    struct budget *budget = run->budget;

    if (!budget || budget->fd < 0)
        return;
    budget->waiting = false;
    if (budget->held > needed(run) && clock_now_ns() - budget->turn_ns >= TURN_NS) {
        give_spare(run);
        budget->turn_ns = clock_now_ns();
        budget->stand_back = true;
        ev_timer_set(&budget->timer, STAND_BACK_S, 0);
        ev_timer_start(budget->loop, &budget->timer);
    }
}

bool budget_may_start(struct run *run)
{
    struct budget *budget = run->budget;
    unsigned running = 0;

    if (!budget || budget->fd < 0)
        return true;
    for (const struct worker *w = run->workers; w; w = w->next)
        running += w->state == WORKER_RUNNING;
    if (running < budget->free_slots + budget->held)
        return true;
    if (!budget->stand_back && take(run))
        return true;
    budget->waiting = true;
    return false;
}

void budget_end(struct run *run)
{
    struct budget *budget = run->budget;

    if (!budget || budget->fd < 0)
        return;
    give_spare(run);
    if (budget->fd < 0)
        return;
    if (budget->waiting && !budget->stand_back)
        ev_io_start(budget->loop, &budget->token_io);
    else
        ev_io_stop(budget->loop, &budget->token_io);
    if (!starves(run))
        budget->starved_ns = 0;
    else if (!budget->starved_ns)
        budget->starved_ns = clock_now_ns();
}

void budget_tick(struct run *run)
{
    struct budget *budget = run->budget;

    if (!budget || !budget->pool)
        return;
    say_starved(run);
    if (!budget->ended_ns || !budget->waiting)
        return;
    /* A file is reported as closed a moment before its lock is gone, so it is looked at more than once. */
    budget_pool_reclaim(budget->pool);
    if (clock_now_ns() - budget->ended_ns > RECLAIM_FOR_NS)
        budget->ended_ns = 0;
}

void budget_pause(struct run *run)
{
    if (run->budget)
        give(run, run->budget->held);
}

void budget_free(struct budget *budget)
{
    if (!budget)
        return;
    ev_io_stop(budget->loop, &budget->token_io);
    ev_io_stop(budget->loop, &budget->watch_io);
    ev_timer_stop(budget->loop, &budget->timer);
    if (!budget->pool && budget->fd >= 0)
        close(budget->fd);
    budget_pool_free(budget->pool);
    free(budget);
}
