/* SPDX-License-Identifier: MIT */
/* The small rooms: capabilities and their names, resource limits, the loopback device. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/caps/caps.h"
#include "sandbox/net/loopback.h"
#include "sandbox/rlimits/rlimits.h"
#include "sandbox/spec/spec.h"

static int in_child(int (*fn)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        alarm(10);
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_names(void **state)
{
    char name[32];

    (void)state;
    assert_int_equal(caps_parse("net_raw"), CAP_NET_RAW);
    assert_int_equal(caps_parse("NET_RAW"), CAP_NET_RAW);
    assert_int_equal(caps_parse("CAP_NET_RAW"), CAP_NET_RAW);
    assert_int_equal(caps_parse("cap_chown"), CAP_CHOWN);
    assert_int_equal(caps_parse(""), -EINVAL);
    assert_int_equal(caps_parse("cap_"), -EINVAL);
    assert_int_equal(caps_parse("13"), -EINVAL);
    assert_int_equal(caps_parse("cap_13"), -EINVAL);
    assert_int_equal(caps_parse("net_raw,chown"), -EINVAL);
    assert_int_equal(caps_parse("net_raw "), -EINVAL);
    assert_int_equal(caps_parse("an_awfully_long_name_for_a_capability_that_does_not_fit_into_any_buffer"), -EINVAL);
    assert_int_equal(caps_name(CAP_NET_RAW, name, sizeof(name)), 0);
    assert_string_equal(name, "net_raw");
    assert_int_equal(caps_name(63, name, sizeof(name)), 0);
    assert_string_equal(name, "63");
    assert_int_equal(caps_name(CAP_NET_RAW, name, 3), -ENOBUFS);
}

static uint64_t set_of(const char *field)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long value = 0;

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), ":%llx", &value);
    if (f)
        fclose(f);
    return value;
}

static int keep_two(void)
{
    const uint64_t two = CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_NET_RAW);

    if (caps_keep(two) < 0)
        return 1;
    if (set_of("CapEff") != two || set_of("CapPrm") != two || set_of("CapBnd") != two)
        return 2;
    if (set_of("CapInh") || set_of("CapAmb"))
        return 3;
    if (caps_keep(CAPS_ALL) < 0 || set_of("CapEff") != two) /* nothing comes back */
        return 4;
    return caps_keep(0) < 0 || set_of("CapEff") || set_of("CapBnd") != two ? 5 : 0;
}

static int keep_docker(void)
{
    return caps_keep(CAPS_DOCKER) < 0 || set_of("CapEff") != CAPS_DOCKER || set_of("CapBnd") != CAPS_DOCKER;
}

static int ordinary_user(void)
{
    if (geteuid() == 0 && syscall(SYS_setresuid, 1000, 1000, 1000) < 0)
        return 1;
    return caps_keep(0) < 0 || set_of("CapEff") ? 2 : 0;
}

static void test_keep(void **state)
{
    (void)state;
    assert_int_equal(in_child(ordinary_user), 0);
    if (geteuid() != 0 || (set_of("CapEff") & CAPS_DOCKER) != CAPS_DOCKER) {
        print_message("only an ordinary user's part: no capabilities to lose here\n");
        return;
    }
    assert_int_equal(in_child(keep_two), 0);
    assert_int_equal(in_child(keep_docker), 0);
}

static bool is_limit(int resource, rlim_t cur, rlim_t max)
{
    struct rlimit now;

    return getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_cur == cur && now.rlim_max == max;
}

static int some_limits(void)
{
    struct sandbox_spec spec;
    struct rlimit before = {.rlim_cur = 50, .rlim_max = 100};
    int r = 0;

    spec_init(&spec);
    if (geteuid() == 0)
        r = (int)syscall(SYS_setresuid, 1000, 1000, 1000); /* root may raise a hard limit, others not */
    setrlimit(RLIMIT_NOFILE, &before);
    spec.rlimits[RLIMIT_NOFILE].set = true;
    spec.rlimits[RLIMIT_NOFILE].value = 4096;
    spec.rlimits[RLIMIT_CORE].set = true;
    spec.rlimits[RLIMIT_CORE].value = 0;
    if (r < 0 || rlimits_apply(&spec, UINT64_MAX) < 0)
        return 1;
    if (!is_limit(RLIMIT_NOFILE, 100, 100) || !is_limit(RLIMIT_CORE, 0, 0))
        return 2;
    if (rlimits_apply(&spec, 77) < 0 || !is_limit(RLIMIT_NPROC, 77, 77))
        return 3;
    spec.rlimits[RLIMIT_NPROC].set = true;
    spec.rlimits[RLIMIT_NPROC].value = 33;
    return rlimits_apply(&spec, 66) < 0 || !is_limit(RLIMIT_NPROC, 33, 33) ? 4 : 0;
}

static void test_rlimits(void **state)
{
    (void)state;
    assert_int_equal(in_child(some_limits), 0);
}

static int use_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 77;
    close(server);
    close(client);
    server = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons(8080);
    if (connect(client, (struct sockaddr *)&address, size) == 0 || errno != ENETUNREACH)
        return 1; /* down */
    if (net_loopback_up() < 0)
        return 2;
    if (bind(server, (struct sockaddr *)&address, size) < 0 || listen(server, 1) < 0)
        return 3;
    return connect(client, (struct sockaddr *)&address, size) < 0 ? 4 : 0;
}

static void test_loopback(void **state)
{
    int r = in_child(use_loopback);

    (void)state;
    if (r == 77) {
        print_message("no network namespaces here for uid %u\n", geteuid());
        skip();
    }
    assert_int_equal(r, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_rlimits),
        cmocka_unit_test(test_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
