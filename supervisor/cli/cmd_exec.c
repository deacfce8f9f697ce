/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "supervisor/cli/exec_options.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/cli/scope.h"
#include "supervisor/exec/exec.h"

int cmd_exec_help(void)
{
    fputs("usage: shunt exec [OPTIONS] [--] COMMAND [ARGUMENTS...]\n\n"
          "Runs one command in one sandbox. Its stdin, stdout, stderr, signals and exit status pass\n"
          "through (128+n when signal n ended it, 124 when its time was over).\n",
          stdout);
    options_print_help(exec_option_table, stdout);
    fputs("\nExit status: the command's; 3 shunt broke, 4 usage, 6 the sandbox that was required is\n"
          "not to be had.\n",
          stdout);
    return EXIT_PASSED;
}

int cmd_exec(int argc, char **argv)
{
    struct exec_options options;
    struct err err = ERR_INIT;
    int r;

    exec_options_init(&options);
    r = exec_options_parse(&options, argc, argv, &err);
    if (r < 0) {
        exec_not_started(&options.config, &err);
        return cli_fail(&err);
    }
    if (options.help)
        return cmd_exec_help();
    r = run_options_check_command((char *const *)options.config.command, false, &err);
    if (r < 0) {
        exec_not_started(&options.config, &err);
        return cli_fail(&err);
    }
    scope_enter(argv);
    r = exec_main(&options.sandbox, &options.config, &err);
    return r < 0 ? cli_fail(&err) : r;
}
