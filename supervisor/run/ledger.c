/* SPDX-License-Identifier: MIT */
/* The ledger: each test gets one outcome, also when the run stops, is broken off, or cannot go on. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/native.h"
#include "supervisor/run/retry.h"
#include "supervisor/run/outside.h"
#include "supervisor/run/state.h"

#define STOP_GRACE_NS (5 * NS_PER_SEC)
#define RUNNING_SHOWN 16 /* tests named at an interrupt */

void run_count_failure(struct run *run)
{
    char reason[96];

    run->failures++;
    if (run->limits.max_fail && run->failures >= run->limits.max_fail) {
        snprintf(reason, sizeof(reason), "stopped after %zu failure%s (maxfail)", run->failures,
                 run->failures == 1 ? "" : "s");
        run_stop(run, reason);
    }
}

void run_test_outcome(struct run *run, size_t test, enum outcome outcome)
{
    run->settled += run->suite.tests[test].outcome == OUTCOME_NONE;
    run->suite.tests[test].outcome = outcome;
    report_denials(run->report, &run->suite, test, run->denials);
    report_test_end(run->report, &run->suite, test, run_elapsed_ns(run));
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_ERROR || outcome == OUTCOME_KILLED)
        run_count_failure(run);
}

static void test_not_run(void *arg, size_t test)
{
    struct run *run = arg;

    if (run->suite.tests[test].outcome != OUTCOME_NONE)
        return; /* a suspect that was to run again */
    if (retry_given_up(run, test))
        return;
    free(run->suite.tests[test].message);
    run->suite.tests[test].message = mem_strdup(run->stop_reason);
    run_test_outcome(run, test, OUTCOME_NOT_RUN);
}

void run_stop(struct run *run, const char *reason)
{
    if (run->no_new_tests)
        return;
    run->no_new_tests = true;
    snprintf(run->stop_reason, sizeof(run->stop_reason), "%s", reason);
    if (run->lanes)
        lanes_drop(run->lanes, test_not_run, run);
}

static void quit_reason(char *text, size_t size, const struct run *run, size_t test, const struct run_quit *quit,
                        const char *why)
{
    snprintf(text, size, "%.100s %s: %.70s", run->suite.tests[test].id,
             quit->interrupt ? "raised KeyboardInterrupt" : "called pytest.exit()", why);
}

void run_quit_after(struct run *run, size_t test, const struct run_quit *quit, const char *why)
{
    char reason[200];

    if (!run->quit.why) {
        run->quit = *quit;
        run->quit.why = mem_strdup(why);
    }
    quit_reason(reason, sizeof(reason), run, test, quit, why);
    run_stop(run, reason);
}

void run_quit(struct run *run, size_t test, const struct run_quit *quit, const char *why)
{
    struct test *t = &run->suite.tests[test];
    char reason[200];

    run_quit_after(run, test, quit, why);
    quit_reason(reason, sizeof(reason), run, test, quit, why);
    free(t->message);
    t->message = mem_strdup(reason);
    run_test_outcome(run, test, OUTCOME_NOT_RUN);
}

/* For the terminal; and each of them gets its own reason in the ledger. */
static char *interrupt_running(struct run *run)
{
    char *text = mem_strdup("");
    size_t n = 0;

    for (struct worker *w = run->workers; w; w = w->next) {
        struct test *test;

        if (w->state != WORKER_RUNNING || w->owed != TEST_NONE || w->confirming)
            continue;
        test = &run->suite.tests[w->test];
        if (n++ < RUNNING_SHOWN) {
            char *longer = mem_printf("%s%s%s", text, n > 1 ? "\n" : "", test->id);

            free(text);
            text = longer;
        }
        free(test->message);
        test->message = mem_strdup("interrupted while it ran");
        run_test_outcome(run, w->test, OUTCOME_NOT_RUN);
    }
    return text;
}

/* Every test without an outcome gets one: the ledger has no holes. */
void run_close_ledger(struct run *run)
{
    for (size_t i = 0; i < run->suite.count; i++)
        if (run->suite.tests[i].outcome == OUTCOME_NONE)
            test_not_run(run, i);
}

void run_abort(struct run *run, const char *reason)
{
    _cleanup_free_ char *running = NULL;
    char outside[200];

    if (run->phase == PHASE_STOPPING)
        return;
    outside_running(run, outside, sizeof(outside));
    if (run->interrupted && *outside)
        report_notice(run->report, "%s while %s", reason, outside);
    if (!run->no_new_tests)
        snprintf(run->stop_reason, sizeof(run->stop_reason), "%s", reason);
    run->no_new_tests = true;
    running = run->interrupted ? interrupt_running(run) : NULL;
    run->phase = PHASE_STOPPING;
    run->stop_deadline_ns = clock_now_ns() + STOP_GRACE_NS;
    for (struct worker *w = run->workers; w; w = w->next)
        worker_kill(w);
    if (run->native)
        native_over(run);
    else if (!controller_in_loop(run->controller))
        run_init_signal(run->init, COMMAND_TAG, SIGINT);
    else if (run->interrupted)
        controller_interrupt(run->controller, *running ? running : *outside ? outside : "no test was running");
    else
        controller_finish(run->controller);
    run_close_ledger(run);
}

void run_fail(struct run *run, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    report_notice(run->report, "cannot go on: %s", text);
    run->fatal = true;
    run_abort(run, text);
}
