/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/stack_dump.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/state.h"

#define STACK_SIGNAL (SIGRTMAX - 5)
#define PROCESSES_MAX 8
#define PART_MAX 65536 /* of one process */
#define STACKS_MAX 262144
#define STEP_NS (250 * NS_PER_US)
#define QUIET_STEPS 4 /* nothing more came for so long: the dump is complete */

static off_t size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_size : 0;
}

/* Waits until the file has grown and grows no more. Returns its size then. */
static off_t wait_for_dump(int fd, off_t before, uint64_t deadline_ns)
{
    const struct timespec step = {.tv_nsec = STEP_NS};
    off_t last = before;
    int quiet = 0;

    while (clock_now_ns() < deadline_ns && (last == before || quiet < QUIET_STEPS)) {
        off_t now;

        nanosleep(&step, NULL);
        now = size_of(fd);
        quiet = now == last ? quiet + 1 : 0;
        last = now;
    }
    return last;
}

/* faulthandler's word for it explains nothing. */
static void write_part(FILE *out, const char *part, size_t size)
{
    static const char none[] = "  <no Python frame>";
    const char *at;

    while ((at = memmem(part, size, none, sizeof(none) - 1))) {
        fwrite(part, 1, (size_t)(at - part), out);
        fputs("  (no Python code: it is just starting or ending, or C code started it)", out);
        size -= (size_t)(at - part) + sizeof(none) - 1;
        part = at + sizeof(none) - 1;
    }
    fwrite(part, 1, size, out);
}

static void print_part(FILE *out, int fd, off_t from, off_t to, pid_t pid)
{
    static char part[PART_MAX];                                   /* one thread */
    off_t skip = to - from > PART_MAX ? to - from - PART_MAX : 0; /* the main thread comes last */
    ssize_t n = pread(fd, part, (size_t)(to - from - skip), from + skip);

    if (n <= 0)
        return;
    fprintf(out, "process %d%s\n", (int)pid, skip ? " (the last part)" : "");
    write_part(out, part, (size_t)n);
    if (part[n - 1] != '\n')
        fputc('\n', out);
}

static bool dump_one(FILE *out, int fd, pid_t pid, uint64_t deadline_ns)
{
    off_t before = size_of(fd), after;

    if (pid <= 0 || clock_now_ns() >= deadline_ns || !proc_task_catches(pid, STACK_SIGNAL) ||
        kill(pid, STACK_SIGNAL) < 0)
        return false;
    after = wait_for_dump(fd, before, deadline_ns);
    if (after > before)
        print_part(out, fd, before, after, pid);
    return after > before;
}

char *stack_dump_of(const struct worker *worker, pid_t pid, uint64_t budget_ns, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = worker->stacks_fd >= 0 ? open_memstream(&text, ret_size) : NULL;
    bool came;

    if (!out)
        return NULL;
    came = dump_one(out, worker->stacks_fd, pid, clock_now_ns() + budget_ns);
    fclose(out);
    if (came)
        return text;
    free(text);
    return NULL;
}

uint64_t stack_dump_take(struct worker *worker, uint64_t budget_ns, struct incident_evidence *more)
{
    uint64_t deadline = clock_now_ns() + budget_ns, own;
    pid_t pids[PROCESSES_MAX];
    ssize_t n = worker->leaf ? cgroup_leaf_processes(worker->leaf, pids, PROCESSES_MAX)
                             : (ssize_t)counted_processes(worker, pids, PROCESSES_MAX);
    FILE *out;

    if (worker->stacks_fd < 0 || worker->pid <= 0 ||
        !(out = open_memstream(&more->stacks, &more->stacks_size)))
        return 0;
    dump_one(out, worker->stacks_fd, worker->pid, deadline);
    own = (uint64_t)ftell(out);
    for (ssize_t i = 0; i < n && i < PROCESSES_MAX && ftell(out) < STACKS_MAX; i++)
        if (pids[i] != worker->pid)
            dump_one(out, worker->stacks_fd, pids[i], deadline);
    fclose(out);
    if (more->stacks_size == 0) {
        free(more->stacks);
        more->stacks = NULL;
    }
    return own;
}
