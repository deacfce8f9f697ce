/* SPDX-License-Identifier: MIT */
/* Values of options, as people write them. */
#include "supervisor/cli/values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/units.h"
#include "sandbox/spec/spec.h"
#include "supervisor/config/run_config.h"

#define MIB (1ULL << 20)

enum {
    TASKS_MIN = 4, /* a worker needs two of them to come into being */
    TASKS_MAX = 4194304, /* PID_MAX_LIMIT of 64-bit kernels */
    DAYS_MAX = 30
};

#define DURATION_MAX_NS (DAYS_MAX * 24ULL * 3600 * NS_PER_SEC)


int cli_expected(struct err *err, const char *what, const char *hint)
{
    err_set(err, ERR_USAGE, EINVAL, "expected %s", what);
    return err_hint(err, "%s", hint);
}

int cli_parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *ret,
                       struct err *err)
{
    uint64_t value;

    if (units_parse_count(text, &value) == 0 && value >= least && value <= most) {
        *ret = value;
        return 0;
    }
    return err_set(err, ERR_USAGE, EINVAL, "expected a number from %llu to %llu",
                   (unsigned long long)least, (unsigned long long)most);
}

int cli_parse_tasks(const char *text, uint64_t *ret, struct err *err)
{
    uint64_t value;

    if (strcmp(text, "auto") == 0) {
        *ret = RUN_CONFIG_AUTO;
        return 0;
    }
    if (units_parse_count(text, &value) == 0 && value >= TASKS_MIN && value <= TASKS_MAX) {
        *ret = value;
        return 0;
    }
    return cli_expected(err, "a number of tasks from 4 to 4194304, or auto",
                    "threads and processes both count, e.g. 64");
}

int cli_parse_memory(const char *text, uint64_t *ret, struct err *err)
{
    uint64_t value;

    if (strcmp(text, "auto") == 0) {
        *ret = RUN_CONFIG_AUTO;
        return 0;
    }
    if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
        *ret = 0;
        return 0;
    }
    /* The two largest values are taken by AUTO and UNSET. */
    if (units_parse_size(text, &value) == 0 && value >= MIB && value < RUN_CONFIG_UNSET) {
        *ret = value;
        return 0;
    }
    if (units_parse_size(text, &value) == -ERANGE)
        return cli_expected(err, "a size that fits into 64 bits: this one is too large", "none sets no limit");
    return cli_expected(err, "a size of at least 1M, auto or none", "e.g. 512M or 1.5G");
}

int cli_parse_time(const char *text, uint64_t *ret_ns, struct err *err)
{
    uint64_t value;

    if (strcmp(text, "off") == 0 || strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (units_parse_duration(text, &value) == 0 && value >= NS_PER_MS && value <= DURATION_MAX_NS) {
        *ret_ns = value;
        return 0;
    }
    return cli_expected(err, "a time from 1ms to 30 days, or off",
                    "e.g. 500ms, 10s, 2m; a plain number is seconds");
}

/* Index of text in a NULL-terminated list, or -1. */
int cli_index_of(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}
