/* SPDX-License-Identifier: MIT */
/* The supervisor's side of the run init: asking it, hearing from it. start.c starts it. */
#include "sandbox/launch/run_init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/internal.h"
#include "sandbox/launch/kill_tree.h"
#include "sandbox/launch/wire.h"
#include "sandbox/plan/plan.h"

const struct sandbox_plan *run_init_plan(const struct run_init *init)
{
    return init->plan;
}

bool run_init_cells(const struct run_init *init)
{
    return init->cells;
}

bool run_init_contained(const struct run_init *init)
{
    return init->plan->namespaces & CLONE_NEWPID;
}

const char *run_init_missing(const struct run_init *init)
{
    return init->missing;
}

pid_t run_init_pid(const struct run_init *init)
{
    return init->pid;
}

bool run_init_owns(const struct run_init *init, pid_t pid, unsigned uid)
{
    return uid == init->plan->uid && descends_from(pid, init->pid);
}

int run_init_fd(const struct run_init *init)
{
    return init->channel;
}

int run_init_seal_fd(const struct run_init *init)
{
    return init->seal_fd;
}

void run_init_free(struct run_init *init)
{
    if (!init)
        return;
    /* A subreaper must live to end its descendants: closing the channel tells it to, and it takes at most 400 ms. */
    if (init->pid > 0 && !init->reaped && init->plan && !run_init_contained(init)) {
        close_fd(&init->channel);
        for (int i = 0; i < 200 && waitpid(init->pid, NULL, WNOHANG) == 0; i++)
            usleep(5000);
        init->reaped = waitpid(init->pid, NULL, WNOHANG) < 0;
    }
    run_init_end_child(init);
    close_fd(&init->seal_fd);
    plan_free(init->plan);
    free(init);
}

void run_init_abandon(struct run_init *init)
{
    if (init && init->pid > 0 && run_init_contained(init) && kill(init->pid, SIGKILL) == 0)
        init->reaped = true;
    run_init_free(init);
}

/* --- asking --- */

static int send_message(struct run_init *init, const struct wire_request *request, size_t size, const int *fds,
                        size_t nfds)
{
    union io_fds control;
    struct iovec iov = {(void *)request, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct pollfd pfd = {init->channel, POLLOUT, 0};
    ssize_t n;

    io_attach_fds(&msg, &control, fds, nfds);
    /* The run init reads whenever it is not starting something: its queue is full for milliseconds at most. */
    while ((n = sendmsg(init->channel, &msg, MSG_NOSIGNAL)) < 0) {
        if (errno == EAGAIN && poll(&pfd, 1, 1000) > 0)
            continue;
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int send_request(struct run_init *init, uint32_t op, uint64_t tag, int32_t arg, const int *fds, size_t nfds)
{
    struct wire_request request = {.op = op, .arg = arg, .tag = tag};

    return send_message(init, &request, offsetof(struct wire_request, text), fds, nfds);
}

int run_init_keep(struct run_init *init, const char *path)
{
    struct wire_request request = {.op = WIRE_KEEP};
    size_t length = strlen(path);

    if (length >= sizeof(request.text) - 1)
        return -ENAMETOOLONG;
    memcpy(request.text, path, length + 1);
    return send_message(init, &request, offsetof(struct wire_request, text) + length + 1, NULL, 0);
}

int run_init_send_net(struct run_init *init, int fd)
{
    return send_request(init, WIRE_NET, 0, 0, &fd, 1);
}

int run_init_send_payload(struct run_init *init, const struct cgroup_birth *birth)
{
    static const struct cgroup_birth none = CGROUP_BIRTH_INIT;
    int fds[CGROUP_BIRTH_MAX + 2], arg;
    size_t n = 0;

    if (!birth)
        birth = &none;
    arg = (int)birth->ntasks;
    for (; n < birth->ntasks; n++)
        fds[n] = birth->tasks_fd[n];
    if (birth->into_fd >= 0) {
        fds[n++] = birth->into_fd;
        arg |= WIRE_HAS_INTO;
    }
    if (birth->procs_fd >= 0) {
        fds[n++] = birth->procs_fd;
        arg |= WIRE_HAS_PROCS;
    }
    return send_request(init, WIRE_PAYLOAD, 0, arg, fds, n);
}

static int command_memfd(char *const argv[], char *const envp[])
{
    struct wire_command head = {.bytes = sizeof(head)};
    _cleanup_close_ int fd = memfd_create("shunt-command", MFD_CLOEXEC);
    char *const *lists[2] = {argv, envp};
    FILE *f;
    int copy;

    if (fd < 0)
        return -errno;
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; lists[l][i]; i++) {
            head.bytes += strlen(lists[l][i]) + 1;
            *(l ? &head.envc : &head.argc) += 1;
        }
    if (head.bytes > WIRE_COMMAND_MAX)
        return -E2BIG;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    f = copy < 0 ? NULL : fdopen(copy, "w");
    if (!f)
        return -errno;
    fwrite(&head, sizeof(head), 1, f);
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; lists[l][i]; i++)
            fwrite(lists[l][i], strlen(lists[l][i]) + 1, 1, f);
    return fclose(f) == 0 ? take_fd(&fd) : -errno;
}

static int send_command(struct run_init *init, uint32_t op, uint64_t tag, char *const argv[],
                        char *const envp[], const int stdio[3])
{
    _cleanup_close_ int command = command_memfd(argv, envp);
    int fds[4] = {command, stdio[0], stdio[1], stdio[2]};

    return command < 0 ? command : send_request(init, op, tag, 0, fds, 4);
}

int run_init_spawn(struct run_init *init, uint64_t tag, char *const argv[], char *const envp[],
                   const int stdio[3])
{
    return send_command(init, WIRE_SPAWN, tag, argv, envp, stdio);
}

int run_init_spawn_in_cell(struct run_init *init, uint64_t tag, char *const argv[],
                           char *const envp[], const int stdio[3])
{
    return send_command(init, WIRE_SPAWN_CELL, tag, argv, envp, stdio);
}

int run_init_prepare_cell(struct run_init *init, uint64_t tag)
{
    return send_request(init, WIRE_CELL, tag, 0, NULL, 0);
}

int run_init_proceed(struct run_init *init, uint64_t tag)
{
    return send_request(init, WIRE_PROCEED, tag, 0, NULL, 0);
}

int run_init_drop_cell(struct run_init *init, uint64_t tag)
{
    return send_request(init, WIRE_DROP, tag, 0, NULL, 0);
}

int run_init_kill_tree(struct run_init *init, pid_t pid)
{
    return send_request(init, WIRE_KILL_TREE, 0, pid, NULL, 0);
}

int run_init_signal(struct run_init *init, uint64_t tag, int signum)
{
    return send_request(init, WIRE_SIGNAL, tag, signum, NULL, 0);
}

/* --- hearing --- */

static ssize_t receive(struct run_init *init, struct wire_event *event, int *fds, size_t *nfds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {event, sizeof(*event)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do
        n = recvmsg(init->channel, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *nfds = 0;
    for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            *nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
        }
    return n < 0 ? -errno : n;
}

/* The process behind a pidfd, in our own pid namespace (fdinfo, "Pid:"); 0 when it is gone or hidden. */
static pid_t pid_of_pidfd(int fd)
{
    char path[64], buf[1024];
    const char *line;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return 0;
    line = strstr(buf, "\nPid:");
    return line && atoi(line + 5) > 0 ? atoi(line + 5) : 0;
}

static void init_gone(struct run_init *init, struct run_init_event *ret)
{
    ret->type = RUN_INIT_GONE;
    if (!init->reaped && waitpid(init->pid, &ret->status, 0) == init->pid)
        init->reaped = true;
}

static void take_cell(const struct wire_event *event, const int *fds, size_t nfds, struct run_init_event *ret)
{
    static const char *const names[RUN_INIT_CELL_NS] = {"user", "ipc", "net", "pid", "mnt"};
    size_t next = 0;

    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        if (event->status & 1 << i && next < nfds) {
            ret->ns_fd[i] = fds[next++];
            snprintf(ret->ns_name[i], sizeof(ret->ns_name[i]), "%s", names[i]);
        }
}

int run_init_next(struct run_init *init, struct run_init_event *ret)
{
    struct wire_event event;
    int fds[WIRE_FDS_MAX];
    size_t nfds;
    ssize_t n = receive(init, &event, fds, &nfds);

    *ret = (struct run_init_event){.type = RUN_INIT_NONE, .fd = -1, .ns_fd = {-1, -1, -1, -1, -1}};
    if (n == -EAGAIN)
        return 0;
    if (n != sizeof(event)) {
        init_gone(init, ret);
        return 0;
    }
    ret->type = (enum run_init_event_type)event.type;
    ret->tag = event.tag;
    ret->pid_inside = event.pid;
    ret->status = event.status;
    ret->errnum = event.errnum;
    ret->cpu_ns = event.cpu_ns;
    ret->peak_bytes = event.peak_bytes;
    ret->left_tasks = event.left_tasks;
    memcpy(ret->stage, event.stage, sizeof(ret->stage));
    ret->stage[sizeof(ret->stage) - 1] = '\0';
    if (event.type == RUN_INIT_CELL) {
        take_cell(&event, fds, nfds, ret);
        return 0;
    }
    if (event.type == RUN_INIT_LISTENER && nfds == 1) {
        ret->fd = fds[0];
        return 0;
    }
    if (nfds > 0 && (event.type == RUN_INIT_STARTED || event.type == RUN_INIT_PENDING))
        ret->pid = pid_of_pidfd(fds[0]);
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    return 0;
}

pid_t run_init_pid_inside(const struct run_init *init, pid_t pid)
{
    char path[64], buf[4096];
    const char *line;
    long ours, inside;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (io_read_file_at(AT_FDCWD, path, buf, sizeof(buf)) < 0)
        return -ESRCH;
    line = strstr(buf, "\nNSpid:");
    if (!line)
        return -ENOENT;
    switch (sscanf(line + 7, "%ld %ld", &ours, &inside)) {
    case 2:
        return run_init_contained(init) ? (pid_t)inside : (pid_t)ours;
    case 1:
        return (pid_t)ours;
    default:
        return -ENOENT;
    }
}
