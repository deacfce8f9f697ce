/* SPDX-License-Identifier: MIT */
/*
 * shunt-runner: a worker that runs programs. It lives in a cell as every worker does, and starts one test after the other
 * on request. Trusted, small, and the only one who reads the exit status of a test.
 *
 *   stdin            the channel to shunt (SOCK_SEQPACKET): docs/protocol.md, "Runner"
 *   stdout, stderr   go to shunt, and are the tests' own
 *
 * The table of tests comes once, as a sealed memory file, so that a `go` is an index. A test is a process group; what
 * it leaves behind becomes ours (child subreaper), is named in `done`, and is ended before that is said.
 *
 * Nothing but the C library, and it allocates once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/runner/table.h"

#define EXIT_CHANNEL 71 /* as pytest's plugin: the channel was lost */
#define EXIT_BROKEN 72  /* an error outside of any test */
#define SETTLE_NS 50000000LL  /* what ends by itself so soon is no leak */
#define ENDING_NS 2000000000LL /* what SIGKILL has not ended then, our own end will */
#define LEFT_TEXT 160

struct runner {
    int channel;
    const unsigned char *table;
    const struct runner_table *head;
    size_t table_size;
    char **argv, **envp; /* room for the longest of the table */
    size_t nenviron;
};

extern char **environ;

static _Noreturn void give_up(int status, const char *what)
{
    dprintf(STDERR_FILENO, "shunt-runner: %s: %s\n", what, strerror(errno));
    _exit(status);
}

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void say(struct runner *runner, const char *text)
{
    if (send(runner->channel, text, strlen(text), MSG_NOSIGNAL) < 0)
        _exit(EXIT_CHANNEL);
}

/* --- the table --- */

static const struct runner_record *record_of(const struct runner *runner, uint32_t i)
{
    return (const struct runner_record *)(runner->table + runner->head->at[i]);
}

static int receive_table(struct runner *runner)
{
    char text[256];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } room;
    struct iovec io = {text, sizeof(text)};
    struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
    struct cmsghdr *cmsg;
    int fd = -1;

    if (recvmsg(runner->channel, &msg, MSG_CMSG_CLOEXEC) <= 0)
        _exit(EXIT_CHANNEL);
    for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg))
        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len >= CMSG_LEN(sizeof(int)))
            memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
    return fd;
}

static void open_table(struct runner *runner)
{
    int fd = receive_table(runner);
    struct stat st;
    void *map;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct runner_table))
        give_up(EXIT_BROKEN, "no table of tests came");
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        give_up(EXIT_BROKEN, "the table of tests");
    close(fd);
    runner->table = map;
    runner->head = map;
    runner->table_size = (size_t)st.st_size;
    while (environ[runner->nenviron])
        runner->nenviron++;
    runner->argv = calloc(runner->head->argc_max + 1, sizeof(*runner->argv));
    runner->envp = calloc(runner->nenviron + runner->head->envc_max + 1, sizeof(*runner->envp));
    if (!runner->argv || !runner->envp)
        give_up(EXIT_BROKEN, "memory");
}

static const char *next_text(const char *text)
{
    return text + strlen(text) + 1;
}

/* `text`: "NAME=value" is set, "NAME" taken away. Later ones win. */
static size_t change_environment(char **envp, size_t n, const char *text)
{
    size_t length = strcspn(text, "=");

    for (size_t i = 0; i < n; i++)
        if (strncmp(envp[i], text, length) == 0 && envp[i][length] == '=') {
            envp[i] = text[length] ? (char *)text : envp[--n];
            return n;
        }
    if (text[length])
        envp[n++] = (char *)text;
    return n;
}

static char **environment_of(struct runner *runner, const struct runner_record *record, const char *text)
{
    size_t n = runner->nenviron;

    if (!record->envc)
        return environ;
    memcpy(runner->envp, environ, n * sizeof(*environ));
    for (uint32_t i = 0; i < record->envc; i++, text = next_text(text))
        n = change_environment(runner->envp, n, text);
    runner->envp[n] = NULL;
    return runner->envp;
}

/* --- one test --- */

struct outcome {
    pid_t pid;
    int status, errnum; /* errnum: it could not be started, at `stage` */
    const char *stage;
    long long start_ns, wall_ns;
    struct rusage usage;
    unsigned left;
    char names[LEFT_TEXT];
};

static _Noreturn void become_test(char *const argv[], char **envp, const char *cwd, volatile int *errnum,
                                  const char *volatile *stage)
{
    setpgid(0, 0);
    *stage = "its working directory";
    if (*cwd && chdir(cwd) < 0) {
        *errnum = errno;
        _exit(127);
    }
    *stage = "its program";
    execvpe(argv[0], argv, envp);
    *errnum = errno;
    _exit(127);
}

/* The child shares our memory until it has become another program: what it could not do it leaves in `errnum`. */
static void start(struct runner *runner, const struct runner_record *record, struct outcome *ret)
{
    const char *text = (const char *)(record + 1), *cwd = text;
    volatile int errnum = 0;
    const char *volatile stage = "fork";
    char **envp;
    pid_t pid;

    text = next_text(text);
    for (uint32_t i = 0; i < record->argc; i++, text = next_text(text))
        runner->argv[i] = (char *)text;
    runner->argv[record->argc] = NULL;
    envp = environment_of(runner, record, text);
    ret->start_ns = now_ns();
    pid = vfork();
    if (pid == 0)
        become_test(runner->argv, envp, cwd, &errnum, &stage);
    ret->pid = pid;
    ret->errnum = pid < 0 ? errno : errnum;
    ret->stage = stage;
}

/* Orphans of the test become our children, and are buried on the way. */
static void wait_for(struct outcome *test)
{
    struct rusage usage;
    int status;
    pid_t pid;

    do {
        pid = wait4(-1, &status, 0, &usage);
        if (pid < 0 && errno != EINTR)
            give_up(EXIT_BROKEN, "waiting for a test");
    } while (pid != test->pid);
    test->wall_ns = now_ns() - test->start_ns;
    test->status = status;
    test->usage = usage;
}

/* --- what it leaves behind --- */

/* False when there is nobody (any more). */
static bool bury(void)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    return pid == 0;
}

/* Waits until all have ended, or the time is up. */
static bool ended_within(long long ns)
{
    long long until = now_ns() + ns, left = ns;
    struct timespec pause;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (bury() && (left = until - now_ns()) > 0) {
        pause = (struct timespec){.tv_nsec = left < 20000000 ? left : 20000000};
        sigtimedwait(&set, NULL, &pause);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return !bury();
}

/* The fields of /proc/PID/stat that count: "1234 (name) S 17 ...". */
static bool is_our_child(const char *pid, char *name, size_t size)
{
    char path[300], text[512], *first, *last;
    int fd, ppid = 0;
    ssize_t n;
    char state;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    first = strchr(text, '(');
    last = strrchr(text, ')');
    if (!first || !last || sscanf(last + 1, " %c %d", &state, &ppid) != 2 || ppid != getpid() || state == 'Z')
        return false;
    *last = '\0';
    snprintf(name, size, "%s", first + 1);
    return true;
}

/* Our children, and with the next round theirs. Names what it finds where `test` is given, and ends it where not. */
static void each_child(struct outcome *test)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char name[32];
        size_t at;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !is_our_child(entry->d_name, name, sizeof(name)))
            continue;
        if (!test) {
            kill(atoi(entry->d_name), SIGKILL);
            continue;
        }
        test->left++;
        at = strlen(test->names);
        for (char *c = name; *c; c++) /* it goes into JSON */
            if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
                *c = '?';
        if (at + sizeof(name) + 2 < sizeof(test->names))
            snprintf(test->names + at, sizeof(test->names) - at, "%s%s", at ? ", " : "", name);
    }
    if (dir)
        closedir(dir);
}

static void end_what_is_left(struct outcome *test)
{
    long long until;

    if (!bury() || ended_within(SETTLE_NS))
        return;
    each_child(test);
    kill(-test->pid, SIGKILL);
    until = now_ns() + ENDING_NS;
    do {
        each_child(NULL);
        if (ended_within(5000000))
            return;
    } while (now_ns() < until);
    errno = EBUSY;
    give_up(EXIT_BROKEN, "what a test left behind does not end");
}

/* --- the channel --- */

static void run_test(struct runner *runner, uint32_t i)
{
    struct outcome test = {.pid = -1};
    char text[512];
    int n;

    start(runner, record_of(runner, i), &test);
    if (test.pid > 0)
        wait_for(&test);
    if (test.pid > 0 && !test.errnum)
        end_what_is_left(&test);
    n = snprintf(text, sizeof(text), "{\"t\":\"done\",\"i\":%u,\"status\":%d,\"us\":%lld", i, test.status, test.wall_ns / 1000);
    if (test.errnum)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"errno\":%d,\"stage\":\"%s\"", test.errnum, test.stage);
    if (test.left)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"left\":%u,\"names\":\"%s\"", test.left, test.names);
    snprintf(text + n, sizeof(text) - (size_t)n, "}");
    say(runner, text);
}

/* shunt's own words; what is no `go` and no `end` is for other kinds of workers. */
static void serve(struct runner *runner)
{
    char text[8192];
    unsigned i;

    for (;;) {
        ssize_t n = recv(runner->channel, text, sizeof(text) - 1, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(EXIT_CHANNEL);
        text[n] = '\0';
        if (sscanf(text, "{\"t\":\"go\",\"i\":%u", &i) == 1 && i < runner->head->count)
            run_test(runner, i);
        else if (strncmp(text, "{\"t\":\"end\"", 10) == 0)
            break;
    }
    say(runner, "{\"t\":\"bye\"}");
}

int main(void)
{
    struct runner runner = {0};
    int null;

    runner.channel = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    null = open("/dev/null", O_RDONLY);
    if (runner.channel < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
        give_up(EXIT_BROKEN, "its descriptors");
    if (null != STDIN_FILENO)
        close(null);
    /* Nobody of the tests may trace us or read our memory and descriptors. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    open_table(&runner);
    say(&runner, "{\"t\":\"ready\"}");
    serve(&runner);
    return 0;
}
