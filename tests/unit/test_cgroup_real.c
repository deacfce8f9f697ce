/* SPDX-License-Identifier: MIT */
/*
 * sandbox/cgroup on the kernel that runs this: whatever mode it has. Skips, with the reason, where
 * no cgroup can be made. SHUNT_TEST_CGROUP=required makes that a failure (the VM sets it).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/cgroup/internal.h"

struct fixture {
    struct cgroup_host *host;
    struct cgroup_run *run;
};

static const struct cgroup_run_options options = {.adopt = true};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err = ERR_INIT;

    *state = f;
    if (cgroup_host_open(&f->host, &err) < 0)
        return -1;
    if (cgroup_run_create(f->host, &options, &f->run, &err) < 0) {
        static bool said;

        if (!said)
            print_message("no cgroup run: %s (%s)\n", err.message, err.hint);
        said = true;
        f->run = NULL;
        return getenv("SHUNT_TEST_CGROUP") ? -1 : 0;
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int r = cgroup_run_destroy(f->run, 2000);

    cgroup_host_free(f->host);
    free(f);
    if (r < 0)
        print_message("destroy: %s\n", strerror(-r));
    return r;
}

static struct fixture *need(void **state, unsigned has)
{
    struct fixture *f = *state;

    if (!f->run || (cgroup_run_has(f->run) & has) != has) {
        print_message("skipped: %s\n", f->run ? cgroup_run_describe(f->run) : "no cgroups here");
        skip();
    }
    return f;
}

static struct cgroup_leaf *leaf_of(struct fixture *f, unsigned number, uint64_t tasks,
                                   uint64_t memory)
{
    struct cgroup_limits limits = {.tasks = tasks, .memory_bytes = memory, .cpu_weight = 100};
    struct cgroup_leaf *leaf = NULL;
    struct err err = ERR_INIT;

    if (cgroup_leaf_create(f->run, number, &limits, &leaf, &err) < 0)
        fail_msg("%s", err.message);
    return leaf;
}

/* A child that waits until it has been attached, then runs `body`, and never returns here. */
static pid_t start_in(struct cgroup_leaf *leaf, void (*body)(void))
{
    int gate[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(gate[1]);
        if (read(gate[0], &c, 1) == 1)
            body();
        _exit(0);
    }
    close(gate[0]);
    assert_int_equal(cgroup_leaf_attach(leaf, pid), 0);
    assert_int_equal(write(gate[1], "x", 1), 1);
    close(gate[1]);
    return pid;
}

static void remove_leaf(struct cgroup_leaf *leaf)
{
    int r = -EBUSY;

    for (int i = 0; i < 2000 && (r = cgroup_leaf_remove(leaf)) == -EBUSY; i++)
        usleep(1000);
    assert_int_equal(r, 0);
}

static void kill_and_remove(struct cgroup_leaf *leaf, pid_t pid)
{
    int status;

    assert_int_equal(cgroup_leaf_kill(leaf), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    remove_leaf(leaf);
}

static void body_wait(void)
{
    for (;;)
        pause();
}

static void body_fork_until_refused(void)
{
    for (int i = 0; i < 1000; i++) {
        pid_t pid = fork();

        if (pid == 0)
            body_wait();
        if (pid < 0)
            body_wait();
    }
}

/* Polls a counter for up to two seconds. */
static void read_until(struct cgroup_leaf *leaf, unsigned what, struct cgroup_counters *counters,
                       const uint64_t *field, uint64_t at_least)
{
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(cgroup_leaf_read(leaf, what, counters), 0);
        if (*field >= at_least)
            return;
        usleep(1000);
    }
    fail_msg("%llu is not reached: %llu", (unsigned long long)at_least, (unsigned long long)*field);
}

static void test_tasks_limit(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    struct cgroup_leaf *leaf = leaf_of(f, 1, 8, 0);
    struct cgroup_counters counters = {0};
    pid_t pid = start_in(leaf, body_fork_until_refused), ids[4];
    char text[200];

    read_until(leaf, CGROUP_READ_TASKS, &counters, &counters.tasks_refused, 1);
    assert_int_equal(counters.tasks_now, 8);
    assert_int_equal(counters.tasks_peak, 8);
    assert_int_equal(cgroup_leaf_processes(leaf, ids, 4), 8);
    assert_int_equal(cgroup_leaf_threads(leaf, ids, 4), 8);
    assert_false(cgroup_run_pressure(f->run, text, sizeof(text)));
    kill_and_remove(leaf, pid);
}

static void test_notify(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS | CGROUP_HAS_NOTIFY);
    struct cgroup_leaf *leaf = leaf_of(f, 2, 8, 0);
    struct pollfd p = {.fd = cgroup_run_notify_fd(f->run), .events = POLLIN};
    struct cgroup_counters counters = {0};
    pid_t pid;

    cgroup_run_notify_clear(f->run);
    assert_int_equal(poll(&p, 1, 0), 0);
    pid = start_in(leaf, body_fork_until_refused);
    assert_int_equal(poll(&p, 1, 2000), 1);
    cgroup_run_notify_clear(f->run);
    assert_int_equal(poll(&p, 1, 0), 0);
    read_until(leaf, CGROUP_READ_TASKS, &counters, &counters.tasks_refused, 1);
    kill_and_remove(leaf, pid);
}

static void test_peak_reset(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    struct cgroup_leaf *leaf = leaf_of(f, 3, 8, 0);
    struct cgroup_counters counters = {0};
    pid_t pid = start_in(leaf, body_fork_until_refused), ids[8], other;
    int status;

    read_until(leaf, CGROUP_READ_TASKS, &counters, &counters.tasks_now, 8);
    assert_int_equal(cgroup_leaf_kill(leaf), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 2000 && cgroup_leaf_processes(leaf, ids, 8) > 0; i++)
        usleep(1000);
    /* kill by pid has set the limit to 0 where there is no cgroup.kill */
    assert_int_equal(cgroup_leaf_set_limits(leaf, &(struct cgroup_limits){.tasks = 8}), 0);
    other = start_in(leaf, body_wait);
    for (int i = 0; i < 2000 && counters.tasks_now != 1; i++) {
        usleep(1000); /* orphans wait for init to reap them */
        assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_TASKS, &counters), 0);
        assert_int_equal(cgroup_leaf_reset_peaks(leaf, &counters), 0);
    }
    assert_int_equal(counters.tasks_peak, 1);
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_TASKS, &counters), 0);
    assert_int_equal(counters.tasks_peak, 1);
    assert_false(counters.tasks_peak_exact); /* the kernel's stands at 8, so nobody knows */
    /* The short timer shows what the kernel's peak does not: more than before, and below that. */
    counters.tasks_peak = counters.tasks_now = 0;
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_WATCH, &counters), 0);
    assert_int_equal(counters.tasks_now, 1);
    assert_int_equal(counters.tasks_peak, 1);
    counters.tasks_peak = 3;
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_WATCH, &counters), 0);
    assert_int_equal(counters.tasks_peak, 3);
    kill_and_remove(leaf, other);
}

static void body_fork_for_ever(void)
{
    for (int i = 0; i < 48; i++)
        if (fork() == 0)
            for (;;) {
                pid_t pid = fork();

                if (pid == 0)
                    continue;
                if (pid > 0)
                    waitpid(pid, NULL, 0);
            }
    body_wait();
}

static void test_kill_forkers(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    struct cgroup_leaf *leaf = leaf_of(f, 4, 60, 0);
    struct cgroup_counters counters = {0};
    pid_t pid = start_in(leaf, body_fork_for_ever);

    read_until(leaf, CGROUP_READ_TASKS, &counters, &counters.tasks_now, 50);
    kill_and_remove(leaf, pid);
}

/* The loop that is used where the kernel has no cgroup.kill. */
static void test_kill_without_cgroup_kill(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    unsigned has = f->run->has;

    f->run->has &= ~(unsigned)CGROUP_HAS_KILL;
    test_kill_forkers(state);
    f->run->has = has;
}

static void body_take_memory(void)
{
    size_t size = 32 << 20;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(p, 1, size);
    munmap(p, size);
    body_wait();
}

static void test_memory_peak(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_MEMORY);
    struct cgroup_leaf *leaf = leaf_of(f, 5, 0, 64 << 20);
    struct cgroup_counters counters = {0};
    pid_t pid = start_in(leaf, body_take_memory);

    read_until(leaf, CGROUP_READ_MEMORY, &counters, &counters.memory_peak_bytes, 32 << 20);
    assert_int_equal(counters.oom_kills, 0);
    for (int i = 0; i < 2000 && counters.memory_now_bytes > 16 << 20; i++) {
        usleep(1000);
        assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_MEMORY, &counters), 0);
    }
    assert_int_equal(cgroup_leaf_reset_peaks(leaf, &counters), 0);
    assert_true(counters.memory_peak_bytes < 32 << 20);
    kill_and_remove(leaf, pid);
}

static void body_take_too_much(void)
{
    for (;;) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        memset(p, 1, 1 << 20);
    }
}

static void test_oom(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_MEMORY);
    struct cgroup_leaf *leaf = leaf_of(f, 6, 0, 16 << 20);
    struct cgroup_counters counters = {0};
    pid_t pid = start_in(leaf, body_take_too_much);
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    read_until(leaf, CGROUP_READ_OOM, &counters, &counters.oom_kills, 1);
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_ALL, &counters), 0);
    remove_leaf(leaf);
}

/* Raising and lowering meets the kernel's order of memory and memory+swap both ways. */
static void test_memory_limits_change(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_MEMORY);
    struct cgroup_leaf *leaf = leaf_of(f, 7, 0, 64 << 20);
    static const uint64_t sizes[] = {32 << 20, 128 << 20, 16 << 20, UINT64_MAX, 64 << 20};

    for (size_t i = 0; i < 5; i++)
        assert_int_equal(
            cgroup_leaf_set_limits(leaf, &(struct cgroup_limits){.memory_bytes = sizes[i]}), 0);
    remove_leaf(leaf);
}

static void body_burn(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static void test_cpu_and_freeze(void **state)
{
    struct fixture *f = need(state, 0);
    struct cgroup_leaf *leaf = leaf_of(f, 8, 0, 0);
    struct cgroup_counters counters = {0}, later;
    pid_t pid = start_in(leaf, body_burn);

    read_until(leaf, CGROUP_READ_CPU, &counters, &counters.cpu_ns, 20 * NS_PER_MS);
    assert_int_equal(cgroup_leaf_freeze(leaf, true), 0);
    usleep(50000);
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_CPU, &counters), 0);
    later = counters;
    usleep(100000);
    assert_int_equal(cgroup_leaf_read(leaf, CGROUP_READ_CPU, &later), 0);
    assert_true(later.cpu_ns - counters.cpu_ns < 5 * NS_PER_MS);
    assert_int_equal(cgroup_leaf_freeze(leaf, false), 0);
    read_until(leaf, CGROUP_READ_CPU, &later, &later.cpu_ns, counters.cpu_ns + 20 * NS_PER_MS);
    /* The whole run frozen, and killed so. */
    assert_int_equal(cgroup_run_freeze(f->run, true), 0);
    assert_int_equal(cgroup_leaf_kill(leaf), 0);
    assert_int_equal(cgroup_run_freeze(f->run, false), 0);
    kill_and_remove(leaf, pid);
}

static void test_busy_is_not_removed(void **state)
{
    struct fixture *f = need(state, 0);
    struct cgroup_leaf *leaf = leaf_of(f, 9, 0, 0);
    pid_t pid = start_in(leaf, body_wait);

    assert_int_equal(cgroup_leaf_remove(leaf), -EBUSY);
    kill_and_remove(leaf, pid);
}

static void test_control(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    pid_t pid = fork();
    int status;

    if (pid == 0)
        body_wait();
    assert_int_equal(cgroup_run_limit_control(f->run, 100, 0), 0);
    assert_int_equal(cgroup_run_attach_control(f->run, pid), 0);
    assert_int_equal(cgroup_run_limit_control(f->run, 0, 0), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* The control leaf's limit counts as "around us": a refusal in a leaf with room came from there. */
static void test_pressure(void **state)
{
    struct fixture *f = need(state, CGROUP_HAS_TASKS);
    char text[200] = "";
    pid_t pid = fork();
    int status;

    if (pid == 0)
        body_wait();
    assert_int_equal(cgroup_run_attach_control(f->run, pid), 0);
    assert_int_equal(cgroup_run_limit_control(f->run, 1, 0), 0);
    assert_true(cgroup_run_pressure(f->run, text, sizeof(text)));
    assert_non_null(strstr(text, "control"));
    assert_int_equal(cgroup_run_limit_control(f->run, 0, 0), 0);
    assert_false(cgroup_run_pressure(f->run, text, sizeof(text)));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_budget(void **state)
{
    struct fixture *f = *state;
    struct cgroup_budget budget;

    assert_int_equal(cgroup_host_budget(f->host, &budget, NULL), 0);
    assert_true(budget.tasks_free > 0 && budget.tasks_free <= budget.tasks_total);
    assert_true(budget.memory_free_bytes > 0);
    assert_true(budget.cpus >= 0.01);
    print_message("%s: %llu tasks (%s), %llu MiB (%s), %g cpus (%s)\n",
                  cgroup_mode_name(cgroup_host_mode(f->host)),
                  (unsigned long long)budget.tasks_free, budget.tasks_bound,
                  (unsigned long long)budget.memory_free_bytes >> 20, budget.memory_bound,
                  budget.cpus, budget.cpus_bound);
}

/* What a killed shunt leaves is swept, and a live one's is not. */
static void run_and_be_killed(int report)
{
    struct cgroup_host *host;
    struct cgroup_run *run;
    struct cgroup_leaf *leaf;
    pid_t pid;

    if (cgroup_host_open(&host, NULL) < 0 ||
        cgroup_run_create(host, &(struct cgroup_run_options){.adopt = true}, &run, NULL) < 0 ||
        cgroup_leaf_create(run, 0, &(struct cgroup_limits){0}, &leaf, NULL) < 0)
        _exit(1);
    pid = fork();
    if (pid == 0) {
        close(report);
        alarm(30); /* should the test fail */
        body_wait();
    }
    if (cgroup_leaf_attach(leaf, pid) < 0 || write(report, &pid, sizeof(pid)) < 0)
        _exit(1);
    body_wait();
}

static void test_sweep(void **state)
{
    struct fixture *f = *state;
    int report[2], status;
    pid_t owner, orphan = 0;
    siginfo_t info;

    /* Without a run of our own: on v2 the child would find itself in a leaf of ours. */
    need(state, 0);
    assert_int_equal(cgroup_run_destroy(f->run, 2000), 0);
    f->run = NULL;
    cgroup_host_sweep(f->host); /* what others left */
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    owner = fork();
    if (owner == 0) {
        close(report[0]);
        run_and_be_killed(report[1]);
    }
    close(report[1]);
    assert_int_equal(read(report[0], &orphan, sizeof(orphan)), sizeof(orphan));
    close(report[0]);
    assert_int_equal(cgroup_host_sweep(f->host), 0); /* it lives */
    assert_int_equal(kill(orphan, 0), 0);
    kill(owner, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)owner, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(cgroup_host_sweep(f->host), 1); /* a zombie owns nothing */
    assert_int_equal(waitpid(owner, &status, 0), owner);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(cgroup_host_sweep(f->host), 0);
    for (int i = 0; i < 2000 && kill(orphan, 0) == 0; i++)
        usleep(1000);
}

/* A foreign process in our v2 cgroup: refused with its name, unless it may be adopted; and it is
 * back where it was in the end. */
static void test_foreign(void **state)
{
    struct fixture *f = *state;
    const struct cgroup_run_options strict = {0};
    struct err err = ERR_INIT;
    struct cgroup_run *run = NULL;
    char before[4096] = "", after[4096] = "", path[64];
    pid_t parent = getppid();

    need(state, 0);
    assert_int_equal(cgroup_run_destroy(f->run, 2000), 0);
    f->run = NULL;
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)parent);
    io_read_file_at(AT_FDCWD, path, before, sizeof(before));
    io_read_file_at(AT_FDCWD, "/proc/self/cgroup", after, sizeof(after));
    if (cgroup_host_mode(f->host) != CGROUP_V2 || strcmp(before, after) != 0 ||
        f->host->trees[f->host->unified].real_root) {
        print_message("skipped: not beside our parent in a v2 cgroup below the root\n");
        skip();
    }
    assert_true(cgroup_run_create(f->host, &strict, &run, &err) < 0);
    print_message("%s (%s)\n", err.message, err.hint);
    assert_int_equal(err.kind, ERR_SANDBOX);
    assert_non_null(strstr(err.hint, "--adopt-cgroup"));
    io_read_file_at(AT_FDCWD, "/proc/self/cgroup", after, sizeof(after));
    assert_string_equal(before, after);
    assert_int_equal(cgroup_run_create(f->host, &options, &run, &err), 0);
    io_read_file_at(AT_FDCWD, path, after, sizeof(after));
    assert_non_null(strstr(after, "-adopted"));
    assert_int_equal(cgroup_run_destroy(run, 1000), 0);
    io_read_file_at(AT_FDCWD, path, after, sizeof(after));
    assert_string_equal(before, after);
    io_read_file_at(AT_FDCWD, "/proc/self/cgroup", after, sizeof(after));
    assert_string_equal(before, after);
}

#define REAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_budget),
        REAL_TEST(test_tasks_limit),
        REAL_TEST(test_notify),
        REAL_TEST(test_peak_reset),
        REAL_TEST(test_kill_forkers),
        REAL_TEST(test_kill_without_cgroup_kill),
        REAL_TEST(test_memory_peak),
        REAL_TEST(test_oom),
        REAL_TEST(test_memory_limits_change),
        REAL_TEST(test_cpu_and_freeze),
        REAL_TEST(test_busy_is_not_removed),
        REAL_TEST(test_control),
        REAL_TEST(test_pressure),
        REAL_TEST(test_sweep),
        REAL_TEST(test_foreign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
