/* SPDX-License-Identifier: MIT */
#pragma once

/* Options of `shunt run` that say which tests run, and how often. Their target is a struct run_options. */
struct err;
struct run_config;

/* After the command line: TEST_SHARD_INDEX and TEST_TOTAL_SHARDS, where --shard was not given. */
int test_options_shard_of_environment(struct run_config *config, struct err *err);

int test_option_filter(void *target, const char *text, struct err *err);
int test_option_profile(void *target, const char *text, struct err *err);
int test_option_shard(void *target, const char *text, struct err *err);
int test_option_order(void *target, const char *text, struct err *err);
int test_option_seed(void *target, const char *text, struct err *err);
int test_option_repeat(void *target, const char *text, struct err *err);
int test_option_until_fail(void *target, const char *text, struct err *err);
int test_option_retries(void *target, const char *text, struct err *err);
int test_option_retry_delay(void *target, const char *text, struct err *err);
int test_option_retry_backoff(void *target, const char *text, struct err *err);
int test_option_retry_on(void *target, const char *text, struct err *err);
int test_option_on_flaky(void *target, const char *text, struct err *err);

#define TEST_OPTION_ROWS                                                                                               \
    {"filter", 'E', "EXPR",                                                                                            \
     "run only the tests that match, e.g. 'marker(db) and not last(passed)';\n"                                        \
     "may be given several times (docs/filters.md)",                                                                   \
     test_option_filter, "Selection"},                                                                                 \
        {"profile", 0, "NAME",                                                                                         \
         "options and rules of this profile of the project's shunt.yaml\n"                                             \
         "(default: default; docs/configuration.md)",                                                                  \
         test_option_profile, NULL},                                                                                   \
        {"shard", 0, "PART",                                                                                            \
         "run a part of the suite, e.g. 2/4, cut alike on every machine with\n"                                           \
         "the same history (default: TEST_SHARD_INDEX of TEST_TOTAL_SHARDS,\n"                                         \
         "else all; docs/sharding.md)",                                                                                \
         test_option_shard, NULL},                                                                                     \
        {"order", 0, "HOW",                                                                                            \
         "longest (default: long tests first, where the history knows them),\n"                                        \
         "listed, or random",                                                                                          \
         test_option_order, NULL},                                                                                     \
        {"seed", 0, "N", "of --order=random (default: any, and the run says which)", test_option_seed, NULL},          \
        {"repeat", 0, "N", "run each test N times, or until it ends badly", test_option_repeat, NULL},                 \
        {"until-fail", 0, NULL, "stop at the first bad run of a test; without --repeat: 1000 runs of each",            \
         test_option_until_fail, NULL},                                                                                \
        {"retries", 0, "N",                                                                                            \
         "run a test that ends badly again, up to N times, in a fresh worker;\n"                                       \
         "what passes then is flaky (default: 0)",                                                                     \
         test_option_retries, "Retries"},                                                                              \
        {"retry-delay", 0, "TIME", "wait so long before a retry (default: off)", test_option_retry_delay, NULL},       \
        {"retry-backoff", 0, "HOW", "fixed (default), or exponential: each delay is twice the last",                   \
         test_option_retry_backoff, NULL},                                                                             \
        {"retry-on", 0, "LIST",                                                                                        \
         "what is retried: failed, error, and verdicts of killed tests\n"                                              \
         "(default: failed,error,stall,timeout,signal,exit,external)",                                                 \
         test_option_retry_on, NULL},                                                                                  \
    {                                                                                                                  \
        "on-flaky", 0, "WHAT", "what flaky means: pass (default) or fail", test_option_on_flaky, NULL                  \
    }
