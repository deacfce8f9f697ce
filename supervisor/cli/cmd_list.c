/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/run/run.h"

int cmd_list_help(void)
{
    fputs("usage: shunt list [OPTIONS] [--] COMMAND [ARGUMENTS...]\n\n"
          "Says which tests \"shunt run\" would run, in which lane, and why; it runs none. Takes the options\n"
          "of \"shunt run\" (shunt help run), and:\n\n"
          "      --json              as one JSON document, with what is started for each test\n",
          stdout);
    return EXIT_PASSED;
}

/* "--json" is this command's own, and comes before the command; the rest is run's. */
static bool take_json(int *argc, char **argv)
{
    for (int i = 1; i < *argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
            (*argc)--;
            return true;
        }
        i += options_wants_next(run_option_table, argv[i]);
    }
    return false;
}

int cmd_list(int argc, char **argv)
{
    bool json = take_json(&argc, argv);
    struct run_options options;
    struct err err = ERR_INIT;
    int r;

    run_options_init(&options);
    r = run_options_parse(&options, argc, argv, &err);
    if (r < 0)
        return cli_fail(&err);
    if (options.help)
        return cmd_list_help();
    if (!options.config.from_path)
        r = run_options_check_command(options.config.command, true, &err);
    if (r < 0)
        return cli_fail(&err);
    options.config.list = json ? LIST_JSON : LIST_TEXT;
    r = run_main(&options.config, &err);
    return r < 0 ? cli_fail(&err) : r;
}
