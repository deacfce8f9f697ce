/* SPDX-License-Identifier: MIT */
/* The history as one JSON document, for `shunt history` and for whoever proposes markers from it. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/history/internal.h"

struct told_incident {
    uint64_t runs, parallel_runs, limit; /* in the parallel lane in so many of them */
    char text[HISTORY_TEXT];
};

struct told { /* of one test, from its newest runs */
    int64_t row;
    char *id, *file;
    bool wanted;
    struct history_state state;
    uint64_t runs, parallel_runs, clean_runs;
    bool clean_ended;
    uint64_t outcomes[OUTCOME_COUNT];
    struct told_incident incidents[VERDICT_COUNT];
    uint64_t peak_tasks, peak_memory_bytes;
    bool peak_tasks_serial;
    char serial_outcome[16], last_lane[16], last_outcome[16], why[16];
    uint64_t wall_us[HISTORY_SHOWN_RUNS];
    json_t *results;
};

struct document {
    struct db *db;
    struct told *tests;
    size_t count, room;
    bool each; /* results one by one */
};

/* --- gathering --- */

static int read_tests(struct document *document, const char *pattern)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r = db_prepare(document->db, "SELECT test, id, file, " STATE_COLUMNS " FROM tests ORDER BY test", &statement);

    while (r == 0 && (r = db_step(document->db, statement)) == 1) {
        struct told *told;

        r = 0;
        mem_grow(&document->tests, &document->room, document->count + 1, sizeof(*document->tests));
        told = &document->tests[document->count++];
        *told = (struct told){.row = sqlite3_column_int64(statement, 0),
                              .id = column_string(statement, 1),
                              .file = column_string(statement, 2)};
        told->wanted = !pattern || strstr(told->id, pattern);
        column_state(statement, 3, &told->state);
    }
    return r;
}

static int compare_rows(const void *key, const void *element)
{
    int64_t row = *(const int64_t *)key, other = ((const struct told *)element)->row;

    return (row > other) - (row < other);
}

enum result_column {
    RESULT_TEST,
    RESULT_RUN,
    RESULT_OUTCOME,
    RESULT_LANE,
    RESULT_WHY,
    RESULT_WALL,
    RESULT_CPU,
    RESULT_TASKS,
    RESULT_TASKS_EXACT,
    RESULT_MEMORY,
    RESULT_LIMIT_TASKS,
    RESULT_LIMIT_MEMORY,
    RESULT_VERDICT,
    RESULT_TEXT,
    RESULT_SERIAL_VERDICT,
    RESULT_SERIAL_TEXT
};
#define RESULT_SQL                                                                                 \
    "SELECT test, run, outcome, lane, why, ifnull(setup_us,0)+ifnull(call_us,0)+ifnull(teardown_us,0), cpu_us, " \
    "peak_tasks, tasks_exact, peak_memory, limit_tasks, limit_memory, verdict, text, serial_verdict, serial_text " \
    "FROM results ORDER BY run DESC, test DESC"

static enum verdict row_verdict(sqlite3_stmt *row, int column)
{
    char name[16];

    column_text(row, column, name, sizeof(name));
    return verdict_parse(name);
}

static void tell_incident(struct told *told, sqlite3_stmt *row, enum verdict verdict, int text_column)
{
    struct told_incident *incident = verdict == VERDICT_NONE ? NULL : &told->incidents[verdict];

    if (!incident)
        return;
    incident->parallel_runs += text_column == RESULT_TEXT;
    if (incident->runs++)
        return;
    column_text(row, text_column, incident->text, sizeof(incident->text));
    if (verdict == VERDICT_TASKS)
        incident->limit = column_number(row, RESULT_LIMIT_TASKS);
    if (verdict == VERDICT_MEMORY)
        incident->limit = column_number(row, RESULT_LIMIT_MEMORY);
}

/* Nothing happened, and it stayed below the limits of the parallel lane. */
static bool is_clean(sqlite3_stmt *row, const char *outcome)
{
    uint64_t tasks = column_number(row, RESULT_TASKS), limit_tasks = column_number(row, RESULT_LIMIT_TASKS);
    uint64_t memory = column_number(row, RESULT_MEMORY), limit_memory = column_number(row, RESULT_LIMIT_MEMORY);

    if (outcome_is_bad(outcome_parse(outcome)) || sqlite3_column_type(row, RESULT_VERDICT) != SQLITE_NULL ||
        sqlite3_column_type(row, RESULT_SERIAL_VERDICT) != SQLITE_NULL)
        return false;
    if (!column_number(row, RESULT_TASKS_EXACT))
        tasks *= 2;
    return (!limit_tasks || tasks < limit_tasks) && (!limit_memory || memory < limit_memory);
}

static json_t *text_or_null(const char *text)
{
    json_t *string = *text ? json_string(text) : NULL;

    return string ? string : json_null();
}

static json_t *row_text(sqlite3_stmt *row, int column)
{
    char text[HISTORY_TEXT];

    column_text(row, column, text, sizeof(text));
    return text_or_null(text);
}

static json_t *row_number(sqlite3_stmt *row, int column)
{
    return json_integer((json_int_t)column_number(row, column));
}

static void tell_result(struct told *told, sqlite3_stmt *row)
{
    if (!told->results)
        told->results = json_array();
    json_array_append_new(
        told->results,
        json_pack("{s:o,s:o,s:o,s:o,s:f,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "run", row_number(row, RESULT_RUN), "outcome",
                  row_text(row, RESULT_OUTCOME), "lane", row_text(row, RESULT_LANE), "why", row_text(row, RESULT_WHY), "ms",
                  (double)column_number(row, RESULT_WALL) / 1000, "cpu_ms",
                  (double)column_number(row, RESULT_CPU) / 1000, "peak_tasks", row_number(row, RESULT_TASKS),
                  "peak_memory_bytes", row_number(row, RESULT_MEMORY), "limit_tasks", row_number(row, RESULT_LIMIT_TASKS),
                  "limit_memory_bytes", row_number(row, RESULT_LIMIT_MEMORY), "verdict", row_text(row, RESULT_VERDICT),
                  "text", row_text(row, RESULT_TEXT), "serial_verdict", row_text(row, RESULT_SERIAL_VERDICT), "serial_text",
                  row_text(row, RESULT_SERIAL_TEXT)));
}

static void tell_peaks(struct told *told, sqlite3_stmt *row, bool serial)
{
    uint64_t tasks = column_number(row, RESULT_TASKS), memory = column_number(row, RESULT_MEMORY);

    if (tasks > told->peak_tasks) {
        told->peak_tasks = tasks;
        told->peak_tasks_serial = serial;
    }
    if (memory > told->peak_memory_bytes)
        told->peak_memory_bytes = memory;
}

static void tell(struct document *document, struct told *told, sqlite3_stmt *row)
{
    char outcome[16], lane[16];
    enum verdict verdict = row_verdict(row, RESULT_VERDICT), alone = row_verdict(row, RESULT_SERIAL_VERDICT);
    bool serial;
    enum outcome parsed;

    if (!told->wanted || told->runs == HISTORY_SHOWN_RUNS)
        return;
    column_text(row, RESULT_OUTCOME, outcome, sizeof(outcome));
    column_text(row, RESULT_LANE, lane, sizeof(lane));
    serial = strcmp(lane, "serial") == 0;
    if (!told->runs) {
        snprintf(told->last_lane, sizeof(told->last_lane), "%s", serial ? "serial" : "parallel");
        snprintf(told->last_outcome, sizeof(told->last_outcome), "%s", outcome);
        column_text(row, RESULT_WHY, told->why, sizeof(told->why));
    }
    if (serial && !*told->serial_outcome)
        snprintf(told->serial_outcome, sizeof(told->serial_outcome), "%s",
                 strcmp(outcome, "passed-serial") == 0 ? "passed" : outcome);
    told->wall_us[told->runs++] = column_number(row, RESULT_WALL);
    parsed = outcome_parse(outcome);
    if (parsed != OUTCOME_COUNT)
        told->outcomes[parsed]++;
    told->parallel_runs += !serial || verdict != VERDICT_NONE;
    if (!told->clean_ended && is_clean(row, outcome))
        told->clean_runs++;
    else
        told->clean_ended = true;
    tell_peaks(told, row, serial);
    tell_incident(told, row, verdict, RESULT_TEXT);
    if (alone != verdict) /* in one run it counts once */
        tell_incident(told, row, alone, RESULT_SERIAL_TEXT);
    if (document->each)
        tell_result(told, row);
}

static int read_results(struct document *document)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r = db_prepare(document->db, RESULT_SQL, &statement);

    while (r == 0 && (r = db_step(document->db, statement)) == 1) {
        int64_t row = sqlite3_column_int64(statement, RESULT_TEST);
        struct told *told = bsearch(&row, document->tests, document->count, sizeof(*document->tests), compare_rows);

        if (told)
            tell(document, told, statement);
        r = 0;
    }
    return r;
}

/* --- writing --- */

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double median_ms(struct told *told)
{
    size_t n = told->runs;

    qsort(told->wall_us, n, sizeof(*told->wall_us), compare_numbers);
    return n ? (double)(told->wall_us[n / 2] + told->wall_us[(n - 1) / 2]) / 2000 : 0;
}

static json_t *json_of_incidents(const struct told *told)
{
    json_t *array = json_array();

    for (int v = 0; v < VERDICT_COUNT; v++) {
        const struct told_incident *incident = &told->incidents[v];

        if (incident->runs)
            json_array_append_new(array, json_pack("{s:s,s:I,s:I,s:o,s:o}", "verdict", verdict_name((enum verdict)v), "runs",
                                                   (json_int_t)incident->runs, "parallel_runs",
                                                   (json_int_t)incident->parallel_runs, "text", text_or_null(incident->text),
                                                   "limit",
                                                   incident->limit ? json_integer((json_int_t)incident->limit)
                                                                   : json_null()));
    }
    return array;
}

static json_t *json_of_outcomes(const struct told *told)
{
    json_t *object = json_object();

    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (told->outcomes[o])
            json_object_set_new(object, outcome_name((enum outcome)o), json_integer((json_int_t)told->outcomes[o]));
    return object;
}

static json_t *json_of_test(struct told *told)
{
    json_t *object;

    object = json_pack(
        "{s:o,s:o,s:I,s:I,s:o,s:o,s:I,s:s,s:I,s:o,s:s,s:o,s:o,s:I,s:f,s:o}", "id", text_or_null(told->id), "file",
        text_or_null(told->file), "runs", (json_int_t)told->runs, "parallel_runs", (json_int_t)told->parallel_runs,
        "outcomes", json_of_outcomes(told), "incidents", json_of_incidents(told), "peak_tasks", (json_int_t)told->peak_tasks,
        "peak_tasks_lane", told->peak_tasks_serial ? "serial" : "parallel", "peak_memory_bytes",
        (json_int_t)told->peak_memory_bytes, "serial_outcome", text_or_null(told->serial_outcome), "last_lane",
        told->last_lane, "last_outcome", text_or_null(told->last_outcome), "why", text_or_null(told->why), "clean_runs", (json_int_t)told->clean_runs, "median_ms",
        median_ms(told), "offender", json_boolean(told->state.verdict != VERDICT_NONE));
    if (told->results) {
        json_object_set_new(object, "results", told->results);
        told->results = NULL;
    }
    return object;
}

static int json_of_runs(struct document *document, json_t **ret, uint64_t *ret_count)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    json_t *array = json_array();
    int r = db_prepare(document->db,
                       "SELECT run, time, commit_id, command, status, cpus, workers, tests, wall_us FROM runs ORDER BY run DESC",
                       &statement);

    *ret_count = 0;
    while (r == 0 && (r = db_step(document->db, statement)) == 1) {
        r = 0;
        if ((*ret_count)++ >= HISTORY_SHOWN_RUNS && !document->each)
            continue;
        json_array_append_new(
            array, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:f}", "run", row_number(statement, 0), "time",
                             row_number(statement, 1), "commit", row_text(statement, 2), "command", row_text(statement, 3),
                             "status", row_number(statement, 4), "cpus", row_number(statement, 5), "workers",
                             row_number(statement, 6), "tests", row_number(statement, 7), "wall_ms",
                             (double)column_number(statement, 8) / 1000));
    }
    *ret = array;
    return r;
}

static int gather(struct document *document, const char *root, const char *pattern, json_t **ret)
{
    json_t *runs = NULL, *tests = json_array();
    uint64_t count;
    int r = read_tests(document, pattern);

    if (r == 0)
        r = read_results(document);
    if (r == 0)
        r = json_of_runs(document, &runs, &count);
    for (size_t i = 0; r == 0 && i < document->count; i++)
        if (document->tests[i].runs)
            json_array_append_new(tests, json_of_test(&document->tests[i]));
    if (r == 0)
        *ret = json_pack("{s:i,s:o,s:I,s:o,s:o}", "schema", 1, "root", text_or_null(root), "runs", (json_int_t)count,
                         "last_runs", json_incref(runs), "tests", json_incref(tests));
    json_decref(runs);
    json_decref(tests);
    return r;
}

int history_document(const struct history_place *place, const char *pattern, json_t **ret, struct err *err)
{
    _cleanup_free_ char *root = realpath(place->root ? place->root : ".", NULL);
    struct document document = {.each = pattern != NULL};
    char notice[256];
    struct db db;
    int r = db_open_at(&db, place, PLACE_LOOK, notice, sizeof(notice), err);

    if (r < 0)
        return r;
    document.db = &db;
    r = gather(&document, root ? root : "", pattern, ret);
    if (r < 0)
        err_set(err, ERR_SYSTEM, -r, "%s: %s", db.place.shown, db.why);
    for (size_t i = 0; i < document.count; i++) {
        free(document.tests[i].id);
        free(document.tests[i].file);
        json_decref(document.tests[i].results);
    }
    free(document.tests);
    db_done(&db);
    return r;
}
