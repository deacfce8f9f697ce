/* SPDX-License-Identifier: MIT */
/* The floors of `make bench`, with nothing else in them:
 *   floor [net] COMMAND...            namespaces by one raw clone3(), exec, wait
 *   floor loop N PROCESSES COMMAND... so many processes do vfork(), exec, wait, until N commands have run
 *   floor tap                         the shortest test that prove takes */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int run_loop(long n, char *const argv[])
{
    while (n-- > 0) {
        int status;
        pid_t pid = vfork();

        if (pid == 0) {
            execv(argv[0], argv);
            _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
            return 1;
    }
    return 0;
}

static int loop(long n, long processes, char *const argv[])
{
    int bad = 0, status;

    for (long i = 0; i < processes; i++)
        if (fork() == 0)
            _exit(run_loop(n / processes, argv));
    while (wait(&status) > 0)
        bad |= status;
    return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD};
    int first = 1, status = 0;
    pid_t pid;

    if (argc > 4 && strcmp(argv[1], "loop") == 0)
        return loop(atol(argv[2]), atol(argv[3]), argv + 4);
    if (argc > 1 && strcmp(argv[1], "tap") == 0)
        return puts("1..1\nok 1") < 0;
    if (argc > 2 && strcmp(argv[1], "net") == 0) {
        args.flags |= CLONE_NEWNET;
        first = 2;
    }
    if (argc <= first)
        return 2;
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        execvp(argv[first], argv + first);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        perror("floor");
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
