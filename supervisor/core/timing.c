/* SPDX-License-Identifier: MIT */
#include "supervisor/core/timing.h"

#include <stdio.h>
#include <string.h>

void timing_seconds(uint64_t ns, char *buf, size_t size)
{
    uint64_t tenths = (ns + 50000000) / 100000000;

    if (tenths % 10)
        snprintf(buf, size, "%llu.%llu s", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
    else
        snprintf(buf, size, "%llu s", (unsigned long long)(tenths / 10));
}

void timing_numbers(const struct timing *timing, char *buf, size_t size)
{
    char elapsed[32], limit[40] = "", cpu[40] = "", seconds[32];

    timing_seconds(timing->elapsed_ns, elapsed, sizeof(elapsed));
    if (timing->limit_ns) {
        timing_seconds(timing->limit_ns, seconds, sizeof(seconds));
        snprintf(limit, sizeof(limit), " of %s", seconds);
    }
    if (timing->cpu_known) {
        timing_seconds(timing->cpu_ns, seconds, sizeof(seconds));
        snprintf(cpu, sizeof(cpu), ", CPU %s", seconds);
    }
    snprintf(buf, size, "%s%s%s", elapsed, limit, cpu);
}

bool timing_is_busy(const struct timing *timing)
{
    return timing->cpu_known && timing->elapsed_ns && timing->cpu_ns >= timing->elapsed_ns / 2;
}

void timing_where(const char *line, bool busy, char *buf, size_t size)
{
    const char *verb = busy ? "runs" : "waits";
    size_t place = strcspn(line, " "), length = strlen(line);
    const char *called = NULL;

    for (const char *at = strstr(line, " in "); at && length && line[length - 1] == ')'; at = strstr(at + 1, " in "))
        if (memchr(line, '(', (size_t)(at - line)))
            called = at + 4;
    if (!*line)
        *buf = '\0';
    else if (called)
        snprintf(buf, size, "%s in %.*s (%.*s)", verb, (int)(line + length - 1 - called), called, (int)place, line);
    else
        snprintf(buf, size, "%s at %.*s", verb, (int)place, line);
}
