/* SPDX-License-Identifier: MIT */
#include "supervisor/core/starve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/core/timing.h"

#define STARVED_MIN_NS 200000000ULL
#define OVER_MIN_NS 5000000000ULL
#define OVER_TASKS_MIN 4
#define OVER_FACTOR 4

uint64_t starve_cpu_wait(uint64_t run_delay_ns, uint64_t elapsed_ns, uint64_t cpu_ns)
{
    uint64_t missed = elapsed_ns > cpu_ns ? elapsed_ns - cpu_ns : 0;

    return run_delay_ns < missed ? run_delay_ns : missed;
}

bool starve_judge(const struct starve *starve, char *text, size_t size)
{
    bool cpu = starve->cpu_wait_ns >= starve->memory_wait_ns;
    uint64_t waited = cpu ? starve->cpu_wait_ns : starve->memory_wait_ns;
    char wait[32], elapsed[32];

    if (waited < STARVED_MIN_NS || waited < starve->elapsed_ns / 2)
        return false;
    timing_seconds(waited < starve->elapsed_ns ? waited : starve->elapsed_ns, wait, sizeof(wait));
    timing_seconds(starve->elapsed_ns, elapsed, sizeof(elapsed));
    snprintf(text, size, "waited for %s %s of %s", cpu ? "a CPU" : "memory", wait, elapsed);
    return true;
}

bool starve_parse_pressure(const char *text, uint64_t *ret_ns)
{
    const char *line = strncmp(text, "full ", 5) == 0 ? text : strstr(text, "\nfull ");
    const char *end = line ? strchrnul(line + 1, '\n') : NULL;
    const char *total = line ? strstr(line, " total=") : NULL;

    if (!total || total > end)
        return false;
    *ret_ns = strtoull(total + 7, NULL, 10) * 1000;
    return true;
}

bool starve_parse_schedstat(const char *text, uint64_t *ret_ns)
{
    char *end;

    strtoull(text, &end, 10);
    if (end == text || *end != ' ')
        return false;
    text = end + 1;
    *ret_ns = strtoull(text, &end, 10);
    return end != text;
}

uint64_t oversubscription_limit(uint64_t share_milli)
{
    uint64_t limit = (share_milli * OVER_FACTOR + 999) / 1000;

    return limit > OVER_TASKS_MIN ? limit : OVER_TASKS_MIN;
}

void oversubscription_add(struct oversubscription *over, const struct oversubscription_sample *sample)
{
    uint64_t share_ns = sample->span_ns / 1000 * sample->share_milli;

    if (sample->runnable <= oversubscription_limit(sample->share_milli) || sample->cpu_ns < share_ns / 4 * 3)
        return;
    over->over_ns += sample->span_ns;
    over->runnable_sum += sample->runnable;
    over->samples++;
    if (sample->runnable > over->most)
        over->most = sample->runnable;
}

bool oversubscription_judge(const struct oversubscription *over, uint64_t share_milli, uint64_t throttled,
                            uint64_t throttled_ns, char *text, size_t size)
{
    char time[32], more[80] = "", cpus[32];

    if (over->over_ns < OVER_MIN_NS || !over->samples)
        return false;
    if (throttled) {
        timing_seconds(throttled_ns, time, sizeof(time));
        snprintf(more, sizeof(more), "; throttled %" PRIu64 " time%s, %s", throttled, throttled == 1 ? "" : "s", time);
    }
    if (share_milli % 1000)
        snprintf(cpus, sizeof(cpus), "%.1f CPUs", (double)share_milli / 1000);
    else
        snprintf(cpus, sizeof(cpus), "%" PRIu64 " CPU%s", share_milli / 1000, share_milli == 1000 ? "" : "s");
    timing_seconds(over->over_ns, time, sizeof(time));
    snprintf(text, size, "%" PRIu64 " tasks at a time wanted its %s, for %s%s", over->runnable_sum / over->samples, cpus,
             time, more);
    return true;
}
