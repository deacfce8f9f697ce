/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/run_options.h"
#include "supervisor/cli/scope.h"
#include "supervisor/run/run.h"

int cmd_run_help(void)
{
    fputs(
        "usage: shunt run [OPTIONS] [--] COMMAND [ARGUMENTS...]\n"
        "       shunt run [OPTIONS] --from FILE\n\n"
        "Runs the test suite of COMMAND (pytest, anything that starts pytest, ctest, ...) in\n"
        "contained workers. A test that breaks out of its share is named, its worker "
        "is\n"
        "killed and replaced, and it runs once more, alone.\n",
        stdout);
    options_print_help(run_option_table, stdout);
    fputs("\nExit status: 0 passed, 1 failed, 2 interrupted, 3 internal error, 4 usage,\n"
          "5 no tests, 6 the sandbox that was required is not to be had.\n",
          stdout);
    return EXIT_PASSED;
}

/* A stream that its caller has closed (main() has put something in its place that fails) is one that nobody reads: pytest
 * would fail at its first line. */
static int mend_stdio(struct err *err)
{
    for (int fd = 0; fd < 3; fd++) {
        int flags = fcntl(fd, F_GETFL), wrong = fd == 0 ? O_WRONLY : O_RDONLY;
        int null;

        if (flags < 0 || (flags & O_ACCMODE) != wrong)
            continue;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, fd) < 0)
            return err_set(err, ERR_SYSTEM, errno, "/dev/null: %m");
        close(null);
    }
    return 0;
}

static int run_with(struct run_options *options, int argc, char **argv, struct err *err)
{
    int r = run_options_parse(options, argc, argv, err);

    if (r == 0 && options->help)
        return cmd_run_help();
    if (r == 0 && !options->config.from_path)
        r = run_options_check_command(options->config.command, true, err);
    if (r == 0)
        r = mend_stdio(err);
    if (r < 0)
        return r;
    scope_enter(argv);
    return run_main(&options->config, err);
}

int cmd_run(int argc, char **argv)
{
    struct run_options options;
    struct err err = ERR_INIT;
    int r;

    run_options_init(&options);
    r = run_with(&options, argc, argv, &err);
    run_options_done(&options);
    return r < 0 ? cli_fail(&err) : r;
}
