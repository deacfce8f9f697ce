/* SPDX-License-Identifier: MIT */
/* The three lines of an incident: what happened to which test; the evidence; what shunt did, or what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

#define RED "\x1b[31m"
#define YELLOW "\x1b[33m"
#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"

static bool is_soft(const struct incident *incident)
{
    return incident->is_void || incident->verdict == VERDICT_LEAK || incident->verdict == VERDICT_CONTENTION ||
           incident->verdict == VERDICT_CPU;
}

static const char *what_happened(const struct incident *incident)
{
    switch (incident->verdict) {
    case VERDICT_TASKS:
    case VERDICT_MEMORY:
        return "broke out of";
    case VERDICT_STALL:
        return "is stuck in";
    case VERDICT_TIMEOUT:
        return "ran too long in";
    case VERDICT_LEAK:
        return "left something in";
    case VERDICT_PROTOCOL:
        return "disturbed";
    case VERDICT_CPU:
        return "crowded";
    case VERDICT_CONTENTION:
        return "failed in";
    default:
        return incident->is_void ? "was disturbed in" : "ended";
    }
}

/* A test that hangs is not mended by more time, whoever's limit it ran into. */
static const char *timeout_advice(const struct incident *incident)
{
    bool plugin = strstr(incident->text, "pytest-timeout") != NULL;
    const char *where = plugin ? incident->evidence : incident->text;

    if (strstr(incident->evidence, "stopped by a signal"))
        return "it waits for a SIGCONT: let whoever stops it (the test itself?) send that too, or stop a child instead";
    if (strstr(where, "waits in") || strstr(where, "waits at")) {
        if (strstr(incident->evidence, "started at")) /* for those, perhaps */
            return plugin ? "it waits there; for what it started itself? see docs/parallel-safety.md, \"Deadlocks\"; if it only takes "
                            "long, raise the limit of pytest-timeout"
                          : "it waits there; for what it started itself? see docs/parallel-safety.md, \"Deadlocks\"; if it only takes "
                            "long, raise --timeout";
        return plugin ? "it waits there: give that wait a time limit of its own; if it only takes long, raise the limit of pytest-timeout"
                      : "it waits there: give that wait a time limit of its own; if it only takes long, raise --timeout";
    }
    if (plugin && strstr(where, "stood at"))
        return "if it waited there for what it started itself, see docs/parallel-safety.md, \"Deadlocks\"; if it only takes long, "
               "raise the limit of pytest-timeout";
    if (plugin)
        return "it takes longer than pytest-timeout lets it: raise that limit";
    if (incident->no_markers)
        return incident->serial ? "it takes too long even alone: raise --timeout, or its own" : "it takes too long: raise --timeout, or its own";
    return incident->serial ? "it takes too long even alone: raise --timeout, or mark it @pytest.mark.shunt(timeout=…)"
                            : "it takes too long: raise --timeout, or mark it @pytest.mark.shunt(timeout=…)";
}

/* A signal that the kernel sends to whom does wrong; the others are sent by somebody. */
static bool names_crash(const char *text)
{
    static const char *const crashes[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP"};

    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        if (strstr(text, crashes[i]))
            return true;
    return false;
}

/* What a person can do about a test that was killed for good. */
const char *incident_advice(const struct incident *incident)
{
    bool alone = incident->serial;

    if (incident->blame.belated || incident->blame.by_thread)
        return "let it end what it starts before it returns: join the thread, wait for the process, close the pool";
    switch (incident->verdict) {
    case VERDICT_TASKS:
        return alone ? "it needs more tasks than it may have even alone: raise --serial-tasks, or let it start fewer"
                     : "it needs more tasks than it may have: raise --tasks, or let it start fewer";
    case VERDICT_MEMORY:
        return alone ? "it needs more memory than it may have even alone: raise --serial-memory, or let it use less"
                     : "it needs more memory than it may have: raise --memory, or let it use less";
    case VERDICT_STALL:
        return alone ? "it deadlocks even alone: see docs/parallel-safety.md, \"Deadlocks\""
                     : "it deadlocks: see docs/parallel-safety.md, \"Deadlocks\"";
    case VERDICT_TIMEOUT:
        return timeout_advice(incident);
    case VERDICT_EXIT:
        return alone ? "it ends its own process even alone: let it return or raise, and keep os._exit() for children"
                     : "it ends its own process: let it return or raise, and keep os._exit() for children";
    case VERDICT_SIGNAL:
        if (!strstr(incident->text, "SIG") || names_crash(incident->text))
            return alone ? "it dies even alone: run this test by itself under a debugger"
                         : "run this test by itself under a debugger";
        return "nothing crashed, somebody sent it: look for kill, killpg and alarm in the test and in what it starts";
    case VERDICT_EXTERNAL:
        return "look for what kills it: the test itself, an operator, or a limit on the job (CI, container); dmesg knows of OOM kills";
    case VERDICT_DENIED:
        return "let the test do without that call, or allow it in the policy";
    case VERDICT_PROTOCOL:
        return strstr(incident->text, "outside of any test")
                   ? "a plugin or conftest hook raised it; its traceback is in the output of the test"
                   : "the test closes or writes to descriptors that are not its own";
    default:
        return "see docs/parallel-safety.md";
    }
}

static void print_worker_fate(FILE *out, const struct incident *incident)
{
    char time[32];

    if (incident->serial)
        fprintf(out, "serial worker killed");
    else
        fprintf(out, "worker %u killed", incident->slot);
    if (incident->replaced) {
        units_print_time(time, sizeof(time), incident->replace_ns);
        fprintf(out, " and replaced in %s", time);
    }
}

/* How sure the blame is, and where the rest is. */
static void print_more(FILE *out, const struct incident *incident)
{
    bool blamed = incident->blame.confidence != BLAME_NONE && incident->next != INCIDENT_NOTHING &&
                  incident->next != INCIDENT_FAILED;

    if (!blamed && !*incident->more.directory)
        return;
    fputs("    ", out);
    if (blamed)
        fprintf(out, "blame: %s%s", blame_confidence_name(incident->blame.confidence),
                *incident->more.directory ? "; " : "");
    if (*incident->more.directory)
        fprintf(out, "evidence: %s", incident->more.directory);
    fputc('\n', out);
}

static void print_consequence(FILE *out, const struct incident *incident)
{
    fputs("    ", out);
    switch (incident->next) {
    case INCIDENT_NOTHING:
        fprintf(out, "recorded; nobody was killed");
        if (incident->blame.confidence != BLAME_NONE)
            fprintf(out, " (blame: %s)", blame_confidence_name(incident->blame.confidence));
        break;
    case INCIDENT_FAILED:
        fprintf(out, "the test counts as failed (--leaks=fail): let it end, close and remove what it makes");
        if (incident->blame.confidence != BLAME_NONE)
            fprintf(out, " (blame: %s)", blame_confidence_name(incident->blame.confidence));
        break;
    case INCIDENT_REROUTED:
        if (incident->verdict == VERDICT_CONTENTION) {
            fprintf(out, "it runs again alone, to see whether that was why");
            break;
        }
        print_worker_fate(out, incident);
        fprintf(out, "; the test moved to the serial lane");
        break;
    case INCIDENT_RETRIED:
        print_worker_fate(out, incident);
        fprintf(out, incident->blame.confidence != BLAME_NONE
                         ? "; this test is not blamed and runs again in a fresh worker"
                         : "; nobody is blamed, the test runs again");
        break;
    case INCIDENT_AGAIN:
        print_worker_fate(out, incident);
        fprintf(out, "; the test is tried again (--retries)");
        break;
    case INCIDENT_KILLED:
        if (incident->blame.belated)
            fprintf(out, "its earlier outcome is void, it counts as killed");
        else
            print_worker_fate(out, incident);
        fprintf(out, "; %s", incident_advice(incident));
        break;
    case INCIDENT_NO_TEST:
        print_worker_fate(out, incident);
        fprintf(out, incident->blame.culprit == BLAME_NO_TEST ? "; no test was running, so the run cannot be green"
                                                              : "; that test counts as killed");
        break;
    }
    if (incident->kept && incident->verdict != VERDICT_CONTENTION && (incident->next == INCIDENT_REROUTED || incident->next == INCIDENT_RETRIED))
        fprintf(out, "; %zu queued test%s kept", incident->kept, incident->kept == 1 ? "" : "s");
    fputc('\n', out);
    print_more(out, incident);
}

char *incident_line(const struct suite *suite, const struct incident *incident)
{
    const char *raw = incident->test < suite->count ? suite->tests[incident->test].id : "?";
    _cleanup_free_ char *id = text_clean(raw, strlen(raw), 0);
    _cleanup_free_ char *text = text_clean(incident->text, strlen(incident->text), 0);
    char *line;

    if (asprintf(&line, "! %s: %s   [%s]%s\n", id, text, verdict_name(incident->verdict),
                 incident->next == INCIDENT_REROUTED ? "; moved to the serial lane" : "") < 0)
        abort();
    return line;
}

char *incident_text(const struct suite *suite, const struct incident *incident, bool color)
{
    const char *raw = incident->test < suite->count ? suite->tests[incident->test].id
                      : incident->next == INCIDENT_NO_TEST ? "A worker"
                                                           : "?";
    _cleanup_free_ char *id = text_clean(raw, strlen(raw), 0);
    _cleanup_free_ char *text = text_clean(incident->text, strlen(incident->text), 0);
    _cleanup_free_ char *evidence = text_clean(incident->evidence, strlen(incident->evidence), 0);
    _cleanup_free_ char *denied = text_clean(incident->denied, strlen(incident->denied), 0);
    bool soft = is_soft(incident), has_test = incident->test < suite->count;
    char *block = NULL;
    size_t size;
    FILE *out = open_memstream(&block, &size);

    if (!out)
        abort();
    fprintf(out, "%s%s%s %s%s%s ", color ? (soft ? YELLOW : RED) : "", soft ? "!" : "✗",
            color ? PLAIN : "", color ? BOLD : "", id, color ? PLAIN : "");
    if (!has_test)
        fprintf(out, incident->verdict == VERDICT_TIMEOUT || incident->verdict == VERDICT_STALL ? "(%u) did not end its session"
                                                                                               : "(%u) died",
                incident->slot);
    else if (incident->serial)
        fprintf(out, "%s the serial lane", what_happened(incident));
    else
        fprintf(out, "%s worker %u", what_happened(incident), incident->slot);
    fprintf(out, ": %s   [%s]\n", text,
            incident->is_void ? "void" : verdict_name(incident->verdict));
    if (*evidence)
        fprintf(out, "    %s\n", evidence);
    if (*denied)
        fprintf(out, "    %s\n", denied);
    print_consequence(out, incident);
    fclose(out);
    return block;
}
