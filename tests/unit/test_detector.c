/* SPDX-License-Identifier: MIT */
/* supervisor/core/detector: what happened to a worker; and the words of supervisor/core/verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "supervisor/core/detector.h"

#define EXITED(status) ((status) << 8)
#define CORE 0x80
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* A healthy worker in the middle of a test. */
static const struct detector_view healthy = {
    .moment = DETECTOR_BUSY,
    .limits = {.tasks = 64,
               .memory_bytes = 512 * MIB,
               .timeout_ns = 60 * NS_PER_SEC,
               .stall_ns = 10 * NS_PER_SEC},
    .at_start = {.tasks_refused = 3, .oom_kills = 1},
    .now = {.tasks_now = 5,
            .tasks_peak = 20,
            .tasks_refused = 3,
            .oom_kills = 1,
            .memory_peak_bytes = 512 * MIB,
            .tasks_peak_exact = true,
            .memory_peak_exact = true},
    .counters_valid = true,
    .in_test = true,
    .elapsed_ns = NS_PER_SEC,
};

static struct detector_view dead(int wait_status)
{
    struct detector_view view = healthy;

    view.moment = DETECTOR_DEATH;
    view.wait_status = wait_status;
    view.wait_status_valid = true;
    return view;
}

/* At its task limit, with 337 forks refused. */
static struct detector_view full(struct detector_view view)
{
    view.now.tasks_peak = 64;
    view.now.tasks_refused = 340;
    return view;
}

static void check(const struct detector_view *view, enum verdict verdict, const char *text)
{
    struct detector_result result = {.verdict = VERDICT_COUNT, .is_void = true, .text = "as it was"};

    detector_judge(view, &result);
    if (result.verdict != verdict || strcmp(result.text, text) != 0)
        fail_msg("[%s] \"%s\"", verdict_name(result.verdict), result.text);
    assert_int_equal(result.is_void, false);
}

static void check_void(const struct detector_view *view, const char *text)
{
    struct detector_result result;

    detector_judge(view, &result);
    assert_int_equal(result.verdict, VERDICT_EXTERNAL);
    assert_true(result.is_void);
    assert_string_equal(result.text, text);
}

static void nothing_wrong(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    check(&view, VERDICT_NONE, "");
    view.moment = DETECTOR_BOUNDARY;
    check(&view, VERDICT_NONE, "");
    view.pressure = true; /* somebody else's trouble */
    check(&view, VERDICT_NONE, "");
    view.now.tasks_peak = 64; /* at the limit, but nothing was refused */
    check(&view, VERDICT_NONE, "");
}

static void tasks(void **state)
{
    struct detector_view view = full(healthy);

    (void)state;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view.moment = DETECTOR_BOUNDARY;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view.now.tasks_peak = 2; /* a peak that was reset: what counts now still tells */
    view.now.tasks_now = 64;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
}

static void a_limit_that_was_hit_outranks_how_the_worker_died(void **state)
{
    struct detector_view view;

    (void)state;
    view = full(dead(EXITED(1)));
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view = full(dead(SIGSEGV));
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view = full(dead(SIGKILL));
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view = full(dead(EXITED(1)));
    view.timeout_plugin = true;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view = dead(SIGKILL);
    view.now.oom_kills = 2;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: 512 MiB of 512 MiB, oom_kill 1");
    view = dead(EXITED(1));
    view.now.oom_kills = 2;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: 512 MiB of 512 MiB, oom_kill 1");
}

static void a_limit_that_was_hit_outranks_the_clocks(void **state)
{
    struct detector_view view = full(healthy);

    (void)state;
    view.elapsed_ns = 100 * NS_PER_SEC;
    view.stalled_ns = 50 * NS_PER_SEC;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
    view = healthy;
    view.elapsed_ns = 100 * NS_PER_SEC;
    view.now.oom_kills = 2;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: 512 MiB of 512 MiB, oom_kill 1");
}

static void tasks_outrank_memory(void **state)
{
    struct detector_view view = full(healthy);

    (void)state;
    view.now.oom_kills = 2;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
}

static void pressure_without_the_own_limit_blames_nobody(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    view.now.tasks_refused = 8;
    view.pressure = true;
    view.pressure_text = "pids cgroup /ci is full";
    check_void(&view, "5 tasks refused by a limit around it, not its own: pids cgroup /ci is full");
    view.pressure_text = NULL;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.pressure_text = "";
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.pressure = false; /* it has gone by meanwhile; an exact peak is proof enough */
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.now.tasks_peak = 63;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.limits.tasks = 0;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view = dead(EXITED(1));
    view.now.tasks_refused = 8;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
}

static void a_sampled_peak_may_have_missed_the_moment(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    view.now.tasks_peak_exact = false;
    view.now.tasks_refused = 8;
    view.now.tasks_peak = 32;
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 5 more refused");
    view.now.tasks_peak = 31;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.now.tasks_peak = 32;
    view.pressure = true;
    check_void(&view, "5 tasks refused by a limit around it, not its own");
    view.now.tasks_peak = 64; /* seen at its own limit: pressure or not */
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 5 more refused");
}

static void memory(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    view.now.oom_kills = 2;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: 512 MiB of 512 MiB, oom_kill 1");
    view.now.memory_peak_exact = false;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: ≥512 MiB of 512 MiB, oom_kill 1");
    view.limits.memory_bytes = 3 * GIB / 2;
    view.now.memory_peak_bytes = 12 * GIB;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory: ≥12 GiB of 1.5 GiB, oom_kill 1");
    view.now.memory_peak_bytes = 0;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory");
    view.now.memory_peak_bytes = GIB;
    view.limits.memory_bytes = 0;
    check(&view, VERDICT_MEMORY, "killed by the kernel for memory");
}

static void killed_for_the_limit_of_somebody_else(void **state)
{
    struct detector_view view = healthy;
    struct detector_result result;

    (void)state;
    view.now.oom_kills = view.at_start.oom_kills + 1;
    view.now.memory_peak_bytes = 100 * MIB;
    detector_judge(&view, &result);
    assert_int_equal(result.verdict, VERDICT_EXTERNAL);
    assert_true(result.is_void);
    assert_string_equal(result.text, "killed by an OOM killer at 100 MiB of its 512 MiB: not for its own limit, but for that of "
                                     "the machine or of a cgroup around it");
    view.now.memory_peak_exact = false; /* what was seen may not be all */
    detector_judge(&view, &result);
    assert_int_equal(result.verdict, VERDICT_MEMORY);
    assert_false(result.is_void);
    view.now.memory_peak_exact = true;
    view.now.memory_peak_bytes = 500 * MIB;
    detector_judge(&view, &result);
    assert_int_equal(result.verdict, VERDICT_MEMORY);
}

static void counters_that_could_not_be_read_say_nothing(void **state)
{
    struct detector_view view = full(healthy);

    (void)state;
    view.now.oom_kills = 2;
    view.counters_valid = false;
    check(&view, VERDICT_NONE, "");
    view = full(dead(SIGKILL));
    view.counters_valid = false;
    check(&view, VERDICT_EXTERNAL, "killed by SIGKILL in the middle of the test, not by shunt; an OOM killer is not excluded: no cgroup counts for it");
}

static void clocks(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    view.own_cpu_known = true;
    view.elapsed_ns = 60 * NS_PER_SEC - 1;
    view.stalled_ns = 10 * NS_PER_SEC - 1;
    check(&view, VERDICT_NONE, "");
    view.stalled_ns = 10 * NS_PER_SEC;
    check(&view, VERDICT_STALL, "no progress for 10 s: all its tasks wait for each other");
    view.stall_text = "4 tasks wait for each other: futex";
    check(&view, VERDICT_STALL, "no progress for 10 s: 4 tasks wait for each other: futex");
    view.elapsed_ns = 60 * NS_PER_SEC;
    check(&view, VERDICT_TIMEOUT, "60 s of 60 s, CPU 0 s");
    view.limits.timeout_ns = 2500 * NS_PER_MS;
    check(&view, VERDICT_TIMEOUT, "60 s of 2.5 s, CPU 0 s");
    view.limits.timeout_ns = 3 * NS_PER_SEC;
    check(&view, VERDICT_TIMEOUT, "60 s of 3 s, CPU 0 s");
    view.in_test = false; /* the clock of no test, but a stall is one anywhere */
    check(&view, VERDICT_STALL, "no progress for 10 s: 4 tasks wait for each other: futex");
    view.session_end = true; /* which would keep the run from ending */
    check(&view, VERDICT_TIMEOUT, "60 s of 3 s, CPU 0 s");
    view.session_end = false;
    view.limits.stall_ns = view.limits.timeout_ns = 0;
    view.in_test = true;
    check(&view, VERDICT_NONE, "");
}

/* At a boundary the test is over, whatever the clock says. */
static void clocks_count_only_while_a_test_runs(void **state)
{
    struct detector_view view = healthy;

    (void)state;
    view.moment = DETECTOR_BOUNDARY;
    view.elapsed_ns = 100 * NS_PER_SEC;
    view.stalled_ns = 100 * NS_PER_SEC;
    check(&view, VERDICT_NONE, "");
    view = dead(EXITED(2));
    view.elapsed_ns = 100 * NS_PER_SEC;
    check(&view, VERDICT_EXIT, "exited with status 2 in the middle of the test");
}

static void deaths(void **state)
{
    struct detector_view view = dead(SIGSEGV);

    (void)state;
    check(&view, VERDICT_SIGNAL, "died of SIGSEGV in the middle of the test");
    view = dead(SIGABRT | CORE);
    check(&view, VERDICT_SIGNAL, "died of SIGABRT in the middle of the test (core dumped)");
    view = dead(EXITED(0));
    check(&view, VERDICT_EXIT, "exited with status 0 in the middle of the test");
    view.in_test = false;
    check(&view, VERDICT_EXIT, "exited with status 0 between two tests");
    view = dead(SIGTERM);
    view.in_test = false;
    check(&view, VERDICT_SIGNAL, "died of SIGTERM between two tests");
    view.wait_status_valid = false;
    check(&view, VERDICT_EXIT, "gone between two tests, and nobody saw how");
    view = dead(EXITED(1));
    view.timeout_plugin = true;
    check(&view, VERDICT_TIMEOUT, "ended by pytest-timeout (its thread method exits with status 1)");
}

static void a_signal_without_a_name(void **state)
{
    struct detector_view view = dead(SIGRTMIN + 3);
    char text[80];

    (void)state;
    snprintf(text, sizeof(text), "died of signal %d in the middle of the test", SIGRTMIN + 3);
    check(&view, VERDICT_SIGNAL, text);
}

static void a_filter_that_kills(void **state)
{
    struct detector_view view = dead(SIGSYS | CORE);

    (void)state;
    check(&view, VERDICT_DENIED,
          "killed by SIGSYS in the middle of the test: a filter of system calls answered an unknown call with death");
    view.denied_name = "io_uring_setup";
    view.in_test = false;
    check(&view, VERDICT_DENIED,
          "killed by SIGSYS between two tests: a filter of system calls answered io_uring_setup with death");
    view = full(dead(SIGSYS)); /* what was counted comes first, as with every death */
    check(&view, VERDICT_TASKS, "64 of 64 tasks, 337 more refused");
}

static void who_sent_the_sigkill(void **state)
{
    struct detector_view view = dead(SIGKILL);

    (void)state;
    check(&view, VERDICT_EXTERNAL,
          "killed by SIGKILL in the middle of the test: not by an OOM killer (oom_kill 0), not by shunt");
    view.killed_by_us = true;
    check(&view, VERDICT_SIGNAL, "died of SIGKILL in the middle of the test");
    view = dead(SIGTERM);
    check(&view, VERDICT_SIGNAL, "died of SIGTERM in the middle of the test");
}

static void a_broken_protocol_comes_first(void **state)
{
    struct detector_view view = full(dead(SIGKILL));

    (void)state;
    view.protocol_text = "sent a message of more than 65536 bytes";
    check(&view, VERDICT_PROTOCOL, "its worker sent a message of more than 65536 bytes");
}

static void a_long_text_is_cut(void **state)
{
    struct detector_view view = healthy;
    struct detector_result result;
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    view.protocol_text = text;
    detector_judge(&view, &result);
    assert_int_equal(strlen(result.text), sizeof(result.text) - 1);
}

static void words_and_back(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICT_COUNT; v++)
        assert_int_equal(verdict_parse(verdict_name((enum verdict)v)), v);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(outcome_parse(outcome_name((enum outcome)o)), o);
    assert_string_equal(verdict_name(VERDICT_CONTENTION), "contention");
    assert_string_equal(outcome_name(OUTCOME_PASSED_SERIAL), "passed-serial");
    assert_string_equal(verdict_name(VERDICT_NONE), "none");
    assert_string_equal(verdict_name(VERDICT_COUNT), "none");
    assert_string_equal(outcome_name(OUTCOME_COUNT), "none");
    assert_int_equal(verdict_parse("Tasks"), VERDICT_NONE);
    assert_int_equal(verdict_parse(""), VERDICT_NONE);
    assert_int_equal(outcome_parse("pass"), OUTCOME_COUNT);
}

static void what_makes_a_run_red(void **state)
{
    static const bool bad[OUTCOME_COUNT] = {
        [OUTCOME_NONE] = true,   [OUTCOME_FAILED] = true,  [OUTCOME_ERROR] = true,
        [OUTCOME_KILLED] = true, [OUTCOME_NOT_RUN] = true,
    };

    (void)state;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(outcome_is_bad((enum outcome)o), bad[o]);
}

static void what_reroutes_by_default(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICT_COUNT; v++)
        assert_int_equal((VERDICT_REROUTE_DEFAULT & VERDICT_BIT(v)) != 0,
                         v != VERDICT_LEAK && v != VERDICT_CPU && v != VERDICT_DENIED && v != VERDICT_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_wrong),
        cmocka_unit_test(tasks),
        cmocka_unit_test(a_limit_that_was_hit_outranks_how_the_worker_died),
        cmocka_unit_test(a_limit_that_was_hit_outranks_the_clocks),
        cmocka_unit_test(tasks_outrank_memory),
        cmocka_unit_test(pressure_without_the_own_limit_blames_nobody),
        cmocka_unit_test(a_sampled_peak_may_have_missed_the_moment),
        cmocka_unit_test(memory),
        cmocka_unit_test(killed_for_the_limit_of_somebody_else),
        cmocka_unit_test(counters_that_could_not_be_read_say_nothing),
        cmocka_unit_test(clocks),
        cmocka_unit_test(clocks_count_only_while_a_test_runs),
        cmocka_unit_test(deaths),
        cmocka_unit_test(a_signal_without_a_name),
        cmocka_unit_test(a_filter_that_kills),
        cmocka_unit_test(who_sent_the_sigkill),
        cmocka_unit_test(a_broken_protocol_comes_first),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(words_and_back),
        cmocka_unit_test(what_makes_a_run_red),
        cmocka_unit_test(what_reroutes_by_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
