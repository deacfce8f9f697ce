/* SPDX-License-Identifier: MIT */
/* Bombs and floods. Every one ends by itself: at its count, or after its seconds. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOMB_MAX 4096
#define BOMB_SECONDS 20

/* Children that sleep, until there are COUNT or no more are to be had. They end with this process. */
static void fork_bomb(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]), n;
    int failed = 0;
    pid_t parent = getpid();
    pid_t *children = calloc(BOMB_MAX, sizeof *children);
    for (n = 0; children && n < count && n < BOMB_MAX; n++) {
        children[n] = fork();
        if (!children[n]) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            alarm(BOMB_SECONDS);
            if (getppid() == parent)
                pause();
            _exit(0);
        }
        if (children[n] < 0) {
            failed = errno;
            break;
        }
    }
    for (long i = 0; i < n; i++)
        kill(children[i], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    if (failed)
        outcome_refused(out, failed);
    else
        outcome_succeeded(out, "%ld processes", n);
}

/*
 * Each child forks two more, COUNT generations deep, and none is waited for: a bomb without a head.
 * Whose fork is refused, of all of them, is chance: they tell by a page that they share.
 */
static void fork_tree(char *const args[], struct outcome *out)
{
    long depth = attack_number(args[0]);
    pid_t top = getpid();
    volatile int *failed = mmap(NULL, sizeof(*failed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (failed == MAP_FAILED) {
        outcome_refused(out, errno);
        return;
    }
    alarm(getpid() == top ? 0 : 1);
    for (long i = 0; i < depth && i < 11; i++) { /* at most 2048 */
        pid_t pid = fork();
        if (pid < 0)
            *failed = errno;
        if (!pid)
            alarm(4);
    }
    if (getpid() != top) {
        pause();
        _exit(0);
    }
    sleep(1);
    if (*failed)
        outcome_refused(out, *failed);
    else
        outcome_succeeded(out, "%ld generations", depth);
}

/* The dead count until they are waited for, and nobody does. */
static void zombies(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]), n;
    for (n = 0; n < count && n < BOMB_MAX; n++) {
        pid_t pid = fork();
        if (!pid)
            _exit(0);
        if (pid < 0) {
            outcome_refused(out, errno);
            return;
        }
    }
    outcome_succeeded(out, "%ld zombies", n);
}

static void *sleep_on(void *arg)
{
    sleep(BOMB_SECONDS);
    return arg;
}

static void thread_bomb(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]), n;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (n = 0; n < count && n < BOMB_MAX; n++) {
        pthread_t thread;
        int error = pthread_create(&thread, &small, sleep_on, NULL);
        if (error) {
            outcome_refused(out, error);
            return;
        }
    }
    outcome_succeeded(out, "%ld threads", n);
}

/* MiB in pieces of one, each touched. With "child", a child does it: the one that is killed is not the one we know. */
static void memory_bomb(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]);
    if (args[1] && !strcmp(args[1], "child")) {
        pid_t pid = fork();
        int status = 0;
        if (pid) {
            waitpid(pid, &status, 0);
            if (WIFSIGNALED(status) || WEXITSTATUS(status))
                outcome_refused(out, ENOMEM);
            else
                outcome_succeeded(out, "%ld MiB in a child", count);
            return;
        }
    }
    for (long i = 0; i < count && i < BOMB_MAX; i++) {
        char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED) {
            outcome_refused(out, errno);
            if (args[1])
                _exit(1);
            return;
        }
        memset(piece, 1, 1 << 20);
    }
    if (args[1])
        _exit(0);
    outcome_succeeded(out, "%ld MiB", count);
}

/* Memory of the kernel's: descriptors of files that lie nowhere, each with a page in it. */
static void memory_files(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]);
    char *piece = calloc(1, 1 << 20);
    int fd = memfd_create("flood", 0);
    for (long i = 0; piece && i < count && i < BOMB_MAX; i++)
        if (!outcome_of(out, write(fd, piece, 1 << 20)))
            return;
    outcome_succeeded(out, "%ld MiB in a memory file", count);
}

static void descriptor_bomb(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]), n;
    for (n = 0; n < count; n++)
        if (open("/dev/null", O_RDONLY) < 0) {
            outcome_refused(out, errno);
            return;
        }
    outcome_succeeded(out, "%ld descriptors", n);
}

/* MiB into a new file below DIRECTORY, which stays, as a flood would. */
static void file_flood(char *const args[], struct outcome *out)
{
    long count = attack_number(args[1]);
    char path[4096], *piece = calloc(1, 1 << 20);
    snprintf(path, sizeof path, "%s/flood-%s", args[0], args[2] ? args[2] : "x");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (!outcome_of(out, fd))
        return;
    for (long i = 0; piece && i < count && i < BOMB_MAX; i++)
        if (!outcome_of(out, write(fd, piece, 1 << 20)))
            return;
    outcome_succeeded(out, "%ld MiB in %.180s", count, path);
}

/* Sparse, so that it takes no room where it works. */
static void huge_file(char *const args[], struct outcome *out)
{
    int fd = open(args[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (outcome_of(out, fd) && outcome_of(out, ftruncate(fd, 1L << 40)))
        outcome_of(out, pwrite(fd, "x", 1, (1L << 40) - 1));
}

static void output_flood(char *const args[], struct outcome *out)
{
    long count = attack_number(args[0]);
    char *piece = malloc(1 << 20);
    memset(piece, 'x', 1 << 20);
    for (long i = 0; i < count; i++)
        for (size_t done = 0; done < 1 << 20;) {
            ssize_t n = write(STDOUT_FILENO, piece + done, (1 << 20) - done);
            if (n < 0) {
                outcome_refused(out, errno);
                return;
            }
            done += (size_t)n;
        }
    if (write(STDOUT_FILENO, "\n", 1) == 1)
        outcome_succeeded(out, "%ld MiB", count);
}

const struct attack attacks_resources[] = {
    {"fork-bomb", "COUNT", 1, fork_bomb, false},
    {"fork-tree", "DEPTH", 1, fork_tree, false},
    {"zombies", "COUNT", 1, zombies, false},
    {"thread-bomb", "COUNT", 1, thread_bomb, false},
    {"memory-bomb", "MIB [child]", 1, memory_bomb, false},
    {"memory-files", "MIB", 1, memory_files, false},
    {"descriptor-bomb", "COUNT", 1, descriptor_bomb, false},
    {"file-flood", "DIRECTORY MIB [NAME]", 2, file_flood, false},
    {"huge-file", "PATH", 1, huge_file, false},
    {"output-flood", "MIB", 1, output_flood, false},
    {0},
};
