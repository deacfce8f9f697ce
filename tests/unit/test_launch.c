/* SPDX-License-Identifier: MIT */
/* The run init on a real kernel: what it starts, what it reports, and that nothing survives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/caps/caps.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/net/namespace.h"
#include "sandbox/plan/plan.h"

#define PROFILE "policies/seccomp/default.json"

enum shape { FULL, NO_NAMESPACES, NOTHING };

static void fill(struct sandbox_spec *spec, enum shape shape)
{
    spec_init(spec);
    if (shape == NOTHING)
        return;
    spec->caps = CAPS_DOCKER;
    spec_set_text(&spec->seccomp, PROFILE);
    if (shape == NO_NAMESPACES)
        return;
    spec->ns_pid = spec->ns_mount = spec->ns_ipc = spec->ns_uts = spec->shm_private = true;
    spec->tmp = SPEC_TMP_OVERLAY;
}

static struct run_init *start(enum shape shape)
{
    char cwd[400];
    struct sandbox_spec policy;
    struct run_init_spec spec = {.spec = &policy,
                                 .cells = true,
                                 .cwd = getcwd(cwd, sizeof(cwd)),
                                 .guard_profile = "policies/seccomp/guard.json",
                                 .worker_profile = "policies/seccomp/worker.json",
                                 .seal_profile = "policies/seccomp/seal.json"};
    struct run_init *init = NULL;
    struct err err = ERR_INIT;

    fill(&policy, shape);
    if (run_init_start(&spec, &init, &err) < 0)
        fail_msg("%s", err.message);
    spec_done(&policy);
    return init;
}

static bool has(const struct run_init *init, enum spec_guarantee guarantee)
{
    return run_init_plan(init)->gives & SPEC_BIT(guarantee);
}

static struct run_init_event next(struct run_init *init, int timeout_ms)
{
    struct run_init_event event = {.type = RUN_INIT_NONE};
    struct pollfd pfd = {run_init_fd(init), POLLIN, 0};

    if (poll(&pfd, 1, timeout_ms) > 0)
        assert_int_equal(run_init_next(init, &event), 0);
    return event;
}

static struct run_init_event until(struct run_init *init, enum run_init_event_type type, uint64_t tag)
{
    for (int i = 0; i < 100; i++) {
        struct run_init_event event = next(init, 5000);

        if (event.type == type && event.tag == tag)
            return event;
        if (event.type == RUN_INIT_NONE || event.type == RUN_INIT_FAILED)
            fail_msg("waited for %d, got %d (%s, errno %d)", type, event.type, event.stage, event.errnum);
    }
    fail_msg("no such event");
    return (struct run_init_event){0};
}

static int run_status(struct run_init *init, uint64_t tag, const char *script, int out)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    const int stdio[3] = {0, out, 2};
    struct run_init_event event;

    assert_int_equal(run_init_spawn(init, tag, argv, environ, stdio), 0);
    until(init, RUN_INIT_STARTED, tag);
    event = until(init, RUN_INIT_EXITED, tag);
    return event.status;
}

static void check_output(struct run_init *init, const char *script, const char *expected)
{
    char buf[256] = "";
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    run_status(init, 7, script, fds[1]);
    close(fds[1]);
    assert_true(read(fds[0], buf, sizeof(buf) - 1) >= 0);
    close(fds[0]);
    assert_string_equal(buf, expected);
}

static void test_spawn(void **state)
{
    const enum shape wants[] = {FULL, NO_NAMESPACES, NOTHING};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct run_init *init = start(wants[i]);

        assert_int_equal(run_status(init, 1, "exit 0", 1), 0);
        assert_int_equal(WEXITSTATUS(run_status(init, 2, "exit 7", 1)), 7);
        assert_int_equal(WTERMSIG(run_status(init, 3, "kill -SEGV $$", 1)), SIGSEGV);
        check_output(init, "grep -c NoNewPrivs:.1 /proc/self/status", "1\n");
        /* nothing but 0, 1, 2 and the directory that ls reads */
        check_output(init, "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ");
        if (has(init, SPEC_CAPS))
            check_output(init, "grep -E 'CapBnd' /proc/self/status | cut -f2",
                         geteuid() == 0 ? "00000000a80425fb\n" : "000001ffffffffff\n");
        if (has(init, SPEC_MOUNT))
            check_output(init, "mkdir /sys/fs/cgroup/pids/x 2>/dev/null || mkdir /sys/fs/cgroup/x 2>/dev/null || echo no", "no\n");
        run_init_free(init);
    }
}

static void test_exec_failure_is_named(void **state)
{
    struct run_init *init = start(FULL);
    char *const argv[] = {(char *)"/no/such/program", NULL};
    const int stdio[3] = {0, 1, 2};
    struct run_init_event event;

    (void)state;
    assert_int_equal(run_init_spawn(init, 5, argv, environ, stdio), 0);
    event = next(init, 5000);
    assert_int_equal(event.type, RUN_INIT_FAILED);
    assert_int_equal(event.errnum, ENOENT);
    assert_string_equal(event.stage, "exec");
    run_init_free(init);
}

/* Nothing survives: a daemon that forked twice and left its session, with and without namespaces. */
static void test_nothing_survives(void **state)
{
    const enum shape wants[] = {FULL, NO_NAMESPACES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct run_init *init = start(wants[i]);
        char path[] = "/tmp/shunt-launch-XXXXXX", script[200], buf[64] = "";
        char *const argv[] = {(char *)"sh", (char *)"-c", script, NULL};
        int fds[2], fd = mkstemp(path);
        struct pollfd pfd;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        const int stdio[3] = {0, fds[1], 2};

        snprintf(script, sizeof(script), "setsid sh -c 'sleep 100 & echo up; sleep 100' & sleep 100");
        assert_int_equal(run_init_spawn(init, 1, argv, environ, stdio), 0);
        close(fds[1]);
        assert_true(read(fds[0], buf, sizeof(buf)) > 0);
        run_init_free(init);
        /* all writers of the pipe are gone within a second */
        pfd = (struct pollfd){fds[0], POLLIN, 0};
        assert_int_equal(poll(&pfd, 1, 1000), 1);
        assert_int_equal(read(fds[0], buf, sizeof(buf)), 0);
        close(fds[0]);
        close(fd);
        unlink(path);
    }
}

static void test_orphans_are_reported(void **state)
{
    struct run_init *init = start(FULL);
    int exits = 0;

    (void)state;
    run_status(init, 1, "(sh -c 'sleep 0.1; exit 3' &) ; exit 0", 1);
    for (int i = 0; i < 10 && !exits; i++) {
        struct run_init_event event = next(init, 1000);

        if (event.type == RUN_INIT_EXITED && event.tag == 0 && WEXITSTATUS(event.status) == 3)
            exits++;
    }
    assert_int_equal(exits, 1);
    run_init_free(init);
}

static bool has_cells(struct run_init *init)
{
    if (run_init_cells(init))
        return true;
    print_message("cells are not to be had here: %s\n", run_init_missing(init));
    return false;
}

static void send_fds(int to, int fds[RUN_INIT_CELL_NS])
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * RUN_INIT_CELL_NS)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    size_t n = 0;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        if (fds[i] >= 0)
            memcpy(CMSG_DATA(c) + n++ * sizeof(int), &fds[i], sizeof(int));
    assert_int_equal(n, 4); /* user, ipc, pid, mnt */
    c->cmsg_len = CMSG_LEN(sizeof(int) * n);
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    assert_int_equal(sendmsg(to, &msg, 0), 1);
    for (int i = 0; i < RUN_INIT_CELL_NS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static const char *copy_seal(const struct run_init *init)
{
    static char path[] = "build/shunt-seal-XXXXXX";
    char buf[65536];
    int fd = mkstemp(path);
    ssize_t n = pread(run_init_seal_fd(init), buf, sizeof(buf), 0);

    assert_true(n > 0 && write(fd, buf, (size_t)n) == n);
    close(fd);
    return path;
}

/* A forked process joins a cell and seals itself, as a worker does; checked from inside by a script. */
static void test_enter_cell(void **state)
{
    static const char script[] =
        "import ctypes, os, socket\n"
        "lib = ctypes.CDLL(os.environ['ENTER'])\n"
        "fds = socket.recv_fds(socket.socket(fileno=0), 10, 4)[1]\n"
        "cwd = os.getcwd()\n"
        "seal = os.open(os.environ['SEAL'], os.O_RDONLY)\n"
        "r = lib.shunt_enter_join((ctypes.c_int * 4)(*fds), 4)\n"
        "assert r == 0, os.strerror(-r)\n"
        "if os.fork():\n"
        "    os._exit(0)\n"
        "os.setsid()\n"
        "assert lib.shunt_enter_seal(seal) == 0\n"
        "assert os.getcwd() == cwd\n"
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "status = open('/proc/self/status').read()\n"
        "assert '\\nCapEff:\\t00000000a80425fb' in status, status\n"
        "assert len(pids) <= 3, pids\n"
        "assert os.getpid() > 1\n"
        "libc = ctypes.CDLL(None)\n"
        "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) != 0\n"
        "assert libc.setns(fds[0], 0) != 0\n"
        "os._exit(42)\n";
    char *const argv[] = {(char *)"/usr/bin/python3", (char *)"-c", (char *)script, NULL};
    struct run_init *init = start(FULL);
    struct run_init_event event;
    char lib[256], seal[256];
    int status = -1, pair[2];

    (void)state;
    if (!has_cells(init)) {
        run_init_free(init);
        skip();
    }
    assert_int_equal(run_init_prepare_cell(init, 3), 0);
    event = until(init, RUN_INIT_CELL, 3);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    send_fds(pair[0], event.ns_fd);
    snprintf(lib, sizeof(lib), "%s/%s", getcwd((char[200]){0}, 200), "build/libshunt-enter.so");
    setenv("ENTER", lib, 1);
    /* Of a descriptor of ours a script outside of our /proc has no name: through a file. */
    snprintf(seal, sizeof(seal), "%s/%s", getcwd((char[200]){0}, 200), copy_seal(init));
    setenv("SEAL", seal, 1);
    const int stdio[3] = {pair[1], 1, 2};

    assert_int_equal(run_init_spawn(init, 4, argv, environ, stdio), 0);
    close(pair[0]);
    close(pair[1]);
    for (int i = 0; i < 20 && status < 0; i++) {
        event = next(init, 10000);
        if (event.type == RUN_INIT_EXITED && event.tag == 0)
            status = event.status;
    }
    unlink(getenv("SEAL"));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    run_init_free(init);
}

static void test_spawn_in_cell(void **state)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"test $$ -gt 999 && exit 5", NULL};
    const int stdio[3] = {0, 1, 2};
    struct run_init *init = start(FULL);
    struct run_init_event event;

    (void)state;
    if (!has_cells(init)) {
        run_init_free(init);
        skip();
    }
    assert_int_equal(run_init_prepare_cell(init, 3), 0);
    until(init, RUN_INIT_CELL, 3);
    assert_int_equal(run_init_spawn_in_cell(init, 3, argv, environ, stdio), 0);
    event = until(init, RUN_INIT_PENDING, 3);
    assert_true(event.pid > 0);
    assert_int_equal(kill(event.pid, 0), 0);
    assert_int_equal(run_init_proceed(init, 3), 0);
    until(init, RUN_INIT_STARTED, 3);
    event = until(init, RUN_INIT_EXITED, 3);
    assert_int_equal(WEXITSTATUS(event.status), 5);
    run_init_free(init);
}

static void test_many_cells(void **state)
{
    struct run_init *init = start(FULL);
    uint64_t before;

    (void)state;
    if (!has_cells(init)) {
        run_init_free(init);
        skip();
    }
    before = clock_now_ns();
    for (uint64_t tag = 1; tag <= 200; tag++) {
        struct run_init_event event;

        assert_int_equal(run_init_prepare_cell(init, tag), 0);
        event = until(init, RUN_INIT_CELL, tag);
        for (int i = 0; i < RUN_INIT_CELL_NS; i++)
            if (event.ns_fd[i] >= 0)
                close(event.ns_fd[i]);
        assert_int_equal(run_init_drop_cell(init, tag), 0);
    }
    print_message("200 cells, %.2f ms each\n", (double)(clock_now_ns() - before) / 200e6);
    run_init_free(init);
}

/* --- what is made beside the run init --- */

static int calls;

/* The cgroup that was promised is not to be had. */
static bool breaks_its_promise(struct run_init_spec *spec)
{
    calls++;
    assert_true(spec->cgroup_tasks);
    spec->cgroup_tasks = false;
    return true;
}

static bool keeps_its_promise(struct run_init_spec *spec)
{
    calls++;
    return spec->cgroup_tasks == false;
}

static struct run_init *start_beside(bool (*meanwhile)(struct run_init_spec *spec), char *const argv[])
{
    char cwd[400];
    struct sandbox_spec policy;
    const struct run_init_first first = {.tag = 1, .argv = argv, .envp = environ, .stdio = {0, 1, 2}};
    struct run_init_spec spec = {.spec = &policy,
                                 .cwd = getcwd(cwd, sizeof(cwd)),
                                 .first = &first,
                                 .cgroup_tasks = true,
                                 .meanwhile = meanwhile};
    struct run_init *init = NULL;
    struct err err = ERR_INIT;

    calls = 0;
    fill(&policy, FULL);
    policy.limits.tasks = 40;
    if (run_init_start(&spec, &init, &err) < 0)
        fail_msg("%s", err.message);
    spec_done(&policy);
    return init;
}

static void test_a_broken_promise_is_another_plan(void **state)
{
    char path[] = "/var/tmp/shunt-launch-XXXXXX", script[200];
    char *const argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    int fd = mkstemp(path);
    struct run_init *init;

    (void)state;
    assert_true(fd >= 0);
    snprintf(script, sizeof(script), "echo ran >>%s", path);
    init = start_beside(breaks_its_promise, argv);
    assert_int_equal(calls, 1);
    assert_true(run_init_plan(init)->task_limit == PLAN_TASKS_PID_MAX || run_init_plan(init)->task_limit == PLAN_TASKS_NPROC);
    assert_int_equal(until(init, RUN_INIT_EXITED, 1).status, 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), strlen("ran\n")); /* once: nothing ran under the first plan */
    run_init_free(init);

    init = start_beside(keeps_its_promise, argv);
    assert_int_equal(calls, 1);
    assert_int_equal(run_init_plan(init)->task_limit, PLAN_TASKS_CGROUP);
    assert_int_equal(until(init, RUN_INIT_EXITED, 1).status, 0);
    run_init_free(init);
    close(fd);
    unlink(path);
}

/* Who has failed and ends with something unread takes its last words with it: the socket says ECONNRESET instead. */
static void test_what_failed_is_heard_past_what_was_sent(void **state)
{
    char *const argv[] = {(char *)"true", NULL};
    struct sandbox_spec policy;

    (void)state;
    for (int i = 0; i < 30; i++) {
        char cwd[400];
        const struct run_init_first first = {.tag = 1, .argv = argv, .envp = environ, .stdio = {0, 1, 2}};
        struct run_init_spec spec = {.spec = &policy, .cwd = getcwd(cwd, sizeof(cwd)), .first = &first,
                                     .meanwhile = keeps_its_promise};
        struct run_init *init = NULL;
        struct err err = ERR_INIT;

        fill(&policy, FULL);
        spec_set_text(&policy.hostname, "a-name-that-is-longer-than-the-sixty-four-bytes-that-the-kernel-has-room-for");
        if (run_init_start(&spec, &init, &err) < 0)
            fail_msg("%s", err.message);
        assert_false(has(init, SPEC_UTS));
        assert_int_equal(until(init, RUN_INIT_EXITED, 1).status, 0);
        run_init_free(init);
        spec_done(&policy);
    }
}

/* Root of a user namespace could not come back from a network namespace of its own: who made it ended up in there. */
static void test_a_network_namespace_is_made_beside(void **state)
{
    char before[64] = "", after[64] = "", made[64] = "", path[64];
    int fd;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(readlink("/proc/self/ns/net", before, sizeof(before) - 1) > 0);
    fd = net_namespace_make();
    assert_true(fd >= 0);
    assert_true(readlink("/proc/self/ns/net", after, sizeof(after) - 1) > 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_true(readlink(path, made, sizeof(made) - 1) > 0);
    assert_string_equal(before, after);
    assert_int_equal(strncmp(made, "net:[", 5), 0);
    assert_string_not_equal(made, before);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* nobody is left to be reaped */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spawn),          cmocka_unit_test(test_exec_failure_is_named),
        cmocka_unit_test(test_nothing_survives), cmocka_unit_test(test_orphans_are_reported),
        cmocka_unit_test(test_enter_cell),     cmocka_unit_test(test_spawn_in_cell),
        cmocka_unit_test(test_many_cells),
        cmocka_unit_test(test_a_broken_promise_is_another_plan),
        cmocka_unit_test(test_what_failed_is_heard_past_what_was_sent),
        cmocka_unit_test(test_a_network_namespace_is_made_beside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
