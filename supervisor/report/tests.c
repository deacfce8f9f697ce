/* SPDX-License-Identifier: MIT */
/* What becomes of each test. */
#include <jansson.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

void report_test_start(struct report *report, const struct suite *suite, size_t test, unsigned slot,
                       unsigned generation, enum lane lane, uint64_t now_ns)
{
    (void)now_ns;
    lines_start(report, suite, test);
    if (!report->events)
        return;
    report_emit(report, "test-start",
         json_pack("{s:I,s:o,s:s,s:i,s:i}", "test", (json_int_t)test, "id",
                   events_text(suite->tests[test].id), "lane", lane == LANE_SERIAL ? "serial" : "parallel",
                   "worker", (int)slot, "generation", (int)generation));
}

static json_t *json_of_attempts(const struct attempts *attempts)
{
    json_t *array = json_array();

    for (size_t i = 0; i < attempts->n; i++) {
        const struct attempt *attempt = &attempts->items[i];

        json_array_append_new(array, json_pack("{s:s,s:o,s:I,s:o}", "outcome", outcome_name(attempt->outcome), "verdict",
                                               attempt->verdict == VERDICT_NONE ? json_null()
                                                                                : json_string(verdict_name(attempt->verdict)),
                                               "us", (json_int_t)attempt->us, "message", events_text(attempt->message)));
    }
    return array;
}

void report_test_end(struct report *report, const struct suite *suite, size_t test, uint64_t now_ns)
{
    const struct test *t = &suite->tests[test];
    json_t *fields;

    (void)now_ns;
    lines_test(report, suite, test);
    if (!report->events)
        return;
    fields = json_pack("{s:I,s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "test", (json_int_t)test, "id",
                       events_text(t->id), "outcome", outcome_name(t->outcome), "setup_us",
                       (json_int_t)t->setup_us, "call_us", (json_int_t)t->call_us, "teardown_us",
                       (json_int_t)t->teardown_us, "peak_tasks", (json_int_t)t->peak_tasks,
                       "peak_memory_bytes", (json_int_t)t->peak_memory_bytes, "cpu_us",
                       (json_int_t)(t->cpu_ns / 1000));
    if (t->verdict != VERDICT_NONE)
        json_object_set_new(fields, "verdict", json_string(verdict_name(t->verdict)));
    if (t->message)
        json_object_set_new(fields, "message", events_text(t->message));
    if (t->classname && *t->classname)
        json_object_set_new(fields, "classname", events_text(t->classname));
    if (t->name && strcmp(t->name, t->id) != 0)
        json_object_set_new(fields, "name", events_text(t->name));
    if (t->text && outcome_is_bad(t->outcome))
        json_object_set_new(fields, "text", events_text(t->text));
    if (t->repeated)
        json_object_set_new(fields, "runs", json_integer((json_int_t)t->repeated + 1));
    if (t->attempts.n)
        json_object_set_new(fields, "attempts", json_of_attempts(&t->attempts));
    report_emit(report, "test-end", fields);
}

void report_test_revised(struct report *report, const struct suite *suite, size_t test, enum outcome was)
{
    const struct test *t = &suite->tests[test];

    report_emit(report, "test-revised",
                json_pack("{s:I,s:o,s:s,s:s,s:o}", "test", (json_int_t)test, "id", events_text(t->id), "was",
                          outcome_name(was), "outcome", outcome_name(t->outcome), "message", events_text(t->message)));
}

void report_test_retry(struct report *report, const struct suite *suite, size_t test, uint64_t delay_ns)
{
    const struct test *t = &suite->tests[test];
    const struct attempt *attempt = &t->attempts.items[t->attempts.n - 1];
    _cleanup_free_ char *id = text_clean(t->id, strlen(t->id), 0);
    _cleanup_free_ char *message = text_clean(attempt->message ? attempt->message : "", attempt->message ? strlen(attempt->message) : 0, 0);
    _cleanup_free_ char *line = NULL;
    char time[32];

    units_print_time(time, sizeof(time), delay_ns);
    line = mem_printf("! %s %s%s%.200s: retry %zu of %u%s%s\n", id, outcome_name(attempt->outcome), *message ? ": " : "", message,
                      t->attempts.n, t->retry.retries, delay_ns ? " in " : "", delay_ns ? time : "");
    if (!report->options.quiet && attempt->outcome != OUTCOME_KILLED) /* its incident says so */
        report_say(report, line);
    report_emit(report, "test-retry",
                json_pack("{s:I,s:o,s:s,s:o,s:o,s:I,s:I}", "test", (json_int_t)test, "id", events_text(t->id), "outcome",
                          outcome_name(attempt->outcome), "verdict",
                          attempt->verdict == VERDICT_NONE ? json_null() : json_string(verdict_name(attempt->verdict)), "message",
                          events_text(attempt->message), "retry", (json_int_t)t->attempts.n, "delay_us",
                          (json_int_t)(delay_ns / 1000)));
}
