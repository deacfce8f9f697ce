/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "supervisor/adapters/adapter.h"

static void say_status(int status, struct adapter_judgement *ret)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));

        if (name)
            snprintf(ret->message, sizeof(ret->message), "died of SIG%s", name);
        else
            snprintf(ret->message, sizeof(ret->message), "died of signal %d", WTERMSIG(status));
        if (WCOREDUMP(status))
            strcat(ret->message, " (core dumped)");
    } else {
        /* How a shell says that the command it waited for died of a signal. */
        const char *name = WEXITSTATUS(status) > 128 ? sigabbrev_np(WEXITSTATUS(status) - 128) : NULL;

        snprintf(ret->message, sizeof(ret->message), "exit status %d%s%s%s", WEXITSTATUS(status), name ? " (128 + SIG" : "",
                 name ? name : "", name ? ")" : "");
    }
}

void adapter_judge_status(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    bool exited = WIFEXITED(result->wait_status);
    int status = exited ? WEXITSTATUS(result->wait_status) : -1;

    ret->message[0] = '\0';
    if (exited && entry->skip_status && status == entry->skip_status) {
        ret->outcome = OUTCOME_SKIPPED;
        snprintf(ret->message, sizeof(ret->message), "exit status %d says skipped", status);
        return;
    }
    if (status == 0) {
        ret->outcome = entry->will_fail ? OUTCOME_FAILED : OUTCOME_PASSED;
        if (entry->will_fail)
            snprintf(ret->message, sizeof(ret->message), "passed, and is expected to fail");
        return;
    }
    /* A crash is no failure that anybody expects. */
    ret->outcome = entry->will_fail && exited ? OUTCOME_PASSED : OUTCOME_FAILED;
    if (ret->outcome == OUTCOME_FAILED)
        say_status(result->wait_status, ret);
}
