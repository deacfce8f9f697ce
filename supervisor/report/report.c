/* SPDX-License-Identifier: MIT */
#include "supervisor/report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/spec/spec.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/summary.h"
#include "supervisor/report/text.h"

/* A suite whose every test leaves a pool behind would drown everything else; the summary counts them all. */
#define LEAKS_SHOWN 5

int report_new(const struct report_options *options, struct report **ret, struct err *err)
{
    struct report *report = mem_zalloc(sizeof(*report));
    time_t now = time(NULL);
    struct tm tm;
    int r = 0;

    report->options = *options;
    report->junit_fd = -1;
    report->start_ns = clock_now_ns();
    strftime(report->wall_clock, sizeof(report->wall_clock), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    if (options->events_path)
        r = events_open(options->events_path, &report->events, err);
    if (r == 0 && options->junit_path)
        r = junit_open(report, err);
    if (r < 0) {
        report_free(report);
        return r;
    }
    *ret = report;
    return 0;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    events_close(report->events);
    record_close(report->record);
    json_decref(report->shard);
    free(report->state_root);
    if (report->junit_fd >= 0) {
        close(report->junit_fd);
        if (report->junit_aside)
            unlink(report->junit_aside);
    }
    free(report->junit_path);
    free(report->junit_aside);
    free(report);
}

static double event_time(const struct report *report)
{
    return (double)(clock_now_ns() - report->start_ns) / 1e9;
}

void report_emit(struct report *report, const char *name, json_t *fields)
{
    if (report->events)
        events_write(report->events, event_time(report), name, fields);
    else
        json_decref(fields);
}

void report_say(struct report *report, const char *text)
{
    report->options.say(report->options.say_arg, text);
}


static void sayf(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void sayf(struct report *report, const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    report_say(report, text);
    free(text);
}

/* --- the header --- */

static void print_limits(char *buf, size_t size, uint64_t tasks, uint64_t memory_bytes)
{
    char memory[32];

    units_print_size(memory, sizeof(memory), memory_bytes);
    if (tasks && memory_bytes)
        snprintf(buf, size, "%" PRIu64 " tasks, %s", tasks, memory);
    else if (tasks)
        snprintf(buf, size, "%" PRIu64 " tasks", tasks);
    else
        snprintf(buf, size, "%s", memory_bytes ? memory : "no limits");
}

/* Lines; what begins with a blank belongs to the one before it. */
static void say_missing(struct report *report, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        sayf(report, *text == ' ' ? "  %.*s\n" : "  missing here: %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void say_header(struct report *report, const struct report_header *h)
{
    char slot[64], serial[64], cpus[48] = "";
    bool limited = h->tasks || h->memory_bytes;

    print_limits(slot, sizeof(slot), h->tasks, h->memory_bytes);
    print_limits(serial, sizeof(serial), h->serial_tasks, h->serial_memory_bytes);
    if (h->threads)
        snprintf(cpus, sizeof(cpus), "%s%s%u CPU%s, ", h->workers > 1 ? "each " : "",
                 h->cpu_set ? "" : "sized for ", h->threads, h->threads == 1 ? "" : "s");
    sayf(report, "shunt %s: %u worker%s%s; %s%s%s; serial lane: %s\n", h->version, h->workers, h->workers == 1 ? "" : "s",
         h->cold ? ", started cold" : "", cpus,
         !limited || h->workers == 1 ? "" : *cpus ? "at most " : "each at most ", slot, serial);
    sayf(report, "  isolation: %s%s%s\n", h->cgroup && *h->cgroup ? h->cgroup : "no cgroup",
         *h->isolation ? "; " : "", h->isolation);
    if (h->cold && h->cold_why && *h->cold_why)
        sayf(report, "  cold workers: %s\n", h->cold_why);
    if (h->shared && *h->shared)
        sayf(report, "  budget: %s\n", h->shared);
    if (h->missing)
        say_missing(report, h->missing);
}

static json_t *guarantee_names(unsigned bits)
{
    json_t *list = json_array();

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (bits & SPEC_BIT(g))
            json_array_append_new(list, json_string(spec_guarantee_name((enum spec_guarantee)g)));
    return list;
}

void report_run_start(struct report *report, const struct report_header *h)
{
    if (!report->options.quiet)
        say_header(report, h);
    report_emit(report, "run-start",
         json_pack("{s:s,s:o,s:s,s:s,s:i,s:b,s:o,s:I,s:I,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "version", h->version,
                   "command", events_text(h->command), "run", h->run_id, "time", report->wall_clock,
                   "workers", (int)h->workers, "cold", h->cold, "cold_why",
                   events_text(h->cold ? h->cold_why : NULL), "tasks", (json_int_t)h->tasks,
                   "memory_bytes", (json_int_t)h->memory_bytes, "serial_tasks",
                   (json_int_t)h->serial_tasks, "serial_memory_bytes",
                   (json_int_t)h->serial_memory_bytes, "threads", (int)h->threads, "cgroup", events_text(h->cgroup), "isolation",
                   events_text(h->isolation), "policy", events_text(h->policy), "in_force",
                   guarantee_names(h->in_force), "lacking", guarantee_names(h->lacking), "missing", events_text(h->missing), "budget",
                   events_text(h->budget), "shared", events_text(h->shared && *h->shared ? h->shared : NULL)));
}

void report_suite(struct report *report, const struct suite *suite)
{
    size_t serial = 0;

    for (size_t i = 0; i < suite->count; i++)
        serial += suite->tests[i].lane == LANE_SERIAL;
    report_emit(report, "suite",
         json_pack("{s:I,s:I,s:o}", "tests", (json_int_t)suite->count, "serial", (json_int_t)serial,
                   "root", events_text(suite->root)));
}

/* --- incidents --- */

void report_set_state_root(struct report *report, const char *root)
{
    free(report->state_root);
    report->state_root = mem_strdup(root);
}

void report_keep_evidence(struct report *report, struct incident *incident)
{
    struct err err = ERR_INIT;

    if (report->no_record || !report->state_root)
        return;
    if (!report->record && record_open(report->state_root, report->options.run_id, &report->record, &err) < 0) {
        report->no_record = true;
        report_emit(report, "no-evidence-kept", json_pack("{s:o}", "why", events_text(err.message)));
        return;
    }
    record_begin(report->record, incident);
}

void report_incident(struct report *report, const struct suite *suite, const struct incident *incident)
{
    bool show = incident->verdict == VERDICT_LEAK  ? report->leaks_shown++ < LEAKS_SHOWN
                : incident->verdict == VERDICT_CPU ? report->crowds_shown++ < LEAKS_SHOWN
                                                   : true;

    if (report->record && *incident->more.directory)
        record_write(report->record, suite, incident);
    if (show) {
        _cleanup_free_ char *block = incident->common && incident->next != INCIDENT_KILLED
                                          ? incident_line(suite, incident)
                                          : incident_text(suite, incident, report->options.color);

        report_say(report, block);
    }
    if (report->events) {
        report_emit(report, "incident", incident_json(suite, incident));
        events_flush(report->events);
    }
}

void report_worker(struct report *report, const char *event, unsigned slot, unsigned generation, int pid,
                   uint64_t ns)
{
    if (report->events)
        report_emit(report, "worker",
             json_pack("{s:s,s:i,s:i,s:i,s:I}", "what", event, "worker", (int)slot, "generation",
                       (int)generation, "pid", pid, "us", (json_int_t)(ns / 1000)));
}

void report_notice(struct report *report, const char *fmt, ...)
{
    _cleanup_free_ char *clean = NULL;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    clean = text_clean(text, strlen(text), 0);
    sayf(report, "shunt: %s\n", clean);
    report_emit(report, "notice", json_pack("{s:s}", "text", clean));
}

void report_remedy(struct report *report, const char *text)
{
    sayf(report, "  %s\n", text);
}

void report_history(struct report *report, const char *what, size_t tests, size_t serial, uint64_t ns, const char *trouble)
{
    report_emit(report, "history",
                json_pack("{s:s,s:I,s:I,s:f,s:o}", "what", what, "tests", (json_int_t)tests, "serial", (json_int_t)serial, "ms",
                          (double)ns / 1e6, "trouble", events_text(trouble)));
}

void report_status(struct report *report, const struct suite *suite, const struct report_running *rows,
                   size_t n, size_t queued, size_t serial_queued)
{
    struct ledger ledger;

    suite_count(suite, &ledger);
    sayf(report, "shunt: %zu of %zu tests done, %zu running, %zu queued, %zu for the serial lane\n",
         ledger.total - ledger.by_outcome[OUTCOME_NONE], ledger.total, n, queued, serial_queued);
    for (size_t i = 0; i < n; i++) {
        const struct report_running *row = &rows[i];
        _cleanup_free_ char *id = text_clean(suite->tests[row->test].id, strlen(suite->tests[row->test].id), 0);
        char time[32], memory[32];

        units_print_time(time, sizeof(time), row->elapsed_ns);
        units_print_size(memory, sizeof(memory), row->memory_now_bytes);
        sayf(report, "  %s %u  %8s  %s  (%" PRIu64 " tasks, %s)\n", row->serial ? "serial" : "worker",
             row->slot, time, id, row->tasks_now, memory);
    }
}

/* --- the end --- */

static void emit_run_end(struct report *report, const struct suite *suite,
                         const struct report_summary *summary)
{
    json_t *outcomes = json_object();
    struct ledger ledger;

    suite_count(suite, &ledger);
    for (int o = OUTCOME_PASSED; o < OUTCOME_COUNT; o++)
        json_object_set_new(outcomes, outcome_name((enum outcome)o),
                            json_integer((json_int_t)ledger.by_outcome[o]));
    report_emit(report, "run-end",
         json_pack("{s:I,s:o,s:I,s:I,s:i,s:I,s:o,s:o}", "tests", (json_int_t)ledger.total, "outcomes",
                   outcomes, "rerouted", (json_int_t)ledger.rerouted, "restarts",
                   (json_int_t)summary->restarts, "exit_status", summary->exit_status, "wall_us",
                   (json_int_t)(summary->wall_ns / 1000), "reason", events_text(summary->end_reason),
                   "status_reason", events_text(summary->status_reason)));
}

int report_run_end(struct report *report, const struct suite *suite, const struct report_summary *summary,
                   struct err *err)
{
    int r = 0;

    lines_final(report, suite);
    if (suite->count) {
        _cleanup_free_ char *text = summary_text(suite, summary, report->options.color);

        report_say(report, text);
    } else {
        _cleanup_free_ char *text = summary_no_suite(summary);

        if (*text)
            report_say(report, text);
    }
    emit_run_end(report, suite, summary);
    if (report->events)
        events_flush(report->events);
    if (report->junit_path)
        r = junit_write(report, suite, summary, err);
    if (r == 0 && report->events && events_error(report->events) < 0)
        r = err_set(err, ERR_SYSTEM, -events_error(report->events), "--events: writing %s failed: %m",
                    report->options.events_path);
    return r;
}
