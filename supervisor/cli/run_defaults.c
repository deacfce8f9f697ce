/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/run_defaults.h"

#include <string.h>

static const struct run_default table[] = {
    {"workers", "the suite's own -n, else auto", false},
    {"max-worker-restart", "the suite's own, else without end", false},
    {"fork-server", "auto", true},
    {"tasks", "auto", true},
    {"memory", "auto", true},
    {"serial-tasks", "auto", true},
    {"serial-memory", "auto", true},
    {"cpu-share", "auto", true},
    {"cpu-view", "host", true},
    {"budget", "auto", true},
    {"timeout", "the policy's, else off", false},
    {"grace", "1s", true},
    {"slow", "60s", true},
    {"stall", "10s", true},
    {"reroute", "default", true},
    {"on-reroute", "warn", true},
    {"leaks", "record", true},
    {"confirm", "failed", true},
    {"maxfail", "the suite's own", false},
    {"filter", "all()", false},
    {"shard", "all", false},
    {"order", "longest", true},
    {"seed", "any", false},
    {"repeat", "1", true},
    {"retries", "0", true},
    {"retry-delay", "off", true},
    {"retry-backoff", "fixed", true},
    {"retry-on", "default", true},
    {"on-flaky", "pass", true},
    {"history", ".shunt/history.db", false},
    {"policy", "the project's, else standard", false},
    {"userns", "the policy's", false},
    {"color", "auto", true},
    {NULL, NULL, false},
};

const struct run_default *run_default_of(const char *name)
{
    for (const struct run_default *row = table; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
