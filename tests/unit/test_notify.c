/* SPDX-License-Identifier: MIT */
/* Refused calls of real children under real filters are answered, named and counted. */
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/notify/notify.h"
#include "sandbox/seccomp/profile.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define CODE_MAX 64

/* --- filters --- */

struct program {
    struct sock_filter code[CODE_MAX];
    struct sock_fprog prog;
};

/* `answer` for the numbers given (0 at the end), `otherwise` for the rest. */
static void make_program(struct program *p, uint32_t answer, uint32_t otherwise, const long *numbers)
{
    unsigned short n = 0;

    p->code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (; *numbers; numbers++) {
        p->code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*numbers, 0, 1);
        p->code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
    }
    p->code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
    p->prog = (struct sock_fprog){n, p->code};
}

static const long keyctl_only[] = {SYS_keyctl, 0};
static const long both[] = {SYS_keyctl, SYS_add_key, 0};

/* --- children --- */

struct sandboxed {
    pid_t pid;
    struct notify *notify;
    struct sock_fprog refusing[2];
    const char *names[2];
};

struct setup {
    const struct sock_fprog *notifying, *refusing[2];
    bool learn;
    enum notify_answer (*decide)(void *arg, struct notify_denial *denial);
    void (*answered)(void *arg, const struct notify_denial *denial);
    void *arg;
    int (*payload)(void);
    void (*before)(void); /* in the child, before the filter */
};

static _Noreturn void run_child(const struct setup *setup, int sock)
{
    int listener;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setup->before)
        setup->before();
    if (notify_install(setup->notifying, &listener) < 0 || notify_send_listener(sock, listener) < 0)
        _exit(99);
    close(listener);
    _exit(setup->payload());
}

static void start(struct sandboxed *s, const struct setup *setup)
{
    struct notify_options options = {.programs = s->refusing, .names = s->names, .learn = setup->learn,
                                     .decide = setup->decide, .answered = setup->answered, .arg = setup->arg};
    struct err err = ERR_INIT;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    s->pid = fork();
    if (s->pid == 0)
        run_child(setup, pair[1]);
    close(pair[1]);
    for (; options.nprograms < 2 && setup->refusing[options.nprograms]; options.nprograms++) {
        s->refusing[options.nprograms] = *setup->refusing[options.nprograms];
        s->names[options.nprograms] = options.nprograms ? "seccomp/second.json" : "seccomp/first.json";
    }
    assert_int_equal(notify_receive_listener(pair[0], &options.listener), 0);
    close(pair[0]);
    if (notify_new(&options, &s->notify, &err) < 0)
        fail_msg("%s", err.message);
}

static void wait_readable(const struct sandboxed *s)
{
    struct pollfd p = {.fd = notify_fd(s->notify), .events = POLLIN};

    if (poll(&p, 1, 10000) != 1)
        fail_msg("nothing came in 10 s");
}

/* Answers until nobody uses the filter; the exit status of the child. */
static int pump(struct sandboxed *s, unsigned most)
{
    int status, n;

    do {
        wait_readable(s);
        n = notify_handle(s->notify, most);
        assert_true(n >= 0 || n == -EPIPE);
        assert_true(n <= (int)most);
    } while (n >= 0);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_count(struct sandboxed *s, size_t at, const char *name, const char *profile, int errnum, uint64_t count)
{
    const struct notify_count *counts;
    size_t n = notify_counts(s->notify, &counts);

    assert_true(at < n);
    assert_string_equal(counts[at].name, name);
    if (profile)
        assert_string_equal(counts[at].profile, profile);
    else
        assert_null(counts[at].profile);
    assert_int_equal(counts[at].errnum, errnum);
    assert_int_equal(counts[at].count, count);
}

static size_t ncounts(struct sandboxed *s)
{
    const struct notify_count *counts;

    return notify_counts(s->notify, &counts);
}

static int keyctl_errno(void)
{
    errno = 0;
    return syscall(SYS_keyctl, -1L, 0, 0, 0, 0) < 0 ? errno : 0;
}

/* --- tests --- */

static int payload_mixed(void)
{
    if (getppid() <= 1 || keyctl_errno() != EPERM)
        return 1;
    if (syscall(SYS_add_key, 0, 0, 0, 0, 0) == 0 || errno != EFAULT) /* not listed: the kernel's own answer */
        return 2;
    return keyctl_errno() == EPERM ? 0 : 3;
}

static void test_refused_by_name_and_the_rest_untouched(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_mixed});
    assert_int_equal(pump(&s, 8), 0);
    assert_int_equal(ncounts(&s), 1);
    expect_count(&s, 0, "keyctl", "seccomp/first.json", EPERM, 2);
    notify_free(s.notify);
}

static int payload_both(void)
{
    if (keyctl_errno() != EPERM)
        return 1;
    return syscall(SYS_add_key, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS ? 0 : 2;
}

static void test_several_profiles_each_refuses_its_own(void **state)
{
    static const long add_key_only[] = {SYS_add_key, 0};
    struct program notifying, first, second;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, both);
    make_program(&first, SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ALLOW, add_key_only);
    make_program(&second, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&first.prog, &second.prog}, .payload = payload_both});
    assert_int_equal(pump(&s, 8), 0);
    expect_count(&s, 0, "add_key", "seccomp/first.json", ENOSYS, 1);
    expect_count(&s, 1, "keyctl", "seccomp/second.json", EPERM, 1);
    notify_free(s.notify);
}

static int payload_goes_on(void)
{
    return syscall(SYS_add_key, 0, 0, 0, 0, 0) < 0 && errno == EFAULT ? 0 : 1;
}

static void test_what_no_profile_refuses_goes_on_uncounted(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, both);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_LOG, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_goes_on});
    assert_int_equal(pump(&s, 8), 0);
    assert_int_equal(ncounts(&s), 0);
    notify_free(s.notify);
}

static int payload_no_errno(void)
{
    errno = 0;
    return syscall(SYS_add_key, 0, 0, 0, 0, 0) == 0 ? 0 : 1;
}

/* A profile's errnoRet 0: the call does nothing and says that all is well. */
static void test_errno_zero_is_success(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, both);
    make_program(&refusing, SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW, both);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_no_errno});
    assert_int_equal(pump(&s, 8), 0);
    expect_count(&s, 0, "add_key", "seccomp/first.json", 0, 1);
    notify_free(s.notify);
}

struct seen {
    unsigned decided, answered;
    pid_t tid, kill;
    bool waits;
    uint64_t first_arg;
};

static enum notify_answer decide_other_errno(void *arg, struct notify_denial *denial)
{
    struct seen *seen = arg;

    seen->decided++;
    seen->tid = denial->tid;
    seen->first_arg = denial->args[0];
    denial->errnum = ENOTTY;
    return NOTIFY_REFUSE;
}

static void count_answered(void *arg, const struct notify_denial *denial)
{
    struct seen *seen = arg;

    assert_int_equal(denial->errnum, ENOTTY);
    seen->answered++;
}

static int payload_enotty(void)
{
    return keyctl_errno() == ENOTTY ? 0 : 1;
}

static void test_decide_has_the_last_word(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};
    struct seen seen = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .decide = decide_other_errno,
                              .answered = count_answered, .arg = &seen, .payload = payload_enotty});
    assert_int_equal(pump(&s, 8), 0);
    assert_int_equal(seen.decided, 1);
    assert_int_equal(seen.answered, 1);
    assert_int_equal(seen.tid, s.pid);
    assert_true(seen.first_arg == (uint64_t)-1);
    notify_free(s.notify);
}

/* --- the dying --- */

static int payload_one(void)
{
    keyctl_errno();
    return 0;
}

static void reap_killed(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed_while_it_waits(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_one});
    wait_readable(&s);
    kill(s.pid, SIGKILL);
    reap_killed(s.pid);
    assert_int_equal(notify_handle(s.notify, 8), -EPIPE); /* and does not block */
    assert_int_equal(ncounts(&s), 0);
    notify_free(s.notify);
}

static enum notify_answer decide_kill(void *arg, struct notify_denial *denial)
{
    struct seen *seen = arg;

    kill(denial->tid, SIGKILL);
    reap_killed(denial->tid);
    seen->decided++;
    return NOTIFY_REFUSE;
}

static void test_killed_between_question_and_answer(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};
    struct seen seen = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .decide = decide_kill,
                              .answered = count_answered, .arg = &seen, .payload = payload_one});
    wait_readable(&s);
    assert_int_equal(notify_handle(s.notify, 1), 0);
    assert_int_equal(seen.decided, 1);
    assert_int_equal(seen.answered, 0);
    assert_int_equal(ncounts(&s), 0);
    assert_int_equal(notify_handle(s.notify, 1), -EPIPE);
    notify_free(s.notify);
}

static enum notify_answer decide_look(void *arg, struct notify_denial *denial)
{
    struct sandboxed *s = *(struct sandboxed **)arg;

    assert_true(notify_waits(s->notify, denial));
    kill(denial->tid, SIGKILL);
    reap_killed(denial->tid);
    assert_false(notify_waits(s->notify, denial));
    return NOTIFY_REFUSE;
}

static void test_says_who_still_waits(void **state)
{
    struct program notifying;
    struct sandboxed s = {0}, *arg = &s;

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {NULL}, .decide = decide_look, .arg = &arg, .payload = payload_one});
    wait_readable(&s);
    assert_int_equal(notify_handle(s.notify, 1), 0);
    notify_free(s.notify);
}

static int payload_enosys(void)
{
    return keyctl_errno() == ENOSYS && keyctl_errno() == ENOSYS ? 0 : 1;
}

static void test_without_a_listener_enosys(void **state)
{
    struct program notifying;
    struct sandboxed s = {0};
    int status;

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {NULL}, .payload = payload_enosys});
    wait_readable(&s); /* the first one waits already */
    notify_free(s.notify);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- learning --- */

static int payload_learn(void)
{
    return getppid() > 1 && syscall(SYS_add_key, 0, 0, 0, 0, 0) < 0 && errno == EFAULT ? 0 : 1;
}

/* Everything but sendmsg notifies, as with --learn: handing over the listener must not wait for anybody. */
static void test_learning_lets_everything_go_on(void **state)
{
    static const long handover[] = {SYS_sendmsg, 0};
    static const long add_key_only[] = {SYS_add_key, 0};
    struct program notifying, refusing;
    const struct notify_count *counts;
    struct sandboxed s = {0};
    bool close_seen = false, add_key_seen = false;
    size_t n;

    (void)state;
    make_program(&notifying, SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, handover);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, add_key_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .learn = true, .payload = payload_learn});
    assert_int_equal(pump(&s, 8), 0);
    n = notify_counts(s.notify, &counts);
    for (size_t i = 0; i < n; i++) {
        close_seen = close_seen || (strcmp(counts[i].name, "close") == 0 && !counts[i].profile);
        add_key_seen = add_key_seen || (strcmp(counts[i].name, "add_key") == 0 && counts[i].errnum == EPERM);
    }
    assert_true(close_seen && add_key_seen);
    notify_free(s.notify);
}

/* --- many --- */

#define FLOOD 10000

static int payload_flood(void)
{
    for (int i = 0; i < FLOOD; i++)
        if (keyctl_errno() != EPERM)
            return 1;
    return 0;
}

static void test_ten_thousand(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};
    uint64_t begin;

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_flood});
    begin = clock_now_ns();
    assert_int_equal(pump(&s, 16), 0);
    print_message("one refused call: %.1f us\n", (double)(clock_now_ns() - begin) / 1e3 / FLOOD);
    expect_count(&s, 0, "keyctl", "seccomp/first.json", EPERM, FLOOD);
    notify_free(s.notify);
}

static void *thread_calls(void *arg)
{
    for (int i = 0; i < 200; i++)
        if (keyctl_errno() != EPERM)
            *(int *)arg = 1;
    return NULL;
}

static int payload_threads(void)
{
    pthread_t threads[8];
    int bad[8] = {0}, sum = 0;

    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, thread_calls, &bad[i]) != 0)
            return 2;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        sum += bad[i];
    }
    return sum;
}

static void test_many_threads(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_threads});
    assert_int_equal(pump(&s, 3), 0);
    expect_count(&s, 0, "keyctl", "seccomp/first.json", EPERM, 1600);
    notify_free(s.notify);
}

static int payload_numbers(void)
{
    for (long nr = 2000; nr < 2000 + NOTIFY_CALLS_MAX + 100; nr++)
        if (syscall(nr) != -1 || errno != ENOSYS)
            return 1;
    return 0;
}

static void test_names_are_bounded(void **state)
{
    static const long allowed[] = {SYS_sendmsg, SYS_close, SYS_exit_group, 0};
    struct program notifying, refusing;
    struct sandboxed s = {0};
    const struct notify_count *counts;
    size_t n;

    (void)state;
    make_program(&notifying, SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, allowed);
    make_program(&refusing, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | ENOSYS, allowed);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_numbers});
    assert_int_equal(pump(&s, 64), 0);
    n = notify_counts(s.notify, &counts);
    assert_int_equal(n, NOTIFY_CALLS_MAX + 1);
    assert_string_equal(counts[n - 1].name, NOTIFY_OTHERS);
    assert_int_equal(counts[n - 1].count, 100);
    assert_string_equal(counts[0].name, "syscall 2000");
    notify_free(s.notify);
}

/* --- signals --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static int payload_alarms(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 50; i++)
        if (keyctl_errno() != EPERM)
            return 1;
    return alarms > 0 ? 0 : 2;
}

static enum notify_answer decide_slowly(void *arg, struct notify_denial *denial)
{
    (void)denial;
    (*(unsigned *)arg)++;
    usleep(3000);
    return NOTIFY_REFUSE;
}

/* Handlers run while the answer is on its way: no call is lost, none is counted twice. */
static void test_handlers_while_it_waits(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};
    unsigned asked = 0;

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .decide = decide_slowly, .arg = &asked,
                              .payload = payload_alarms});
    assert_int_equal(pump(&s, 8), 0);
    expect_count(&s, 0, "keyctl", "seccomp/first.json", EPERM, 50);
    print_message("50 calls under a 1 ms timer were asked about %u times\n", asked);
    notify_free(s.notify);
}

/* --- installing --- */

/* The kernel before 5.19: a flag of seccomp(2) that it does not know. */
static void no_wait_killable(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        _exit(98);
}

static void test_on_a_kernel_before_wait_killable(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};
    unsigned asked = 0;

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    /* Under the 1 ms timer no slow answer would ever arrive in time, so a quick one. */
    (void)asked;
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_flood, .before = no_wait_killable});
    assert_int_equal(pump(&s, 64), 0);
    expect_count(&s, 0, "keyctl", "seccomp/first.json", EPERM, FLOOD);
    notify_free(s.notify);
}

static int payload_second_listener(void)
{
    struct program again;
    int listener;

    make_program(&again, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, both);
    if (notify_install(&again.prog, &listener) != -EBUSY)
        return 1;
    /* Without a listener of its own what it notifies about is ENOSYS, though it was the older one's to answer. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &again.prog) < 0)
        return 2;
    return keyctl_errno() == ENOSYS ? 0 : 3;
}

static void test_one_listener_a_tree(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_second_listener});
    assert_int_equal(pump(&s, 8), 0);
    assert_int_equal(ncounts(&s), 0);
    notify_free(s.notify);
}

static int payload_stacked_errno(void)
{
    struct program on_top;

    make_program(&on_top, SECCOMP_RET_ERRNO | EACCES, SECCOMP_RET_ALLOW, keyctl_only);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &on_top.prog) < 0)
        return 2;
    return keyctl_errno() == EACCES ? 0 : 3;
}

/* Why what shall be named must not be refused by a stacked filter: it wins, and nobody is asked. */
static void test_a_stacked_errno_is_not_seen(void **state)
{
    struct program notifying, refusing;
    struct sandboxed s = {0};

    (void)state;
    make_program(&notifying, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW, keyctl_only);
    make_program(&refusing, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, keyctl_only);
    start(&s, &(struct setup){&notifying.prog, {&refusing.prog}, .payload = payload_stacked_errno});
    assert_int_equal(pump(&s, 8), 0);
    assert_int_equal(ncounts(&s), 0);
    notify_free(s.notify);
}

static void test_errors(void **state)
{
    struct err err = ERR_INIT;
    struct notify *notify;
    int pair[2], listener = -7;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(notify_new(&(struct notify_options){.listener = dup(pair[0])}, &notify, &err), -EINVAL);
    assert_true(write(pair[1], "x", 1) == 1);
    assert_int_equal(notify_receive_listener(pair[0], &listener), -EPROTO);
    close(pair[1]);
    assert_int_equal(notify_receive_listener(pair[0], &listener), -ECONNRESET);
    assert_int_equal(listener, -7);
    assert_true(notify_send_listener(pair[0], pair[0]) < 0);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_by_name_and_the_rest_untouched),
        cmocka_unit_test(test_several_profiles_each_refuses_its_own),
        cmocka_unit_test(test_what_no_profile_refuses_goes_on_uncounted),
        cmocka_unit_test(test_errno_zero_is_success),
        cmocka_unit_test(test_decide_has_the_last_word),
        cmocka_unit_test(test_killed_while_it_waits),
        cmocka_unit_test(test_killed_between_question_and_answer),
        cmocka_unit_test(test_says_who_still_waits),
        cmocka_unit_test(test_without_a_listener_enosys),
        cmocka_unit_test(test_learning_lets_everything_go_on),
        cmocka_unit_test(test_ten_thousand),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_handlers_while_it_waits),
        cmocka_unit_test(test_on_a_kernel_before_wait_killable),
        cmocka_unit_test(test_one_listener_a_tree),
        cmocka_unit_test(test_a_stacked_errno_is_not_seen),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
