/* SPDX-License-Identifier: MIT */
/* Profiles as container engines write them, and what is said of those that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/seccomp/profile.h"

#define CAP_SYS_CHROOT_BIT (1ull << 18)
#define CAP_SYS_PTRACE_BIT (1ull << 19)
#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

/* Text with ' for ", to be read with ease. */
static char *write_profile(const char *text)
{
    static char path[40];
    char *copy = strdup(text);
    int fd;

    strcpy(path, "/tmp/shunt-format-XXXXXX");
    fd = mkstemp(path);
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    assert_true(fd >= 0 && write(fd, copy, strlen(copy)) == (ssize_t)strlen(copy));
    close(fd);
    free(copy);
    return path;
}

static struct sock_fprog compile_caps(const char *text, uint64_t caps)
{
    char *path = write_profile(text);
    struct sock_fprog program;
    struct err err = ERR_INIT;
    int r = seccomp_profile_compile(&(struct seccomp_request){.path = path, .caps = caps}, &program, &err);

    unlink(path);
    if (r < 0)
        fail_msg("%s / %s", err.message, err.hint);
    return program;
}

/* What `text` gives a call. */
static uint32_t answer_caps(const char *text, uint64_t caps, uint32_t nr, uint64_t a, uint64_t b)
{
    struct sock_fprog program = compile_caps(text, caps);
    const uint64_t args[6] = {a, b};
    uint32_t answer = seccomp_evaluate(&program, seccomp_native_arch(), nr, args);

    seccomp_profile_done(&program);
    return answer;
}

static uint32_t answer(const char *text, uint32_t nr, uint64_t a, uint64_t b)
{
    return answer_caps(text, 0, nr, a, b);
}

/* --- formats --- */

static const char oci[] = "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 38,"
                          " 'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'], 'flags': [],"
                          " 'syscalls': [{'names': ['read', 'write'], 'action': 'SCMP_ACT_ALLOW'},"
                          "  {'names': ['kill'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 3},"
                          "  {'names': ['tkill'], 'action': 'SCMP_ACT_ERRNO'},"
                          "  {'names': ['close'], 'action': 'SCMP_ACT_LOG'},"
                          "  {'names': ['dup'], 'action': 'SCMP_ACT_KILL'},"
                          "  {'names': ['dup3'], 'action': 'SCMP_ACT_KILL_PROCESS', 'args': []},"
                          "  {'names': ['getcwd'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 0}]}";

static void test_oci(void **state)
{
    (void)state;
    assert_int_equal(answer(oci, SYS_read, 0, 0), ALLOW);
    assert_int_equal(answer(oci, SYS_kill, 0, 0), ERRNO(3));
    assert_int_equal(answer(oci, SYS_tkill, 0, 0), ERRNO(EPERM));
    assert_int_equal(answer(oci, SYS_close, 0, 0), SECCOMP_RET_LOG);
    assert_int_equal(answer(oci, SYS_dup, 0, 0), SECCOMP_RET_KILL_THREAD);
    assert_int_equal(answer(oci, SYS_dup3, 0, 0), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(answer(oci, SYS_getcwd, 0, 0), ERRNO(0));
    assert_int_equal(answer(oci, SYS_openat, 0, 0), ERRNO(38));
    /* rules are optional in the specification */
    assert_int_equal(answer("{'defaultAction': 'SCMP_ACT_ALLOW'}", SYS_openat, 0, 0), ALLOW);
}

/* The shape of Docker's file, with each of its peculiarities. */
static const char moby[] =
    "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 1,"
    " 'archMap': [{'architecture': 'SCMP_ARCH_X86_64', 'subArchitectures': ['SCMP_ARCH_X86', 'SCMP_ARCH_X32']},"
    "             {'architecture': 'SCMP_ARCH_RISCV64', 'subArchitectures': null}],"
    " 'syscalls': [{'names': ['read', 'epoll_ctl_old', 'from_the_future'], 'action': 'SCMP_ACT_ALLOW',"
    "               'args': [], 'comment': '', 'includes': {}, 'excludes': {}},"
    "  {'name': 'write', 'names': null, 'action': 'SCMP_ACT_ALLOW', 'args': null},"
    "  {'names': ['chroot'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'caps': ['CAP_SYS_CHROOT']}},"
    "  {'names': ['kcmp'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'caps': ['CAP_SYS_CHROOT', 'CAP_SYS_PTRACE']}},"
    "  {'names': ['mount'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 38, 'excludes': {'caps': ['CAP_SYS_CHROOT',"
    "    'CAP_SYS_PTRACE']}},"
    "  {'names': ['getpid'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'arches': ['amd64', 'arm64', 'riscv64',"
    "    'ppc64le', 's390x']}},"
    "  {'names': ['getppid'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'arches': ['x86', 'x32']}},"
    "  {'names': ['getuid'], 'action': 'SCMP_ACT_ALLOW', 'excludes': {'arches': ['s390', 'x32']}},"
    "  {'names': ['getgid'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'minKernel': '4.8'}},"
    "  {'names': ['geteuid'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'minKernel': '999.0'}},"
    "  {'names': ['getegid'], 'action': 'SCMP_ACT_ALLOW', 'excludes': {'minKernel': '4.8'}},"
    "  {'names': ['personality'], 'action': 'SCMP_ACT_ALLOW', 'args': [{'index': 0, 'value': 8, 'op': 'SCMP_CMP_EQ'}]},"
    "  {'names': ['clone'], 'action': 'SCMP_ACT_ALLOW', 'args': [{'index': 0, 'value': 2114060288, 'op': "
    "'SCMP_CMP_MASKED_EQ'}], 'comment': 'no namespaces'}]}";

static void test_docker(void **state)
{
    (void)state;
    assert_int_equal(answer(moby, SYS_read, 0, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_write, 0, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_openat, 0, 0), ERRNO(1));
    assert_int_equal(answer(moby, SYS_personality, 8, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_personality, 9, 0), ERRNO(1));
    assert_int_equal(answer(moby, SYS_clone, 17, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_clone, 0x10000011, 0), ERRNO(1));
}

static void test_includes_and_excludes(void **state)
{
    const uint64_t both = CAP_SYS_CHROOT_BIT | CAP_SYS_PTRACE_BIT;

    (void)state;
    assert_int_equal(answer_caps(moby, 0, SYS_chroot, 0, 0), ERRNO(1));
    assert_int_equal(answer_caps(moby, CAP_SYS_CHROOT_BIT, SYS_chroot, 0, 0), ALLOW);
    assert_int_equal(answer_caps(moby, CAP_SYS_CHROOT_BIT, SYS_kcmp, 0, 0), ERRNO(1)); /* all that are listed */
    assert_int_equal(answer_caps(moby, both, SYS_kcmp, 0, 0), ALLOW);
    assert_int_equal(answer_caps(moby, 0, SYS_mount, 0, 0), ERRNO(38));
    assert_int_equal(answer_caps(moby, CAP_SYS_PTRACE_BIT, SYS_mount, 0, 0), ERRNO(1)); /* any that is listed */
    assert_int_equal(answer(moby, SYS_getpid, 0, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_getppid, 0, 0), ERRNO(1));
    assert_int_equal(answer(moby, SYS_getuid, 0, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_getgid, 0, 0), ALLOW);
    assert_int_equal(answer(moby, SYS_geteuid, 0, 0), ERRNO(1));
    assert_int_equal(answer(moby, SYS_getegid, 0, 0), ERRNO(1));
}

/* This kernel's own version, and its neighbours. */
static void test_min_kernel_at_the_edge(void **state)
{
    unsigned major, minor;
    struct utsname uts;
    char text[300];

    (void)state;
    assert_int_equal(uname(&uts), 0);
    assert_int_equal(sscanf(uts.release, "%u.%u", &major, &minor), 2);
    for (unsigned step = 0; step < 2; step++) {
        snprintf(text, sizeof(text), "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read'], 'action': "
                                     "'SCMP_ACT_ALLOW', 'includes': {'minKernel': '%u.%u'}}]}", major, minor + step);
        assert_int_equal(answer(text, SYS_read, 0, 0), step ? ERRNO(1) : ALLOW);
    }
}

static void test_podman_names_errnos(void **state)
{
    static const char text[] =
        "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 1, 'defaultErrno': 'ENOSYS', 'syscalls': ["
        "{'names': ['read'], 'action': 'SCMP_ACT_ERRNO', 'errno': 'EPERM', 'errnoRet': 99},"
        "{'names': ['write'], 'action': 'SCMP_ACT_ERRNO', 'errno': '', 'errnoRet': 22},"
        "{'names': ['openat'], 'action': 'SCMP_ACT_ERRNO', 'errno': '95'},"
        "{'names': ['close'], 'action': 'SCMP_ACT_ERRNO', 'errno': 'EOPNOTSUPP'}]}";

    (void)state;
    assert_int_equal(answer(text, SYS_dup, 0, 0), ERRNO(ENOSYS));
    assert_int_equal(answer(text, SYS_read, 0, 0), ERRNO(EPERM));
    assert_int_equal(answer(text, SYS_write, 0, 0), ERRNO(22));
    assert_int_equal(answer(text, SYS_openat, 0, 0), ERRNO(95));
    assert_int_equal(answer(text, SYS_close, 0, 0), ERRNO(EOPNOTSUPP));
}

/* --- arguments --- */

/* The answer of a profile with one condition on argument 0. */
static uint32_t with_condition(const char *op, const char *value, const char *value_two, uint64_t a)
{
    char text[400];

    snprintf(text, sizeof(text), "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read'], 'action': "
                                 "'SCMP_ACT_ALLOW', 'args': [{'index': 0, 'value': %s, 'valueTwo': %s, 'op': "
                                 "'SCMP_CMP_%s'}]}]}", value, value_two, op);
    return answer(text, SYS_read, a, 0) == ALLOW;
}

static void test_operators_look_at_64_bits(void **state)
{
    static const uint64_t points[] = {0, 1, 0x7fffffff, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
                                      0x8000000000000000, 0x8000000000000001, 0xfffffffffffffffe, UINT64_MAX};
    size_t n = sizeof(points) / sizeof(points[0]);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            char value[24];
            uint64_t a = points[j], v = points[i];

            snprintf(value, sizeof(value), "%ju", (uintmax_t)v);
            assert_int_equal(with_condition("EQ", value, "0", a), a == v);
            assert_int_equal(with_condition("NE", value, "0", a), a != v);
            assert_int_equal(with_condition("LT", value, "0", a), a < v);
            assert_int_equal(with_condition("LE", value, "0", a), a <= v);
            assert_int_equal(with_condition("GT", value, "0", a), a > v);
            assert_int_equal(with_condition("GE", value, "0", a), a >= v);
            assert_int_equal(with_condition("MASKED_EQ", value, value, a), (a & v) == v);
            assert_int_equal(with_condition("MASKED_EQ", value, "0", a), (a & v) == 0);
        }
}

static void test_two_arguments_are_both_two_of_one_are_either(void **state)
{
    static const char both[] = "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read'], 'action': "
                               "'SCMP_ACT_ALLOW', 'args': [{'index': 0, 'value': 1, 'op': 'SCMP_CMP_EQ'}, {'index': 1, "
                               "'value': 2, 'op': 'SCMP_CMP_EQ'}]}]}";
    static const char either[] = "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read'], 'action': "
                                 "'SCMP_ACT_ALLOW', 'args': [{'index': 0, 'value': 1, 'op': 'SCMP_CMP_EQ'}, {'index': "
                                 "0, 'value': 2, 'op': 'SCMP_CMP_EQ'}]}]}";

    (void)state;
    assert_int_equal(answer(both, SYS_read, 1, 2), ALLOW);
    assert_int_equal(answer(both, SYS_read, 1, 3), ERRNO(1));
    assert_int_equal(answer(either, SYS_read, 1, 0), ALLOW);
    assert_int_equal(answer(either, SYS_read, 2, 0), ALLOW);
    assert_int_equal(answer(either, SYS_read, 3, 0), ERRNO(1));
}

/* --- errors --- */

static void expect_error(const char *text, const char *message, const char *hint)
{
    char *path = write_profile(text);
    struct err err = ERR_INIT;
    struct sock_fprog program;

    assert_true(seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, &err) < 0);
    unlink(path);
    assert_int_equal(err.kind, ERR_USAGE);
    if (strncmp(err.message, path, strlen(path)) != 0 || !strstr(err.message, message) || !strstr(err.hint, hint))
        fail_msg("expected '%s' / '%s' in: %s / %s", message, hint, err.message, err.hint);
}

/* One rule in an allow list, so that each row shows only what is wrong. */
static void expect_rule_error(const char *rule, const char *message, const char *hint)
{
    char text[1000];

    snprintf(text, sizeof(text), "{'defaultAction': 'SCMP_ACT_ERRNO',\n 'syscalls': [\n  {'names': ['read'], 'action': "
                                 "'SCMP_ACT_ALLOW'},\n  %s\n]}\n", rule);
    expect_error(text, message, hint);
}

static void test_errors_of_files(void **state)
{
    (void)state;
    expect_error("{\n 'defaultAction': \n", ":3:", "JSON");
    expect_error("[]", ":1: is []", "an object");
    expect_error("{\n'defaultAction': 'SCMP_ACT_PRAY'}", ":2: defaultAction is \"SCMP_ACT_PRAY\"", "SCMP_ACT_ALLOW");
    expect_error("{'defaultAction': 3}", "defaultAction is 3", "SCMP_ACT_ERRNO");
    expect_error("{\n\n'syscalls': []}", "defaultAction is missing", "SCMP_ACT_ERRNO");
    expect_error("{'defaultAction': 'SCMP_ACT_TRACE'}", "defaultAction: SCMP_ACT_TRACE is not supported", "ERRNO");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'defaultErrnoRet': 1}", "defaultErrnoRet: only SCMP_ACT_ERRNO",
                 "remove");
    expect_error("{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 4096}", "defaultErrnoRet is 4096", "4095");
    expect_error("{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrno': 'EPURM'}", "defaultErrno is \"EPURM\"", "EPERM");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW',\n'colour': 1}", ":2: colour: unknown key", "archMap");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': {}}", "syscalls is {}", "a list");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'defaultAction': 'SCMP_ACT_ALLOW'}", "duplicate", "");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG']}",
                 "flags[0]: SECCOMP_FILTER_FLAG_LOG is not supported", "report");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_X']}", "flags[0] is", "TSYNC");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/run/x'}", "listenerPath: not supported",
                 "listener");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerMetadata': 'x'}", "listenerMetadata", "listener");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['amd64']}", "architectures[0] is \"amd64\"",
                 "SCMP_ARCH_X86_64");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'archMap': [{'architecture': 'SCMP_ARCH_X86_64', "
                 "'subArchitectures': ['SCMP_ARCH_Z80']}]}", "archMap[0].subArchitectures[0] is", "SCMP_ARCH_X86");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'archMap': [{'arch': 1}]}", "archMap[0].arch: unknown key",
                 "keys are");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86'], 'archMap': "
                 "[{'architecture': 'SCMP_ARCH_X86'}]}", "both architectures and archMap", "one of them");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW',\n'syscalls': [{'names': ['read'], 'action': 'SCMP_ACT_ERRNO'},\n"
                 "{'names': ['mount', 'unshar'], 'action': 'SCMP_ACT_ERRNO'}]}",
                 ":3: syscalls[1] (\"mount\", …): names[1]: unknown system call", "did you mean \"unshare\"?");
    expect_error("{'defaultAction': 'SCMP_ACT_ALLOW', 'x': 18446744073709551616}", ":1:", "");
}

static void test_errors_of_rules(void **state)
{
    (void)state;
    expect_rule_error("7", ":4: syscalls[1] is 7", "names");
    expect_rule_error("{'action': 'SCMP_ACT_ALLOW'}", "syscalls[1]: names is missing", "at least one");
    expect_rule_error("{'names': [], 'action': 'SCMP_ACT_ALLOW'}", "names is []", "at least one");
    expect_rule_error("{'names': 'read', 'action': 'SCMP_ACT_ALLOW'}", "names is \"read\"", "a list");
    expect_rule_error("{'names': [3], 'action': 'SCMP_ACT_ALLOW'}", "names[0] is 3", "name of a system call");
    expect_rule_error("{'names': [''], 'action': 'SCMP_ACT_ALLOW'}", "names[0] is \"\"", "name of a system call");
    expect_rule_error("{'name': 'a', 'names': ['b'], 'action': 'SCMP_ACT_ALLOW'}", "both name and names",
                      "one of them");
    expect_rule_error("{'names': ['open', 'close']}", "syscalls[1] (\"open\", …): action is missing", "SCMP_ACT_ALLOW");
    expect_rule_error("{'name': 'open',\n'action': 'SCMP_ACT_NOTIFY'}",
                      ":5: syscalls[1] (\"open\"): action: SCMP_ACT_NOTIFY is not supported", "SCMP_ACT_ERRNO");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_TRAP'}", "SCMP_ACT_TRAP is not supported", "ERRNO");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'errnoRet': 1}", "errnoRet: only", "remove");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': -1}", "errnoRet is -1", "0 to 4095");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ERRNO', 'errno': 'E'}", "errno is \"E\"", "EPERM");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ERRNO', 'errno': 5}", "errno is 5", "text");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'priority': 1}", "priority: unknown key",
                      "names");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'comment': 1}", "comment is 1", "text");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'includes': []}", "includes is []", "an object");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'cap': []}}",
                      "includes.cap: unknown", "caps");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'excludes': {'caps': ['SYS_TIME']}}",
                      "excludes.caps[0] is \"SYS_TIME\"", "CAP_");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'arches': ['x86_64']}}",
                      "includes.arches[0] is \"x86_64\"", "amd64");
    expect_rule_error("{'names': ['open'], 'action': 'SCMP_ACT_ALLOW', 'includes': {'minKernel': 'new'}}",
                      "minKernel is \"new\"", "4.8");
}

static void expect_arg_error(const char *arg, const char *message, const char *hint)
{
    char rule[600];

    snprintf(rule, sizeof(rule), "{'names': ['openat', 'open'], 'action': 'SCMP_ACT_ALLOW',\n'args': [%s]}", arg);
    expect_rule_error(rule, message, hint);
}

static void test_errors_of_arguments(void **state)
{
    (void)state;
    expect_arg_error("{'index': 0, 'value': 1,\n 'op': 'SCMP_CMP_FOO'}",
                     ":6: syscalls[1] (\"openat\", …): args[0].op is \"SCMP_CMP_FOO\"", "SCMP_CMP_MASKED_EQ");
    expect_arg_error("{'index': 6, 'value': 1, 'op': 'SCMP_CMP_EQ'}", "args[0].index is 6", "0 to 5");
    expect_arg_error("{'index': 18446744073709551615, 'value': 1, 'op': 'SCMP_CMP_EQ'}",
                     "args[0].index is 18446744073709551615", "0 to 5");
    expect_arg_error("{'value': 1, 'op': 'SCMP_CMP_EQ'}", "args[0].index is missing", "index");
    expect_arg_error("{'index': 0, 'op': 'SCMP_CMP_EQ'}", "args[0].value is missing", "value");
    expect_arg_error("{'index': 0, 'value': 1}", "args[0].op is missing", "op");
    expect_arg_error("{'index': 0, 'value': -1, 'op': 'SCMP_CMP_EQ'}", "args[0].value is -1", "18446744073709551615");
    expect_arg_error("{'index': 0, 'value': 1.5, 'op': 'SCMP_CMP_EQ'}", "args[0].value is 1.5", "whole number");
    expect_arg_error("{'index': 0, 'value': '1', 'op': 'SCMP_CMP_EQ'}", "args[0].value is \"1\"", "whole number");
    expect_arg_error("{'index': 0, 'value': 1, 'valueTwo': true, 'op': 'SCMP_CMP_EQ'}", "valueTwo is true", "number");
    expect_arg_error("{'index': 0, 'value': 18446744073709551616, 'op': 'SCMP_CMP_EQ'}", ":5:", "");
    expect_arg_error("{'index': 0, 'value': 1, 'op': 'SCMP_CMP_EQ', 'note': 1}", "args[0].note: unknown key",
                     "valueTwo");
}

static void test_errors_of_reading(void **state)
{
    struct err err = ERR_INIT;
    struct sock_fprog program;
    char *path;
    int r;

    (void)state;
    assert_int_equal(seccomp_profile_compile(&(struct seccomp_request){.path = "/nowhere.json"}, &program, &err),
                     -ENOENT);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_true(seccomp_profile_compile(&(struct seccomp_request){.path = "/tmp"}, &program, &err) < 0);
    assert_non_null(strstr(err.message, "not a file"));
    path = write_profile("{}");
    assert_int_equal(truncate(path, 2 << 20), 0);
    r = seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, &err);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(truncate(path, 20), 0);
    r = seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, &err);
    unlink(path);
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(err.message, "zero byte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oci),
        cmocka_unit_test(test_docker),
        cmocka_unit_test(test_includes_and_excludes),
        cmocka_unit_test(test_min_kernel_at_the_edge),
        cmocka_unit_test(test_podman_names_errnos),
        cmocka_unit_test(test_operators_look_at_64_bits),
        cmocka_unit_test(test_two_arguments_are_both_two_of_one_are_either),
        cmocka_unit_test(test_errors_of_files),
        cmocka_unit_test(test_errors_of_rules),
        cmocka_unit_test(test_errors_of_arguments),
        cmocka_unit_test(test_errors_of_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
