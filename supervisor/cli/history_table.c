/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/history_table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/cli/commands.h"
#include "supervisor/report/text.h"

#define ROWS_MAX 8 /* of each part of the table */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static double real_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_id(const json_t *test, FILE *out)
{
    const char *id = text_of(test, "id");
    _cleanup_free_ char *clean = text_clean(id, strlen(id), 0);

    fprintf(out, "%s\n", clean);
}

static const char *time_of(double ms, char *buf, size_t size)
{
    units_print_time(buf, size, (uint64_t)(ms * (double)NS_PER_MS));
    return buf;
}

static const char *size_of(json_int_t bytes, char *buf, size_t size)
{
    units_print_size(buf, size, (uint64_t)bytes);
    return bytes ? buf : "-";
}

/* --- all tests --- */

static json_int_t outcome_count(const json_t *test, const char *outcome)
{
    return number_of(json_object_get(test, "outcomes"), outcome);
}

static bool is_offender(const json_t *test)
{
    return json_is_true(json_object_get(test, "offender"));
}

static bool is_flaky(const json_t *test)
{
    json_int_t good = outcome_count(test, "passed") + outcome_count(test, "passed-serial") + outcome_count(test, "flaky");
    json_int_t bad = outcome_count(test, "failed") + outcome_count(test, "error") + outcome_count(test, "killed");

    return (good && bad) || outcome_count(test, "flaky");
}

static double weight_of(const json_t *test)
{
    return real_of(test, "peak_memory_bytes");
}

static double length_of(const json_t *test)
{
    return real_of(test, "median_ms");
}

static double incidents_of(const json_t *test)
{
    json_t *incident;
    double sum = 0;
    size_t i;

    json_array_foreach (json_object_get(test, "incidents"), i, incident)
        sum += real_of(incident, "runs");
    return sum;
}

struct part {
    const char *title;
    bool (*belongs)(const json_t *test); /* NULL: all */
    double (*rank)(const json_t *test);
    void (*print)(const json_t *test, FILE *out);
};

/* "64 of 64 tasks, 337 more refused; in 3 of 3 runs beside others; needs 402, and passes alone" */
static void print_incident(const json_t *test, const json_t *incident, FILE *out)
{
    const char *verdict = text_of(incident, "verdict"), *alone = text_of(test, "serial_outcome");
    bool beside = number_of(incident, "parallel_runs") > 0;
    json_int_t hits = number_of(incident, beside ? "parallel_runs" : "runs");
    json_int_t runs = number_of(test, beside ? "parallel_runs" : "runs");
    char size[32];

    fprintf(out, "      [%s] %s; in %lld of %lld run%s%s", verdict, text_of(incident, "text"), hits, runs,
            runs == 1 ? "" : "s", beside ? " beside others" : "");
    if (strcmp(verdict, "tasks") == 0 && number_of(test, "peak_tasks"))
        fprintf(out, "; needs %lld", number_of(test, "peak_tasks"));
    if (strcmp(verdict, "memory") == 0 && number_of(test, "peak_memory_bytes"))
        fprintf(out, "; needs %s", size_of(number_of(test, "peak_memory_bytes"), size, sizeof(size)));
    if (*alone)
        fprintf(out, "; alone: %s", alone);
    fputc('\n', out);
}

static void print_offender(const json_t *test, FILE *out)
{
    json_t *incident;
    size_t i;

    fprintf(out, "  ");
    print_id(test, out);
    json_array_foreach (json_object_get(test, "incidents"), i, incident)
        if (strcmp(text_of(incident, "verdict"), "leak") != 0)
            print_incident(test, incident, out);
}

static void print_flaky(const json_t *test, FILE *out)
{
    const char *outcome;
    json_t *count;
    const char *glue = "";

    fprintf(out, "  ");
    json_object_foreach (json_object_get(test, "outcomes"), outcome, count) {
        fprintf(out, "%s%lld %s", glue, json_integer_value(count), outcome);
        glue = ", ";
    }
    fprintf(out, "  ");
    print_id(test, out);
}

static void print_slow(const json_t *test, FILE *out)
{
    char time[32];

    fprintf(out, "  %9s  ", time_of(length_of(test), time, sizeof(time)));
    print_id(test, out);
}

static void print_heavy(const json_t *test, FILE *out)
{
    char size[32];

    fprintf(out, "  %9s  %4lld tasks  ", size_of(number_of(test, "peak_memory_bytes"), size, sizeof(size)),
            number_of(test, "peak_tasks"));
    print_id(test, out);
}

static const struct part parts[] = {
    {"Start in the serial lane, as they broke out of the parallel one:", is_offender, incidents_of, print_offender},
    {"Passed and failed:", is_flaky, incidents_of, print_flaky},
    {"Slowest (median):", NULL, length_of, print_slow},
    {"Largest (memory, tasks):", NULL, weight_of, print_heavy},
};

struct ranked {
    const json_t *test;
    double rank;
    size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void print_part(const struct part *part, const json_t *tests, FILE *out)
{
    struct ranked *ranked = mem_calloc(json_array_size(tests), sizeof(*ranked));
    json_t *test;
    size_t i, n = 0;

    json_array_foreach (tests, i, test)
        if (part->belongs ? part->belongs(test) : part->rank(test) > 0)
            ranked[n++] = (struct ranked){test, part->rank(test), i};
    qsort(ranked, n, sizeof(*ranked), compare_ranked);
    if (n)
        fprintf(out, "\n%s\n", part->title);
    for (i = 0; i < n && i < ROWS_MAX; i++)
        part->print(ranked[i].test, out);
    if (n > ROWS_MAX && part->belongs)
        fprintf(out, "  and %zu more (--json has all)\n", n - ROWS_MAX);
    free(ranked);
}

static int print_all(const json_t *document, FILE *out)
{
    const json_t *tests = json_object_get(document, "tests");

    fprintf(out, "%lld run%s, %zu tests\n", number_of(document, "runs"), number_of(document, "runs") == 1 ? "" : "s",
            json_array_size(tests));
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        print_part(&parts[i], tests, out);
    return EXIT_PASSED;
}

/* --- one test --- */

static const json_t *find_run(const json_t *document, json_int_t number)
{
    json_t *run;
    size_t i;

    json_array_foreach (json_object_get(document, "last_runs"), i, run)
        if (number_of(run, "run") == number)
            return run;
    return NULL;
}

static void print_result(const json_t *document, const json_t *result, FILE *out)
{
    const json_t *run = find_run(document, number_of(result, "run"));
    time_t when = (time_t)number_of(run, "time");
    char date[32] = "", took[32], memory[32];
    struct tm tm;

    if (localtime_r(&when, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
    fprintf(out, "  %s  %-10.10s %-13s %-8s %9s  %4lld tasks  %9s", date,
            *text_of(run, "commit") ? text_of(run, "commit") : "-", text_of(result, "outcome"), text_of(result, "lane"),
            time_of(real_of(result, "ms"), took, sizeof(took)), number_of(result, "peak_tasks"),
            size_of(number_of(result, "peak_memory_bytes"), memory, sizeof(memory)));
    if (*text_of(result, "why"))
        fprintf(out, "  (%s)", text_of(result, "why"));
    fputc('\n', out);
    if (*text_of(result, "verdict"))
        fprintf(out, "      [%s] %s\n", text_of(result, "verdict"), text_of(result, "text"));
    if (*text_of(result, "serial_verdict"))
        fprintf(out, "      alone: [%s] %s\n", text_of(result, "serial_verdict"), text_of(result, "serial_text"));
}

static int print_tests(const json_t *document, const char *wanted, FILE *out)
{
    json_t *test, *result;
    size_t i, j, shown = 0, exact = 0;

    json_array_foreach (json_object_get(document, "tests"), i, test)
        exact += strcmp(text_of(test, "id"), wanted) == 0;
    json_array_foreach (json_object_get(document, "tests"), i, test) {
        if (exact && strcmp(text_of(test, "id"), wanted) != 0)
            continue;
        if (shown++ == ROWS_MAX) {
            fprintf(out, "and more: give a longer part of an id\n");
            break;
        }
        print_id(test, out);
        json_array_foreach (json_object_get(test, "results"), j, result)
            print_result(document, result, out);
    }
    return EXIT_PASSED;
}

int history_table_list(const json_t *document, FILE *out)
{
    const json_t *tests = json_object_get(document, "tests");
    json_t *test;
    size_t i;

    json_array_foreach (tests, i, test) {
        char time[32];

        fprintf(out, "%-13s %-8s %9s  ", text_of(test, "last_outcome"), text_of(test, "last_lane"),
                time_of(length_of(test), time, sizeof(time)));
        print_id(test, out);
    }
    fprintf(out, "%zu test%s\n", json_array_size(tests), json_array_size(tests) == 1 ? " matches" : "s match");
    return EXIT_PASSED;
}

int history_table_print(const json_t *document, const char *test, FILE *out)
{
    return test ? print_tests(document, test, out) : print_all(document, out);
}
