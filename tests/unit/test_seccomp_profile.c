/* SPDX-License-Identifier: MIT */
/* The shipped profiles compile, and what they refuse is refused by a real kernel in a real child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/profile.h"

static const char *const shipped[] = {"policies/seccomp/default.json", "policies/seccomp/guard.json",
                                      "policies/seccomp/worker.json"};

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
    for (size_t i = 0; i < 3; i++) {
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

static void expect_error(const char *text, const char *word)
{
    char path[] = "/tmp/shunt-profile-XXXXXX";
    struct err err = ERR_INIT;
    struct sock_fprog program;
    int fd = mkstemp(path);

    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    assert_true(seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, &err) < 0);
    unlink(path);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.message, word) && !strstr(err.hint, word))
        fail_msg("expected '%s' in: %s / %s", word, err.message, err.hint);
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    expect_error("{\n \"defaultAction\": \n", ":3:");
    expect_error("{\"defaultAction\": \"SCMP_ACT_PRAY\", \"syscalls\": []}", "SCMP_ACT_ALLOW");
    expect_error("{\"syscalls\": []}", "defaultAction is missing");
    expect_error("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": 3, \"action\": "
                 "\"SCMP_ACT_ERRNO\"}]}",
                 "names");
    expect_error("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"read\"], \"action\": "
                 "\"SCMP_ACT_ERRNO\", \"args\": [{\"index\": 9, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]}]}",
                 "index");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_profiles_compile),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_errors_name_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
