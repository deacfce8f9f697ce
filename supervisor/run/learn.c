/* SPDX-License-Identifier: MIT */
/* --learn: what the suite does becomes a policy. Its calls come in through denials.c. */
#include "sandbox/learn/learn.h"

#include <errno.h>

#include "sandbox/base/err.h"
#include "supervisor/config/learning.h"
#include "supervisor/config/sandbox_config.h"
#include "supervisor/run/scratch.h"
#include "supervisor/run/state.h"

int run_learn_open(struct run *run, struct err *err)
{
    return learning_open(run->config->sandbox, true, &run->spec, &run->learn, err);
}

void run_learn_places(struct run *run)
{
    if (!run->learn)
        return;
    learn_leave_out(run->learn, scratch_directory(run->scratch));
    learn_leave_out(run->learn, run->layers);
}

/* Of the tests: what a policy limits is a worker. */
static void note_peaks(struct run *run)
{
    for (size_t i = 0; i < run->suite.count; i++)
        learn_note_peaks(run->learn, run->suite.tests[i].peak_tasks,
                         run->suite.tests[i].peak_memory_bytes);
}

int run_learn_finish(struct run *run, int status, struct err *err)
{
    char *const from[] = {(char *)"--from", (char *)run->config->from_path, NULL};
    struct learn_output output = {.path = run->config->sandbox->learn_path,
                                  .command = run->config->from_path ? from : run->config->command,
                                  .whole = run->config->from_path != NULL,
                                  .with = "shunt run",
                                  .status = status,
                                  .out = stderr};

    if (!run->learn)
        return 0;
    note_peaks(run);
    return learn_write(run->learn, &output, err);
}
