/* SPDX-License-Identifier: MIT */
/* supervisor/history with real files: what is written comes back, and what is not ours is set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/history/git.h"
#include "supervisor/history/history.h"

#define DAY 86400

struct place {
    char dir[64];
    struct history_place place;
    struct suite suite;
    struct history_result *results;
    struct history_state *states;
    char notice[600];
    struct err err;
};

static int set_up(void **arg)
{
    struct place *p = mem_zalloc(sizeof(*p));

    strcpy(p->dir, "/tmp/shunt-history-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->place.root = p->dir;
    *arg = p;
    return 0;
}

static int tear_down(void **arg)
{
    struct place *p = *arg;
    char command[100];

    snprintf(command, sizeof(command), "rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
    suite_done(&p->suite);
    free(p->results);
    free(p->states);
    free(p);
    return 0;
}

static void make_suite(struct place *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct test *test = suite_add(&p->suite);

        test->id = mem_printf("tests/test_%zu.py::test_it[%zu]", i / 50, i);
        test->file = mem_printf("tests/test_%zu.py", i / 50);
        test->outcome = OUTCOME_PASSED;
        test->call_us = 1000 + i;
        test->peak_tasks = 3;
        test->peak_tasks_exact = true;
    }
    p->results = mem_calloc(n, sizeof(*p->results));
    p->states = mem_calloc(n, sizeof(*p->states));
    for (size_t i = 0; i < n; i++)
        p->results[i] = (struct history_result){
            .verdict = VERDICT_NONE, .serial_verdict = VERDICT_NONE, .limit_tasks = 64};
}

static int record_at(struct place *p, int64_t time_s)
{
    struct history_run run = {.time_s = time_s, .run_id = "0123", .commit = "", .command = "pytest", .workers = 4};

    p->err = (struct err)ERR_INIT;
    return history_record(&p->place, &run, &p->suite, p->results, p->notice, sizeof(p->notice), &p->err);
}

static int load(struct place *p)
{
    p->err = (struct err)ERR_INIT;
    return history_load(&p->place, &p->suite, true, p->states, p->notice, sizeof(p->notice), &p->err);
}

static char *path_of(const struct place *p, const char *name)
{
    static char path[200];

    snprintf(path, sizeof(path), "%s/.shunt/%s", p->dir, name);
    return path;
}

static void run_sql(const struct place *p, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path_of(p, "history.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static json_int_t ask(const struct place *p, const char *sql)
{
    sqlite3_stmt *statement;
    json_int_t value;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path_of(p, "history.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void nothing_is_made_by_looking(void **arg)
{
    struct place *p = *arg;
    json_t *document;

    make_suite(p, 3);
    assert_int_equal(load(p), 0);
    assert_false(p->states[0].known);
    assert_int_equal(history_document(&p->place, NULL, &document, &p->err), -ENOENT);
    assert_int_equal(access(path_of(p, ""), F_OK), -1);
}

static void what_is_written_comes_back(void **arg)
{
    struct place *p = *arg;
    char why[200];

    make_suite(p, 3);
    p->suite.tests[1].outcome = OUTCOME_PASSED_SERIAL;
    p->suite.tests[1].peak_tasks = 402;
    p->results[1].verdict = VERDICT_TASKS;
    p->results[1].text = "64 of 64 tasks, 337 more refused";
    p->results[1].serial = true;
    p->suite.tests[2].outcome = OUTCOME_NOT_RUN;
    assert_int_equal(record_at(p, 1000), 0);
    assert_string_equal(p->notice, "");
    assert_int_equal(load(p), 0);
    assert_true(p->states[0].known);
    assert_int_equal(p->states[0].wall_us, 1000);
    assert_false(history_offends(&p->states[0], 64, 0, why, sizeof(why)));
    assert_true(history_offends(&p->states[1], 64, 0, why, sizeof(why)));
    assert_string_equal(why, "history: 64 of 64 tasks in 1 of 1 run");
    assert_int_equal(p->states[1].need_tasks, 402);
    assert_false(p->states[2].known);
    assert_int_equal(access(path_of(p, ".gitignore"), F_OK), 0);
    assert_int_equal(access(path_of(p, "history.db-wal"), F_OK), -1);
    assert_int_equal(access(path_of(p, "history.db-shm"), F_OK), -1);
}

static void the_document_has_what_markers_need(void **arg)
{
    struct place *p = *arg;
    json_t *document, *test, *incident;

    make_suite(p, 2);
    for (int i = 0; i < 3; i++) {
        p->suite.tests[1].outcome = OUTCOME_PASSED_SERIAL;
        p->suite.tests[1].peak_tasks = 402;
        p->results[1].verdict = VERDICT_TASKS;
        p->results[1].text = "64 of 64 tasks, \x1b[2J more";
        p->results[1].serial = true;
        p->results[1].why = "reroute";
        assert_int_equal(record_at(p, 1000 + i), 0);
    }
    assert_int_equal(history_document(&p->place, "[1]", &document, &p->err), 0);
    assert_int_equal(json_integer_value(json_object_get(document, "runs")), 3);
    assert_int_equal(json_array_size(json_object_get(document, "tests")), 1);
    test = json_array_get(json_object_get(document, "tests"), 0);
    assert_string_equal(json_string_value(json_object_get(test, "id")), "tests/test_0.py::test_it[1]");
    assert_string_equal(json_string_value(json_object_get(test, "serial_outcome")), "passed");
    assert_string_equal(json_string_value(json_object_get(test, "why")), "reroute");
    assert_int_equal(json_integer_value(json_object_get(test, "peak_tasks")), 402);
    incident = json_array_get(json_object_get(test, "incidents"), 0);
    assert_string_equal(json_string_value(json_object_get(incident, "verdict")), "tasks");
    assert_string_equal(json_string_value(json_object_get(incident, "text")), "64 of 64 tasks, ?[2J more");
    assert_int_equal(json_integer_value(json_object_get(incident, "runs")), 3);
    assert_int_equal(json_integer_value(json_object_get(incident, "limit")), 64);
    assert_int_equal(json_array_size(json_object_get(test, "results")), 3);
    json_decref(document);
}

/* After `spoil` the file is set aside, once by reading and once by writing, and a new one begins. */
static void is_set_aside(struct place *p, void (*spoil)(struct place *p), const char *reason)
{
    make_suite(p, 200);
    for (int i = 0; i < 5; i++) { /* more often than files are kept */
        assert_int_equal(record_at(p, 1000), 0);
        assert_string_equal(p->notice, "");
        spoil(p);
        if (i % 2)
            assert_int_equal(load(p), 0);
        else
            assert_int_equal(record_at(p, 1000), 0);
        if (!strstr(p->notice, reason) || !strstr(p->notice, "set aside as history.db.bad-"))
            fail_msg("%d: \"%s\" is not: %s", i, p->notice, reason);
        assert_false(i % 2 && p->states[0].known);
    }
    assert_int_equal(record_at(p, 1000), 0);
    assert_int_equal(load(p), 0);
    assert_true(p->states[199].known);
    assert_int_equal(access(path_of(p, "history.db.bad-3"), F_OK), 0);
    assert_int_equal(access(path_of(p, "history.db.bad-4"), F_OK), -1);
}

static void overwrite(struct place *p, off_t at, const char *data, size_t size)
{
    int fd = open(path_of(p, "history.db"), O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, size, at), size);
    close(fd);
}

static void spoil_head(struct place *p)
{
    overwrite(p, 0, "no database at all", 18);
}

static void spoil_pages(struct place *p)
{
    char noise[4000];

    memset(noise, 0xa5, sizeof(noise));
    for (off_t page = 1; page < 4; page++)
        overwrite(p, page * 4096, noise, sizeof(noise));
}

static void spoil_kind(struct place *p)
{
    unlink(path_of(p, "history.db"));
    run_sql(p, "CREATE TABLE people (name TEXT); INSERT INTO people VALUES ('x')");
}

static void spoil_version(struct place *p)
{
    run_sql(p, "PRAGMA user_version=2");
}

static void spoil_trigger(struct place *p)
{
    run_sql(p, "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM tests; END");
}

static void spoil_view(struct place *p)
{
    run_sql(p, "DROP TABLE tests; CREATE VIEW tests AS SELECT 1 AS test");
}

static void spoil_truncated(struct place *p)
{
    assert_int_equal(truncate(path_of(p, "history.db"), 5000), 0);
}

static void spoil_link(struct place *p)
{
    char path[200];

    strcpy(path, path_of(p, "history.db"));
    assert_int_equal(rename(path, path_of(p, "elsewhere.db")), 0);
    assert_int_equal(symlink("elsewhere.db", path), 0);
}

static void spoil_second_name(struct place *p)
{
    char path[200];

    unlink(path_of(p, "second"));
    strcpy(path, path_of(p, "history.db"));
    assert_int_equal(link(path, path_of(p, "second")), 0);
}

static void spoil_directory(struct place *p)
{
    char command[200];

    snprintf(command, sizeof(command), "rm -rf %s/.shunt/history.db.bad-*", p->dir); /* only empty ones are replaced */
    assert_int_equal(system(command), 0);
    unlink(path_of(p, "history.db"));
    assert_int_equal(mkdir(path_of(p, "history.db"), 0755), 0);
}

/* SQLite would open it to see whether a transaction is to be rolled back, and wait for whoever writes to it. */
static void spoil_journal_pipe(struct place *p)
{
    assert_int_equal(mkfifo(path_of(p, "history.db-journal"), 0600), 0);
}

#define SPOILED(name, reason)                                                                      \
    static void set_aside_##name(void **arg)                                                       \
    {                                                                                              \
        is_set_aside(*arg, spoil_##name, reason);                                                  \
    }
SPOILED(head, "not a database")
SPOILED(pages, "")
SPOILED(kind, "another program's file")
SPOILED(version, "a newer shunt's")
SPOILED(trigger, "its tables are others")
SPOILED(view, "its tables are others")
SPOILED(truncated, "")
SPOILED(link, "it is a symbolic link")
SPOILED(second_name, "it has a second name")
SPOILED(journal_pipe, "it is no regular file")

static void a_directory_in_its_place(void **arg)
{
    struct place *p = *arg;

    make_suite(p, 2);
    assert_int_equal(record_at(p, 1000), 0);
    spoil_directory(p);
    assert_int_equal(record_at(p, 1000), 0);
    assert_non_null(strstr(p->notice, "no regular file"));
    assert_int_equal(load(p), 0);
    assert_true(p->states[0].known);
}

static void a_link_to_a_directory_is_not_followed(void **arg)
{
    struct place *p = *arg;
    char other[100];

    snprintf(other, sizeof(other), "%s/other", p->dir);
    assert_int_equal(mkdir(other, 0755), 0);
    snprintf(other, sizeof(other), "%s/.shunt", p->dir);
    assert_int_equal(symlink("other", other), 0);
    make_suite(p, 2);
    assert_true(record_at(p, 1000) < 0);
    assert_non_null(strstr(p->err.message, "links are not followed"));
    snprintf(other, sizeof(other), "%s/other", p->dir);
    assert_int_equal(rmdir(other), 0); /* it is empty */
}

static void numbers_and_texts_are_bounded(void **arg)
{
    struct place *p = *arg;
    char why[300];

    make_suite(p, 2);
    assert_int_equal(record_at(p, 1000), 0);
    run_sql(p, "UPDATE tests SET hits=-5, tried=9223372036854775807, clean=-1, wall_us='x', verdict='tasks', "
               "text=hex(zeroblob(100000)), need_tasks=1e300");
    assert_int_equal(load(p), 0);
    assert_int_equal(p->states[0].wall_us, 0);
    assert_int_equal(strlen(p->states[0].text), HISTORY_TEXT - 1);
    assert_true(history_offends(&p->states[0], 64, 0, why, sizeof(why)));
    assert_true(strlen(why) < sizeof(why) - 1);
    assert_int_equal(record_at(p, 1001), 0);
}

static void old_runs_and_tests_are_forgotten(void **arg)
{
    struct place *p = *arg;

    make_suite(p, 3);
    for (int i = 0; i < HISTORY_RUNS_MAX + 20; i++) {
        p->suite.tests[2].outcome = i < 3 ? OUTCOME_PASSED : OUTCOME_NOT_RUN;
        assert_int_equal(record_at(p, i < 3 ? 1000 : 2000), 0);
    }
    assert_int_equal(ask(p, "SELECT count(*) FROM runs"), HISTORY_RUNS_MAX);
    assert_int_equal(ask(p, "SELECT count(*) FROM results"), 2 * HISTORY_RUNS_MAX);
    assert_int_equal(ask(p, "SELECT count(*) FROM tests"), 3);
    assert_int_equal(record_at(p, 1500 + HISTORY_DAYS_MAX * DAY), 0);
    assert_int_equal(ask(p, "SELECT count(*) FROM tests"), 2);
}

static void results_are_bounded(void **arg)
{
    struct place *p = *arg;

    make_suite(p, 30000);
    for (int i = 0; i < 8; i++)
        assert_int_equal(record_at(p, 1000), 0);
    assert_int_equal(ask(p, "SELECT count(*) FROM runs"), 6);
    assert_int_equal(ask(p, "SELECT count(*) FROM results"), 180000);
}

/* Ids of the largest size: the file's own bound is what counts. */
static void the_file_is_bounded(void **arg)
{
    struct place *p = *arg;
    struct stat st;

    make_suite(p, 6000);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < p->suite.count; i++) {
            free(p->suite.tests[i].id);
            p->suite.tests[i].id = mem_printf("%d-%zu-%01800d", round, i, 0);
        }
        if (record_at(p, 1000 + round * 6 * DAY) != 0) fail_msg("round %d: %s", round, p->err.message);
        assert_int_equal(stat(path_of(p, "history.db"), &st), 0);
        assert_true((uint64_t)st.st_size <= HISTORY_FILE_MAX);
        assert_int_equal(load(p), 0);
        assert_true(p->states[5999].known);
    }
}

static void many_writers_lose_nothing(void **arg)
{
    struct place *p = *arg;
    int status;

    make_suite(p, 50);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            int r = 0;

            for (int j = 0; j < 10 && r == 0; j++)
                r = record_at(p, 1000);
            _exit(r ? 1 : 0);
        }
    for (int i = 0; i < 4; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(ask(p, "SELECT count(*) FROM runs"), 40);
    assert_int_equal(load(p), 0);
    assert_int_equal(p->states[0].runs, 40);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_commit_is_read_from_files(void **arg)
{
    static const char hash[] = "0123456789abcdef0123456789abcdef01234567";
    struct place *p = *arg;
    char sub[100], command[400], commit[80];

    snprintf(sub, sizeof(sub), "%s/a/b", p->dir);
    snprintf(command, sizeof(command), "mkdir -p %s %s/.git/refs/heads", sub, p->dir);
    assert_int_equal(system(command), 0);
    write_text(p->dir, ".git/HEAD", "ref: refs/heads/main\n");
    assert_int_equal(git_head(sub, commit, sizeof(commit)), -ENOENT);
    snprintf(command, sizeof(command), "# pack-refs with: peeled\n%s refs/heads/main\n", hash);
    write_text(p->dir, ".git/packed-refs", command);
    assert_int_equal(git_head(sub, commit, sizeof(commit)), 0);
    assert_string_equal(commit, hash);
    write_text(p->dir, ".git/refs/heads/main", "ff23456789abcdef0123456789abcdef01234567\n");
    assert_int_equal(git_head(sub, commit, sizeof(commit)), 0);
    assert_string_equal(commit, "ff23456789abcdef0123456789abcdef01234567");
    write_text(p->dir, ".git/HEAD", "ref: ../../etc/passwd\n");
    assert_int_equal(git_head(sub, commit, sizeof(commit)), -ENOENT);
    write_text(p->dir, ".git/HEAD", hash);
    assert_int_equal(git_head(sub, commit, sizeof(commit)), 0);
    /* A linked worktree: a file that names the directory. */
    snprintf(command, sizeof(command), "mkdir -p %s/.git/worktrees/w %s/w", p->dir, p->dir);
    assert_int_equal(system(command), 0);
    write_text(p->dir, "w/.git", "gitdir: ../.git/worktrees/w\n");
    write_text(p->dir, ".git/worktrees/w/HEAD", "ref: refs/heads/main\n");
    write_text(p->dir, ".git/worktrees/w/commondir", "../..\n");
    snprintf(sub, sizeof(sub), "%s/w", p->dir);
    assert_int_equal(git_head(sub, commit, sizeof(commit)), 0);
    assert_string_equal(commit, "ff23456789abcdef0123456789abcdef01234567");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_made_by_looking),
        TEST(what_is_written_comes_back),
        TEST(the_document_has_what_markers_need),
        TEST(set_aside_head),
        TEST(set_aside_pages),
        TEST(set_aside_kind),
        TEST(set_aside_version),
        TEST(set_aside_trigger),
        TEST(set_aside_view),
        TEST(set_aside_truncated),
        TEST(set_aside_link),
        TEST(set_aside_second_name),
        TEST(set_aside_journal_pipe),
        TEST(a_directory_in_its_place),
        TEST(a_link_to_a_directory_is_not_followed),
        TEST(numbers_and_texts_are_bounded),
        TEST(old_runs_and_tests_are_forgotten),
        TEST(results_are_bounded),
        TEST(the_file_is_bounded),
        TEST(many_writers_lose_nothing),
        TEST(the_commit_is_read_from_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
