/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/nearest.h"
#include "sandbox/policy/policy.h"
#include "sandbox/seccomp/profile.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/policy_source.h"

struct request {
    const char *machine;
    bool help;
    char **operands; /* NULL-terminated */
    int n;
    struct policy_places places;
};

struct subcommand {
    const char *name, *operands, *help;
    int least, most; /* operands */
    int (*run)(struct request *request, struct err *err); /* an exit status, or -errno with `err` */
};

/* ---- options ----------------------------------------------------------------------------- */

static int set_machine(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected the name of a machine");
    ((struct request *)target)->machine = text;
    return 0;
}

static int set_help(void *target, const char *text, struct err *err)
{
    (void)text;
    (void)err;
    ((struct request *)target)->help = true;
    return 0;
}

static const struct option_row table[] = {
    {"machine", 0, "NAME", "show: with the numbers of this CI machine", set_machine, "Options"},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

/* ---- list -------------------------------------------------------------------------------- */

static void print_entries(const struct policy_entry *entries, size_t n, bool machines)
{
    size_t width = 0;

    for (size_t i = 0; i < n; i++)
        if (entries[i].machine == machines && strlen(entries[i].name) > width)
            width = strlen(entries[i].name);
    for (size_t i = 0; i < n; i++) {
        const struct policy_entry *entry = &entries[i];
        bool broken = !*entry->path || strcmp(entry->name, entry->path) == 0;

        if (entry->machine == machines)
            printf("  %-*s  %s%s\n", (int)width, entry->name, broken ? "cannot be read: " : "", entry->summary);
    }
}

static int run_list(struct request *request, struct err *err)
{
    _cleanup_free_ char *standard = NULL;
    struct policy_entry *entries;
    struct err broken = ERR_INIT;
    size_t n;
    int r = policy_list(&request->places.source, &entries, &n, err);

    if (r < 0)
        return r;
    puts("Policies (--policy=NAME):");
    print_entries(entries, n, false);
    puts("\nMachines (--machine=NAME):");
    print_entries(entries, n, true);
    policy_list_free(entries, n);
    if (policy_places_default(&request->places, &standard, &broken) == 0)
        printf("\nWithout --policy: %s%s\n", standard,
               request->places.source.project_file ? " (shunt.yaml is read)" : "");
    return EXIT_PASSED;
}

/* ---- show -------------------------------------------------------------------------------- */

static int print_file(const char *path, struct err *err)
{
    _cleanup_fclose_ FILE *in = fopen(path, "re");
    char buf[4096];
    size_t n;

    if (!in)
        return err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
    printf("# %s\n", path);
    while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
        fwrite(buf, 1, n, stdout);
    return EXIT_PASSED;
}

/* A machine has nothing to resolve: its file is what there is to show. -ENOENT: no machine is called so. */
static int show_machine(const struct request *request, const char *name, struct err *err)
{
    struct policy_entry *entries;
    size_t n;
    int r = policy_list(&request->places.source, &entries, &n, err);

    if (r < 0)
        return r;
    r = -ENOENT;
    for (size_t i = 0; i < n && r == -ENOENT; i++)
        if (entries[i].machine && *entries[i].path && strcmp(entries[i].name, name) == 0)
            r = print_file(entries[i].path, err);
    policy_list_free(entries, n);
    return r;
}

static int run_show(struct request *request, struct err *err)
{
    const char *name = request->operands[0];
    _cleanup_free_ char *text = NULL;
    struct sandbox_spec spec;
    int r = policy_load(&request->places.source, name, request->machine, &spec, err);

    if (r == -ENOENT && !request->machine) {
        struct err ignored = ERR_INIT;
        int shown = show_machine(request, name, &ignored);

        return shown == -ENOENT ? r : shown;
    }
    if (r < 0)
        return r;
    text = policy_print(&spec);
    spec_done(&spec);
    puts("# Complete, with all that it extends. Copy what you need into a policy of your own.");
    fputs(text, stdout);
    return EXIT_PASSED;
}

/* ---- check ------------------------------------------------------------------------------- */

static int run_check(struct request *request, struct err *err)
{
    int status = EXIT_PASSED;

    (void)err;
    for (int i = 0; i < request->n; i++) {
        _cleanup_free_ char *what = NULL;
        struct err wrong = ERR_INIT;

        if (policy_check(&request->places.source, request->operands[i], &what, &wrong) < 0)
            status = cli_fail(&wrong);
        else
            printf("%s: ok, %s\n", request->operands[i], what);
    }
    return status;
}

/* ---- explain ----------------------------------------------------------------------------- */

/* A policy's filter as a test meets it: its profile, and the guard that shunt keeps beside its own profiles. */
struct filter {
    struct sandbox_spec spec;
    char *guard;
    const char *paths[3];
};

static void filter_done(struct filter *filter)
{
    spec_done(&filter->spec);
    free(filter->guard);
}

static int load_filter(const struct request *request, const char *name, struct filter *filter, struct err *err)
{
    const char *ending = strrchr(name, '.'), *slash;
    int r;

    if (ending && strcmp(ending, ".json") == 0) {
        spec_init(&filter->spec);
        spec_set_text(&filter->spec.seccomp, name);
        filter->paths[0] = filter->spec.seccomp;
        return 0;
    }
    r = policy_load(&request->places.source, name, request->machine, &filter->spec, err);
    if (r < 0 || !filter->spec.seccomp)
        return r;
    filter->paths[0] = filter->spec.seccomp;
    slash = strrchr(filter->spec.seccomp, '/');
    filter->guard = mem_printf("%.*s/guard.json", (int)(slash - filter->spec.seccomp), filter->spec.seccomp);
    if (access(filter->guard, R_OK) == 0)
        filter->paths[1] = filter->guard;
    return 0;
}

static int explain_call(const struct filter *filter, const char *call, struct err *err)
{
    struct seccomp_request request = {.paths = filter->paths, .caps = filter->spec.caps};
    struct seccomp_explanation *explanation;
    int r;

    if (!filter->spec.seccomp) {
        printf("%s: allowed (policy %s has no filter)\n", call, filter->spec.name);
        return 0;
    }
    explanation = mem_zalloc(sizeof(*explanation));
    r = seccomp_explain(&request, call, explanation, err);
    if (r == 0)
        fputs(explanation->text, stdout);
    free(explanation);
    return r;
}

static int run_explain(struct request *request, struct err *err)
{
    struct filter filter = {0};
    int status = EXIT_PASSED, r = load_filter(request, request->operands[0], &filter, err);

    for (int i = 1; r == 0 && i < request->n; i++) {
        struct err mistake = ERR_INIT;

        /* What is no system call keeps nobody from hearing about the others, and is said in its turn. */
        if (explain_call(&filter, request->operands[i], &mistake) < 0) {
            fflush(stdout);
            status = cli_fail(&mistake);
        }
    }
    filter_done(&filter);
    return r < 0 ? r : status;
}

/* For tests/tools/check-policies: not in the help. */
static int run_schema(struct request *request, struct err *err)
{
    (void)request;
    (void)err;
    policy_print_schema(stdout);
    return EXIT_PASSED;
}

/* ---- the command ------------------------------------------------------------------------- */

static const struct subcommand subcommands[] = {
    {"list", "", "what can be named with --policy and --machine", 0, 0, run_list},
    {"show", "NAME", "all that a policy says, with what it extends", 1, 1, run_show},
    {"check", "FILE...", "is it right? Policies, machines, shunt.yaml, seccomp profiles", 1, 1000, run_check},
    {"explain", "FILE SYSCALL...", "what a policy or profile answers to a system call", 2, 1000, run_explain},
    {"schema", "", NULL, 0, 0, run_schema},
    {.name = NULL},
};

int cmd_policy_help(void)
{
    fputs("usage: shunt policy list\n"
          "       shunt policy show NAME\n"
          "       shunt policy check FILE...\n"
          "       shunt policy explain FILE SYSCALL...\n\n"
          "Policies say what a sandbox is. NAME and FILE may be a name (see list) or a file; a name is\n"
          "looked for in ./shunt.yaml first. docs/policies.md has every key.\n\n",
          stdout);
    for (const struct subcommand *sub = subcommands; sub->name; sub++)
        if (sub->help)
            printf("  %-8s %-16s %s\n", sub->name, sub->operands, sub->help);
    options_print_help(table, stdout);
    fputs("\nExit status: 0 right, 4 wrong: with file, line and key.\n", stdout);
    return EXIT_PASSED;
}

static const struct subcommand *find_subcommand(const char *name, struct err *err)
{
    const char *names[sizeof(subcommands) / sizeof(subcommands[0])] = {NULL}, *nearest;
    size_t n = 0;

    for (const struct subcommand *sub = subcommands; sub->name; sub++) {
        if (strcmp(sub->name, name) == 0)
            return sub;
        if (sub->help)
            names[n++] = sub->name;
    }
    nearest = nearest_word(name, names);
    err_set(err, ERR_USAGE, EINVAL, "unknown command \"policy %.80s\"", name);
    if (nearest)
        err_hint(err, "did you mean \"shunt policy %s\"?", nearest);
    else
        err_hint(err, "it is list, show, check or explain (\"shunt policy --help\")");
    return NULL;
}

/* Options may stand among the operands, which are moved to the front: nothing here is another command's. */
static int parse_words(int argc, char **argv, struct request *request, struct err *err)
{
    int at = 0;

    request->operands = argv + 1;
    for (;;) {
        int first = 1, r = options_parse(table, argc - at, argv + at, request, &first, err);
        bool rest = first > 1 && strcmp(argv[at + first - 1], "--") == 0;

        if (r < 0)
            return r;
        for (at += first; at < argc; at++) {
            request->operands[request->n++] = argv[at];
            if (!rest)
                break;
        }
        if (at >= argc)
            break;
    }
    return 0;
}

static int parse(const struct subcommand *sub, int argc, char **argv, struct request *request, struct err *err)
{
    int r = parse_words(argc, argv, request, err);

    if (r < 0 && strncmp(err->hint, "did you mean", 12) != 0 && strstr(err->message, "unknown option"))
        return err_hint(err, "\"shunt policy --help\" lists the options");
    if (r < 0 || request->help)
        return r;
    if (request->n >= sub->least && request->n <= sub->most)
        return 0;
    if (request->n < sub->least)
        err_set(err, ERR_USAGE, EINVAL, "policy %s: something is missing", sub->name);
    else
        err_set(err, ERR_USAGE, EINVAL, "policy %s: one word too many: \"%.200s\"", sub->name, request->operands[sub->most]);
    return err_hint(err, "shunt policy %s%s%s", sub->name, *sub->operands ? " " : "", sub->operands);
}

int cmd_policy(int argc, char **argv)
{
    const struct subcommand *sub;
    struct request request = {0};
    struct err err = ERR_INIT;
    int r;

    if (argc < 2) {
        err_set(&err, ERR_USAGE, EINVAL, "policy: what shall be done?");
        err_hint(&err, "shunt policy list, show, check or explain (\"shunt policy --help\")");
        return cli_fail(&err);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_policy_help();
    sub = find_subcommand(argv[1], &err);
    if (!sub || parse(sub, argc - 1, argv + 1, &request, &err) < 0)
        return cli_fail(&err);
    if (request.help)
        return cmd_policy_help();
    policy_places_init(&request.places);
    r = sub->run(&request, &err);
    policy_places_done(&request.places);
    return r < 0 ? cli_fail(&err) : r;
}
