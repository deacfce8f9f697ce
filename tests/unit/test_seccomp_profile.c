/* SPDX-License-Identifier: MIT */
/* What the shipped profiles say; and what they refuse is refused by a real kernel in a real child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/profile.h"

static const char *const shipped[] = {"policies/seccomp/default.json", "policies/seccomp/guard.json",
                                      "policies/seccomp/worker.json", "policies/seccomp/tight.json"};

static void load(const char *path)
{
    struct sock_fprog program;

    if (seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, NULL) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        _exit(99);
}

/* The errno of one call under all three filters; 0: it went through. */
static int errno_of(long number, long a, long b)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        for (size_t i = 0; i < 3; i++)
            load(shipped[i]);
        errno = 0;
        _exit(syscall(number, a, b, 0, 0, 0, 0) < 0 ? errno : 0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_shipped_profiles_compile(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct sock_fprog program;
        struct err err = ERR_INIT;

        if (seccomp_profile_compile(&(struct seccomp_request){.path = shipped[i]}, &program, &err) < 0)
            fail_msg("%s", err.message);
        assert_true(program.len > 0);
        seccomp_profile_done(&program);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    assert_int_equal(errno_of(SYS_getpid, 0, 0), 0);
    assert_int_equal(errno_of(SYS_unshare, CLONE_NEWUSER, 0), EPERM);
    assert_int_equal(errno_of(SYS_setns, 0, 0), EPERM);
    assert_int_equal(errno_of(SYS_mount, 0, 0), EPERM);
    assert_int_equal(errno_of(425 /* io_uring_setup */, 1, 0), EPERM);
    assert_int_equal(errno_of(435 /* clone3 */, 0, 0), ENOSYS);
    assert_int_equal(errno_of(SYS_clone, CLONE_NEWNS | 17, 0), EPERM);
    assert_int_equal(errno_of(SYS_clone, CLONE_NEWUSER | 17, 0), EPERM);
    assert_int_equal(errno_of(SYS_ioctl, 0, TIOCSTI), EPERM);
    /* bits above the 32 that the kernel looks at must not hide the command (CVE-2019-7303) */
    assert_int_equal(errno_of(SYS_ioctl, 0, (long)(0x100000000UL | TIOCSTI)), EPERM);
    assert_int_equal(errno_of(1000, 0, 0), ENOSYS);
#ifdef __x86_64__
    assert_int_equal(errno_of(0x40000000 + SYS_getpid, 0, 0), ENOSYS); /* x32 */
#endif
}

/* --- one listener for all files --- */

struct listener {
    int fd;
    struct sock_fprog refusing;
};

/* Loads the merged program with a listener, in this process. */
static struct listener listen_here(const char *const *paths)
{
    struct listener listener = {.fd = -1};
    struct sock_fprog program;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (seccomp_profile_compile(&(struct seccomp_request){.paths = paths, .notify = true}, &program, NULL) == 0 &&
        seccomp_profile_compile(&(struct seccomp_request){.paths = paths}, &listener.refusing, NULL) == 0)
        listener.fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return listener;
}

/* Answers one call as the profile would. Returns its number, or -1. */
static int answer_one(const struct listener *listener)
{
    struct seccomp_notif call = {0};
    struct seccomp_notif_resp answer = {0};
    uint32_t said;

    if (ioctl(listener->fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
        return -1;
    said =
        seccomp_evaluate(&listener->refusing, call.data.arch, (uint32_t)call.data.nr, (const uint64_t *)call.data.args);
    answer.id = call.id;
    answer.error = -(int)(said & SECCOMP_RET_DATA);
    if ((said & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO ||
        ioctl(listener->fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
        return -1;
    return call.data.nr;
}

static int errno_here(long number, long a, long b)
{
    errno = 0;
    return syscall(number, a, b, 0, 0, 0, 0) < 0 ? errno : 0;
}

/* In a process of its own: 0 when refusals of both files were told and answered, and clone3 was quiet. */
static int try_listener(void)
{
    static const char *const paths[] = {"policies/seccomp/default.json", "policies/seccomp/guard.json", NULL};
    struct listener listener = listen_here(paths);
    int status;
    pid_t pid;

    if (listener.fd < 0)
        return errno == EBUSY ? 77 : 2;
    pid = fork();
    if (pid == 0)
        _exit(errno_here(SYS_clone3, 0, 0) == ENOSYS && errno_here(SYS_mount, 0, 0) == EPERM &&
                      errno_here(SYS_socket, AF_VSOCK, 1) == EAFNOSUPPORT && errno_here(1000, 0, 0) == ENOSYS &&
                      errno_here(SYS_getppid, 0, 0) == 0
                  ? 0
                  : 3);
    if (answer_one(&listener) != SYS_mount || answer_one(&listener) != SYS_socket || answer_one(&listener) != 1000)
        return 4;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

static void test_refusals_of_both_files_reach_one_listener(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        alarm(20);
        _exit(try_listener());
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("this test runs under a filter with a listener already; the kernel allows one\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a build under tight.json --- */

static const char build[] =
    "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d\n"
    "printf '#include <stdio.h>\\nint main(void) { puts(\"built\"); return 0; }\\n' >a.c\n"
    "printf 'a: a.c\\n\\tcc -O2 -o a a.c\\n' >Makefile\n"
    "if command -v make >/dev/null; then make -s -j2; else cc -o a a.c; fi\n"
    "[ \"$(./a)\" = built ]; mkfifo pipe; [ -p pipe ]\n"
    "python=/usr/bin/python3; [ -x $python ] || python=$(command -v python3) || exit 0\n"
    "cat >test_it.py <<'END'\n"
    "import socket, subprocess, sys, tempfile, threading\n"
    "from concurrent.futures import ProcessPoolExecutor\n"
    "def test_threads():\n"
    "    t = threading.Thread(target=print); t.start(); t.join()\n"
    "def test_processes():\n"
    "    with ProcessPoolExecutor(2) as pool: assert list(pool.map(abs, [-1, -2])) == [1, 2]\n"
    "def test_children():\n"
    "    assert subprocess.check_output([sys.executable, '-c', 'print(1)']) == b'1\\n'\n"
    "def test_sockets():\n"
    "    s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()).close()\n"
    "def test_files(): tempfile.TemporaryFile().write(b'x')\n"
    "END\n"
    "if $python -c 'import pytest' 2>/dev/null; then $python -m pytest -q -p no:cacheprovider test_it.py\n"
    "else $python -c 'import test_it as t; [f() for n, f in list(vars(t).items()) if n[:5] == \"test_\"]'; fi\n";

static void test_a_build_and_its_tests_run_under_tight(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        load("policies/seccomp/tight.json");
        load("policies/seccomp/guard.json");
        execl("/bin/sh", "sh", "-c", build, NULL);
        _exit(98);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* --- what the shipped files say, asked of the evaluator --- */

static struct sock_fprog compile_with_guard(const char *path)
{
    const char *const paths[] = {path, "policies/seccomp/guard.json", NULL};
    struct sock_fprog program;
    struct err err = ERR_INIT;

    if (seccomp_profile_compile(&(struct seccomp_request){.paths = paths}, &program, &err) < 0)
        fail_msg("%s", err.message);
    return program;
}

static int refusal(const struct sock_fprog *program, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t args[6] = {a, b, c};
    uint32_t answer = seccomp_evaluate(program, seccomp_native_arch(), (uint32_t)seccomp_syscall_number(name), args);

    if (answer == SECCOMP_RET_ALLOW)
        return 0;
    assert_int_equal(answer & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
    return (int)(answer & SECCOMP_RET_DATA);
}

static const char *const never[] = {
    "add_key", "keyctl", "request_key", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "mount",
    "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsmount", "fsconfig", "fspick",
    "mount_setattr", "unshare", "open_by_handle_at", "quotactl", "quotactl_fd", "acct", "swapon", "swapoff",
    "reboot", "clock_settime", "settimeofday", "syslog", "iopl", "ioperm",
};
static const char *const never_tight[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "setns", "name_to_handle_at",
    "chroot", "modify_ldt", "process_madvise",
};
/* What interpreters, compilers, make and test frameworks call all the time. */
static const char *const always[] = {
    "read", "write", "openat", "close", "fstat", "newfstatat", "statx", "lseek", "mmap", "mprotect", "munmap",
    "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "ioctl", "pread64", "access", "faccessat2", "pipe2",
    "poll", "ppoll", "select", "pselect6", "sched_yield", "sched_getaffinity", "sched_setaffinity", "mremap",
    "madvise", "dup", "dup2", "dup3", "nanosleep", "clock_nanosleep", "getpid", "gettid", "socketpair", "connect",
    "accept4", "sendto", "recvfrom", "sendmsg", "recvmsg", "bind", "listen", "getsockname", "setsockopt", "clone",
    "fork", "vfork", "execve", "exit", "exit_group", "wait4", "waitid", "kill", "tgkill", "uname", "fcntl", "flock",
    "fsync", "ftruncate", "getdents64", "getcwd", "chdir", "rename", "renameat2", "mkdir", "rmdir", "link",
    "symlink", "unlink", "unlinkat", "readlink", "chmod", "fchmodat2", "chown", "umask", "getrusage", "sysinfo",
    "prctl", "arch_prctl", "setrlimit", "prlimit64", "futex", "futex_waitv", "set_tid_address", "set_robust_list",
    "rseq", "timer_create", "timerfd_create", "epoll_create1", "epoll_wait", "epoll_pwait2", "inotify_init1",
    "eventfd2", "signalfd4", "getrandom", "memfd_create", "close_range", "copy_file_range", "sendfile", "splice",
    "shmget", "semget", "msgget", "mq_open", "setsid", "setpgid", "pidfd_open", "pidfd_send_signal", "membarrier",
    "landlock_create_ruleset", "seccomp", "utimensat", "fallocate", "cachestat",
};

static void test_everyday_calls_pass_and_dangerous_ones_do_not(void **state)
{
    struct sock_fprog standard = compile_with_guard("policies/seccomp/default.json");
    struct sock_fprog tight = compile_with_guard("policies/seccomp/tight.json");

    (void)state;
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        if (seccomp_syscall_number(always[i]) < 0)
            assert_int_equal(seccomp_syscall_number(always[i]), -ENOENT); /* not a call of this architecture */
        else if (refusal(&standard, always[i], 0, 0, 0) || refusal(&tight, always[i], 0, 0, 0))
            fail_msg("%s is refused", always[i]);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (seccomp_syscall_number(never[i]) < 0)
            assert_int_equal(seccomp_syscall_number(never[i]), -ENOENT);
        else if (refusal(&standard, never[i], 0, 0, 0) != EPERM || refusal(&tight, never[i], 0, 0, 0) != EPERM)
            fail_msg("%s is not refused with EPERM", never[i]);
    for (size_t i = 0; i < sizeof(never_tight) / sizeof(never_tight[0]); i++) {
        if (seccomp_syscall_number(never_tight[i]) < 0)
            continue;
        assert_int_equal(refusal(&standard, never_tight[i], 0, 0, 0), 0);
        assert_int_equal(refusal(&tight, never_tight[i], 0, 0, 0), EPERM);
    }
    seccomp_profile_done(&standard);
    seccomp_profile_done(&tight);
}

#define HIGH (1ull << 32)

static void test_socket_families(void **state)
{
    struct sock_fprog standard = compile_with_guard("policies/seccomp/default.json");
    struct sock_fprog tight = compile_with_guard("policies/seccomp/tight.json");

    (void)state;
    for (uint64_t family = 0; family < 64; family++) {
        bool ordinary = family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;

        /* the kernel sees 32 bits of it */
        assert_int_equal(refusal(&tight, "socket", family, 1, 0), ordinary ? 0 : EAFNOSUPPORT);
        assert_int_equal(refusal(&tight, "socket", family | HIGH, 1, 0), ordinary ? 0 : EAFNOSUPPORT);
    }
    assert_int_not_equal(refusal(&tight, "socket", UINT32_MAX, 1, 0), 0);
    assert_int_equal(refusal(&standard, "socket", AF_VSOCK, 1, 0), EAFNOSUPPORT);
    assert_int_equal(refusal(&standard, "socket", AF_VSOCK | HIGH, 1, 0), EAFNOSUPPORT);
    assert_int_equal(refusal(&standard, "socket", AF_TIPC, 1, 0), EAFNOSUPPORT);
    assert_int_equal(refusal(&standard, "socket", AF_PACKET, 3, 0), 0);
    assert_int_equal(refusal(&standard, "socket", AF_ALG, 5, 0), 0);
    seccomp_profile_done(&standard);
    seccomp_profile_done(&tight);
}

static void test_tight_arguments(void **state)
{
    static const uint64_t harmless[] = {0, 8, 0x20000, 0x20008, 0x40000, UINT32_MAX};
    static const mode_t plain[] = {0, S_IFREG, S_IFIFO, S_IFSOCK}, devices[] = {S_IFCHR, S_IFBLK};
    struct sock_fprog tight = compile_with_guard("policies/seccomp/tight.json");

    (void)state;
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        assert_int_equal(refusal(&tight, "personality", harmless[i], 0, 0), 0);
        assert_int_equal(refusal(&tight, "personality", harmless[i] | HIGH, 0, 0), 0);
    }
    assert_int_equal(refusal(&tight, "personality", 0x0400000 /* READ_IMPLIES_EXEC */, 0, 0), EPERM);
    assert_int_equal(refusal(&tight, "personality", 0x0440000 | HIGH, 0, 0), EPERM);
    assert_int_equal(refusal(&tight, "personality", 0x0100000 /* MMAP_PAGE_ZERO */, 0, 0), EPERM);
    for (unsigned bit = 0; bit < 32; bit++)
        assert_true((0x60008u >> bit & 1) || refusal(&tight, "personality", 1u << bit, 0, 0) != 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(refusal(&tight, "mknod", 0, plain[i] | 0644, 0), 0);
        assert_int_equal(refusal(&tight, "mknodat", 0, 0, plain[i] | 0644), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(refusal(&tight, "mknod", 0, devices[i] | 0600, 0), EPERM);
        assert_int_equal(refusal(&tight, "mknodat", 0, 0, devices[i] | 0600 | HIGH), EPERM);
    }
    assert_int_equal(refusal(&tight, "clone", 0x10000011, 0, 0), EPERM);
    assert_int_equal(refusal(&tight, "ioctl", 0, TIOCSTI | HIGH, 0), EPERM);
    assert_int_equal(refusal(&tight, "ioctl", 0, 0x541c /* TIOCLINUX */, 0), EPERM);
    seccomp_profile_done(&tight);
}

/* Each call of Linux up to 6.18 is decided on by name: nothing but what no kernel implements gets the default. */
static void test_every_call_is_decided(void **state)
{
    static const char *const dead[] = {"_sysctl", "afs_syscall", "epoll_ctl_old", "epoll_wait_old", "getpmsg",
                                       "putpmsg", "security",    "tuxcall",       "vserver",        "clone3"};
    const char *const paths[] = {"policies/seccomp/default.json", "policies/seccomp/tight.json"};
    struct seccomp_explanation told;

    (void)state;
    for (size_t p = 0; p < 2; p++)
        for (uint32_t nr = 0; nr <= 469; nr++) {
            char name[64];
            bool is_dead = false;

            seccomp_syscall_name(seccomp_native_arch(), nr, name, sizeof(name));
            if (strchr(name, ' '))
                continue; /* no such number */
            for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++)
                is_dead |= strcmp(dead[i], name) == 0;
            assert_int_equal(seccomp_explain(&(struct seccomp_request){.path = paths[p]}, name, &told, NULL), 0);
            if (told.known == is_dead)
                fail_msg("%s in %s: %s", name, paths[p], told.text);
        }
}

/* --- explanations --- */

static void expect_told(const char *path, const char *name, const char *text)
{
    const char *const paths[] = {path, "policies/seccomp/guard.json", NULL};
    struct seccomp_explanation told;
    struct err err = ERR_INIT;

    if (seccomp_explain(&(struct seccomp_request){.paths = paths, .notify = true}, name, &told, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(told.text, text);
}

static void test_explanations(void **state)
{
    static const char *const permit[] = {"setns", NULL};
    struct seccomp_explanation told;
    struct err err = ERR_INIT;

    (void)state;
    expect_told("policies/seccomp/default.json", "openat", "openat: allowed (seccomp/default.json)\n");
    expect_told("policies/seccomp/default.json", "mount", "mount: EPERM (seccomp/default.json)\n");
    expect_told("policies/seccomp/default.json", "clone3", "clone3: ENOSYS (shunt)\n");
    expect_told("policies/seccomp/default.json", "tuxcall", "tuxcall: ENOSYS (seccomp/default.json, default)\n");
    expect_told(
        "policies/seccomp/default.json", "clone",
        "clone: allowed (seccomp/default.json)\n  with CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, "
        "CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET in argument 0: EPERM (seccomp/guard.json)\n");
    expect_told(
        "policies/seccomp/tight.json", "socket",
        "socket: EAFNOSUPPORT (seccomp/tight.json)\n  with AF_UNIX, AF_INET, AF_INET6, AF_NETLINK in argument 0: "
        "allowed (seccomp/tight.json)\n");
    expect_told("policies/seccomp/tight.json", "ioctl",
                "ioctl: allowed (seccomp/tight.json)\n  with TIOCSTI, TIOCLINUX in argument 1: EPERM "
                "(seccomp/guard.json)\n");
    expect_told("policies/seccomp/default.json", "breakpoint", "breakpoint: not a system call of this architecture\n");
    assert_int_equal(
        seccomp_explain(&(struct seccomp_request){.path = shipped[0], .permit = permit}, "setns", &told, &err), 0);
    assert_string_equal(told.text, "setns: allowed (shunt)\n");
    assert_int_equal(told.ncases, 1);
    assert_int_equal(told.cases[0].answer, SECCOMP_RET_ALLOW);
    assert_true(seccomp_explain(&(struct seccomp_request){.path = shipped[0]}, "opemat", &told, &err) < 0);
    assert_int_equal(err.kind, ERR_USAGE);
}

static void test_names_of_calls(void **state)
{
    char buf[64];

    (void)state;
    assert_string_equal(seccomp_syscall_name(seccomp_native_arch(), SYS_openat, buf, sizeof(buf)), "openat");
    assert_string_equal(seccomp_syscall_name(seccomp_native_arch(), 469, buf, sizeof(buf)), "file_setattr");
    assert_string_equal(seccomp_syscall_name(seccomp_native_arch(), 9999, buf, sizeof(buf)), "syscall 9999");
    assert_string_equal(seccomp_syscall_name(AUDIT_ARCH_I386, 20, buf, sizeof(buf)), "getpid (i386)");
    assert_string_equal(seccomp_syscall_name(AUDIT_ARCH_X86_64, 39 | 0x40000000, buf, sizeof(buf)), "getpid (x32)");
    assert_string_equal(seccomp_answer_word(SECCOMP_RET_ERRNO | EPERM, buf, sizeof(buf)), "EPERM");
    assert_string_equal(seccomp_answer_word(SECCOMP_RET_ERRNO | 4000, buf, sizeof(buf)), "errno 4000");
    assert_string_equal(seccomp_answer_word(SECCOMP_RET_USER_NOTIF, buf, sizeof(buf)), "notified");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_profiles_compile),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refusals_of_both_files_reach_one_listener),
        cmocka_unit_test(test_a_build_and_its_tests_run_under_tight),
        cmocka_unit_test(test_everyday_calls_pass_and_dangerous_ones_do_not),
        cmocka_unit_test(test_socket_families),
        cmocka_unit_test(test_tight_arguments),
        cmocka_unit_test(test_every_call_is_decided),
        cmocka_unit_test(test_explanations),
        cmocka_unit_test(test_names_of_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
