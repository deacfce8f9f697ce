/* SPDX-License-Identifier: MIT */
/*
 * The run init: pid 1 of the run (or its child subreaper). It does what shunt asks, reaps whatever the run leaves behind,
 * and when shunt is gone ends everything. It is privileged, so it does little, and nothing that a test could ask for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/init.h"
#include "sandbox/launch/kill_tree.h"
#include "sandbox/launch/stand.h"
#include "sandbox/plan/plan.h"

struct child *init_child_add(struct init *init, enum child_kind kind, pid_t pid, uint64_t tag)
{
    struct child *child = &init->children[init->n++];

    *child = (struct child){.kind = kind, .pid = pid, .tag = tag, .go = -1, .report = -1};
    for (int i = 0; i < CELL_NS; i++)
        child->ns_fd[i] = -1;
    return child;
}

struct child *init_child_find(struct init *init, enum child_kind kind, uint64_t tag)
{
    for (size_t i = 0; i < init->n; i++)
        if (init->children[i].kind == kind && init->children[i].tag == tag)
            return &init->children[i];
    return NULL;
}

static void child_remove(struct init *init, struct child *child)
{
    for (int i = 0; i < CELL_NS; i++)
        close_fd(&child->ns_fd[i]);
    close_fd(&child->go);
    close_fd(&child->report);
    *child = init->children[--init->n];
}

/* --- events --- */

void init_send(struct init *init, const struct wire_event *event, const int *fds, size_t nfds)
{
    union io_fds control;
    struct iovec iov = {(void *)event, sizeof(*event)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    io_attach_fds(&msg, &control, fds, nfds);
    /* Blocks when shunt does not read: it always does, or is dead, and then this fails. */
    while (sendmsg(init->channel, &msg, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void init_send_failed(struct init *init, uint64_t tag, const char *stage, int errnum)
{
    struct wire_event event = {.type = RUN_INIT_FAILED, .tag = tag, .errnum = errnum};

    snprintf(event.stage, sizeof(event.stage), "%s", stage);
    init_send(init, &event, NULL, 0);
}

void init_send_pid(struct init *init, uint32_t type, uint64_t tag, pid_t pid)
{
    struct wire_event event = {.type = type, .tag = tag, .pid = pid};
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    init_send(init, &event, &fd, fd >= 0 ? 1 : 0);
}

/* --- requests --- */

static void prepare_cell(struct init *init, uint64_t tag)
{
    struct wire_event event = {.type = RUN_INIT_CELL, .tag = tag};
    const struct sandbox_plan *plan = init->setup->plan;
    char scratch[WIRE_PATH_MAX];
    struct cell_request request = {.plan = plan, .number = (unsigned)tag, .keep = init->keep_list};
    int ns_fd[CELL_NS] = {-1, -1, -1, -1, -1}, sent[CELL_NS], nsent = 0;
    const char *stage;
    pid_t pid;

    if (plan->scratch && plan->mounts[MOUNTS_CELL]) {
        snprintf(scratch, sizeof(scratch), "%s/cell-%u", plan->scratch, (unsigned)tag);
        mkdir(scratch, 0700);
        request.scratch = scratch;
    }
    pid = cell_create(&request, ns_fd, &stage);
    if (pid < 0) {
        for (int i = 0; i < CELL_NS; i++)
            close_fd(&ns_fd[i]);
        init_send_failed(init, tag, stage, -pid);
        return;
    }
    memcpy(init_child_add(init, CHILD_KEEPER, pid, tag)->ns_fd, ns_fd, sizeof(ns_fd));
    event.pid = pid;
    for (int i = 0; i < CELL_NS; i++)
        if (ns_fd[i] >= 0) {
            event.status |= 1 << i; /* which they are */
            sent[nsent++] = ns_fd[i];
        }
    init_send(init, &event, sent, (size_t)nsent);
}

static void keep_path(struct init *init, const char *path)
{
    if (init->nkeep >= WIRE_KEEP_MAX)
        return;
    snprintf(init->keep[init->nkeep], WIRE_PATH_MAX, "%s", path);
    init->keep_list[init->nkeep] = init->keep[init->nkeep];
    init->nkeep++;
}

/* The descriptors stay open as long as we live. */
static void take_payload(struct init *init, int32_t arg, int *fds, size_t nfds)
{
    static struct cgroup_birth birth = CGROUP_BIRTH_INIT;
    size_t next = 0;

    init->setup->payload_comes = false;
    birth.ntasks = (unsigned)arg & 0xff;
    if (birth.ntasks > CGROUP_BIRTH_MAX || birth.ntasks + !!(arg & WIRE_HAS_INTO) + !!(arg & WIRE_HAS_PROCS) != nfds)
        _exit(1);
    if (nfds == 0)
        return;
    for (; next < birth.ntasks; next++)
        birth.tasks_fd[next] = take_fd(&fds[next]);
    if (arg & WIRE_HAS_INTO)
        birth.into_fd = take_fd(&fds[next++]);
    if (arg & WIRE_HAS_PROCS)
        birth.procs_fd = take_fd(&fds[next++]);
    init->setup->payload = &birth;
}

static void handle_request(struct init *init, const struct wire_request *request, int *fds, size_t nfds)
{
    struct child *child;

    if ((request->op == WIRE_SPAWN || request->op == WIRE_CELL || request->op == WIRE_SPAWN_CELL) &&
        init->n + 2 >= WIRE_CHILDREN_MAX) {
        init_send_failed(init, request->tag, "too many children", EAGAIN);
        return;
    }
    switch (request->op) {
    case WIRE_SPAWN:
        if (nfds == 4)
            init_start_command(init, request->tag, fds);
        break;
    case WIRE_SPAWN_CELL:
        if (nfds == 4)
            init_start_cold(init, request->tag, fds);
        break;
    case WIRE_CELL:
        prepare_cell(init, request->tag);
        break;
    case WIRE_PROCEED:
        init_proceed(init, request->tag);
        break;
    case WIRE_DROP:
        child = init_child_find(init, CHILD_KEEPER, request->tag);
        if (child)
            kill(child->pid, SIGKILL);
        break;
    case WIRE_KILL_TREE:
        kill_tree(request->arg);
        break;
    case WIRE_SIGNAL:
        child = init_child_find(init, CHILD_COMMAND, request->tag);
        if (child)
            kill(child->pid, request->arg);
        break;
    case WIRE_KEEP:
        keep_path(init, request->text);
        break;
    case WIRE_NET:
        if (nfds == 1)
            init->net_fd = take_fd(&fds[0]);
        break;
    case WIRE_PAYLOAD:
        take_payload(init, request->arg, fds, nfds);
        break;
    }
}

/* --- the loop --- */

/* False when shunt is gone. */
static bool read_request(struct init *init)
{
    struct wire_request request = {0};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {&request, sizeof(request) - 1}; /* the text always ends */
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int fds[WIRE_FDS_MAX];
    size_t nfds = 0;
    ssize_t n = recvmsg(init->channel, &msg, MSG_CMSG_CLOEXEC);

    if (n < 0 && errno == EINTR)
        return true;
    if (n < (ssize_t)offsetof(struct wire_request, text))
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
        }
    handle_request(init, &request, fds, nfds);
    for (size_t i = 0; i < nfds; i++)
        close_fd(&fds[i]);
    return true;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * NS_PER_SEC + (uint64_t)tv->tv_usec * NS_PER_US;
}

/* Whoever lives in our pid namespace has become our child by now, or descends from one. */
static bool nothing_left(const struct init *init)
{
    siginfo_t info;

    return init->setup->plan->namespaces & CLONE_NEWPID && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
           errno == ECHILD;
}

static void reap(struct init *init)
{
    struct rusage usage;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        struct wire_event event = {
            .type = RUN_INIT_EXITED,
            .pid = pid,
            .status = status,
            .cpu_ns = timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime),
            .peak_bytes = (uint64_t)usage.ru_maxrss * 1024,
        };
        bool silent = false;

        for (size_t i = 0; i < init->n; i++) {
            struct child *child = &init->children[i];

            if (child->pid != pid)
                continue;
            silent = child->kind == CHILD_KEEPER || child->kind == CHILD_INTERMEDIATE;
            if (child->kind == CHILD_COMMAND && init->setup->watch_left && !nothing_left(init))
                event.left_tasks = init_report_left(init, child->tag);
            event.tag = child->tag;
            child_remove(init, child);
            break;
        }
        if (!silent)
            init_send(init, &event, NULL, 0);
    }
}

/* As pid 1 our end is everybody's. As a subreaper all that was orphaned is our child sooner or later. */
static _Noreturn void end_everything(struct init *init)
{
    if (!(init->setup->plan->namespaces & CLONE_NEWPID))
        for (int i = 0; i < 200 && kill_descendants() > 0; i++) {
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
            usleep(2000);
        }
    _exit(0);
}

static int enter_net(struct init *init, int32_t *ret_lost, const char **ret_stage)
{
    while (init->net_fd < 0)
        if (!read_request(init))
            end_everything(init);
    if (setns(init->net_fd, CLONE_NEWNET) < 0) {
        *ret_stage = "the network namespace";
        *ret_lost = (int32_t)SPEC_BIT(SPEC_NET);
        return -errno;
    }
    close_fd(&init->net_fd);
    return stand_up_net(init->setup->plan, ret_lost, ret_stage);
}

_Noreturn void init_main(struct wire_setup *setup)
{
    static struct init init;
    struct wire_event ready = {.type = WIRE_READY};
    struct signalfd_siginfo info;
    const char *stage = "";
    sigset_t set;
    char byte;
    int signal_fd;

    init.setup = setup;
    init.net_fd = -1;
    init.channel = setup->channel;
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (setup->go >= 0 && read(setup->go, &byte, 1) != 1)
        _exit(1);
    ready.errnum = -stand_up(setup, &ready.status, &stage);
    if (!ready.errnum && setup->net_comes)
        ready.errnum = -enter_net(&init, &ready.status, &stage);
    snprintf(ready.stage, sizeof(ready.stage), "%s", stage);
    init_send(&init, &ready, NULL, 0);
    /* Who ends with something unread takes its last words back: shunt would read ECONNRESET. It ends us. */
    while (ready.errnum)
        if (!read_request(&init))
            _exit(1);
    while (setup->payload_comes)
        if (!read_request(&init))
            end_everything(&init);
    if (setup->first)
        init_start_first(&init);
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
