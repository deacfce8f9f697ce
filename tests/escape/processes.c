/* SPDX-License-Identifier: MIT */
/* Processes outside: signals, ptrace, memory, descriptors. PID is the number that the host knows them by. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECRET "kept outside"
#define HIT "hit\n"

static char secret[] = SECRET;

static void on_hit(int signum)
{
    (void)signum;
    if (write(STDOUT_FILENO, HIT, sizeof HIT - 1) < 0)
        _exit(1);
}

/* Not an attack: what others attack. Says where its secret lies, then a line for each signal that reaches it, and what has
 * become of the secret when its stdin ends. */
static void victim(char *const args[], struct outcome *out)
{
    (void)args;
    struct sigaction action = {.sa_handler = on_hit, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
    printf("%d %#lx\n", getpid(), (unsigned long)(uintptr_t)secret);
    fflush(stdout);
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    outcome_succeeded(out, "%s", strcmp(secret, SECRET) ? "overwritten" : "untouched");
}

static void signal_pid(char *const args[], struct outcome *out)
{
    outcome_of(out, kill((pid_t)attack_number(args[0]), (int)attack_number(args[1])));
}

static void signal_thread(char *const args[], struct outcome *out)
{
    long pid = attack_number(args[0]);
    outcome_of(out, syscall(SYS_tgkill, pid, pid, SIGUSR1));
}

static void signal_queue(char *const args[], struct outcome *out)
{
    outcome_of(out, sigqueue((pid_t)attack_number(args[0]), SIGUSR1, (union sigval){0}));
}

static void signal_pidfd(char *const args[], struct outcome *out)
{
    int fd = (int)syscall(SYS_pidfd_open, attack_number(args[0]), 0);
    if (outcome_of(out, fd))
        outcome_of(out, syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
}

/* SEIZE does not stop it, and it goes on as before when this process ends. */
static void trace(char *const args[], struct outcome *out)
{
    outcome_of(out, ptrace(PTRACE_SEIZE, (pid_t)attack_number(args[0]), NULL, NULL));
}

static void memory_read(char *const args[], struct outcome *out)
{
    char copy[sizeof secret] = "";
    struct iovec mine = {copy, sizeof copy}, theirs = {(void *)(uintptr_t)strtoul(args[1], NULL, 0), sizeof copy};
    if (outcome_of(out, process_vm_readv((pid_t)attack_number(args[0]), &mine, 1, &theirs, 1, 0)))
        outcome_succeeded(out, "read \"%.*s\"", (int)sizeof copy, copy);
}

static void memory_write(char *const args[], struct outcome *out)
{
    char text[sizeof secret] = "written by x";
    struct iovec mine = {text, sizeof text}, theirs = {(void *)(uintptr_t)strtoul(args[1], NULL, 0), sizeof text};
    outcome_of(out, process_vm_writev((pid_t)attack_number(args[0]), &mine, 1, &theirs, 1, 0));
}

static void memory_file(char *const args[], struct outcome *out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", attack_number(args[0]));
    outcome_of_open(out, path, O_RDWR);
}

static void environment(char *const args[], struct outcome *out)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%ld/environ", attack_number(args[0]));
    outcome_of(out, attack_read_file(path, text, sizeof text));
}

static void take_descriptor(char *const args[], struct outcome *out)
{
    int fd = (int)syscall(SYS_pidfd_open, attack_number(args[0]), 0);
    if (outcome_of(out, fd))
        outcome_of(out, syscall(SYS_pidfd_getfd, fd, 1, 0));
}

static void limits_of_another(char *const args[], struct outcome *out)
{
    struct rlimit now;
    pid_t pid = (pid_t)attack_number(args[0]);
    if (outcome_of(out, prlimit(pid, RLIMIT_CORE, NULL, &now)))
        outcome_of(out, prlimit(pid, RLIMIT_CORE, &now, NULL));
}

/* With signal 0 it only says whether there is anybody: the kernel counts neither pid 1 nor the caller. */
static void signal_everybody(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, kill(-1, 0));
}

/* The trusted process around us: pid 1 where there is a pid namespace. No init can be killed from within its namespace,
 * the machine's own included, so this is harmless everywhere. Both calls say 0, and what the runner looks at is
 * whether the run ends as if nothing had been. */
static void kill_init(char *const args[], struct outcome *out)
{
    (void)args;
    if (getpid() == 1) {
        outcome_succeeded(out, "we are pid 1");
        return;
    }
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    usleep(20000);
    outcome_of(out, kill(1, 0));
}

const struct attack attacks_processes[] = {
    {"victim", "", 0, victim, false},
    {"signal", "PID SIGNAL", 2, signal_pid, false},
    {"signal-thread", "PID", 1, signal_thread, false},
    {"signal-queue", "PID", 1, signal_queue, false},
    {"signal-pidfd", "PID", 1, signal_pidfd, false},
    {"signal-everybody", "", 0, signal_everybody, false},
    {"kill-init", "", 0, kill_init, false},
    {"ptrace", "PID", 1, trace, false},
    {"memory-read", "PID ADDRESS", 2, memory_read, false},
    {"memory-write", "PID ADDRESS", 2, memory_write, false},
    {"memory-file", "PID", 1, memory_file, false},
    {"environment", "PID", 1, environment, false},
    {"take-descriptor", "PID", 1, take_descriptor, false},
    {"limits-of-another", "PID", 1, limits_of_another, false},
    {0},
};
