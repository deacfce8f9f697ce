/* SPDX-License-Identifier: MIT */
/*
 * The run init: pid 1 of the run (or its child subreaper). It does what shunt asks, reaps whatever the run leaves behind,
 * and when shunt is gone ends everything. It is privileged, so it does little, and nothing that a test could ask for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/launch/kill_tree.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/launch/wire.h"
#include "sandbox/mounts/mounts.h"

enum child_kind { CHILD_KEEPER, CHILD_COMMAND, CHILD_WORKER, CHILD_INTERMEDIATE };

struct child {
    enum child_kind kind;
    pid_t pid;
    uint64_t tag;
    int ns_fd[4];    /* KEEPER */
    int go, report;  /* INTERMEDIATE: to let it proceed, and what it says */
};

struct init {
    const struct wire_setup *setup;
    int channel;
    struct child children[WIRE_CHILDREN_MAX];
    size_t n;
};

static struct child *child_add(struct init *init, enum child_kind kind, pid_t pid, uint64_t tag)
{
    struct child *child = &init->children[init->n++];

    *child = (struct child){
        .kind = kind, .pid = pid, .tag = tag, .ns_fd = {-1, -1, -1, -1}, .go = -1, .report = -1};
    return child;
}

static struct child *child_find(struct init *init, enum child_kind kind, uint64_t tag)
{
    for (size_t i = 0; i < init->n; i++)
        if (init->children[i].kind == kind && init->children[i].tag == tag)
            return &init->children[i];
    return NULL;
}

static void child_remove(struct init *init, struct child *child)
{
    for (int i = 0; i < 4; i++)
        close_fd(&child->ns_fd[i]);
    close_fd(&child->go);
    close_fd(&child->report);
    *child = init->children[--init->n];
}

/* --- events --- */

static void send_event(struct init *init, const struct wire_event *event, const int *fds, size_t nfds)
{
    union io_fds control;
    struct iovec iov = {(void *)event, sizeof(*event)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    io_attach_fds(&msg, &control, fds, nfds);
    /* Blocks when shunt does not read: it always does, or is dead, and then this fails. */
    while (sendmsg(init->channel, &msg, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void send_failed(struct init *init, uint64_t tag, const char *stage, int errnum)
{
    struct wire_event event = {.type = RUN_INIT_FAILED, .tag = tag, .errnum = errnum};

    snprintf(event.stage, sizeof(event.stage), "%s", stage);
    send_event(init, &event, NULL, 0);
}

/* A pid of ours means nothing to shunt; a pidfd does. */
static void send_pid(struct init *init, uint32_t type, uint64_t tag, pid_t pid)
{
    struct wire_event event = {.type = type, .tag = tag, .pid = pid};
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    send_event(init, &event, &fd, fd >= 0 ? 1 : 0);
}

/* --- starting things --- */

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

/* Reads what the child says until its end of the pipe closes by exec or death. Returns its errno. */
static int read_report(int fd, struct spawn_report *failure, pid_t *born)
{
    struct spawn_report report;
    ssize_t n;

    for (;;) {
        n = read(fd, &report, sizeof(report));
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(report))
            return failure->errnum;
        if (report.errnum)
            *failure = report;
        else
            *born = report.pid;
    }
}

static void start_command(struct init *init, uint64_t tag, int *fds)
{
    struct command command = {0};
    struct spawn_plan plan = {.stdio = {fds[1], fds[2], fds[3]}, .setup = init->setup};
    struct spawn_report failure = {0};
    int report[2];
    pid_t pid, born = 0;
    int r = command_read(fds[0], &command);

    if (r == 0 && pipe2(report, O_CLOEXEC) < 0)
        r = -errno;
    if (r < 0) {
        send_failed(init, tag, "reading the command", -r);
        command_done(&command);
        return;
    }
    plan.argv = command.argv;
    plan.envp = command.envp;
    pid = fork();
    if (pid == 0)
        spawn_exec(&plan, report[1]);
    close(report[1]);
    command_done(&command);
    if (pid < 0)
        send_failed(init, tag, "fork", errno);
    else if (read_report(report[0], &failure, &born) != 0)
        send_failed(init, tag, failure.stage, failure.errnum);
    else
        send_pid(init, RUN_INIT_STARTED, tag, pid);
    if (pid > 0)
        child_add(init, CHILD_COMMAND, pid, tag);
    close(report[0]);
}

static void start_cold(struct init *init, uint64_t tag, int *fds)
{
    struct child *keeper = child_find(init, CHILD_KEEPER, tag);
    struct command command = {0};
    struct spawn_plan plan = {.stdio = {fds[1], fds[2], fds[3]}, .setup = init->setup, .worker = true};
    int report[2] = {-1, -1}, go[2] = {-1, -1};
    struct child *child;
    char byte;
    pid_t pid;
    int r = command_read(fds[0], &command);

    if (r == 0 && (pipe2(report, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0))
        r = -errno;
    if (r < 0) {
        send_failed(init, tag, "reading the command", -r);
        command_done(&command);
        return;
    }
    plan.argv = command.argv;
    plan.envp = command.envp;
    plan.ns_fds = keeper ? keeper->ns_fd : NULL;
    plan.nns = keeper ? 4 : 0;
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
        send_failed(init, tag, "fork", errno);
        return;
    }
    child = child_add(init, CHILD_INTERMEDIATE, pid, tag);
    child->go = go[1];
    child->report = report[0];
    send_pid(init, RUN_INIT_PENDING, tag, pid);
}

static void proceed(struct init *init, uint64_t tag)
{
    struct child *child = child_find(init, CHILD_INTERMEDIATE, tag);
    struct spawn_report failure = {0};
    pid_t born = 0;

    if (!child || child->go < 0)
        return;
    if (write(child->go, "g", 1) != 1)
        send_failed(init, tag, "proceeding", EPIPE);
    close_fd(&child->go);
    if (read_report(child->report, &failure, &born) != 0) {
        send_failed(init, tag, failure.stage, failure.errnum);
        return;
    }
    close_fd(&child->report);
    if (born) {
        send_pid(init, RUN_INIT_STARTED, tag, born);
        child_add(init, CHILD_WORKER, born, tag);
    } else { /* no cell to enter: it is the worker itself */
        child->kind = CHILD_WORKER;
        send_pid(init, RUN_INIT_STARTED, tag, child->pid);
    }
}

static void prepare_cell(struct init *init, uint64_t tag)
{
    struct wire_event event = {.type = RUN_INIT_CELL, .tag = tag};
    int ns_fd[4] = {-1, -1, -1, -1};
    const char *stage;
    pid_t pid = cell_create((unsigned)tag, ns_fd, &stage);

    if (pid < 0) {
        for (int i = 0; i < 4; i++)
            close_fd(&ns_fd[i]);
        send_failed(init, tag, stage, -pid);
        return;
    }
    memcpy(child_add(init, CHILD_KEEPER, pid, tag)->ns_fd, ns_fd, sizeof(ns_fd));
    event.pid = pid;
    send_event(init, &event, ns_fd, 4);
}

static void handle_request(struct init *init, const struct wire_request *request, int *fds, size_t nfds)
{
    struct child *child;

    if ((request->op == WIRE_SPAWN || request->op == WIRE_CELL || request->op == WIRE_SPAWN_CELL) &&
        init->n + 2 >= WIRE_CHILDREN_MAX) {
        send_failed(init, request->tag, "too many children", EAGAIN);
        return;
    }
    switch (request->op) {
    case WIRE_SPAWN:
        if (nfds == 4)
            start_command(init, request->tag, fds);
        break;
    case WIRE_SPAWN_CELL:
        if (nfds == 4)
            start_cold(init, request->tag, fds);
        break;
    case WIRE_CELL:
        prepare_cell(init, request->tag);
        break;
    case WIRE_PROCEED:
        proceed(init, request->tag);
        break;
    case WIRE_DROP:
        child = child_find(init, CHILD_KEEPER, request->tag);
        if (child)
            kill(child->pid, SIGKILL);
        break;
    case WIRE_KILL_TREE:
        kill_tree(request->arg);
        break;
    case WIRE_SIGNAL:
        child = child_find(init, CHILD_COMMAND, request->tag);
        if (child)
            kill(child->pid, request->arg);
        break;
    }
}

/* --- the loop --- */

/* False when shunt is gone. */
static bool read_request(struct init *init)
{
    struct wire_request request;
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {&request, sizeof(request)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int fds[WIRE_FDS_MAX];
    size_t nfds = 0;
    ssize_t n = recvmsg(init->channel, &msg, MSG_CMSG_CLOEXEC);

    if (n < 0 && errno == EINTR)
        return true;
    if (n != sizeof(request))
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
        }
    handle_request(init, &request, fds, nfds);
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    return true;
}

static void reap(struct init *init)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct wire_event event = {.type = RUN_INIT_EXITED, .pid = pid, .status = status};
        bool silent = false;

        for (size_t i = 0; i < init->n; i++) {
            struct child *child = &init->children[i];

            if (child->pid != pid)
                continue;
            silent = child->kind == CHILD_KEEPER || child->kind == CHILD_INTERMEDIATE;
            event.tag = child->tag;
            child_remove(init, child);
            break;
        }
        if (!silent)
            send_event(init, &event, NULL, 0);
    }
}

/* As pid 1 our end is everybody's. As a subreaper all that was orphaned is our child sooner or later. */
static _Noreturn void end_everything(struct init *init)
{
    if (!(init->setup->want & RUN_INIT_PID_NS))
        for (int i = 0; i < 200 && kill_descendants() > 0; i++) {
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
            usleep(2000);
        }
    _exit(0);
}

static int build_sandbox(const struct wire_setup *setup, const char **stage)
{
    int r = 0;

    if (setup->want & RUN_INIT_MOUNT_NS) {
        *stage = "making mounts private";
        r = mounts_make_slave();
    }
    if (r == 0 && (setup->want & RUN_INIT_PID_NS)) {
        *stage = "mounting /proc";
        r = mounts_proc();
    }
    if (r == 0 && (setup->want & RUN_INIT_CGROUP_RO)) {
        *stage = "making cgroup files read-only";
        r = mounts_cgroup_readonly();
    }
    return r;
}

static void stand_up(struct init *init)
{
    const struct wire_setup *setup = init->setup;
    struct wire_event event = {.type = WIRE_READY, .status = (int32_t)setup->want};
    const char *stage = "";
    int r;

    prctl(PR_SET_NAME, "shunt-init", 0, 0, 0);
    if (setup->want & RUN_INIT_PID_NS)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    else
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    setsid();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    r = build_sandbox(setup, &stage);
    event.errnum = -r;
    snprintf(event.stage, sizeof(event.stage), "%s", stage);
    send_event(init, &event, NULL, 0);
    if (r < 0)
        _exit(1);
}

_Noreturn void init_main(const struct wire_setup *setup)
{
    static struct init init;
    struct signalfd_siginfo info;
    sigset_t set;
    char byte;
    int signal_fd;

    init.setup = setup;
    init.channel = setup->channel;
    if (read(setup->go, &byte, 1) != 1)
        _exit(1);
    stand_up(&init);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    for (;;) {
        struct pollfd fds[2] = {{init.channel, POLLIN, 0}, {signal_fd, POLLIN, 0}};

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            end_everything(&init);
        if (fds[1].revents && read(signal_fd, &info, sizeof(info)) > 0)
            reap(&init);
        if (fds[0].revents && !read_request(&init))
            end_everything(&init);
    }
}
