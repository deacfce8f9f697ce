/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/source_tool.h"
#include "supervisor/cli/values.h"

struct request {
    const char *python, *root;
    bool all, json, exit_zero, help;
};

static struct request *request_of(void *target)
{
    return target;
}

static int set_python(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "a Python interpreter", "e.g. /usr/bin/python3");
    request_of(target)->python = text;
    return 0;
}

static int set_root(void *target, const char *text, struct err *err)
{
    if (!*text)
        return cli_expected(err, "a folder", "the one that your imports begin in, e.g. .");
    request_of(target)->root = text;
    return 0;
}

static int set_all(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->all = true;
    return 0;
}

static int set_json(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->json = true;
    return 0;
}

static int set_exit_zero(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->exit_zero = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    request_of(target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"all", 0, NULL, "show pools of 8 and less, single threads, and what is put back, too", set_all, "Options"},
    {"json", 0, NULL, "print the findings as JSON", set_json, NULL},
    {"exit-zero", 0, NULL, "exit status 0 whatever was found", set_exit_zero, NULL},
    {"root", 0, "DIR", "the project (default: the nearest folder upwards with pytest's\nconfiguration, setup.py or .git)",
     set_root, NULL},
    {"python", 0, "PROGRAM", "the interpreter that parses (default: that of $VIRTUAL_ENV, of\n.venv, or python3)",
     set_python, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_scan_help(void)
{
    fputs("usage: shunt scan [OPTIONS] [PATH...]\n\n"
          "Reads the sources of tests, without running or importing any, and names those that look unsafe\n"
          "beside others, with the line and the reason: through fixtures and helpers of the project, too.\n",
          stdout);
    options_print_help(table, stdout);
    fputs("\nExit status: 0 nothing was found that is not marked; 1 something was; 4 usage.\n", stdout);
    return EXIT_PASSED;
}

int cmd_scan(int argc, char **argv)
{
    struct request request = {.help = false};
    struct err err = ERR_INIT;
    _cleanup_free_ const char **args = mem_calloc((size_t)argc + 8, sizeof(*args));
    size_t n = 0;
    int first;
    int r = options_parse(table, argc, argv, &request, &first, &err);

    if (r < 0)
        return cli_fail(&err);
    if (request.help)
        return cmd_scan_help();
    args[n++] = "scan";
    if (request.all)
        args[n++] = "--all";
    if (request.json)
        args[n++] = "--json";
    if (request.exit_zero)
        args[n++] = "--exit-zero";
    if (request.root) {
        args[n++] = "--root";
        args[n++] = request.root;
    }
    args[n++] = "--";
    for (int i = first; i < argc; i++)
        args[n++] = argv[i];
    source_tool_exec(request.python, (const char *const *)args, &err);
    return cli_fail(&err);
}
