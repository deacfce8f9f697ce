/* SPDX-License-Identifier: MIT */
#include "supervisor/exec/account.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/sandbox.h"
#include "supervisor/exec/exec.h"

#define REPORT_VERSION 1
#define NAMED_MAX 6
#define REAL_DIGITS 15

/* --- for people --- */

static unsigned wanted_and_missing(const struct sandbox *sandbox, const struct sandbox_spec *spec)
{
    return spec_wants(spec) & ~sandbox_gives(sandbox);
}

static void print_guarantees(const char *what, unsigned bits)
{
    const char *separator = "";

    fprintf(stderr, "shunt: %s: ", what);
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (bits & SPEC_BIT(g)) {
            fprintf(stderr, "%s%s", separator, spec_guarantee_name((enum spec_guarantee)g));
            separator = ", ";
        }
    fputs(bits ? "\n" : "nothing\n", stderr);
}

static unsigned asked_for(const struct exec_config *config)
{
    return (config->tasks_given ? SPEC_BIT(SPEC_TASKS) : 0) | (config->memory_given ? SPEC_BIT(SPEC_MEMORY) : 0) |
           (config->cpus_given ? SPEC_BIT(SPEC_CPU) : 0);
}

/* Several reasons, a line each. */
static void print_indented(const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");

        fprintf(stderr, "  %.*s\n", length, text);
        text += length + (text[length] == '\n');
    }
}

void account_started(const struct exec_config *config, const struct sandbox *sandbox, const struct sandbox_spec *spec)
{
    unsigned missing = wanted_and_missing(sandbox, spec);

    if (config->verbose) {
        fprintf(stderr, "shunt: policy %s%s%s\n", spec->name, *sandbox_limits_by(sandbox) ? "; limits: " : "",
                sandbox_limits_by(sandbox));
        print_guarantees("in force", sandbox_gives(sandbox));
    }
    if (!missing || config->quiet)
        return;
    print_guarantees("not in force", missing);
    /* What was asked for by name is worth the reason as well. */
    if (missing & asked_for(config) || config->verbose)
        print_indented(sandbox_missing(sandbox));
    fprintf(stderr, "  \"shunt doctor --policy %s\" says why, and what to do; -q is silent\n", spec->name);
}

static void print_what_happened(const char *command, uint64_t limit_ns, const struct sandbox_result *result)
{
    int status = result->wait_status;

    fprintf(stderr, "shunt: %s: ", command);
    switch (result->verdict) {
    case SANDBOX_OK:
        fputs("exit 0", stderr);
        break;
    case SANDBOX_TIMEOUT:
        fprintf(stderr, "not done after %.3g s, ended", (double)limit_ns / NS_PER_SEC);
        break;
    case SANDBOX_MEMORY:
        fprintf(stderr, "out of memory at its limit of %" PRIu64 " MiB", result->memory_limit_bytes >> 20);
        break;
    case SANDBOX_TASKS:
        fprintf(stderr, "%" PRIu64 " of %" PRIu64 " tasks", result->tasks_peak, result->tasks_limit);
        if (result->tasks_refused)
            fprintf(stderr, ", %" PRIu64 " more refused", result->tasks_refused);
        else
            fputs(" (counted)", stderr);
        break;
    case SANDBOX_DENIED:
        fputs("died of a refused system call (SIGSYS)", stderr);
        break;
    case SANDBOX_SIGNAL:
        fprintf(stderr, "died of SIG%s", sigabbrev_np(WTERMSIG(status)));
        break;
    case SANDBOX_EXIT:
        fprintf(stderr, "exit %d", WEXITSTATUS(status));
        break;
    }
    if (result->verdict == SANDBOX_MEMORY || result->verdict == SANDBOX_TASKS)
        fprintf(stderr, WIFSIGNALED(status) ? ", died of SIG%s" : ", exit %s%d",
                WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "", WEXITSTATUS(status));
    fprintf(stderr, "   [%s]\n", sandbox_verdict_name(result->verdict));
}

static void print_evidence(const struct sandbox_result *result)
{
    fprintf(stderr, "  %.2f s, CPU %.2f s", (double)result->wall_ns / NS_PER_SEC, (double)result->cpu_ns / NS_PER_SEC);
    if (result->tasks_known)
        fprintf(stderr, ", tasks at most %s%" PRIu64, result->tasks_peak_exact ? "" : "≥", result->tasks_peak);
    if (result->tasks_refused && result->verdict != SANDBOX_TASKS)
        fprintf(stderr, " (%" PRIu64 " refused at %" PRIu64 ")", result->tasks_refused, result->tasks_limit);
    fprintf(stderr, ", memory at most %.1f MiB%s\n", (double)result->memory_peak_bytes / (1 << 20),
            result->memory_known ? "" : " (largest process)");
    if (result->oom_kills && result->verdict != SANDBOX_MEMORY)
        fprintf(stderr, "  %" PRIu64 " process%s of it killed for memory, at the limit of %" PRIu64 " MiB\n", result->oom_kills,
                result->oom_kills == 1 ? "" : "es", result->memory_limit_bytes >> 20);
}

static void print_denials(const struct sandbox_result *result, const char *policy)
{
    for (size_t i = 0; i < result->ndenials && i < NAMED_MAX; i++) {
        const struct sandbox_denial *denial = &result->denials[i];

        fprintf(stderr, "  denied: %s (policy %s%s%s): %s, %" PRIu64 " time%s\n", denial->call, policy,
                *denial->profile ? ", " : "", denial->profile,
                denial->errnum ? strerrorname_np(denial->errnum) : "let go on", denial->count,
                denial->count == 1 ? "" : "s");
    }
    if (result->ndenials > NAMED_MAX)
        fprintf(stderr, "  denied: %zu more; --report has all\n", result->ndenials - NAMED_MAX);
}

static void print_left(const struct sandbox_result *result)
{
    if (!result->nleft)
        return;
    fprintf(stderr, "  left behind and killed: %zu process%s:", result->nleft, result->nleft == 1 ? "" : "es");
    for (size_t i = 0; i < result->nleft && i < NAMED_MAX; i++)
        fprintf(stderr, " %s (%d)", result->left[i].comm, result->left[i].pid);
    fputs(result->nleft > NAMED_MAX ? " ...\n" : "\n", stderr);
}

static const char *remedy(const struct sandbox_result *result)
{
    switch (result->verdict) {
    case SANDBOX_TIMEOUT:
        return "give it more time with --timeout";
    case SANDBOX_MEMORY:
        return "give it more with --memory, or find out what grows";
    case SANDBOX_TASKS:
        return "give it more with --tasks, or start fewer threads";
    case SANDBOX_OK:
    case SANDBOX_EXIT:
    case SANDBOX_SIGNAL:
    case SANDBOX_DENIED:
        break;
    }
    return result->ndenials ? "if that is what failed: another --policy, or --learn FILE to see what it needs" : NULL;
}

/* A command that failed for itself has said so itself. Refusals count when it failed, since then they may be why. */
static bool worth_saying(const struct sandbox_result *result)
{
    bool failed = result->verdict != SANDBOX_OK;

    return result->verdict == SANDBOX_TIMEOUT || result->verdict == SANDBOX_MEMORY || result->verdict == SANDBOX_TASKS ||
           result->verdict == SANDBOX_DENIED || result->nleft || result->oom_kills || (failed && result->ndenials);
}

/* A command that failed where its user cannot come to what lies beside it has said "Permission denied" at most. */
static const char *closed_directory(struct sandbox *sandbox)
{
    _cleanup_free_ char *cwd = sandbox_result(sandbox)->verdict == SANDBOX_OK ? NULL : getcwd(NULL, 0);

    return cwd ? sandbox_closed(sandbox, cwd) : "";
}

void account_print(const struct exec_config *config, struct sandbox *sandbox, const struct sandbox_spec *spec)
{
    const struct sandbox_result *result = sandbox_result(sandbox);
    const char *closed = config->quiet ? "" : closed_directory(sandbox);

    if (!config->verbose && (config->quiet || !(worth_saying(result) || *closed)))
        return;
    print_what_happened(config->command[0], spec->limits.timeout_ns ? spec->limits.timeout_ns : result->wall_ns, result);
    print_evidence(result);
    print_denials(result, spec->name);
    print_left(result);
    if (*closed)
        fprintf(stderr, "  policy %s: the working directory %s\n", spec->name, closed);
    if (remedy(result) && result->verdict != SANDBOX_OK)
        fprintf(stderr, "  %s\n", remedy(result));
}

/* --- JSON --- */

static json_t *guarantees(unsigned bits)
{
    json_t *list = json_array();

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (bits & SPEC_BIT(g))
            json_array_append_new(list, json_string(spec_guarantee_name((enum spec_guarantee)g)));
    return list;
}

/* A name that a hostile process gave itself need not be UTF-8. */
static json_t *text(const char *bytes)
{
    char clean[600];
    size_t n = 0;
    json_t *string = json_string(bytes);

    if (string)
        return string;
    for (; *bytes && n + 1 < sizeof(clean); bytes++)
        clean[n++] = (unsigned char)*bytes < 0x20 || (unsigned char)*bytes > 0x7e ? '?' : *bytes;
    clean[n] = '\0';
    return json_string(clean);
}

static json_t *denials(const struct sandbox_result *result)
{
    json_t *list = json_array();

    for (size_t i = 0; i < result->ndenials; i++) {
        const struct sandbox_denial *denial = &result->denials[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I}", "call", denial->call, "profile", denial->profile, "errno",
                            denial->errnum ? strerrorname_np(denial->errnum) : "", "count", (json_int_t)denial->count));
    }
    return list;
}

static json_t *left(const struct sandbox_result *result)
{
    json_t *list = json_array();

    for (size_t i = 0; i < result->nleft; i++)
        json_array_append_new(list, json_pack("{s:i, s:o}", "pid", result->left[i].pid, "comm", text(result->left[i].comm)));
    return list;
}

static json_t *limited(const char *unit, uint64_t peak, bool exact, uint64_t limit, const char *hits, uint64_t nhits)
{
    char peak_key[32], limit_key[32];

    snprintf(peak_key, sizeof(peak_key), "peak%s", unit);
    snprintf(limit_key, sizeof(limit_key), "limit%s", unit);
    return json_pack("{s:I, s:b, s:o, s:I}", peak_key, (json_int_t)peak, "exact", exact, limit_key,
                     limit ? json_integer((json_int_t)limit) : json_null(), hits, (json_int_t)nhits);
}

/* Three digits behind the point, as a clock is not better than that. */
static double milliseconds(uint64_t ns)
{
    return (double)(ns / 1000) / 1000;
}

static json_t *account(const struct exec_config *config, const struct sandbox *sandbox, const struct sandbox_spec *spec)
{
    const struct sandbox_result *r = sandbox_result(sandbox);
    int status = r->wait_status;

    return json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:{s:s, s:o, s:o, s:s, s:s}}", "version", REPORT_VERSION,
        "command", text(config->command[0]), "verdict", sandbox_verdict_name(r->verdict), "exit",
        WIFEXITED(status) ? json_integer(WEXITSTATUS(status)) : json_null(), "signal",
        WIFSIGNALED(status) ? json_sprintf("SIG%s", sigabbrev_np(WTERMSIG(status))) : json_null(), "wall_ms",
        milliseconds(r->wall_ns), "cpu_ms", milliseconds(r->cpu_ns), "tasks",
        r->tasks_known ? limited("", r->tasks_peak, r->tasks_peak_exact, r->tasks_limit, "refused", r->tasks_refused)
                       : json_null(),
        "memory", limited("_bytes", r->memory_peak_bytes, r->memory_known, r->memory_limit_bytes, "oom_kills", r->oom_kills),
        "denied", denials(r), "leaked", left(r), "sandbox", "policy", spec->name, "in_force",
        guarantees(sandbox_gives(sandbox)), "missing", guarantees(wanted_and_missing(sandbox, spec)), "limits_by",
        sandbox_limits_by(sandbox), "why_missing", sandbox_missing(sandbox));
}

void account_write_not_started(const struct exec_config *config, const struct err *why)
{
    json_t *root;

    if (!config->report_path)
        return;
    root = json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:o}", "version", REPORT_VERSION, "command",
                     config->command ? text(config->command[0]) : json_null(), "verdict", "not-started", "exit", json_null(),
                     "signal", json_null(), "message", text(why->message), "hint", text(why->hint));
    if (root)
        json_dump_file(root, config->report_path, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS));
    json_decref(root);
}

int account_write(const struct exec_config *config, const struct sandbox *sandbox, const struct sandbox_spec *spec,
                  struct err *err)
{
    json_t *root = account(config, sandbox, spec);
    int r = 0;

    errno = 0;
    if (!root || json_dump_file(root, config->report_path, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS)) < 0) {
        r = err_set(err, ERR_SYSTEM, errno ? errno : EIO, "cannot write the report %s: %m", config->report_path);
        err_hint(err, "the command itself has run");
    }
    json_decref(root);
    return r;
}
