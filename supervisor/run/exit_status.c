/* SPDX-License-Identifier: MIT */
/* What the run comes to as a number: the framework's own status, unless the ledger knows something worse. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "supervisor/run/detect/blame.h"
#include "supervisor/run/state.h"

#define STATUS_OF_PYTEST 5 /* the highest that it gives itself */

static int native_status(const struct run *run)
{
    struct ledger ledger;

    if (run->fatal)
        return 3;
    suite_count(&run->suite, &ledger);
    if (!ledger.total)
        return 5;
    return ledger.by_outcome[OUTCOME_FAILED] || ledger.by_outcome[OUTCOME_ERROR] ? 1 : 0;
}

/* Before there were tests it was an import; Python's faulthandler, which pytest turns on, has shown a crash. */
static void say_death(struct run *run, int signal)
{
    bool early = controller_seen(run->controller) && !run->suite.count;

    report_notice(run->report, "%s died of SIG%s%s", run->config->command[0], sigabbrev_np(signal),
                  early ? " before it had told which tests there are: something that it imports ends the process" : "");
    if (early && signal != SIGKILL && signal != SIGTERM && signal != SIGINT && signal != SIGHUP)
        report_remedy(run->report, "\"most recent call first\" above: the first line with a file of the project says where");
}

static int framework_status(struct run *run)
{
    int status = run->command_status;

    if (run->native || run->whole)
        return native_status(run);
    if (!run->command_exited || run->fatal) /* the latter: why, has been said */
        return 3;
    if (WIFSIGNALED(status)) {
        say_death(run, WTERMSIG(status));
        return 3;
    }
    if (!controller_seen(run->controller)) {
        report_notice(run->report,
                      "%s ended with status %d, and no pytest came to shunt: nothing was supervised",
                      run->config->command[0], WEXITSTATUS(status));
        report_remedy(run->report, WEXITSTATUS(status)
                                       ? "it failed before that (see above), starts none, or hides PYTHONPATH and PYTEST_PLUGINS from it"
                                       : "it starts none, or hides PYTHONPATH and PYTEST_PLUGINS from it (python3 -I or -E, env -i, tox without pass_env)");
        return WEXITSTATUS(status) ? WEXITSTATUS(status) : 4;
    }
    if (!run->suite.count && WEXITSTATUS(status) > STATUS_OF_PYTEST)
        report_notice(run->report, "%s exited with status %d before it had told which tests there are: something that it "
                      "imports ends the process", run->config->command[0], WEXITSTATUS(status));
    return WEXITSTATUS(status);
}

/* A death, or a session that did not end, outside of tests. */
static const char *why_outside(const struct run *run)
{
    for (size_t i = 0; i < run->nincidents; i++)
        if (run->incidents[i].next == INCIDENT_NO_TEST &&
            (run->incidents[i].verdict == VERDICT_TIMEOUT || run->incidents[i].verdict == VERDICT_STALL))
            return "a worker did not end its session";
    return "a worker died while no test was running";
}

/* The framework's own status, unless the ledger knows something worse. */
int run_exit_status(struct run *run, const char **ret_reason)
{
    int status = framework_status(run);
    struct ledger ledger;
    bool open = blame_close(run);
    size_t bad = 0;

    if (run->interrupted)
        return 2;
    if (run->fatal)
        return 3;
    suite_count(&run->suite, &ledger);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (outcome_is_bad((enum outcome)o))
            bad += ledger.by_outcome[o];
    if (status == 1 && !bad && !ledger.by_outcome[OUTCOME_FAILED] && !ledger.by_outcome[OUTCOME_ERROR])
        *ret_reason = run->worker_died         ? why_outside(run)
                      : run->outside.nerrors ? run->outside.errors[0]
                                             : "the framework reports an error outside of the tests: see above";
    if (status != 0)
        return status;
    if (bad)
        *ret_reason = "tests were killed, or did not run";
    else if (run->worker_died)
        *ret_reason = why_outside(run);
    else if (open)
        *ret_reason = "a worker died, and what ended it was not found";
    else if (run->config->on_reroute == ON_REROUTE_FAIL && ledger.rerouted)
        *ret_reason = "tests passed only once they ran alone (--on-reroute=fail)";
    else if (run->config->flaky_fails && ledger.by_outcome[OUTCOME_FLAKY])
        *ret_reason = "tests passed only in a later try (--on-flaky=fail)";
    return *ret_reason ? 1 : 0;
}
