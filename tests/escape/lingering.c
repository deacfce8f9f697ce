/* SPDX-License-Identifier: MIT */
/* Processes that want to outlive their sandbox. Every one ends by itself after some seconds. The runner looks for them when
 * shunt has returned. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 30

static void close_all(void)
{
    for (int fd = 0; fd < 64; fd++)
        close(fd);
}

static void ignore_signals(void)
{
    for (int signum = 1; signum < 65; signum++)
        signal(signum, SIG_IGN);
}

static void daemonise(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t pid = fork();
    if (!pid) {
        setsid();
        if (fork())
            _exit(0);
        setsid();
        if (fork())
            _exit(0);
        ignore_signals();
        close_all();
        if (chdir("/"))
            _exit(1);
        sleep(SECONDS);
        _exit(0);
    }
    if (outcome_of(out, pid))
        waitpid(pid, NULL, 0);
    usleep(20000);
}

/* The parent is gone at once, the child holds stdout open. */
static void outlive_parent(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t pid = fork();
    if (!pid) {
        ignore_signals();
        sleep(SECONDS);
        _exit(0);
    }
    outcome_of(out, pid);
}

static void leave_stopped(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t pid = fork();
    if (!pid) {
        raise(SIGSTOP);
        sleep(SECONDS);
        _exit(0);
    }
    if (outcome_of(out, pid))
        waitpid(pid, NULL, WUNTRACED);
}

/* Stopped under a tracer that is itself stopped. */
static void leave_traced(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t tracer = fork();
    if (!tracer) {
        pid_t pid = fork();
        if (!pid) {
            ptrace(PTRACE_TRACEME, 0, NULL, NULL);
            raise(SIGSTOP);
            sleep(SECONDS);
            _exit(0);
        }
        waitpid(pid, NULL, WUNTRACED);
        raise(SIGSTOP);
        _exit(0);
    }
    if (outcome_of(out, tracer))
        waitpid(tracer, NULL, WUNTRACED);
}

/* Never the same process twice: each forks its successor and ends. A kill that reads a list comes too late. */
static void hop(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t pid = fork();
    if (!pid) {
        time_t end = time(NULL) + 10;
        ignore_signals();
        setsid();
        while (time(NULL) < end) {
            pid = fork();
            if (pid > 0)
                _exit(0);
            if (pid < 0)
                usleep(1000);
        }
        _exit(0);
    }
    if (outcome_of(out, pid))
        waitpid(pid, NULL, 0);
    usleep(20000);
}

/* vfork: the parent sleeps in the kernel until its child is done, and the child does nothing. */
static void leave_vforked(char *const args[], struct outcome *out)
{
    (void)args;
    pid_t pid = fork();
    if (!pid) {
        ignore_signals();
        long child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
        if (!child)
            sleep(SECONDS);
        _exit(0);
    }
    if (outcome_of(out, pid))
        usleep(20000);
}

/* Neither SIGTERM nor anything else that can be ignored moves it. */
static void ignore_end(char *const args[], struct outcome *out)
{
    (void)args;
    ignore_signals();
    struct timespec left = {SECONDS, 0};
    while (nanosleep(&left, &left))
        ;
    outcome_succeeded(out, "slept for %d s", SECONDS);
}

/* Sleeps; children beside it do so, too. What is killed from outside. */
static void linger(char *const args[], struct outcome *out)
{
    for (long i = 0; i < attack_number(args[1]); i++)
        if (!fork()) {
            if (i % 2)
                setsid();
            usleep((useconds_t)attack_number(args[0]) * 1000);
            _exit(0);
        }
    if (write(STDOUT_FILENO, "here\n", 5) == 5)
        usleep((useconds_t)attack_number(args[0]) * 1000);
    outcome_succeeded(out, "lingered");
}

const struct attack attacks_lingering[] = {
    {"daemonise", "", 0, daemonise, false},
    {"outlive-parent", "", 0, outlive_parent, false},
    {"leave-stopped", "", 0, leave_stopped, false},
    {"leave-traced", "", 0, leave_traced, false},
    {"leave-vforked", "", 0, leave_vforked, false},
    {"hop", "", 0, hop, false},
    {"ignore-end", "", 0, ignore_end, false},
    {"linger", "MILLISECONDS CHILDREN", 2, linger, false},
    {0},
};
