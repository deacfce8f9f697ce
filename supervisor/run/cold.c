/* SPDX-License-Identifier: MIT */
#include "supervisor/run/cold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/adapters/pytest/environment.h"
#include "supervisor/config/paths.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/setup.h"
#include "supervisor/run/state.h"

int cold_spawn(struct worker *worker, const int output[2])
{
    struct run *run = worker->run;
    _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int stdio[3] = {null, output[0], output[1]};
    struct pytest_worker_identity identity = {.cell = worker->number,
                                              .name = worker->reserved->name,
                                              .workers = run->limits.workers,
                                              .run_id = run->run_id};
    char **passed, **env;
    int r;

    if (null < 0 || !run->python)
        return -ENOENT;
    passed = setup_environment(
        run, cpu_environment(run, budget_environment(spec_environment(&run->spec, environ, NULL)), worker->reserved));
    env = pytest_environment(passed, run->python, controller_socket_path(run->controller), &identity);
    spec_environment_free(passed);
    r = run_init_spawn_in_cell(run->init, worker->number, run->config->command, env, stdio);
    pytest_environment_free(env);
    return r;
}

int cold_collected(struct worker *worker, struct packet *packet)
{
    struct run *run = worker->run;
    const char *digest;
    int64_t count;

    if (packet_int(packet, "count", 0, 1 << 20, &count) < 0 ||
        packet_text(packet, "digest", 64, false, &digest) < 0)
        return -EPROTO;
    if ((size_t)count != run->options.collected)
        run_fail(run, "a worker collected %lld tests where the first process collected %zu: test ids "
                      "that depend on time, random numbers or the order of a set cannot be distributed",
                 (long long)count, run->options.collected);
    else if (strcmp(digest, run->options.digest) != 0)
        run_fail(run, "a worker collected the tests in another order or with other ids: ids that depend "
                      "on time, random numbers or the order of a set cannot be distributed");
    return 0;
}
