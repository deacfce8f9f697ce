/* SPDX-License-Identifier: MIT */
/* The supervisor's side of the run init: starting it, asking it, hearing from it. */
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
#include "sandbox/launch/wire.h"
#include "sandbox/seccomp/profile.h"

#define NAMESPACES (RUN_INIT_PID_NS | RUN_INIT_MOUNT_NS | RUN_INIT_IPC_NS)
#define START_TIMEOUT_MS 10000
#define RUN_FILTERS 2

struct run_init {
    pid_t pid;
    bool reaped;
    int channel;
    unsigned has;
    char missing[512];
    int worker_filter_fd;
    struct sock_fprog run_filters[RUN_FILTERS], worker_filter;
    unsigned nrun_filters;
};

unsigned run_init_has(const struct run_init *init)
{
    return init->has;
}

const char *run_init_missing(const struct run_init *init)
{
    return init->missing;
}

pid_t run_init_pid(const struct run_init *init)
{
    return init->pid;
}

int run_init_fd(const struct run_init *init)
{
    return init->channel;
}

int run_init_worker_filter_fd(const struct run_init *init)
{
    return init->worker_filter_fd;
}

static void note_missing(struct run_init *init, const char *what, int errnum, const char *remedy)
{
    size_t at = strlen(init->missing);

    snprintf(init->missing + at, sizeof(init->missing) - at, "%s%s: %s%s%s%s", at ? "; " : "", what,
             strerror(errnum), *remedy ? " (" : "", remedy, *remedy ? ")" : "");
}

/* --- filters --- */

static int compile_beside(const char *profile, const char *name, struct sock_fprog *ret, struct err *err)
{
    const char *slash = strrchr(profile, '/');
    _cleanup_free_ char *path = mem_printf("%.*s%s", slash ? (int)(slash - profile) + 1 : 0, profile, name);

    return seccomp_profile_compile(&(struct seccomp_request){.path = path}, ret, err);
}

/* The profile is an allow list by number; guard.json beside it looks at arguments, worker.json is the workers'. */
static int compile_filters(struct run_init *init, const char *profile, struct err *err)
{
    size_t size;
    int r = seccomp_profile_compile(&(struct seccomp_request){.path = profile}, &init->run_filters[0], err);

    if (r == 0)
        r = compile_beside(profile, "guard.json", &init->run_filters[1], err);
    if (r == 0)
        r = compile_beside(profile, "worker.json", &init->worker_filter, err);
    if (r < 0)
        return r;
    init->nrun_filters = RUN_FILTERS;
    size = init->worker_filter.len * sizeof(struct sock_filter);
    init->worker_filter_fd = memfd_create("shunt-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (init->worker_filter_fd < 0 ||
        io_write_all(init->worker_filter_fd, init->worker_filter.filter, size) < 0)
        return err_set(err, ERR_SYSTEM, errno, "memfd_create: %m");
    fcntl(init->worker_filter_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return 0;
}

/* --- starting --- */

static int wait_ready(struct run_init *init, struct wire_event *event)
{
    struct pollfd pfd = {init->channel, POLLIN, 0};
    int r;

    do
        r = poll(&pfd, 1, START_TIMEOUT_MS);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return r == 0 ? -ETIMEDOUT : -errno;
    if (recv(init->channel, event, sizeof(*event), 0) != sizeof(*event) || event->type != WIRE_READY)
        return -EPIPE;
    return -event->errnum;
}

static unsigned long clone_flags(unsigned want)
{
    return SIGCHLD | (want & RUN_INIT_PID_NS ? CLONE_NEWPID : 0) |
           (want & RUN_INIT_MOUNT_NS ? CLONE_NEWNS : 0) | (want & RUN_INIT_IPC_NS ? CLONE_NEWIPC : 0);
}

static void end_child(struct run_init *init)
{
    if (init->pid > 0 && !init->reaped) {
        kill(init->pid, SIGKILL);
        while (waitpid(init->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    init->pid = 0;
    close_fd(&init->channel);
}

/* One try with exactly this isolation. On failure nothing stays, and `stage` says where it failed. */
static int try_start(struct run_init *init, struct cgroup_run *cgroup, unsigned want, char stage[48])
{
    struct wire_setup setup = {.want = want,
                               .run_filters = init->run_filters,
                               .nrun_filters = init->nrun_filters,
                               .worker_filter = init->nrun_filters ? &init->worker_filter : NULL};
    struct wire_event event = {0};
    int pair[2], go[2], r = 0;

    snprintf(stage, 48, "starting");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    if (pipe2(go, O_CLOEXEC) < 0) {
        r = -errno;
        close(pair[0]);
        close(pair[1]);
        return r;
    }
    setup.channel = pair[1];
    setup.go = go[0];
    fflush(NULL);
    init->pid = (pid_t)syscall(SYS_clone, clone_flags(want), NULL, NULL, NULL, NULL);
    if (init->pid == 0) {
        close(pair[0]);
        close(go[1]);
        init_main(&setup);
    }
    if (init->pid < 0) {
        r = -errno;
        snprintf(stage, 48, "namespaces");
    }
    init->reaped = false;
    close(pair[1]);
    close(go[0]);
    init->channel = pair[0];
    if (r == 0 && cgroup) {
        r = cgroup_run_attach_control(cgroup, init->pid);
        if (r < 0)
            snprintf(stage, 48, "joining the cgroup");
    }
    if (r == 0 && write(go[1], "g", 1) == 1) {
        r = wait_ready(init, &event);
        if (r < 0)
            snprintf(stage, 48, "%.47s", event.stage);
    }
    close(go[1]);
    if (r < 0)
        end_child(init);
    return r;
}

/* Can a cell be made? Found out by making one. */
static bool try_cell(struct run_init *init)
{
    struct pollfd pfd = {init->channel, POLLIN, 0};
    struct run_init_event event;
    bool made = false;

    if (run_init_prepare_cell(init, UINT64_MAX) < 0 || poll(&pfd, 1, START_TIMEOUT_MS) <= 0 ||
        run_init_next(init, &event) < 0)
        return false;
    if (event.type == RUN_INIT_CELL) {
        made = true;
        for (int i = 0; i < RUN_INIT_CELL_NS; i++)
            close_fd(&event.ns_fd[i]);
        run_init_drop_cell(init, UINT64_MAX);
    } else if (event.type == RUN_INIT_FAILED) {
        note_missing(init, event.stage, event.errnum, "");
    }
    return made;
}

static int start_rungs(struct run_init *init, const struct run_init_spec *spec, struct err *err)
{
    unsigned always = spec->want & (RUN_INIT_CAPS | (init->nrun_filters ? RUN_INIT_SECCOMP : 0));
    unsigned full = always | (spec->want & (NAMESPACES | RUN_INIT_CGROUP_RO));
    char stage[48];
    int r;

    /* A pid namespace without its own /proc would show the wrong processes, so the three go together. */
    if (full & NAMESPACES) {
        r = try_start(init, spec->cgroup, full, stage);
        if (r == 0) {
            init->has = full;
            return 0;
        }
        note_missing(init, stage, -r, r == -EPERM && geteuid() != 0 ? "needs root" : "");
    }
    r = try_start(init, spec->cgroup, always, stage);
    if (r < 0)
        return err_set(err, ERR_SYSTEM, -r, "cannot start the run's first process: %s: %m", stage);
    init->has = always;
    return 0;
}

int run_init_start(const struct run_init_spec *spec, struct run_init **ret, struct err *err)
{
    struct run_init *init = mem_zalloc(sizeof(*init));
    int r = 0;

    init->channel = init->worker_filter_fd = -1;
    if (spec->seccomp_profile && (spec->want & RUN_INIT_SECCOMP))
        r = compile_filters(init, spec->seccomp_profile, err);
    if (r == 0)
        r = start_rungs(init, spec, err);
    if (r < 0) {
        run_init_free(init);
        return r;
    }
    if ((init->has & RUN_INIT_PID_NS) && (spec->want & RUN_INIT_CELLS) && try_cell(init))
        init->has |= RUN_INIT_CELLS;
    io_set_nonblock(init->channel, true);
    *ret = init;
    return 0;
}

void run_init_free(struct run_init *init)
{
    if (!init)
        return;
    /* A subreaper must live to end its descendants: closing the channel tells it to, and it takes at most 400 ms. */
    if (init->pid > 0 && !init->reaped && !(init->has & RUN_INIT_PID_NS)) {
        close_fd(&init->channel);
        for (int i = 0; i < 200 && waitpid(init->pid, NULL, WNOHANG) == 0; i++)
            usleep(5000);
        init->reaped = waitpid(init->pid, NULL, WNOHANG) < 0;
    }
    end_child(init);
    close_fd(&init->worker_filter_fd);
    for (unsigned i = 0; i < RUN_FILTERS; i++)
        seccomp_profile_done(&init->run_filters[i]);
    seccomp_profile_done(&init->worker_filter);
    free(init);
}

/* --- asking --- */

static int send_request(struct run_init *init, uint32_t op, uint64_t tag, int32_t arg, const int *fds,
                        size_t nfds)
{
    struct wire_request request = {.op = op, .arg = arg, .tag = tag};
    union io_fds control;
    struct iovec iov = {&request, sizeof(request)};
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

int run_init_next(struct run_init *init, struct run_init_event *ret)
{
    static const char *const names[RUN_INIT_CELL_NS] = {"user", "ipc", "pid", "mnt"};
    struct wire_event event;
    int fds[WIRE_FDS_MAX];
    size_t nfds;
    ssize_t n = receive(init, &event, fds, &nfds);

    *ret = (struct run_init_event){.type = RUN_INIT_NONE, .ns_fd = {-1, -1, -1, -1}};
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
    memcpy(ret->stage, event.stage, sizeof(ret->stage));
    if (event.type == RUN_INIT_CELL && nfds == RUN_INIT_CELL_NS) {
        for (int i = 0; i < RUN_INIT_CELL_NS; i++) {
            ret->ns_fd[i] = fds[i];
            snprintf(ret->ns_name[i], sizeof(ret->ns_name[i]), "%s", names[i]);
        }
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
        return init->has & RUN_INIT_PID_NS ? (pid_t)inside : (pid_t)ours;
    case 1:
        return (pid_t)ours;
    default:
        return -ENOENT;
    }
}
