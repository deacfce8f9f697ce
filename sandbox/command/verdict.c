/* SPDX-License-Identifier: MIT */
/* What became of a command. Pure. */
#include "sandbox/command/verdict.h"

#include <sys/wait.h>

const char *sandbox_verdict_name(enum sandbox_verdict verdict)
{
    static const char *const names[] = {
        [SANDBOX_OK] = "ok",           [SANDBOX_EXIT] = "exit",     [SANDBOX_SIGNAL] = "signal",
        [SANDBOX_TIMEOUT] = "timeout", [SANDBOX_MEMORY] = "memory", [SANDBOX_TASKS] = "tasks",
        [SANDBOX_DENIED] = "denied",
    };

    return names[verdict];
}

enum sandbox_verdict sandbox_decide(const struct sandbox_result *result, bool timeout)
{
    int status = result->wait_status;

    if (timeout)
        return SANDBOX_TIMEOUT;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return SANDBOX_OK;
    /* The limits before the way it ended: what they do to a program may end it in any way. */
    if (result->oom_kills)
        return SANDBOX_MEMORY;
    if (result->tasks_refused || (result->tasks_counted && result->tasks_limit && result->tasks_peak >= result->tasks_limit))
        return SANDBOX_TASKS;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? SANDBOX_DENIED : SANDBOX_SIGNAL;
    return SANDBOX_EXIT;
}
