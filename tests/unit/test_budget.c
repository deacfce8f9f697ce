/* SPDX-License-Identifier: MIT */
/* supervisor/plan/jobserver and budget_account: what MAKEFLAGS says, and what the dead give back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "supervisor/plan/budget_account.h"
#include "supervisor/plan/jobserver.h"

static struct jobserver parsed(const char *text)
{
    struct jobserver jobserver;

    jobserver_parse(text, &jobserver);
    return jobserver;
}

static void fds(const char *text, int read_fd, int write_fd)
{
    struct jobserver jobserver = parsed(text);

    assert_int_equal(jobserver.kind, JOBSERVER_FDS);
    assert_int_equal(jobserver.read_fd, read_fd);
    assert_int_equal(jobserver.write_fd, write_fd);
}

static void descriptors(void **state)
{
    (void)state;
    fds(" -j4 --jobserver-auth=3,4", 3, 4);
    fds("ks -j --jobserver-fds=10,11 -- A=b", 10, 11);
    fds("--jobserver-auth=3,4 --jobserver-auth=5,6", 5, 6);
}

static void a_fifo(void **state)
{
    struct jobserver jobserver = parsed(" -j2 --jobserver-auth=fifo:/tmp/GMfifo12 -- X=1");

    (void)state;
    assert_int_equal(jobserver.kind, JOBSERVER_FIFO);
    assert_string_equal(jobserver.path, "/tmp/GMfifo12");
}

static void none_and_bad_ones(void **state)
{
    static const char *const none[] = {"", "k", "-j4", "-j4 --jobserver-auth=-2,-2", "-- --jobserver-auth=3,4",
                                       "k -- X=a\\ --jobserver-auth=3,4"};
    static const char *const bad[] = {"--jobserver-auth=", "--jobserver-auth=3", "--jobserver-auth=3,4x", "--jobserver-auth=fifo:",
                                      "--jobserver-auth=fifo:relative", "--jobserver-auth=sem:1",
                                      "--jobserver-auth=99999999999999999999999,4"};
    char long_path[600] = "--jobserver-auth=fifo:/";

    (void)state;
    assert_int_equal(parsed(NULL).kind, JOBSERVER_NONE);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (parsed(none[i]).kind != JOBSERVER_NONE)
            fail_msg("\"%s\" names a jobserver", none[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parsed(bad[i]).kind != JOBSERVER_BAD)
            fail_msg("\"%s\" was understood", bad[i]);
    memset(long_path + strlen(long_path), 'a', 500);
    assert_int_equal(parsed(long_path).kind, JOBSERVER_BAD);
}

static void stripped(const char *from, const char *to)
{
    char *text = jobserver_strip(from);

    assert_string_equal(text, to);
    free(text);
}

static void stripping_leaves_the_rest(void **state)
{
    (void)state;
    stripped("", "");
    stripped("k -j3", "k -j3"); /* its own, not make's above */
    stripped(" -j4 --jobserver-auth=3,4", "");
    stripped("ks -j4 --jobserver-auth=3,4 -- A=b\\ c", "ks -- A=b\\ c");
    stripped(" --no-print-directory -j --jobserver-fds=3,4", " --no-print-directory");
    stripped("k -j4 --jobserver-auth=-2,-2", "k");
    stripped(" -j2 --jobserver-auth=fifo:/x -- -j4", " -- -j4");
}

static void accounts(void **state)
{
    const struct budget_record nobody[] = {{false, 2}, {false, 1}};
    const struct budget_record one_dead[] = {{true, 1}, {false, 2}, {false, 1}};
    const struct budget_record liar[] = {{true, 0}, {false, ~0ULL}, {false, ~0ULL}};
    struct budget_account account = budget_account(NULL, 0, 4);

    (void)state;
    assert_true(account.fresh);
    assert_int_equal(account.put_back, 4);
    account = budget_account(nobody, 2, 4);
    assert_true(account.fresh);
    assert_int_equal(account.put_back, 4);
    account = budget_account(one_dead, 3, 4);
    assert_false(account.fresh);
    assert_int_equal(account.put_back, 3);
    account = budget_account(liar, 3, 4);
    assert_false(account.fresh);
    assert_int_equal(account.put_back, 4);
    account = budget_account(one_dead, 1, 4);
    assert_int_equal(account.put_back, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors),          cmocka_unit_test(a_fifo),   cmocka_unit_test(none_and_bad_ones),
        cmocka_unit_test(stripping_leaves_the_rest), cmocka_unit_test(accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
