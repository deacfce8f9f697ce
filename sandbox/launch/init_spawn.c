/* SPDX-License-Identifier: MIT */
/* What the run init starts: the command, cold workers; and what they leave behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/proc_tree.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/init.h"
#include "sandbox/launch/kill_tree.h"
#include "sandbox/plan/plan.h"

#define LEFT_MAX 32

struct command {
    void *map;
    size_t size;
    char **strings; /* argv, NULL, envp, NULL */
    char **argv, **envp;
};

static void command_done(struct command *command)
{
    if (command->map)
        munmap(command->map, command->size);
    free(command->strings);
}

static int command_read(int fd, struct command *ret)
{
    struct wire_command *head;
    size_t n = 0, at = sizeof(*head);

    ret->size = (size_t)lseek(fd, 0, SEEK_END);
    if (ret->size < sizeof(*head) || ret->size > WIRE_COMMAND_MAX)
        return -E2BIG;
    ret->map = mmap(NULL, ret->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (ret->map == MAP_FAILED) {
        ret->map = NULL;
        return -errno;
    }
    head = ret->map;
    ret->strings = mem_calloc((size_t)head->argc + head->envc + 2, sizeof(char *));
    ret->argv = ret->strings;
    ret->envp = ret->strings + head->argc + 1;
    for (uint32_t i = 0; i < head->argc + head->envc; i++) {
        if (at >= ret->size)
            return -EPROTO;
        ret->strings[n + (i >= head->argc)] = (char *)ret->map + at;
        n++;
        at += strnlen((char *)ret->map + at, ret->size - at) + 1;
    }
    return 0;
}

/* Reads what the child says until its end closes by exec or death: a listener, which is handed on at once since the child's
 * next refused call waits for an answer; the pid of a process in a cell; or a failure, whose errno is returned. */
static int read_report(struct init *init, uint64_t tag, int fd, struct spawn_report *failure, pid_t *born)
{
    for (;;) {
        struct spawn_report report;
        union io_fds control;
        struct iovec iov = {&report, sizeof(report)};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failure->errnum;
        c = CMSG_FIRSTHDR(&msg);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            struct wire_event event = {.type = RUN_INIT_LISTENER, .tag = tag};
            int listener;

            memcpy(&listener, CMSG_DATA(c), sizeof(listener));
            init_send(init, &event, &listener, 1);
            close(listener);
        } else if (n != sizeof(report)) {
            return failure->errnum;
        } else if (report.errnum) {
            *failure = report;
        } else {
            *born = report.pid;
        }
    }
}

static int open_report(int report[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0 ? -errno : 0;
}

/* A copy of our page tables would cost more than all else that the child does. Until its exec we stand still, so it must not
 * have to wait for an answer that comes through us (a listener), and a v2 cgroup takes clone3(). */
static bool can_share(const struct wire_setup *setup)
{
    return setup->plan->quiet_start && (!setup->payload || setup->payload->into_fd < 0);
}

static void start(struct init *init, uint64_t tag, const struct spawn_plan *plan)
{
    struct spawn_report failure = {0};
    int report[2], r = open_report(report);
    pid_t pid, born = 0;

    if (r < 0) {
        init_send_failed(init, tag, "socketpair", -r);
        return;
    }
    pid = can_share(init->setup) ? vfork() : cgroup_birth_clone(init->setup->payload, 0);
    if (pid == 0)
        spawn_exec(plan, report[1]);
    close(report[1]);
    if (pid < 0)
        init_send_failed(init, tag, "fork", -pid);
    else if (read_report(init, tag, report[0], &failure, &born) != 0)
        init_send_failed(init, tag, failure.stage, failure.errnum);
    else
        init_send_pid(init, RUN_INIT_STARTED, tag, pid);
    if (pid > 0)
        init_child_add(init, CHILD_COMMAND, pid, tag);
    close(report[0]);
}

void init_start_command(struct init *init, uint64_t tag, int *fds)
{
    struct command command = {0};
    struct spawn_plan plan = {.stdio = {fds[1], fds[2], fds[3]}, .setup = init->setup};
    int r = command_read(fds[0], &command);

    plan.argv = command.argv;
    plan.envp = command.envp;
    if (r < 0)
        init_send_failed(init, tag, "reading the command", -r);
    else
        start(init, tag, &plan);
    command_done(&command);
}

void init_start_first(struct init *init)
{
    const struct run_init_first *first = init->setup->first;
    struct spawn_plan plan = {.argv = (char **)first->argv,
                              .envp = (char **)first->envp,
                              .stdio = {first->stdio[0], first->stdio[1], first->stdio[2]},
                              .setup = init->setup};

    start(init, first->tag, &plan);
}

void init_start_cold(struct init *init, uint64_t tag, int *fds)
{
    struct child *keeper = init_child_find(init, CHILD_KEEPER, tag);
    struct command command = {0};
    struct spawn_plan plan = {.stdio = {fds[1], fds[2], fds[3]}, .setup = init->setup, .worker = true};
    int report[2] = {-1, -1}, go[2] = {-1, -1};
    struct child *child;
    char byte;
    pid_t pid;
    int r = command_read(fds[0], &command);

    if (r == 0)
        r = open_report(report);
    if (r == 0 && pipe2(go, O_CLOEXEC) < 0)
        r = -errno;
    if (r < 0) {
        init_send_failed(init, tag, "reading the command", -r);
        command_done(&command);
        return;
    }
    plan.argv = command.argv;
    plan.envp = command.envp;
    plan.ns_fds = keeper ? keeper->ns_fd : NULL;
    plan.nns = keeper ? CELL_NS : 0;
    pid = fork();
    if (pid == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        spawn_exec(&plan, report[1]);
    }
    close(report[1]);
    close(go[0]);
    command_done(&command);
    if (pid < 0) {
        init_send_failed(init, tag, "fork", errno);
        return;
    }
    child = init_child_add(init, CHILD_INTERMEDIATE, pid, tag);
    child->go = go[1];
    child->report = report[0];
    init_send_pid(init, RUN_INIT_PENDING, tag, pid);
}

void init_proceed(struct init *init, uint64_t tag)
{
    struct child *child = init_child_find(init, CHILD_INTERMEDIATE, tag);
    struct spawn_report failure = {0};
    pid_t born = 0;

    if (!child || child->go < 0)
        return;
    if (write(child->go, "g", 1) != 1)
        init_send_failed(init, tag, "proceeding", EPIPE);
    close_fd(&child->go);
    if (read_report(init, tag, child->report, &failure, &born) != 0) {
        init_send_failed(init, tag, failure.stage, failure.errnum);
        return;
    }
    close_fd(&child->report);
    if (born) {
        init_send_pid(init, RUN_INIT_STARTED, tag, born);
        init_child_add(init, CHILD_WORKER, born, tag);
    } else { /* no cell to enter: it is the worker itself */
        child->kind = CHILD_WORKER;
        init_send_pid(init, RUN_INIT_STARTED, tag, child->pid);
    }
}

static bool read_comm(const char *pid, char *buf, size_t size)
{
    char path[300];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    n = io_read_file_at(AT_FDCWD, path, buf, size);
    if (n <= 0)
        return false;
    buf[strcspn(buf, "\n")] = '\0';
    return true;
}

static bool is_zombie(const char *pid)
{
    char path[300], buf[512];
    const char *end;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return true;
    end = strrchr(buf, ')');
    return !end || end[1] != ' ' || end[2] == 'Z' || end[2] == 'X';
}

/* In a pid namespace of our own all that is there but ourselves; else our descendants. */
uint64_t init_report_left(struct init *init, uint64_t tag)
{
    bool own = init->setup->plan->namespaces & 0x20000000 /* CLONE_NEWPID */;
    _cleanup_closedir_ DIR *dir = opendir("/proc");
    struct wire_event event = {.type = RUN_INIT_LEFT, .tag = tag};
    const struct dirent *entry;
    uint64_t tasks = 0;
    int found = 0;

    while (dir && (entry = readdir(dir))) {
        pid_t pid = atoi(entry->d_name);

        if (pid <= 0 || pid == getpid() || (!own && !descends_from(pid, getpid())))
            continue;
        tasks += proc_tree_threads(pid); /* the dead count, too, until they are reaped */
        if (found >= LEFT_MAX || is_zombie(entry->d_name) ||
            !read_comm(entry->d_name, event.stage, sizeof(event.stage)))
            continue;
        event.pid = pid;
        init_send(init, &event, NULL, 0);
        found++;
    }
    return tasks;
}
