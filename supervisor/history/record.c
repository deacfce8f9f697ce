/* SPDX-License-Identifier: MIT */
/*
 * One run becomes one transaction. What is known of each test is read again in it, since another run may have written in
 * between; a run costs one scan of the table of tests, and two rows a test.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/history/internal.h"

#define SECONDS_A_DAY 86400

struct record {
    struct db *db;
    const struct history_run *run;
    const struct suite *suite;
    const struct history_result *results;
    int64_t number;       /* of the run */
    int64_t *rows;        /* by test: its row; 0: none */
    struct history_state *states;
    sqlite3_stmt *update, *insert, *result;
};

static bool counts(const struct test *test)
{
    return test->outcome != OUTCOME_NONE && test->outcome != OUTCOME_NOT_RUN;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *statement, int at, uint64_t number)
{
    sqlite3_bind_int64(statement, at, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

static void bind_verdict(sqlite3_stmt *statement, int at, enum verdict verdict)
{
    bind_text(statement, at, verdict == VERDICT_NONE ? NULL : verdict_name(verdict));
}

static int run_once(struct db *db, sqlite3_stmt *statement)
{
    int r = db_step(db, statement);

    sqlite3_reset(statement);
    return r;
}

/* --- what was known --- */

static int read_states(struct record *record)
{
    struct id_index *index = id_index_new(record->suite->count);
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r;

    for (size_t i = 0; i < record->suite->count; i++) {
        record->rows[i] = 0;
        record->states[i] = (struct history_state){.verdict = VERDICT_NONE};
        if (counts(&record->suite->tests[i]))
            id_index_add(index, record->suite->tests[i].id, i);
    }
    r = db_prepare(record->db, "SELECT test, id, " STATE_COLUMNS " FROM tests", &statement);
    while (r == 0 && (r = db_step(record->db, statement)) == 1) {
        const char *id = (const char *)sqlite3_column_text(statement, 1);
        size_t test = id ? id_index_find(index, id) : (size_t)-1;

        if (test != (size_t)-1) {
            record->rows[test] = sqlite3_column_int64(statement, 0);
            column_state(statement, 2, &record->states[test]);
        }
        r = 0;
    }
    for (size_t i = 0; i < record->suite->count; i++) /* a second test of the same id is none of its own */
        if (counts(&record->suite->tests[i]) && id_index_find(index, record->suite->tests[i].id) != i)
            record->rows[i] = -1;
    id_index_free(index);
    return r;
}

/* --- writing --- */

static int write_run(struct record *record)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    const struct history_run *run = record->run;
    size_t tests = 0;
    int r = db_prepare(record->db,
                       "INSERT INTO runs (id, time, commit_id, command, status, cpus, workers, tasks, memory, serial_tasks, "
                       "serial_memory, wall_us, tests) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
                       &statement);

    if (r < 0)
        return r;
    for (size_t i = 0; i < record->suite->count; i++)
        tests += counts(&record->suite->tests[i]);
    bind_text(statement, 1, run->run_id);
    sqlite3_bind_int64(statement, 2, run->time_s);
    bind_text(statement, 3, *run->commit ? run->commit : NULL);
    bind_text(statement, 4, run->command);
    sqlite3_bind_int(statement, 5, run->exit_status);
    bind_number(statement, 6, run->cpus);
    bind_number(statement, 7, run->workers);
    bind_number(statement, 8, run->tasks);
    bind_number(statement, 9, run->memory_bytes);
    bind_number(statement, 10, run->serial_tasks);
    bind_number(statement, 11, run->serial_memory_bytes);
    bind_number(statement, 12, run->wall_us);
    bind_number(statement, 13, tests);
    r = run_once(record->db, statement);
    record->number = sqlite3_last_insert_rowid(record->db->sqlite);
    return r;
}

static int write_state(struct record *record, size_t i)
{
    const struct history_state *state = &record->states[i];
    const struct test *test = &record->suite->tests[i];
    sqlite3_stmt *statement = record->rows[i] ? record->update : record->insert;
    int r;

    bind_number(statement, 1, state->runs);
    bind_number(statement, 2, state->wall_us);
    bind_number(statement, 3, state->cpu_us);
    bind_number(statement, 4, state->peak_tasks);
    bind_number(statement, 5, state->peak_memory_bytes);
    bind_verdict(statement, 6, state->verdict);
    bind_text(statement, 7, *state->text ? state->text : NULL);
    bind_number(statement, 8, state->hits);
    bind_number(statement, 9, state->tried);
    bind_number(statement, 10, state->clean);
    bind_number(statement, 11, state->limit_tasks);
    bind_number(statement, 12, state->limit_memory_bytes);
    bind_number(statement, 13, state->need_tasks);
    bind_number(statement, 14, state->need_memory_bytes);
    sqlite3_bind_int64(statement, 15, record->run->time_s);
    if (record->rows[i]) {
        sqlite3_bind_int64(statement, 16, record->rows[i]);
    } else {
        bind_text(statement, 16, test->id);
        bind_text(statement, 17, test->file);
    }
    r = run_once(record->db, statement);
    if (!record->rows[i])
        record->rows[i] = sqlite3_last_insert_rowid(record->db->sqlite);
    return r;
}

static int write_result(struct record *record, size_t i)
{
    const struct history_result *result = &record->results[i];
    const struct test *test = &record->suite->tests[i];
    sqlite3_stmt *statement = record->result;

    sqlite3_bind_int64(statement, 1, record->number);
    sqlite3_bind_int64(statement, 2, record->rows[i]);
    bind_text(statement, 3, outcome_name(test->outcome));
    bind_text(statement, 4, result->serial ? "serial" : "parallel");
    bind_text(statement, 5, result->why);
    sqlite3_bind_int(statement, 6, result->why && strcmp(result->why, "reroute") == 0);
    bind_number(statement, 7, test->setup_us);
    bind_number(statement, 8, test->call_us);
    bind_number(statement, 9, test->teardown_us);
    bind_number(statement, 10, test->cpu_ns / 1000);
    bind_number(statement, 11, test->peak_tasks);
    sqlite3_bind_int(statement, 12, test->peak_tasks_exact);
    bind_number(statement, 13, test->peak_memory_bytes);
    sqlite3_bind_int(statement, 14, test->peak_memory_exact);
    bind_number(statement, 15, result->limit_tasks);
    bind_number(statement, 16, result->limit_memory_bytes);
    bind_verdict(statement, 17, result->verdict);
    bind_text(statement, 18, result->text);
    bind_verdict(statement, 19, result->serial_verdict);
    bind_text(statement, 20, result->serial_text);
    return run_once(record->db, statement);
}

static int write_tests(struct record *record)
{
    int r = db_prepare(record->db,
                       "UPDATE tests SET runs=?1, wall_us=?2, cpu_us=?3, peak_tasks=?4, peak_memory=?5, verdict=?6, text=?7, "
                       "hits=?8, tried=?9, clean=?10, limit_tasks=?11, limit_memory=?12, need_tasks=?13, need_memory=?14, "
                       "seen=?15 WHERE test=?16",
                       &record->update);

    if (r == 0)
        r = db_prepare(record->db,
                       "INSERT INTO tests (" STATE_COLUMNS ", seen, id, file) "
                       "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
                       &record->insert);
    if (r == 0)
        r = db_prepare(record->db,
                       "INSERT INTO results VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)",
                       &record->result);
    for (size_t i = 0; r == 0 && i < record->suite->count; i++) {
        const struct test *test = &record->suite->tests[i];

        if (!counts(test) || record->rows[i] < 0)
            continue;
        history_state_update(&record->states[i], &record->results[i], test);
        r = write_state(record, i);
        if (r == 0)
            r = write_result(record, i);
    }
    sqlite3_finalize(record->update);
    sqlite3_finalize(record->insert);
    sqlite3_finalize(record->result);
    record->update = record->insert = record->result = NULL;
    return r;
}

/* --- forgetting --- */

/* The first run that stays, so that at most so many of them and of their results do. */
static int first_to_keep(struct db *db, uint64_t runs_max, uint64_t results_max, int64_t *ret)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    uint64_t runs = 0, results = 0;
    int r = db_prepare(db, "SELECT run, tests FROM runs ORDER BY run DESC", &statement);

    *ret = 0;
    while (r == 0 && (r = db_step(db, statement)) == 1) {
        r = 0;
        results += column_number(statement, 1);
        if (runs > 0 && (runs == runs_max || results > results_max))
            return 0;
        runs++;
        *ret = sqlite3_column_int64(statement, 0);
    }
    return r;
}

static int delete_before(struct db *db, const char *sql, int64_t value)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r = db_prepare(db, sql, &statement);

    if (r < 0)
        return r;
    sqlite3_bind_int64(statement, 1, value);
    return db_step(db, statement);
}

static int forget(struct db *db, uint64_t runs_max, uint64_t results_max, int64_t oldest_s)
{
    int64_t first;
    int r = first_to_keep(db, runs_max, results_max, &first);

    if (r == 0)
        r = delete_before(db, "DELETE FROM results WHERE run < ?1", first);
    if (r == 0)
        r = delete_before(db, "DELETE FROM runs WHERE run < ?1", first);
    return r == 0 ? delete_before(db, "DELETE FROM tests WHERE seen < ?1", oldest_s) : r;
}

/* `squeeze`: 0, or so many times the file was full (long ids): room for this run comes before the past. */
static int write_all(struct record *record, int squeeze)
{
    int64_t now = record->run->time_s;
    int r = db_exec(record->db, "BEGIN IMMEDIATE");

    if (r < 0)
        return r;
    if (squeeze == 1)
        r = forget(record->db, HISTORY_RUNS_MAX / 10, HISTORY_RESULTS_MAX / 10, now - 7 * SECONDS_A_DAY);
    if (squeeze == 2)
        r = forget(record->db, 0, 0, INT64_MAX);
    if (r == 0)
        r = read_states(record);
    if (r == 0)
        r = write_run(record);
    if (r == 0)
        r = write_tests(record);
    if (r == 0)
        r = forget(record->db, HISTORY_RUNS_MAX, HISTORY_RESULTS_MAX, now - HISTORY_DAYS_MAX * SECONDS_A_DAY);
    if (r == 0)
        r = db_exec(record->db, "COMMIT");
    if (r < 0)
        sqlite3_exec(record->db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

static int write_run_to(struct record *record, const struct history_place *place, char *ret_notice, size_t size,
                        struct err *err)
{
    struct db db;
    int r = db_open_at(&db, place, PLACE_CREATE, ret_notice, size, err);

    if (r < 0)
        return r;
    record->db = &db;
    r = write_all(record, 0);
    for (int squeeze = 1; r == -ENOSPC && squeeze <= 2; squeeze++)
        r = write_all(record, squeeze);
    if (r == -EUCLEAN)
        place_set_aside(&db.place, db.why, ret_notice, size);
    if (r < 0 && r != -EUCLEAN)
        err_set(err, ERR_SYSTEM, -r, "%s: %s", db.place.shown, db.why);
    db_done(&db);
    return r;
}

int history_record(const struct history_place *place, const struct history_run *run, const struct suite *suite,
                   const struct history_result *results, char *ret_notice, size_t size, struct err *err)
{
    struct record record = {.run = run,
                            .suite = suite,
                            .results = results,
                            .rows = mem_calloc(suite->count, sizeof(*record.rows)),
                            .states = mem_calloc(suite->count, sizeof(*record.states))};
    int r;

    *ret_notice = '\0';
    r = write_run_to(&record, place, ret_notice, size, err);
    if (r == -EUCLEAN) /* damage that showed only now: it was set aside, and a new one begins */
        r = write_run_to(&record, place, ret_notice, size, err);
    free(record.rows);
    free(record.states);
    return r;
}
