/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/cpu_share.h"

#include <string.h>

/* NUMEXPR_MAX_THREADS is left out: it is a ceiling, and a test that asks for more would fail. oneTBB reads no variable, and
 * sizes its arenas by the affinity mask. */
const struct cpu_variable cpu_variables[] = {
    {"OMP_NUM_THREADS", NULL},
    {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"},
    {"MKL_NUM_THREADS", "OMP_NUM_THREADS"},
    {"BLIS_NUM_THREADS", "OMP_NUM_THREADS"},
    {"NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"},
    {"RAYON_NUM_THREADS", NULL},
    {"GOMAXPROCS", NULL},
    {"JULIA_NUM_THREADS", NULL},
    {NULL, NULL},
};

unsigned cpu_share_threads(double usable, unsigned slots, unsigned given)
{
    double share = slots ? usable / slots : usable;

    if (given != CPU_SHARE_AUTO)
        return given;
    return share < 1 ? 1 : (unsigned)share;
}

struct cpu_range cpu_share_range(unsigned cpus, unsigned slots, unsigned slot, unsigned given)
{
    struct cpu_range range;

    if (given != CPU_SHARE_AUTO) {
        range.count = given < cpus ? given : cpus;
        range.first = (unsigned)((unsigned long long)slot * range.count % cpus);
    } else if (slots >= cpus) {
        range.count = 1;
        range.first = slot % cpus;
    } else { /* what does not divide goes to some: no CPU is left out */
        range.first = (unsigned)((unsigned long long)slot * cpus / slots);
        range.count = (unsigned)((unsigned long long)(slot + 1) * cpus / slots) - range.first;
    }
    return range;
}

static bool has(char *const env[], const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], name, length) == 0 && env[i][length] == '=')
            return true;
    return false;
}

bool cpu_variable_is_ours(const struct cpu_variable *variable, char *const env[])
{
    return !has(env, variable->name) && !(variable->fallback && has(env, variable->fallback));
}
