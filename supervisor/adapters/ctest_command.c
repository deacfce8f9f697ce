/* SPDX-License-Identifier: MIT */
/* The options of ctest. Which tests they select is CTest's own affair: it gets them all when it is asked for its list. */
#include "supervisor/adapters/ctest.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/units.h"

#define WORKERS_MAX 256

/* These make CTest do something else than run the tests that it has. */
static const char *const other_uses[] = {"-N", "--print-labels", "--help", "--version", "-S", "-SP", "-D", "-T", "-M",
                                         "--build-and-test", "--dashboard", "--script", "--test-action", "--test-model",
                                         "--list-presets", "-H", "-h", NULL};

enum adapter_claim ctest_recognise(char *const argv[])
{
    if (strcmp(adapter_program(argv), "ctest") != 0)
        return ADAPTER_NO;
    for (size_t i = 1; argv[i]; i++) {
        if (strncmp(argv[i], "--show-only", 11) == 0 || strncmp(argv[i], "--help", 6) == 0)
            return ADAPTER_NO;
        for (size_t k = 0; other_uses[k]; k++)
            if (strcmp(argv[i], other_uses[k]) == 0)
                return ADAPTER_NO;
    }
    return ADAPTER_YES;
}

/* "-j4", "-j 4", "--parallel=4", "--parallel 4"; 0: no such option. */
static unsigned option_number(char *const argv[], const char *letter, const char *name)
{
    for (size_t i = 1; argv[i]; i++) {
        const char *text = NULL;
        uint64_t number;

        if (strcmp(argv[i], letter) == 0 || strcmp(argv[i], name) == 0)
            text = argv[i + 1];
        else if (strncmp(argv[i], letter, strlen(letter)) == 0 && argv[i][1] != '-')
            text = argv[i] + strlen(letter);
        else if (strncmp(argv[i], name, strlen(name)) == 0 && argv[i][strlen(name)] == '=')
            text = argv[i] + strlen(name) + 1;
        if (text && units_parse_count(text, &number) == 0 && number >= 1)
            return number > WORKERS_MAX ? WORKERS_MAX : (unsigned)number;
    }
    return 0;
}

/* "--timeout 2", "--timeout=2"; NULL: it is not there. Without a value: "". */
static const char *option_value(char *const argv[], const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 1; argv[i]; i++) {
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1] ? argv[i + 1] : "";
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    }
    return NULL;
}

uint64_t ctest_timeout_ns(char *const argv[])
{
    const char *text = option_value(argv, "--timeout");
    double seconds = text ? strtod(text, NULL) : 0;

    return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0;
}

/* These change which tests run, or how, and cannot mean the same here. */
static const struct left_out {
    const char *name, *instead;
} left_out[] = {
    {"--repeat", "ctest's --repeat is left out: shunt has --retries, --repeat and --until-fail"},
    {"--repeat-until-fail", "ctest's --repeat-until-fail is left out: shunt has --repeat and --until-fail"},
    {"--output-junit", "ctest's --output-junit is left out: shunt has --junit FILE"},
    {"--output-log", "ctest's --output-log is left out: shunt has --events FILE"},
    {"-O", "ctest's -O is left out: shunt has --events FILE"},
    {"--schedule-random", "ctest's --schedule-random is left out: shunt has --order=random"},
    {"--resource-spec-file", "ctest's --resource-spec-file is left out: locks in shunt.yaml keep tests from sharing a resource"},
    {"--test-load", "ctest's --test-load is left out"},
    {"--stop-time", "ctest's --stop-time is left out"},
    {"--rerun-failed", "--rerun-failed means the last run of ctest itself; what failed under shunt: -E 'last(failed)'"},
};

void ctest_ask(struct adapter_list *list)
{
    struct adapter_step *step = adapter_ask(list, list->argv);
    const char *level = getenv("CTEST_PARALLEL_LEVEL");
    uint64_t workers;

    adapter_append(&step->argv, "--show-only=json-v1");
    list->workers = option_number(list->argv, "-j", "--parallel");
    if (!list->workers && level && units_parse_count(level, &workers) == 0 && workers >= 1)
        list->workers = workers > WORKERS_MAX ? WORKERS_MAX : (unsigned)workers;
    list->max_fail = option_value(list->argv, "--stop-on-failure") != NULL;
    for (size_t k = 0; k < sizeof(left_out) / sizeof(*left_out); k++)
        if (option_value(list->argv, left_out[k].name))
            option_notice(list, left_out[k].instead);
}
