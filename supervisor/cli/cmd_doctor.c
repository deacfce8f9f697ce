/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/probe/probe.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/scope.h"
#include "supervisor/config/sandbox_config.h"
#include "supervisor/doctor/doctor.h"

#define DEFAULT_WIDTH 100

struct options {
    struct sandbox_config config;
    bool json, help;
};

static int set_policy(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected the name of a policy");
    ((struct options *)target)->config.policy = text;
    return 0;
}

static int set_machine(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected the name of a machine");
    ((struct options *)target)->config.machine = text;
    return 0;
}

static int set_json(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct options *)target)->json = true;
    return 0;
}

static int set_adopt_cgroup(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct options *)target)->config.adopt_cgroup = true;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct options *)target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"policy", 0, "NAME", "the policy to be met (default: the project's, else standard)", set_policy, "Options"},
    {"machine", 0, "NAME", "with the numbers of this CI machine", set_machine, NULL},
    {"adopt-cgroup", 0, NULL, "try what run --adopt-cgroup would have: with cgroup v2, foreign\n"
                              "processes in shunt's own cgroup are moved, for a moment",
     set_adopt_cgroup, NULL},
    {"json", 0, NULL, "everything that was found out, for programs (docs/doctor.md)", set_json, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_doctor_help(void)
{
    fputs("usage: shunt doctor [OPTIONS]\n\n"
          "What this machine can enforce, tried out here and now: each guarantee, how it is met,\n"
          "and what would be better with the exact command for it.\n",
          stdout);
    options_print_help(table, stdout);
    fputs("\nExit status: 0 when everything that the policy wants is there, else 6; 4 usage.\n", stdout);
    return EXIT_PASSED;
}

static int parse(struct options *options, int argc, char **argv, struct err *err)
{
    int first = argc, r = options_parse(table, argc, argv, options, &first, err);

    if (r < 0 && strncmp(err->hint, "did you mean", 12) != 0 && strstr(err->message, "unknown option"))
        return err_hint(err, "\"shunt doctor --help\" lists the options");
    if (r < 0)
        return r;
    if (first < argc) {
        err_set(err, ERR_USAGE, EINVAL, "doctor takes no command, and found \"%.100s\"", argv[first]);
        return err_hint(err, "\"shunt doctor --help\" lists the options");
    }
    return 0;
}

static unsigned terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return columns && atoi(columns) > 0 ? (unsigned)atoi(columns) : DEFAULT_WIDTH;
}

static int show(const struct options *options, const struct doctor *doctor)
{
    if (!options->json)
        doctor_print_table(stdout, doctor, terminal_width(), isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
    else if (doctor_print_json(stdout, doctor) < 0)
        return EXIT_INTERNAL;
    return doctor->unmet ? EXIT_SANDBOX : EXIT_PASSED;
}

int cmd_doctor(int argc, char **argv)
{
    const char *scope = getenv("SHUNT_SCOPE");
    struct options options = {.config.userns = -1};
    struct err err = ERR_INIT;
    struct sandbox_spec spec;
    struct probe_result result;
    _cleanup_free_ char *policies = NULL;
    struct doctor doctor;
    int status;

    if (parse(&options, argc, argv, &err) < 0)
        return cli_fail(&err);
    if (options.help)
        return cmd_doctor_help();
    if (sandbox_config_load(&options.config, &spec, &err) < 0)
        return cli_fail(&err);
    /* As run and exec do: where systemd gives a scope, they have it, and so the answer is for it. */
    scope_enter(argv);
    if (probe_machine(&(struct probe_options){.adopt_cgroup = options.config.adopt_cgroup}, &result, &err) < 0) {
        spec_done(&spec);
        return cli_fail(&err);
    }
    policies = sandbox_config_policies();
    doctor = (struct doctor){.result = &result,
                             .spec = &spec,
                             .wants = spec_wants(&spec),
                             .unmet = probe_unmet(&result, &spec),
                             .policies = policies,
                             .scope = scope && strcmp(scope, "1") == 0};
    status = show(&options, &doctor);
    spec_done(&spec);
    return status;
}
