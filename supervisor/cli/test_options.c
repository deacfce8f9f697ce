/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/test_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/units.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/cli/values.h"
#include "supervisor/cli/verdict_set.h"
#include "supervisor/core/filter.h"
#include "supervisor/core/retry.h"
#include "supervisor/plan/shard.h"

#define REPEAT_MAX 1000000

static struct run_config *config_of(void *target)
{
    return &((struct run_options *)target)->config;
}

int test_option_filter(void *target, const char *text, struct err *err)
{
    struct run_config *config = config_of(target);
    int r;

    if (config->nfilters == RUN_CONFIG_FILTERS)
        return err_set(err, ERR_USAGE, E2BIG, "more than 32 of them: join them with or");
    r = filter_parse(text, "is no filter", &config->filters[config->nfilters], err);
    if (r == 0)
        config->nfilters++;
    return r;
}

int test_option_profile(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the name of a profile", "profiles are in the project's shunt.yaml");
    ((struct run_options *)target)->profile = text;
    return 0;
}

int test_option_shard(void *target, const char *text, struct err *err)
{
    struct run_config *config = config_of(target);
    const char *slash = strchr(text, '/');
    char first[24] = "";
    uint64_t index, count;

    if (slash && slash - text < (int)sizeof(first))
        memcpy(first, text, (size_t)(slash - text));
    if (!slash || units_parse_count(first, &index) < 0 || units_parse_count(slash + 1, &count) < 0 || index < 1 ||
        index > count || count > SHARDS_MAX)
        return cli_expected(err, "a part and how many there are, 1/4 to 4/4", "parts count from 1, at most 1000 of them");
    config->shard = (unsigned)index - 1;
    config->shards = (unsigned)count;
    return 0;
}

/* As Bazel and its like say it: counted from 0. */
int test_options_shard_of_environment(struct run_config *config, struct err *err)
{
    const char *index = getenv("TEST_SHARD_INDEX"), *count = getenv("TEST_TOTAL_SHARDS"), *touch = getenv("TEST_SHARD_STATUS_FILE");
    uint64_t i, n;

    if (config->shards || !index || !count)
        return 0;
    if (units_parse_count(index, &i) < 0 || units_parse_count(count, &n) < 0 || i >= n || n > SHARDS_MAX) {
        err_set(err, ERR_USAGE, EINVAL, "TEST_SHARD_INDEX=%.20s of TEST_TOTAL_SHARDS=%.20s: expected a part, from 0, of at most 1000",
                index, count);
        return err_hint(err, "--shard I/N counts more; or unset both");
    }
    config->shard = (unsigned)i;
    config->shards = (unsigned)n;
    if (touch && *touch) { /* whoever asked wants to know that it was understood */
        int fd = open(touch, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        close_fd(&fd);
    }
    return 0;
}

int test_option_order(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"longest", "listed", "random", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "longest, listed or random", "random finds tests that need each other: the run says its --seed");
    config_of(target)->order = (enum run_order)i;
    return 0;
}

int test_option_seed(void *target, const char *text, struct err *err)
{
    return cli_parse_count(text, 0, UINT32_MAX, &config_of(target)->seed, err);
}

int test_option_repeat(void *target, const char *text, struct err *err)
{
    return cli_parse_count(text, 1, REPEAT_MAX, &config_of(target)->repeat, err);
}

int test_option_until_fail(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->until_fail = true;
    return 0;
}

int test_option_retries(void *target, const char *text, struct err *err)
{
    uint64_t value;
    int r = cli_parse_count(text, 0, RETRY_MAX, &value, err);

    if (r == 0)
        config_of(target)->retry.retries = (unsigned)value;
    return r;
}

int test_option_retry_delay(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->retry.delay_ns, err);
}

int test_option_retry_backoff(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"fixed", "exponential", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "fixed or exponential", "how the delay before each retry grows");
    config_of(target)->retry.exponential = i == 1;
    return 0;
}

int test_option_retry_on(void *target, const char *text, struct err *err)
{
    return verdict_set_retry(text, &config_of(target)->retry.on, err);
}

int test_option_on_flaky(void *target, const char *text, struct err *err)
{
    static const char *const words[] = {"pass", "fail", NULL};
    int i = cli_index_of(text, words);

    if (i < 0)
        return cli_expected(err, "pass or fail", "what a test that passed only in a later try means");
    config_of(target)->flaky_fails = i == 1;
    return 0;
}
