/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/test_options.h"

#include <errno.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/cli/values.h"
#include "supervisor/cli/verdict_set.h"
#include "supervisor/core/filter.h"
#include "supervisor/core/retry.h"

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
