/* SPDX-License-Identifier: MIT */
/* The task limit by counting clones: its filter, its count, and real threads and processes that run into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/notify/clone_limit.h"
#include "sandbox/notify/notify.h"
#include "sandbox/seccomp/profile.h"

/* --- the filter --- */

static uint32_t ask(uint32_t arch, uint32_t nr)
{
    static const uint64_t args[6] = {17};
    struct sock_filter code[CLONE_LIMIT_CODE];
    struct sock_fprog program;

    assert_int_equal(clone_limit_program(code, &program), 0);
    assert_true(program.len <= CLONE_LIMIT_CODE);
    return seccomp_evaluate(&program, arch, nr, args);
}

static void test_filter(void **state)
{
    (void)state;
#if defined(__x86_64__)
    static const struct {
        uint32_t arch, nr, answer;
    } rows[] = {
        {AUDIT_ARCH_X86_64, 56, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_X86_64, 57, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_X86_64, 58, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_X86_64, 435, SECCOMP_RET_ERRNO | ENOSYS},
        {AUDIT_ARCH_X86_64, 59, SECCOMP_RET_ALLOW},
        {AUDIT_ARCH_X86_64, 2, SECCOMP_RET_ALLOW},   /* open there, fork on i386 */
        {AUDIT_ARCH_X86_64, 120, SECCOMP_RET_ALLOW}, /* getresgid; clone on i386 */
        {AUDIT_ARCH_X86_64, 0x40000000 | 56, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_X86_64, 0x40000000 | 435, SECCOMP_RET_ERRNO | ENOSYS},
        {AUDIT_ARCH_I386, 120, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_I386, 2, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_I386, 190, SECCOMP_RET_USER_NOTIF},
        {AUDIT_ARCH_I386, 435, SECCOMP_RET_ERRNO | ENOSYS},
        {AUDIT_ARCH_I386, 56, SECCOMP_RET_ALLOW},
        {AUDIT_ARCH_AARCH64, 220, SECCOMP_RET_ALLOW}, /* no such machine here */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ask(rows[i].arch, rows[i].nr) != rows[i].answer)
            fail_msg("arch %x number %u: %x", rows[i].arch, rows[i].nr, ask(rows[i].arch, rows[i].nr));
    for (uint32_t nr = 0; nr < 1024; nr++)
        assert_int_equal(ask(AUDIT_ARCH_X86_64, nr) == SECCOMP_RET_USER_NOTIF,
                         clone_limit_is_clone(AUDIT_ARCH_X86_64, nr));
#else
    assert_int_equal(ask(AUDIT_ARCH_AARCH64, 220), SECCOMP_RET_USER_NOTIF);
    assert_int_equal(ask(AUDIT_ARCH_AARCH64, 435), SECCOMP_RET_ERRNO | ENOSYS);
#endif
}

/* --- the count --- */

struct world {
    uint64_t known, hidden;
    unsigned quick, deep;
};

static uint64_t look(void *arg, bool deep)
{
    struct world *world = arg;

    if (deep) {
        world->deep++;
        world->known += world->hidden;
        world->hidden = 0;
    } else {
        world->quick++;
    }
    return world->known;
}

static void test_counts_only_at_the_limit(void **state)
{
    struct world world = {.known = 1};
    struct clone_count count = {.limit = 5, .at_most = 1, .recount = look, .arg = &world};

    (void)state;
    for (int i = 0; i < 4; i++, world.known++)
        assert_int_equal(clone_count_decide(&count), 0);
    assert_int_equal(world.quick + world.deep, 0);
    assert_int_equal(clone_count_decide(&count), EAGAIN);
    assert_int_equal(clone_count_decide(&count), EAGAIN);
    assert_int_equal(world.quick, 2);
    assert_int_equal(world.deep, 0); /* enough are known */
    assert_int_equal(count.refused, 2);
}

static void test_exits_make_room(void **state)
{
    struct world world = {.known = 5};
    struct clone_count count = {.limit = 5, .at_most = 5, .recount = look, .arg = &world};

    (void)state;
    assert_int_equal(clone_count_decide(&count), EAGAIN);
    world.known = 3;
    assert_int_equal(clone_count_decide(&count), 0);
    assert_int_equal(clone_count_decide(&count), 0);
    world.known = 5;
    assert_int_equal(clone_count_decide(&count), EAGAIN);
}

static void test_looks_deeper_before_it_lets_go(void **state)
{
    struct world world = {.known = 2, .hidden = 3};
    struct clone_count count = {.limit = 5, .at_most = 5, .recount = look, .arg = &world};

    (void)state;
    assert_int_equal(clone_count_decide(&count), EAGAIN);
    assert_int_equal(world.deep, 1);
}

static void test_no_limit(void **state)
{
    struct world world = {.known = 5000};
    struct clone_count count = {.at_most = 5000, .recount = look, .arg = &world};

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(clone_count_decide(&count), 0);
    assert_int_equal(world.quick + world.deep, 0);
}

/* --- real ones --- */

#define LIMIT 12

static struct clone_limit *the_limit; /* one child at a time */

static enum notify_answer decide(void *arg, struct notify_denial *denial)
{
    (void)arg;
    denial->errnum = clone_limit_decide(the_limit, denial->tid);
    return denial->errnum ? NOTIFY_REFUSE : NOTIFY_CONTINUE;
}

static _Noreturn void run_child(int sock, int (*payload)(void))
{
    struct sock_filter code[CLONE_LIMIT_CODE];
    struct sock_fprog program;
    int listener;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (clone_limit_program(code, &program) < 0 || notify_install(&program, &listener) < 0 ||
        notify_send_listener(sock, listener) < 0)
        _exit(99);
    close(listener);
    _exit(payload());
}

/* Runs `payload` under the limit; its exit status, and the most tasks that were seen of it. */
static int under_limit(int (*payload)(void), uint64_t *ret_refused, uint64_t *ret_calls)
{
    struct notify_options options = {.decide = decide};
    const struct notify_count *counts;
    struct notify *notify;
    int pair[2], status, n;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid = fork();
    if (pid == 0)
        run_child(pair[1], payload);
    close(pair[1]);
    assert_int_equal(notify_receive_listener(pair[0], &options.listener), 0);
    close(pair[0]);
    assert_int_equal(notify_new(&options, &notify, NULL), 0);
    assert_int_equal(clone_limit_new(pid, LIMIT, &the_limit), 0);
    do {
        struct pollfd p = {.fd = notify_fd(notify), .events = POLLIN};

        if (poll(&p, 1, 10000) != 1)
            fail_msg("nothing came in 10 s");
        n = notify_handle(notify, 8);
    } while (n >= 0);
    assert_int_equal(n, -EPIPE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_refused = clone_limit_refused(the_limit);
    *ret_calls = notify_counts(notify, &counts) ? counts[0].count : 0;
    clone_limit_free(the_limit);
    notify_free(notify);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *arg)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return arg;
}

/* How many threads can be had beside the main one, twice: what has ended makes room. */
static int payload_threads(void)
{
    for (int round = 0; round < 2; round++) {
        pthread_t threads[64];
        int n = 0, r;

        pthread_mutex_lock(&gate);
        while (n < 64 && (r = pthread_create(&threads[n], NULL, wait_at_gate, NULL)) == 0)
            n++;
        pthread_mutex_unlock(&gate);
        for (int i = 0; i < n; i++)
            pthread_join(threads[i], NULL);
        if (r != EAGAIN || n != LIMIT - 1)
            return 10 + n;
        usleep(50000); /* the kernel forgets a joined thread a little later */
    }
    return 0;
}

static void test_threads_exactly(void **state)
{
    uint64_t refused, calls;

    (void)state;
    assert_int_equal(under_limit(payload_threads, &refused, &calls), 0);
    assert_int_equal(refused, 2);
    assert_int_equal(calls, 2); /* what goes on is not counted as refused */
}

static void wait_for_eof(int fd)
{
    char c;

    while (read(fd, &c, 1) > 0)
        ;
}

/* Children, each with one of its own: exactly LIMIT in all, whoever's they are. */
static int payload_tree(void)
{
    int hold[2], made = 1, r = 0;
    pid_t pids[64];
    int said[2];

    if (pipe(hold) < 0 || pipe(said) < 0)
        return 1;
    for (int i = 0; i < 64; i++) {
        char c = '-';

        pids[i] = fork();
        if (pids[i] == 0) {
            pid_t grandchild = fork();

            close(hold[1]);
            if (grandchild != 0 && write(said[1], grandchild < 0 ? "n" : "y", 1) != 1)
                _exit(1);
            wait_for_eof(hold[0]);
            _exit(0);
        }
        if (pids[i] < 0) {
            r = errno;
            break;
        }
        made++;
        if (read(said[0], &c, 1) != 1)
            return 2;
        made += c == 'y';
    }
    close(hold[1]);
    while (wait(NULL) > 0)
        ;
    return r == EAGAIN && made == LIMIT ? 0 : 10 + made;
}

static void test_processes_exactly(void **state)
{
    uint64_t refused, calls;

    (void)state;
    assert_int_equal(under_limit(payload_tree, &refused, &calls), 0);
    assert_true(refused >= 1);
}

/* A grandchild whose parent is gone is still one of them: the parent had been counted with it, or it forks itself. */
static int payload_orphans(void)
{
    int hold[2];
    pid_t pid;

    if (pipe(hold) < 0)
        return 1;
    for (int i = 0; i < 4; i++) {
        pid = fork();
        if (pid == 0) {
            if (fork() == 0) {
                if (fork() == 0)
                    _exit(0);
                close(hold[1]);
                wait_for_eof(hold[0]);
                _exit(0);
            }
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    usleep(50000);
    for (int i = 0; i < 64; i++) {
        pid = fork();
        if (pid < 0)
            return i >= LIMIT - 1 - 2 * 4 && i <= LIMIT - 1 - 4 ? 0 : 10 + i;
        if (pid == 0) {
            close(hold[1]);
            wait_for_eof(hold[0]);
            _exit(0);
        }
    }
    return 1;
}

static void test_orphans_that_fork_are_known(void **state)
{
    uint64_t refused, calls;

    (void)state;
    assert_int_equal(under_limit(payload_orphans, &refused, &calls), 0);
}

#define ROUNDS 300

static int payload_quick(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, wait_at_gate, NULL) != 0)
            return 1;
        pthread_join(thread, NULL);
    }
    return 0;
}

/* One thread after the other never meets the limit, though nobody sees them end. */
static void test_one_after_the_other(void **state)
{
    uint64_t refused, calls, begin = clock_now_ns();

    (void)state;
    assert_int_equal(under_limit(payload_quick, &refused, &calls), 0);
    assert_int_equal(refused, 0);
    print_message("a thread under the limit: %.1f us\n", (double)(clock_now_ns() - begin) / 1e3 / ROUNDS);
}

static void test_of_a_dead_process(void **state)
{
    struct clone_limit *limit;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    assert_int_equal(clone_limit_new(pid, 5, &limit), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_counts_only_at_the_limit),
        cmocka_unit_test(test_exits_make_room),
        cmocka_unit_test(test_looks_deeper_before_it_lets_go),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_threads_exactly),
        cmocka_unit_test(test_processes_exactly),
        cmocka_unit_test(test_orphans_that_fork_are_known),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_of_a_dead_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
