/* SPDX-License-Identifier: MIT */
#include "supervisor/exec/exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/learn/learn.h"
#include "sandbox/sandbox.h"
#include "supervisor/config/learning.h"
#include "supervisor/config/paths.h"
#include "supervisor/config/sandbox_config.h"
#include "supervisor/exec/account.h"
#include "supervisor/exec/relay.h"

#define DIED_OF(signum) (128 + (signum))
#define KILL_NS (10 * NS_PER_SEC) /* who was killed and has not ended by then is taken down with the sandbox around it */

struct exec {
    const struct exec_config *config;
    struct sandbox_spec spec;
    struct learn *learn; /* NULL: off */
    struct sandbox *sandbox;
    struct relay relay;
    int signal_fd;
    bool accounted; /* the command has run, and its report is written */
    uint64_t deadline_ns; /* 0: none */
    bool asked, killed;   /* SIGTERM, SIGKILL was sent for the time being over */
};

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

static int open_signals(struct exec *exec)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        sigaddset(&set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a relayed command may close its stdin */
    exec->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return exec->signal_fd < 0 ? -errno : 0;
}

/* What the terminal sends to its foreground group, the command has received as well, where it shares the terminal. */
static void forward_signals(struct exec *exec)
{
    struct signalfd_siginfo info;

    while (read(exec->signal_fd, &info, sizeof(info)) == sizeof(info))
        if (!(exec->spec.tty && info.ssi_code == SI_KERNEL))
            sandbox_signal(exec->sandbox, (int)info.ssi_signo);
}

static void apply_limits(struct exec *exec)
{
    const struct exec_config *config = exec->config;
    struct spec_limits *limits = &exec->spec.limits;

    if (config->tasks_given)
        limits->tasks = config->tasks;
    if (config->memory_given)
        limits->memory_bytes = config->memory_bytes;
    if (config->cpus_given)
        limits->cpu_milli = config->cpu_milli;
    if (config->timeout_given)
        limits->timeout_ns = config->timeout_ns;
}

/* A program that was named by its path is seen, also where /tmp is a fresh one; its neighbours are not. */
static void show_program(struct exec *exec)
{
    const char *name = exec->config->command[0];
    _cleanup_free_ char *path = strchr(name, '/') ? realpath(name, NULL) : NULL;

    if (path)
        sandbox_config_show(&exec->spec, path, "the command");
}

static int start(struct exec *exec, const struct sandbox_config *sandbox, struct err *err)
{
    _cleanup_free_ char *policies = sandbox_config_policies();
    struct sandbox_options options = {
        .spec = &exec->spec,
        .argv = exec->config->command,
        .envp = environ,
        .policies = policies,
        .adopt_cgroup = sandbox->adopt_cgroup,
        .hasty = true,
        .learn = exec->learn,
    };
    int r = relay_open(&exec->relay, !exec->spec.tty, options.stdio);

    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "pipe: %m");
    r = sandbox_start(&options, &exec->sandbox, err);
    relay_started(&exec->relay);
    if (r == 0 && exec->spec.limits.timeout_ns)
        exec->deadline_ns = clock_now_ns() + exec->spec.limits.timeout_ns;
    return r;
}

/* First politely; what has not ended by then is killed. */
static int time_is_over(struct exec *exec)
{
    if (exec->killed)
        return -ETIMEDOUT;
    if (exec->asked || !exec->config->grace_ns) {
        sandbox_kill(exec->sandbox, true);
        exec->killed = true;
        exec->deadline_ns = clock_now_ns() + KILL_NS;
        return 0;
    }
    sandbox_signal(exec->sandbox, SIGTERM);
    sandbox_timed_out(exec->sandbox);
    exec->asked = true;
    exec->deadline_ns = clock_now_ns() + exec->config->grace_ns;
    return 0;
}

static int poll_ms(const struct exec *exec, uint64_t now)
{
    uint64_t tick = sandbox_tick_ns(exec->sandbox), wait = tick ? tick : UINT64_MAX;

    if (exec->deadline_ns && exec->deadline_ns <= now)
        return 0;
    if (exec->deadline_ns && exec->deadline_ns - now < wait)
        wait = exec->deadline_ns - now;
    return wait == UINT64_MAX ? -1 : (int)(wait / NS_PER_MS > 3600000 ? 3600000 : wait / NS_PER_MS + 1);
}

static int loop(struct exec *exec)
{
    for (;;) {
        struct pollfd fds[5] = {{sandbox_fd(exec->sandbox), POLLIN, 0}, {exec->signal_fd, POLLIN, 0}};
        int n = 2 + relay_poll(&exec->relay, fds + 2), r;

        if (poll(fds, (nfds_t)n, poll_ms(exec, clock_now_ns())) < 0 && errno != EINTR)
            return -errno;
        forward_signals(exec);
        relay_turn(&exec->relay, fds + 2, n - 2);
        r = sandbox_dispatch(exec->sandbox);
        if (r != 0)
            return r;
        if (exec->deadline_ns && clock_now_ns() >= exec->deadline_ns && (r = time_is_over(exec)) < 0)
            return r;
    }
}

static int status_of(const struct sandbox_result *result)
{
    if (result->verdict == SANDBOX_TIMEOUT)
        return EXEC_STATUS_TIMEOUT;
    return WIFSIGNALED(result->wait_status) ? DIED_OF(WTERMSIG(result->wait_status)) : WEXITSTATUS(result->wait_status);
}

static int did_not_start(const struct exec *exec, int r, struct err *err)
{
    const char *stage = sandbox_failed_stage(exec->sandbox);
    _cleanup_free_ char *found = paths_of_command(exec->config->command[0]), *path = found ? realpath(found, NULL) : NULL;

    if (strcmp(stage, "exec") == 0) {
        err_set(err, ERR_USAGE, -r, "cannot run \"%.200s\" inside the sandbox: %m", exec->config->command[0]);
        if (r == -EACCES && path && *sandbox_closed(exec->sandbox, path))
            return err_hint(err, "policy %s: %.480s", exec->spec.name, sandbox_closed(exec->sandbox, path));
        return err_hint(err, "policy %s, uid %u: is the program there, and may that user read it?", exec->spec.name,
                        sandbox_uid(exec->sandbox));
    }
    if (r == -ETIMEDOUT)
        return err_set(err, ERR_SYSTEM, ETIMEDOUT, "\"%.200s\" did not end when it was killed: the sandbox around it was ended",
                       exec->config->command[0]);
    return err_set(err, ERR_SYSTEM, -r, "the sandbox broke: %s: %m", stage);
}

static int write_learned(struct exec *exec, const struct sandbox_config *sandbox, struct err *err)
{
    const struct sandbox_result *result = sandbox_result(exec->sandbox);
    struct learn_output output = {.path = sandbox->learn_path,
                                  .command = exec->config->command,
                                  .with = "shunt exec",
                                  .status = status_of(result),
                                  .out = stderr};

    learn_note_peaks(exec->learn, result->tasks_known ? result->tasks_peak : 0,
                     result->memory_known ? result->memory_peak_bytes : 0);
    return learn_write(exec->learn, &output, err);
}

/* Before the command runs: afterwards its account would be lost. Nothing is made yet, since it may not come to run. */
static int check_report(const char *path, struct err *err)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    _cleanup_free_ char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    bool possible;

    if (path && strcmp(path, "-") == 0) {
        err_set(err, ERR_USAGE, EINVAL, "--report: \"-\" is no file, and stdout is the command's");
        return err_hint(err, "name a file, or /dev/fd/3 with 3>... behind the command");
    }
    possible = !path || (access(path, F_OK) == 0 ? access(path, W_OK) == 0
                                                 : access(directory ? directory : ".", W_OK | X_OK) == 0);

    if (possible)
        return 0;
    err_set(err, ERR_USAGE, errno, "cannot write the report %s: %m", path);
    return err_hint(err, "name a file in a directory that exists and that you may write to");
}

void exec_not_started(const struct exec_config *config, const struct err *err)
{
    struct err ignored = ERR_INIT;

    if (config->report_path && check_report(config->report_path, &ignored) == 0)
        account_write_not_started(config, err);
}

static int exec_run(struct exec *exec, const struct sandbox_config *sandbox, struct err *err)
{
    int r = check_report(exec->config->report_path, err);

    if (r < 0)
        return r;
    r = open_signals(exec);
    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "signals: %m");
    r = start(exec, sandbox, err);
    if (r < 0)
        return r;
    if (!exec->learn || exec->config->verbose) /* what is not in force was not wanted for this run */
        account_started(exec->config, exec->sandbox, &exec->spec);
    r = loop(exec);
    relay_close(&exec->relay);
    if (r < 0)
        return did_not_start(exec, r, err);
    exec->accounted = true;
    account_print(exec->config, exec->sandbox, &exec->spec);
    if (exec->config->report_path)
        r = account_write(exec->config, exec->sandbox, &exec->spec, err);
    if (r >= 0 && exec->learn)
        r = write_learned(exec, sandbox, err);
    if (r < 0)
        return r;
    return status_of(sandbox_result(exec->sandbox));
}

int exec_main(const struct sandbox_config *sandbox, const struct exec_config *config, struct err *err)
{
    struct exec exec = {.config = config, .signal_fd = -1};
    int r = sandbox_config_load(sandbox, &exec.spec, err);

    if (r < 0) {
        exec_not_started(config, err);
        return r;
    }
    apply_limits(&exec);
    show_program(&exec);
    r = learning_open(sandbox, false, &exec.spec, &exec.learn, err);
    if (r == 0)
        r = exec_run(&exec, sandbox, err);
    if (r < 0 && !exec.accounted)
        exec_not_started(config, err);
    sandbox_free(exec.sandbox);
    learn_free(exec.learn);
    close_fd(&exec.signal_fd);
    spec_done(&exec.spec);
    return r;
}
