/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "sandbox/command/verdict.h"
#include "sandbox/sandbox.h"

#define EXITED(status) ((status) << 8)
#define DIED(signum) (signum)

static void each_row(void **state)
{
    static const struct {
        int wait_status;
        uint64_t oom_kills, refused;
        bool timeout;
        enum sandbox_verdict verdict;
    } rows[] = {
        {EXITED(0), 0, 0, false, SANDBOX_OK},
        {EXITED(1), 0, 0, false, SANDBOX_EXIT},
        {EXITED(137), 0, 0, false, SANDBOX_EXIT},
        {DIED(SIGSEGV), 0, 0, false, SANDBOX_SIGNAL},
        {DIED(SIGKILL), 0, 0, false, SANDBOX_SIGNAL},
        {DIED(SIGSYS), 0, 0, false, SANDBOX_DENIED},
        /* A limit that was met and did no harm is none of a successful command's affairs. */
        {EXITED(0), 1, 0, false, SANDBOX_OK},
        {EXITED(0), 0, 7, false, SANDBOX_OK},
        /* A limit may end a program in any way. */
        {DIED(SIGKILL), 1, 0, false, SANDBOX_MEMORY},
        {EXITED(1), 1, 0, false, SANDBOX_MEMORY},
        {EXITED(1), 0, 1, false, SANDBOX_TASKS},
        {DIED(SIGABRT), 0, 1, false, SANDBOX_TASKS},
        {DIED(SIGSYS), 0, 1, false, SANDBOX_TASKS},
        /* Both: the kernel's killing is what ended it. */
        {DIED(SIGKILL), 2, 9, false, SANDBOX_MEMORY},
        /* The timeout is ours, and outranks all that it caused. */
        {EXITED(0), 0, 0, true, SANDBOX_TIMEOUT},
        {DIED(SIGTERM), 0, 0, true, SANDBOX_TIMEOUT},
        {DIED(SIGKILL), 1, 1, true, SANDBOX_TIMEOUT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sandbox_result result = {
            .wait_status = rows[i].wait_status, .oom_kills = rows[i].oom_kills, .tasks_refused = rows[i].refused};
        enum sandbox_verdict verdict = sandbox_decide(&result, rows[i].timeout);

        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %s, not %s", i, sandbox_verdict_name(verdict), sandbox_verdict_name(rows[i].verdict));
    }
}

static void a_counted_limit_is_met_only_at_the_limit(void **state)
{
    struct sandbox_result result = {.wait_status = EXITED(2), .tasks_counted = true, .tasks_peak = 7, .tasks_limit = 8};

    (void)state;
    assert_int_equal(sandbox_decide(&result, false), SANDBOX_EXIT);
    result.tasks_peak = 8;
    assert_int_equal(sandbox_decide(&result, false), SANDBOX_TASKS);
    result.tasks_limit = 0; /* none */
    assert_int_equal(sandbox_decide(&result, false), SANDBOX_EXIT);
    result.tasks_limit = 8;
    result.tasks_counted = false; /* a cgroup counts refusals, and there were none */
    assert_int_equal(sandbox_decide(&result, false), SANDBOX_EXIT);
}

static void names_are_different(void **state)
{
    (void)state;
    for (int a = SANDBOX_OK; a <= SANDBOX_DENIED; a++)
        for (int b = SANDBOX_OK; b < a; b++)
            assert_string_not_equal(sandbox_verdict_name((enum sandbox_verdict)a),
                                    sandbox_verdict_name((enum sandbox_verdict)b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_row), cmocka_unit_test(a_counted_limit_is_met_only_at_the_limit),
        cmocka_unit_test(names_are_different)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
