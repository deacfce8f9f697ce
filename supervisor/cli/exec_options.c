/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/exec_options.h"

#include <errno.h>
#include <stdlib.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "supervisor/cli/values.h"

#define CPUS_MAX 4096

static struct exec_config *config_of(void *target)
{
    return &((struct exec_options *)target)->config;
}

static int set_tasks(void *target, const char *text, struct err *err)
{
    config_of(target)->tasks_given = true;
    return cli_parse_tasks(text, &config_of(target)->tasks, err);
}

static int set_memory(void *target, const char *text, struct err *err)
{
    config_of(target)->memory_given = true;
    return cli_parse_memory(text, &config_of(target)->memory_bytes, err);
}

static int set_cpus(void *target, const char *text, struct err *err)
{
    char *end;
    double cpus = strtod(text, &end);

    if (end == text || *end || !(cpus >= 0.01 && cpus <= CPUS_MAX))
        return cli_expected(err, "a number of CPUs from 0.01 to 4096", "e.g. 1.5");
    config_of(target)->cpus_given = true;
    config_of(target)->cpu_milli = (uint64_t)(cpus * 1000 + 0.5);
    return 0;
}

static int set_timeout(void *target, const char *text, struct err *err)
{
    config_of(target)->timeout_given = true;
    return cli_parse_time(text, &config_of(target)->timeout_ns, err);
}

static int set_grace(void *target, const char *text, struct err *err)
{
    return cli_parse_time(text, &config_of(target)->grace_ns, err);
}

static int set_report(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "the path of a file", "it is created or overwritten");
    config_of(target)->report_path = text;
    return 0;
}

static int set_verbose(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->verbose = true;
    return 0;
}

static int set_quiet(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    config_of(target)->quiet = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct exec_options *)target)->help = true;
    return 0;
}

const struct option_row exec_option_table[] = {
    {"tasks", 0, "N", "threads and processes it may have (default: the policy's)", set_tasks, "Limits"},
    {"memory", 0, "SIZE", "memory it may have, e.g. 512M or 1.5G (auto, none)", set_memory, NULL},
    {"cpus", 0, "N", "CPUs it may use, e.g. 1.5", set_cpus, NULL},
    {"timeout", 0, "TIME", "wall time, e.g. 90s or 5m: SIGTERM, then SIGKILL; exit status 124", set_timeout, NULL},
    {"grace", 0, "TIME", "between the two (default: 1s; off: SIGKILL at once)", set_grace, NULL},

    SANDBOX_OPTION_ROWS,

    {"report", 0, "FILE", "write an account as JSON: verdict, times, peaks, refused calls, leaks", set_report,
     "Output"},
    {"verbose", 'v', NULL, "say what is in force, and what became of it in any case", set_verbose, NULL},
    {"quiet", 'q', NULL, "say nothing of limits, refused calls and what is not in force", set_quiet, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

void exec_options_init(struct exec_options *options)
{
    *options = (struct exec_options){.config = {.grace_ns = NS_PER_SEC}};
    sandbox_config_init(&options->sandbox);
}

int exec_options_parse(struct exec_options *options, int argc, char **argv, struct err *err)
{
    int first;
    int r = options_parse(exec_option_table, argc, argv, options, &first, err);

    if (r < 0 || options->help)
        return r;
    if (options->config.quiet && options->config.verbose) {
        err_set(err, ERR_USAGE, EINVAL, "--quiet and --verbose contradict each other");
        return err_hint(err, "give one of them, or neither");
    }
    if (first >= argc || !*argv[first]) {
        err_set(err, ERR_USAGE, EINVAL, "no command was given");
        return err_hint(err, "shunt exec --tasks 32 --memory 512M -- ./anything");
    }
    options->config.command = argv + first;
    return 0;
}
