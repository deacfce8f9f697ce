/* SPDX-License-Identifier: MIT */
/* Landlock rules: what is compiled, hostile blocks, and (where the kernel has it) what they refuse. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "sandbox/landlock/abi.h"
#include "sandbox/landlock/landlock.h"

static void make_spec(struct sandbox_spec *spec)
{
    spec_init(spec);
    spec->landlock = true;
    spec->root_readonly = true;
}

/* The rights of the rule for `path`; 0 when there is none. */
static uint64_t rights_of(const struct landlock_rules *rules, const char *path)
{
    const unsigned char *at = rules->data;

    for (uint32_t i = 0; i < rules->nrules; i++) {
        struct ll_entry entry;

        memcpy(&entry, at, sizeof(entry));
        if (strcmp((const char *)at + sizeof(entry), path) == 0)
            return entry.access;
        at += sizeof(entry) + entry.path_bytes;
    }
    return 0;
}

static void test_off(void **state)
{
    struct landlock_rules *rules = (void *)1;
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    assert_int_equal(landlock_compile(&spec, "/", NULL, NULL, &rules), 0);
    assert_null(rules);
    spec_done(&spec);
}

static void test_rules_of_a_spec(void **state)
{
    const char *extra[] = {"/not/there", NULL};
    struct landlock_rules *rules = NULL;
    struct sandbox_spec spec;

    (void)state;
    make_spec(&spec);
    spec_add_path(&spec, SPEC_PATH_WRITABLE, "w", 0, false, NULL);
    spec_add_path(&spec, SPEC_PATH_TMPFS, "~/t", 0, false, NULL);
    spec_add_path(&spec, SPEC_PATH_HIDDEN, "/root", 0, false, NULL);
    assert_int_equal(landlock_compile(&spec, "/some", "/home/of", extra, &rules), 0);
    assert_int_equal(rights_of(rules, "/"), LL_READ);
    assert_int_equal(rights_of(rules, "/some/w"), LL_ALL);
    assert_int_equal(rights_of(rules, "/home/of/t"), LL_ALL);
    assert_int_equal(rights_of(rules, "/not/there"), LL_ALL);
    assert_int_equal(rights_of(rules, "/root"), 0);
    assert_int_equal(rights_of(rules, "/some"), 0);
    assert_false(rights_of(rules, "/dev/null") & LL_EXECUTE);
    free(rules);
    rules = NULL;
    assert_int_equal(landlock_compile(&spec, "/some", NULL, NULL, &rules), -EINVAL);
    spec.npaths = 1;
    spec.root_readonly = false;
    assert_int_equal(landlock_compile(&spec, "/some", NULL, NULL, &rules), 0);
    assert_int_equal(rights_of(rules, "/"), LL_ALL);
    free(rules);
    spec.npaths = 3;
    spec_done(&spec);
}

/* ---- in a child, since a restriction is for good
 * --------------------------------------------------------------------- */

static int in_child(int (*fn)(const void *), const void *data)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        alarm(10);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(fn(data));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct block {
    const void *data;
    size_t bytes;
};

static int apply_block(const void *data)
{
    const struct block *block = data;

    return -landlock_apply(block->data, block->bytes);
}

/* Cut at every length, and with every byte changed: refused or harmless, never read beyond (the copy has its exact
 * size, so the sanitizers see it). */
static void test_hostile_blocks(void **state)
{
    struct landlock_rules *rules = NULL;
    struct sandbox_spec spec;
    int expected;

    (void)state;
    make_spec(&spec);
    assert_int_equal(landlock_compile(&spec, "/", NULL, NULL, &rules), 0);
    expected = landlock_abi() == 0 ? EOPNOTSUPP : EINVAL;
    for (size_t n = 0; n < rules->bytes; n += 1 + n / 8) {
        _cleanup_free_ unsigned char *copy = malloc(n ? n : 1);

        memcpy(copy, rules, n);
        assert_int_equal(in_child(apply_block, &(struct block){copy, n}), expected);
        if (n < sizeof(*rules))
            continue;
        ((struct landlock_rules *)(void *)copy)->bytes = (uint32_t)n; /* says so itself */
        assert_int_equal(in_child(apply_block, &(struct block){copy, n}), expected);
    }
    for (size_t i = 0; i < 40; i++) {
        _cleanup_free_ unsigned char *copy = malloc(rules->bytes);
        int r;

        memcpy(copy, rules, rules->bytes);
        copy[i] ^= 0xff;
        r = in_child(apply_block, &(struct block){copy, rules->bytes});
        assert_true(r < 128);
    }
    free(rules);
    spec_done(&spec);
}

struct attempt {
    const struct landlock_rules *rules;
    const char *readonly, *writable;
    pid_t outside;
};

static int try_create(const char *dir, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int attempt(const void *data)
{
    const struct attempt *a = data;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0shunt-test-landlock"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), null;
    _cleanup_free_ char *from = mem_printf("%s/new", a->writable);
    _cleanup_free_ char *to = mem_printf("%s/sub/new", a->writable);

    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "shunt-test-landlock-%d", getpid());
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
        return 1;
    if (landlock_apply(a->rules, a->rules->bytes) < 0)
        return 2;
    if (try_create(a->readonly, "new") != EACCES)
        return 3;
    if (try_create(a->writable, "new") != 0)
        return 4;
    if (landlock_abi() >= 2 && rename(from, to) < 0)
        return 5;
    null = open("/dev/null", O_RDWR | O_TRUNC);
    if (null < 0 || write(null, "x", 1) != 1)
        return 6;
    if (access("/etc/passwd", R_OK) < 0 || open("/etc/passwd", O_RDONLY) < 0)
        return 7;
    if (landlock_abi() >= 6) {
        if (kill(a->outside, 0) == 0 || errno != EPERM)
            return 8;
        if (kill(getpid(), 0) < 0)
            return 9;
        if (connect(client, (struct sockaddr *)&address, sizeof(address)) == 0 || errno != EPERM)
            return 10;
    }
    return 0;
}

static void test_what_is_refused(void **state)
{
    char base[] = "/var/lib/shunt-test.XXXXXX", other[] = "/var/tmp/shunt-test.XXXXXX";
    struct landlock_rules *rules = NULL;
    struct sandbox_spec spec;
    char *readonly, *writable, *sub;
    _cleanup_free_ char *command = NULL;

    (void)state;
    if (landlock_abi() == 0) {
        print_message("this kernel has no Landlock\n");
        skip();
    }
    if (!mkdtemp(base)) {
        print_message("no directory outside of /tmp for uid %u\n", geteuid());
        skip();
    }
    assert_non_null(mkdtemp(other));
    readonly = mem_printf("%s/ro", base);
    writable = mem_printf("%s/rw", base);
    sub = mem_printf("%s/sub", writable);
    assert_true(mkdir(readonly, 0700) == 0 && mkdir(writable, 0700) == 0 && mkdir(sub, 0700) == 0);
    make_spec(&spec);
    spec_add_path(&spec, SPEC_PATH_WRITABLE, "rw", 0, false, NULL);
    assert_int_equal(landlock_compile(&spec, base, NULL, NULL, &rules), 0);
    assert_int_equal(in_child(attempt, &(struct attempt){rules, readonly, writable, getpid()}), 0);
    assert_int_equal(in_child(attempt, &(struct attempt){rules, readonly, other, getpid()}), 5 * (landlock_abi() >= 2));
    free(rules);
    spec_done(&spec);
    free(readonly);
    free(writable);
    free(sub);
    command = mem_printf("rm -rf '%s' '%s'", base, other);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_rules_of_a_spec),
        cmocka_unit_test(test_hostile_blocks),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
