/* SPDX-License-Identifier: MIT */
/* Filters, notification from one end to the other, the kernel's log, Landlock. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/probe/internal.h"

#define ANSWER_WAIT_MS 10000
#define LOG_WAIT_MS 20
#define LOG_LINES_MOST 4096

/* Harmless, needed by nobody here, and the same everywhere: what the trials refuse. */
#define VICTIM SYS_sysinfo

static const unsigned victims[] = {VICTIM};
static const unsigned makers[] = {
    SYS_clone,
#ifdef SYS_clone3
    SYS_clone3,
#endif
#ifdef SYS_fork
    SYS_fork,
#endif
#ifdef SYS_vfork
    SYS_vfork,
#endif
};

#define CALLS_MOST 4

/* Loads a filter that answers `action` to the calls. The architecture is not looked at: only this very child makes calls.
 * Returns what seccomp(2) returns (a listener, with that flag), or -errno. */
static int load(const unsigned *calls, size_t n, unsigned action, unsigned flags)
{
    struct sock_filter code[CALLS_MOST + 3];
    struct sock_fprog program = {(unsigned short)(n + 3), code};
    int r;

    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < n; i++)
        code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], (unsigned char)(n - i), 0);
    code[n + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    return r < 0 ? -errno : r;
}

static void try_filter(struct probe_rung *rungs)
{
    struct probe_rung *rung = &rungs[PROBE_SECCOMP_FILTER];
    struct sysinfo info;
    int r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        probe_fails(&rungs[PROBE_ABLE_NO_NEW_PRIVS], errno, "PR_SET_NO_NEW_PRIVS: %m");
    else
        probe_works(&rungs[PROBE_ABLE_NO_NEW_PRIVS], "%s", "");
    r = load(victims, 1, SECCOMP_RET_ERRNO | EDOM, 0);
    if (r < 0)
        probe_fails(rung, -r, "seccomp: %s", strerror(-r));
    else if (sysinfo(&info) == 0 || errno != EDOM)
        probe_fails(rung, 0, "a call that the filter refuses was let through");
    else
        probe_works(rung, "%s", "");
}

/* ---- notification ---- */

struct notified { /* shared with the child, which also shares our descriptors */
    volatile int listener;
    volatile int first, second; /* errno of the call made twice */
};

/* The child of a clone(CLONE_FILES): the listener that it opens is ours as well. */
static _Noreturn void notified_child(struct notified *shared, bool forks, int ready)
{
    struct sysinfo info;
    int r = forks ? load(makers, sizeof(makers) / sizeof(makers[0]), SECCOMP_RET_USER_NOTIF,
                         SECCOMP_FILTER_FLAG_NEW_LISTENER)
                  : load(victims, 1, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

    shared->listener = r;
    if (write(ready, "", 1) != 1 || r < 0)
        _exit(1);
    for (int i = 0; i < 2; i++) {
        pid_t pid = 0;
        int errnum;

        r = forks ? (pid = fork()) : sysinfo(&info);
        errnum = r < 0 ? errno : 0;
        if (forks && pid == 0)
            _exit(0);
        if (i == 0)
            shared->first = errnum;
        else
            shared->second = errnum;
    }
    _exit(0);
}

/* One call answered: with an errno, or let go on. */
static int answer(int listener, const unsigned *calls, size_t n, int errnum)
{
    struct seccomp_notif request = {0};
    struct seccomp_notif_resp response = {0};
    struct pollfd pfd = {listener, POLLIN, 0};
    bool known = false;

    if (poll(&pfd, 1, ANSWER_WAIT_MS) != 1)
        return ETIMEDOUT;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
        return errno;
    for (size_t i = 0; i < n; i++)
        known = known || (unsigned)request.data.nr == calls[i];
    response.id = request.id;
    response.error = -errnum;
    response.flags = errnum ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0)
        return errno;
    return known ? 0 : EPROTO;
}

static void judge_notified(struct probe_rung *rung, struct notified *shared, bool forks)
{
    const unsigned *calls = forks ? makers : victims;
    size_t n = forks ? sizeof(makers) / sizeof(makers[0]) : 1;
    int listener = shared->listener, errnum;

    if (listener < 0) {
        probe_fails(rung, -listener, "%s", listener == -EBUSY ? "somebody around us listens already" : strerror(-listener));
        return;
    }
    errnum = answer(listener, calls, n, EAGAIN);
    if (!errnum)
        errnum = answer(listener, calls, n, 0);
    close(listener);
    if (errnum)
        probe_fails(rung, errnum, "answering a call: %s", strerror(errnum));
}

static void try_notify(struct probe_rung *rung, bool forks)
{
    struct notified *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int pipes[2], status = 0;
    char byte;
    pid_t pid;

    if (shared == MAP_FAILED || pipe2(pipes, O_CLOEXEC) < 0) {
        probe_fails(rung, errno, "%m");
        return;
    }
    *shared = (struct notified){-EPROTO, -1, -1};
    pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        notified_child(shared, forks, pipes[1]);
    }
    if (pid < 0 || read(pipes[0], &byte, 1) != 1) {
        probe_fails(rung, errno, "the child that was to be refused did not answer");
        return;
    }
    judge_notified(rung, shared, forks);
    if (rung->tried)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (rung->tried)
        return;
    if (shared->first == EAGAIN && shared->second == 0)
        probe_works(rung, "tried: a call was refused, the next let through");
    else
        probe_fails(rung, 0, "answers did not arrive (errno %d, then %d)", shared->first, shared->second);
}

static void try_notify_tasks(struct probe_rung *rungs)
{
    try_notify(&rungs[PROBE_TASKS_NOTIFY], true);
}

/* ---- the log ---- */

static bool log_shows(int fd, pid_t pid)
{
    char want[32];

    snprintf(want, sizeof(want), " pid=%d ", (int)pid);
    for (int i = 0; i < LOG_LINES_MOST; i++) {
        char line[2048];
        ssize_t n = read(fd, line, sizeof(line) - 1);

        if (n < 0 && errno == EPIPE)
            continue; /* lines were overwritten before we read them */
        if (n <= 0)
            return false;
        line[n] = '\0';
        if (strstr(line, "type=1326") && strstr(line, want))
            return true;
    }
    return false;
}

static int log_victim(void *arg)
{
    int r = load(victims, 1, SECCOMP_RET_LOG, 0);
    struct sysinfo info;

    if (r < 0)
        return -r;
    *(pid_t *)arg = getpid();
    return sysinfo(&info) < 0 ? errno : 0;
}

/* Writes one line into that log, so it is only tried where notification does not work. */
static void try_log(struct probe_rung *rung)
{
    _cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    pid_t *pid = mmap(NULL, sizeof(*pid), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int errnum;

    if (fd < 0 || lseek(fd, 0, SEEK_END) < 0) {
        probe_fails(rung, errno, "/dev/kmsg: %m");
        return;
    }
    if (pid == MAP_FAILED)
        return;
    errnum = probe_in_child(log_victim, pid);
    if (errnum) {
        probe_fails(rung, errnum, "a filter that logs: %s", strerror(errnum));
        return;
    }
    for (int i = 0; i < LOG_WAIT_MS; i++) {
        if (log_shows(fd, *pid)) {
            probe_works(rung, "tried: /dev/kmsg");
            return;
        }
        usleep(1000);
    }
    probe_fails(rung, 0, "/dev/kmsg shows no refused call");
}

static void try_denials(struct probe_rung *rungs)
{
    try_notify(&rungs[PROBE_DENIALS_NOTIFY], false);
    if (!rungs[PROBE_DENIALS_NOTIFY].works)
        try_log(&rungs[PROBE_DENIALS_LOG]);
}

/* ---- Landlock ---- */

static int restrict_writing(void)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

    if (fd < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return errno;
    return 0;
}

static void try_landlock(struct probe_rung *rungs)
{
    struct probe_rung *both[] = {&rungs[PROBE_LANDLOCK_RULES], &rungs[PROBE_READONLY_LANDLOCK]};
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int errnum = abi < 0 ? errno : restrict_writing();

    for (int i = 0; i < 2; i++)
        if (errnum)
            probe_fails(both[i], errnum, "%s",
                        errnum == EOPNOTSUPP ? "the kernel has it, turned off at boot" : strerror(errnum));
        else if (open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
            probe_fails(both[i], 0, "a file that the rules protect could be opened for writing");
        else
            probe_works(both[i], "ABI %d", abi);
}

#define END PROBE_RUNG_COUNT

const struct probe_trial probe_trials_seccomp[] = {
    {try_filter, {PROBE_SECCOMP_FILTER, PROBE_ABLE_NO_NEW_PRIVS, END}},
    {try_notify_tasks, {PROBE_TASKS_NOTIFY, END}},
    {try_denials, {PROBE_DENIALS_NOTIFY, END}},
    {try_landlock, {PROBE_LANDLOCK_RULES, PROBE_READONLY_LANDLOCK, END}},
    {.run = NULL},
};
