/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"
#include "supervisor/cli/options.h"

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

struct command {
    const char *name;
    const char *help;
    int (*main)(int argc, char **argv);
    int (*print_help)(void); /* NULL: the general help has all there is */
};

static const struct command commands[] = {
    {"run", "run a test suite in contained workers", cmd_run, cmd_run_help},
    {"list", "which tests would run, in which lane, and why", cmd_list, cmd_list_help},
    {"exec", "run one command in one sandbox", cmd_exec, cmd_exec_help},
    {"history", "what earlier runs of a suite came to", cmd_history, cmd_history_help},
    {"scan", "tests that look unsafe beside others, from their sources", cmd_scan, cmd_scan_help},
    {"mark", "markers for what was measured, as a patch", cmd_mark, cmd_mark_help},
    {"doctor", "what this machine can enforce, and how to get the rest", cmd_doctor, cmd_doctor_help},
    {"merge", "one ledger and report of the events of several runs", cmd_merge, cmd_merge_help},
    {"config", "what the project's shunt.yaml comes to, and its schema", cmd_config, cmd_config_help},
    {"policy", "list, show, check and explain policies", cmd_policy, cmd_policy_help},
    {"help", "explain a command: shunt help run", cmd_help, NULL},
    {"version", "print the version", cmd_version, NULL},
    {.name = NULL},
};

static const struct command *find_command(const char *name)
{
    for (const struct command *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[sizeof(commands) / sizeof(*commands)] = {NULL};
    struct err err = ERR_INIT;
    const char *nearest;

    for (size_t i = 0; commands[i].name; i++)
        names[i] = commands[i].name;
    nearest = nearest_word(name, names);
    err_set(&err, ERR_USAGE, EINVAL, "unknown command \"%.100s\"", name);
    if (nearest)
        err_hint(&err, "did you mean \"shunt %s\"?", nearest);
    else
        err_hint(&err,
                 "to run tests: shunt run -- pytest tests/ (\"shunt help\" lists the commands)");
    return cli_fail(&err);
}

static void print_usage(FILE *out)
{
    fputs("usage: shunt COMMAND [OPTIONS]\n\n"
          "A sandboxed parallel test supervisor: shunt run -- pytest tests/\n\nCommands:\n",
          out);
    for (const struct command *command = commands; command->name; command++)
        fprintf(out, "  %-10s%s\n", command->name, command->help);
}

static int cmd_help(int argc, char **argv)
{
    const struct command *command;

    if (argc > 1) {
        command = find_command(argv[1]);
        if (!command)
            return unknown_command(argv[1]);
        if (command->print_help)
            return command->print_help();
    }
    print_usage(stdout);
    return EXIT_PASSED;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("shunt " SHUNT_VERSION);
    return EXIT_PASSED;
}

/* Where one of the three is closed, the next file that shunt opens would take its number, and what shunt starts would get
 * that file as its own. Opened the wrong way round, it fails with EBADF as a closed one does. */
static int fill_closed_stdio(void)
{
    static const int wrong_way[3] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong_way[fd]) != fd)
            return -EBADF;
    return 0;
}

int main(int argc, char **argv)
{
    const struct command *command;
    int status;

    if (fill_closed_stdio() < 0)
        return EXIT_INTERNAL;

    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        command = find_command("help");
    else if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)
        command = find_command("version");
    else
        command = find_command(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    status = command->main(argc - 1, argv + 1);
    /* A help text or a version that did not arrive (full disk) is no success. */
    if (fflush(stdout) != 0 && status == EXIT_PASSED)
        return EXIT_INTERNAL;
    return status;
}
