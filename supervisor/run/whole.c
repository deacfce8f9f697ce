/* SPDX-License-Identifier: MIT */
/*
 * A command that nobody could take apart, and that started no pytest: what it came to is one test. It ran inside the run
 * sandbox; --adapter=command would have given it a worker with limits, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

/* Does it mean to start pytest? Then that none came is an error, and not a test of another kind. */
bool whole_command_means_pytest(char *const argv[])
{
    for (; *argv; argv++) {
        const char *slash = strrchr(*argv, '/'), *name = slash ? slash + 1 : *argv;

        if (strncmp(name, "pytest", 6) == 0 || strncmp(name, "py.test", 7) == 0)
            return true;
    }
    return false;
}

/* "env A=1 ctest": the adapter that would have taken apart what stands behind the first word; NULL. */
static const struct adapter *behind_wrapper(char *const argv[])
{
    for (char *const *at = argv + 1; argv[0] && *at; at++)
        for (size_t k = 0; **at != '-' && adapter_all[k]; k++)
            if (adapter_all[k]->recognise && adapter_all[k]->recognise(at) == ADAPTER_YES)
                return adapter_all[k];
    return NULL;
}

bool whole_command_settle(struct run *run)
{
    _cleanup_free_ char *id = NULL;
    struct adapter_judgement judgement;
    struct adapter_result result = {.wait_status = run->command_status, .output = ""};
    struct adapter_entry entry = {.skip_status = 77};
    const struct adapter *wrapped;
    _cleanup_free_ char *remedy = NULL;
    struct test *test;

    if (run->native || !run->command_exited || run->fatal || run->interrupted || controller_seen(run->controller) ||
        whole_command_means_pytest(run->config->command))
        return false;
    id = adapter_join_words(run->config->command);
    adapter_judge_status(&entry, &result, &judgement);
    test = suite_add(&run->suite);
    test->id = mem_strdup(id);
    test->name = mem_strdup(id);
    test->file = mem_strdup("");
    test->classname = mem_strdup("");
    test->call_us = run_elapsed_ns(run) / NS_PER_US;
    test->message = *judgement.message ? mem_strdup(judgement.message) : NULL;
    report_show_tests(run->report, "command", 1);
    report_notice(run->report, "\"%.200s\" ran as one test, in the sandbox and without a worker's limits: it started no pytest, and "
                  "nobody here can take it apart", id);
    if (run_timeout_ns(run)) /* of one test; nobody could know that this was one before it ended */
        report_notice(run->report, "--timeout was not applied to it");
    wrapped = behind_wrapper(run->config->command);
    remedy = wrapped ? mem_printf("--adapter=%s may take it apart: it is not looked for behind another program", wrapped->name) : NULL;
    if (remedy)
        report_remedy(run->report, remedy);
    else
        report_remedy(run->report, "--adapter=command gives it those limits, and the time limit; --from FILE takes a list of commands. If it does start "
                      "pytest, it hides PYTHONPATH and PYTEST_PLUGINS from it (python3 -I or -E, env -i, tox without pass_env)");
    run_test_outcome(run, 0, judgement.outcome);
    return true;
}
