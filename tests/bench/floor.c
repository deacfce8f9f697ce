/* SPDX-License-Identifier: MIT */
/* The floor of `make bench`: namespaces by one raw clone3(), exec, wait; nothing else. "floor [net] COMMAND...". */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD};
    int first = 1, status = 0;
    pid_t pid;

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
