/* SPDX-License-Identifier: MIT */
/* One command in one sandbox: its life. limits.c is about its cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/command/internal.h"
#include "sandbox/command/verdict.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/learn/learn.h"
#include "sandbox/notify/clone_limit.h"
#include "sandbox/notify/notify.h"
#include "sandbox/plan/plan.h"
#include "sandbox/plan/reach.h"
#include "sandbox/scratch/scratch.h"
#include "sandbox/seccomp/profile.h"

#define TAG 1
#define ANSWERS_A_TURN 64
#define EVENTS_A_TURN 64
#define LEFT_MAX 32

static int watch(struct sandbox *sandbox, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(sandbox->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- start --- */

static char *guard_path(const struct sandbox_options *options)
{
    char *path;

    if (!options->policies)
        return NULL;
    path = mem_printf("%s/seccomp/guard.json", options->policies);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static const char *home_of(const struct sandbox_options *options)
{
    if (options->home)
        return options->home;
    for (size_t i = 0; options->envp[i]; i++)
        if (strncmp(options->envp[i], "HOME=", 5) == 0 && options->envp[i][5] == '/')
            return options->envp[i] + 5;
    return NULL;
}

/* What a cgroup gives, or is expected to give. */
static void promise(const struct sandbox *sandbox, struct run_init_spec *spec)
{
    spec->cgroup_tasks = sandbox->has & CGROUP_HAS_TASKS;
    spec->limits = command_limits(sandbox);
    spec->limits_missing = sandbox->cgroup_missing;
}

static bool meanwhile(struct run_init_spec *spec)
{
    struct sandbox *sandbox = spec->arg;
    struct run_init_spec promised = *spec;

    command_make_cgroup(sandbox);
    promise(sandbox, spec);
    spec->payload = sandbox->leaf ? &sandbox->birth : NULL;
    return spec->cgroup_tasks != promised.cgroup_tasks || spec->limits != promised.limits;
}

static int launch(struct sandbox *sandbox, const struct sandbox_options *options, const struct run_init_first *first,
                  struct err *err)
{
    _cleanup_free_ char *guard = guard_path(options);
    _cleanup_free_ char *here = options->cwd ? NULL : getcwd(NULL, 0);
    struct run_init_spec spec = {
        .spec = &sandbox->spec,
        .learn = options->learn != NULL,
        .keep_session = true,
        .watch_left = true,
        .first = first,
        .meanwhile = meanwhile,
        .arg = sandbox,
        .cwd = options->cwd ? options->cwd : here,
        .home = home_of(options),
        .scratch = sandbox->scratch,
        .guard_profile = guard,
    };
    int r;

    if (!spec.cwd)
        return io_no_cwd(err);
    promise(sandbox, &spec);
    r = run_init_start(&spec, &sandbox->init, err);
    return r < 0 ? r : watch(sandbox, run_init_fd(sandbox->init));
}

static int launch_with(struct sandbox *sandbox, const struct sandbox_options *options, struct err *err)
{
    char **env = spec_environment(&sandbox->spec, options->envp, NULL);
    struct run_init_first first = {.tag = TAG,
                                   .argv = options->argv,
                                   .envp = env,
                                   .stdio = {options->stdio[0], options->stdio[1], options->stdio[2]}};
    int r = launch(sandbox, options, &first, err);

    spec_environment_free(env);
    return r;
}

/* The upper layers of overlays: on disk, so that what a command writes to /tmp does not count as its memory. Another owner
 * could not write there. */
static void make_scratch(struct sandbox *sandbox)
{
    const struct sandbox_spec *spec = &sandbox->spec;
    bool overlay = spec->tmp == SPEC_TMP_OVERLAY || spec->workdir == SPEC_WORKDIR_OVERLAY;

    if (overlay && !(spec->uid != SPEC_ID_KEEP && geteuid() == 0))
        sandbox->scratch = scratch_make_on_disk();
}

int sandbox_start(const struct sandbox_options *options, struct sandbox **ret, struct err *err)
{
    struct sandbox *sandbox = mem_zalloc(sizeof(*sandbox));
    int r;

    sandbox->birth = (struct cgroup_birth)CGROUP_BIRTH_INIT;
    sandbox->listener = -1;
    sandbox->learn = options->learn;
    sandbox->hasty = options->hasty;
    spec_copy(&sandbox->spec, options->spec);
    sandbox->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = sandbox->epoll_fd < 0 ? err_set(err, ERR_SYSTEM, errno, "epoll: %m") : 0;
    if (r == 0)
        r = command_open_limits(sandbox, options->adopt_cgroup, err);
    if (r == 0) {
        make_scratch(sandbox);
        sandbox->start_ns = clock_now_ns();
        r = launch_with(sandbox, options, err);
    }
    if (r == 0)
        command_describe_limits(sandbox);
    if (r < 0) {
        sandbox_free(sandbox);
        return r;
    }
    *ret = sandbox;
    return 0;
}

/* --- refused calls --- */

static enum notify_answer note_call(void *arg, struct notify_denial *call)
{
    struct sandbox *sandbox = arg;

    learn_call(sandbox->learn, sandbox->notify, call);
    if (learn_starts_task(call))
        command_tick(sandbox);
    return NOTIFY_CONTINUE;
}

/* The limit on tasks where nothing else holds it. Who clones first is the command itself: nobody else is there yet. */
static enum notify_answer decide_clone(void *arg, struct notify_denial *call)
{
    struct sandbox *sandbox = arg;

    if (call->profile || !clone_limit_is_clone(call->arch, call->nr))
        return call->profile ? NOTIFY_REFUSE : NOTIFY_CONTINUE;
    if (call->tid <= 0 ||
        (!sandbox->clones && clone_limit_new(call->tid, sandbox->spec.limits.tasks, &sandbox->clones) < 0))
        call->errnum = EAGAIN; /* nobody could count it */
    else
        call->errnum = clone_limit_decide(sandbox->clones, call->tid);
    return call->errnum ? NOTIFY_REFUSE : NOTIFY_CONTINUE;
}

/* Only now that something was refused is it worth compiling what says with which errno. */
static int open_notify(struct sandbox *sandbox)
{
    const struct sandbox_plan *plan = run_init_plan(sandbox->init);
    struct notify_options options = {.listener = take_fd(&sandbox->listener),
                                     .programs = sandbox->refusing,
                                     .names = sandbox->profile_names,
                                     .learn = sandbox->learn != NULL,
                                     .decide = sandbox->learn                            ? note_call
                                               : plan->task_limit == PLAN_TASKS_NOTIFY ? decide_clone
                                                                                       : NULL,
                                     .arg = sandbox};
    struct err err = ERR_INIT;

    /* Learning, learn_call() knows better what would be refused. */
    for (size_t i = 0; i < PLAN_PROFILES && plan->profiles[i] && !sandbox->learn; i++) {
        const char *slash = strrchr(plan->profiles[i], '/');

        if (plan_refusing(plan, i, &sandbox->refusing[i], &err) < 0)
            break;
        sandbox->profile_names[i] = mem_printf("seccomp/%s", slash ? slash + 1 : plan->profiles[i]);
        options.nprograms++;
    }
    epoll_ctl(sandbox->epoll_fd, EPOLL_CTL_DEL, options.listener, NULL);
    if (notify_new(&options, &sandbox->notify, &err) < 0)
        return -EIO;
    return watch(sandbox, notify_fd(sandbox->notify));
}

static bool refusal_waits(struct sandbox *sandbox)
{
    struct pollfd fd = {sandbox->listener, POLLIN, 0};

    if (sandbox->listener < 0 || poll(&fd, 1, 0) <= 0)
        return false;
    if (!(fd.revents & POLLIN)) /* nobody has the filter any more */
        close_fd(&sandbox->listener);
    return sandbox->listener >= 0;
}

static void answer(struct sandbox *sandbox)
{
    if (!sandbox->notify && !(refusal_waits(sandbox) && open_notify(sandbox) == 0))
        return;
    if (!sandbox->notify_over && notify_handle(sandbox->notify, ANSWERS_A_TURN) == -EPIPE) {
        sandbox->notify_over = true;
        epoll_ctl(sandbox->epoll_fd, EPOLL_CTL_DEL, notify_fd(sandbox->notify), NULL);
    }
}

static void take_listener(struct sandbox *sandbox, int fd)
{
    sandbox->listener = fd;
    sandbox->listened = true;
    watch(sandbox, fd);
}

/* --- life --- */

static void note_left(struct sandbox *sandbox, const struct run_init_event *event)
{
    struct sandbox_left *left;

    if (sandbox->result.nleft >= LEFT_MAX)
        return;
    mem_grow(&sandbox->left, &sandbox->left_room, sandbox->result.nleft + 1, sizeof(*sandbox->left));
    left = &sandbox->left[sandbox->result.nleft++];
    left->pid = event->pid_inside;
    snprintf(left->comm, sizeof(left->comm), "%.15s", event->stage);
}

static void note_denials(struct sandbox *sandbox)
{
    const struct notify_count *counts;
    size_t n = sandbox->notify && !sandbox->learn ? notify_counts(sandbox->notify, &counts) : 0;

    sandbox->denials = mem_calloc(n + 1, sizeof(*sandbox->denials));
    for (size_t i = 0; i < n; i++) {
        if (!counts[i].profile && sandbox->clones) /* a clone at the limit on tasks */
            continue;
        sandbox->denials[sandbox->result.ndenials++] =
            (struct sandbox_denial){.call = counts[i].name,
                                    .profile = counts[i].profile ? counts[i].profile : "",
                                    .errnum = counts[i].errnum,
                                    .count = counts[i].count};
    }
    sandbox->result.denials = sandbox->denials;
}

static void command_exited(struct sandbox *sandbox, const struct run_init_event *event)
{
    struct sandbox_result *result = &sandbox->result;

    result->wait_status = event->status;
    result->wall_ns = clock_now_ns() - sandbox->start_ns;
    result->cpu_ns = event->cpu_ns;
    result->memory_peak_bytes = event->peak_bytes;
    counted_left(&sandbox->counted, event->left_tasks, sandbox->spec.limits.tasks);
    command_read_limits(sandbox);
    result->verdict = sandbox_decide(result, sandbox->timeout);
    result->left = sandbox->left;
    note_denials(sandbox);
    sandbox->over = true;
}

/* While the command starts nobody waits for us. */
static void clear_away(struct sandbox *sandbox)
{
    scratch_drop_marks(sandbox->scratch);
    scratch_sweep_disk();
    if (sandbox->host && !sandbox->swept)
        cgroup_host_sweep(sandbox->host);
    sandbox->swept = true;
}

static int handle_event(struct sandbox *sandbox, struct run_init_event *event)
{
    switch (event->type) {
    case RUN_INIT_LISTENER:
        take_listener(sandbox, event->fd);
        return 0;
    case RUN_INIT_LEFT:
        note_left(sandbox, event);
        return 0;
    case RUN_INIT_EXITED:
        if (event->tag == TAG)
            command_exited(sandbox, event);
        return 0;
    case RUN_INIT_FAILED:
        sandbox->failed_errnum = event->errnum ? event->errnum : EIO;
        snprintf(sandbox->failed_stage, sizeof(sandbox->failed_stage), "%s", event->stage);
        return -sandbox->failed_errnum;
    case RUN_INIT_GONE:
        snprintf(sandbox->failed_stage, sizeof(sandbox->failed_stage), "the sandbox's first process was killed");
        sandbox->failed_errnum = EPIPE;
        return -EPIPE;
    case RUN_INIT_STARTED:
        clear_away(sandbox);
        return 0;
    case RUN_INIT_PENDING:
    case RUN_INIT_CELL:
    case RUN_INIT_NONE:
        return 0;
    }
    return 0;
}

int sandbox_dispatch(struct sandbox *sandbox)
{
    struct run_init_event event;

    answer(sandbox);
    command_tick(sandbox);
    for (int i = 0; i < EVENTS_A_TURN && !sandbox->over; i++) {
        int r = run_init_next(sandbox->init, &event);

        if (r < 0 || event.type == RUN_INIT_NONE)
            break;
        r = handle_event(sandbox, &event);
        if (r < 0)
            return r;
    }
    return sandbox->over;
}

int sandbox_fd(const struct sandbox *sandbox)
{
    return sandbox->epoll_fd;
}

int sandbox_signal(struct sandbox *sandbox, int signum)
{
    return run_init_signal(sandbox->init, TAG, signum);
}

int sandbox_kill(struct sandbox *sandbox, bool timeout)
{
    sandbox->timeout = sandbox->timeout || timeout;
    return run_init_signal(sandbox->init, TAG, SIGKILL);
}

void sandbox_timed_out(struct sandbox *sandbox)
{
    sandbox->timeout = true;
}

unsigned sandbox_uid(const struct sandbox *sandbox)
{
    return run_init_plan(sandbox->init)->uid;
}

const char *sandbox_closed(struct sandbox *sandbox, const char *path)
{
    const struct sandbox_plan *plan = run_init_plan(sandbox->init);
    struct reach reach;

    return reach_path(plan, path, &reach) < 0
               ? reach_text(plan, path, &reach, sandbox->closed, sizeof(sandbox->closed))
               : "";
}

const struct sandbox_result *sandbox_result(const struct sandbox *sandbox)
{
    return &sandbox->result;
}

const char *sandbox_failed_stage(const struct sandbox *sandbox)
{
    return sandbox->failed_stage;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    if (sandbox->hasty && sandbox->over && !sandbox->result.nleft)
        run_init_abandon(sandbox->init);
    else
        run_init_free(sandbox->init);
    notify_free(sandbox->notify);
    clone_limit_free(sandbox->clones);
    close_fd(&sandbox->listener);
    command_close_limits(sandbox);
    scratch_remove_tree(sandbox->scratch);
    for (size_t i = 0; i < PLAN_PROFILES; i++) {
        seccomp_profile_done(&sandbox->refusing[i]);
        free((char *)sandbox->profile_names[i]);
    }
    close_fd(&sandbox->epoll_fd);
    free(sandbox->scratch);
    free(sandbox->denials);
    free(sandbox->left);
    spec_done(&sandbox->spec);
    free(sandbox);
}
