/* SPDX-License-Identifier: MIT */
/* `shunt merge`: the event files of several runs, of shards above all, as one ledger and one JUnit report. */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <stdio.h>

#include "sandbox/base/err.h"
#include "supervisor/cli/merge_reader.h"
#include "supervisor/cli/options.h"
#include "supervisor/report/report.h"

struct request {
    const char *junit;
    bool help;
};

static int set_junit(void *target, const char *text, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_USAGE, EINVAL, "expected the path of a file");
    ((struct request *)target)->junit = text;
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
    {"junit", 0, "FILE", "write one JUnit report of them all", set_junit, NULL},
    {"help", 'h', NULL, "print this help", set_help, NULL},
    {.name = NULL},
};

int cmd_merge_help(void)
{
    fputs("usage: shunt merge [OPTIONS] EVENTS...\n\n"
          "Joins what several runs have written with --events into one ledger, and says which tests no shard\n"
          "has run (docs/sharding.md).\n",
          stdout);
    options_print_help(table, stdout);
    fputs("\nExit status: 0 all passed, 1 one failed or was not run or a part is missing, 3, 4 as shunt run.\n", stdout);
    return EXIT_PASSED;
}

static void say(void *arg, const char *text)
{
    (void)arg;
    fputs(text, stdout);
}

/* What makes the whole incomplete, in lines. Returns whether it is. */
static bool say_gaps(const struct merged *merged, size_t missing)
{
    bool gap = missing > 0;
    const char *glue = "";

    for (unsigned i = 0; i < merged->shards; i++)
        if (!merged->has[i]) {
            printf("%s%u", *glue ? glue : "shunt: missing here: shard ", i + 1);
            glue = ", ";
            gap = true;
        }
    if (*glue)
        printf(" of %u\n", merged->shards);
    if (merged->unended)
        printf("shunt: %zu run%s did not end: what %s had not said is not known\n", merged->unended, merged->unended == 1 ? "" : "s",
               merged->unended == 1 ? "it" : "they");
    if (merged->plans > 1)
        printf("shunt: the shards were not cut from the same history (or suite): compare their caches\n");
    if (merged->twice)
        printf("shunt: %zu result%s in more than one file: the worse counts\n", merged->twice,
               merged->twice == 1 ? " is" : "s are");
    return gap || merged->unended;
}

/* The status that one run of all would have had. */
static int status_of(const struct merged *merged, bool gap)
{
    struct ledger ledger;
    size_t bad = 0;

    suite_count(&merged->suite, &ledger);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        bad += outcome_is_bad((enum outcome)o) ? ledger.by_outcome[o] : 0;
    if (merged->worst_status)
        return merged->worst_status;
    if (bad || gap)
        return EXIT_FAILED;
    return merged->suite.count ? EXIT_PASSED : EXIT_NO_TESTS;
}

static int merge(const struct request *request, struct merged *merged, struct err *err)
{
    struct report_options options = {.junit_path = request->junit, .say = say, .run_id = "merged"};
    struct report_summary summary = {.wall_ns = merged->wall_ns, .restarts = merged->restarts, .failures = true};
    size_t missing = merge_close(merged);
    struct report *report;
    int r;

    summary.exit_status = status_of(merged, say_gaps(merged, missing));
    r = report_new(&options, &report, err);
    if (r < 0)
        return r;
    report_show_tests(report, "merged", merged->suite.count);
    r = report_run_end(report, &merged->suite, &summary, err);
    report_free(report);
    return r < 0 ? r : summary.exit_status;
}

int cmd_merge(int argc, char **argv)
{
    struct request request = {0};
    struct merged merged = {0};
    struct err err = ERR_INIT;
    int first, r = options_parse(table, argc, argv, &request, &first, &err);

    if (r == 0 && request.help)
        return cmd_merge_help();
    if (r == 0 && first >= argc) {
        err_set(&err, ERR_USAGE, EINVAL, "no file was given");
        r = err_hint(&err, "shunt merge shard-*.jsonl: what each shunt run --events FILE has written");
    }
    for (int i = first; r == 0 && i < argc; i++)
        r = merge_read(&merged, argv[i], &err);
    if (r == 0)
        r = merge(&request, &merged, &err);
    merged_done(&merged);
    return r < 0 ? cli_fail(&err) : r;
}
