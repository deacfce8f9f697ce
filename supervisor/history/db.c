/* SPDX-License-Identifier: MIT */
/*
 * One SQLite file, opened as something that a stranger may have written: its schema must be ours to the letter (so there are
 * no views, triggers or generated columns), SQLite's defensive switches are on, sizes are limited.
 *
 * The locking mode is exclusive, for the milliseconds that a file is open: then the index of the write-ahead log is in our own
 * memory and not in a shared mapping, which anybody who may write to the directory could cut short beneath us (SIGBUS).
 * synchronous=OFF: a commit waits for no disk. A crash of shunt cannot tear the file, a crash of the machine can, and then
 * it is set aside like any other broken one: it is a cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/history/internal.h"

#define APPLICATION_ID 0x7368756e /* "shun" */
#define SCHEMA_VERSION 1
#define BUSY_MS 1000
#define PAGE 4096
#define CHECK_WHOLE_MAX (1 << 19) /* larger files are checked page by page, as they are read */
#define TEXT_MAX 4096
#define STRINGIFY(x) #x
#define NUMBER(x) STRINGIFY(x)

static const struct {
    const char *name, *sql;
} schema[] = {
    {"results",
     "CREATE TABLE results (run INTEGER NOT NULL, test INTEGER NOT NULL, outcome TEXT NOT NULL, lane TEXT NOT NULL, "
     "why TEXT, rerouted INTEGER NOT NULL, setup_us INTEGER, call_us INTEGER, teardown_us INTEGER, cpu_us INTEGER, "
     "peak_tasks INTEGER, tasks_exact INTEGER, peak_memory INTEGER, memory_exact INTEGER, limit_tasks INTEGER, "
     "limit_memory INTEGER, verdict TEXT, text TEXT, serial_verdict TEXT, serial_text TEXT, "
     "PRIMARY KEY (run, test)) WITHOUT ROWID"},
    {"runs",
     "CREATE TABLE runs (run INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, commit_id TEXT, command TEXT, "
     "status INTEGER, cpus INTEGER, workers INTEGER, tasks INTEGER, memory INTEGER, serial_tasks INTEGER, "
     "serial_memory INTEGER, wall_us INTEGER, tests INTEGER NOT NULL)"},
    {"tests",
     "CREATE TABLE tests (test INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, file TEXT NOT NULL, seen INTEGER NOT NULL, "
     "runs INTEGER, wall_us INTEGER, cpu_us INTEGER, peak_tasks INTEGER, peak_memory INTEGER, verdict TEXT, text TEXT, "
     "hits INTEGER, tried INTEGER, clean INTEGER, limit_tasks INTEGER, limit_memory INTEGER, need_tasks INTEGER, "
     "need_memory INTEGER)"},
};
#define TABLES (sizeof(schema) / sizeof(*schema))

void statement_donep(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

int db_error(struct db *db, int code)
{
    snprintf(db->why, sizeof(db->why), "%s", db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(code));
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    case SQLITE_IOERR:
        return -EIO;
    default: /* CORRUPT, NOTADB, and what a file of another making leads to */
        return -EUCLEAN;
    }
}

int db_exec(struct db *db, const char *sql)
{
    int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : db_error(db, code);
}

int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret)
{
    int code = sqlite3_prepare_v2(db->sqlite, sql, -1, ret, NULL);

    return code == SQLITE_OK ? 0 : db_error(db, code);
}

int db_step(struct db *db, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : db_error(db, code);
}

/* --- what is in it --- */

static int query_number(struct db *db, const char *sql, int64_t *ret)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r = db_prepare(db, sql, &statement);

    if (r == 0)
        r = db_step(db, statement);
    if (r < 0)
        return r;
    *ret = r ? sqlite3_column_int64(statement, 0) : 0;
    return 0;
}

static int not_ours(struct db *db, const char *why)
{
    snprintf(db->why, sizeof(db->why), "%s", why);
    return -EUCLEAN;
}

/* Every entry must be one of ours, word for word; what SQLite makes for UNIQUE has no words. */
static int check_schema(struct db *db)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    size_t found = 0;
    int r = db_prepare(db, "SELECT name, sql FROM sqlite_schema ORDER BY name", &statement);

    while (r == 0 && (r = db_step(db, statement)) == 1) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        const char *sql = (const char *)sqlite3_column_text(statement, 1);

        if (name && !sql && strcmp(name, "sqlite_autoindex_tests_1") == 0) {
            r = 0;
            continue;
        }
        if (!name || !sql || found == TABLES || strcmp(name, schema[found].name) != 0 ||
            strcmp(sql, schema[found].sql) != 0)
            return not_ours(db, "its tables are others");
        found++;
        r = 0;
    }
    if (r < 0)
        return r;
    return found == TABLES ? 0 : not_ours(db, "its tables are others");
}

static int check_whole(struct db *db)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    const char *text;
    int r = db_prepare(db, "PRAGMA quick_check(1)", &statement);

    if (r == 0)
        r = db_step(db, statement);
    if (r < 0)
        return r;
    text = r ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    return text && strcmp(text, "ok") == 0 ? 0 : not_ours(db, "it is damaged");
}

/* Before anything is changed in it. */
static int check_kind(struct db *db)
{
    int64_t id = 0, version = 0;
    int r = query_number(db, "PRAGMA application_id", &id);

    if (r == 0)
        r = query_number(db, "PRAGMA user_version", &version);
    if (r < 0)
        return r;
    if (id != APPLICATION_ID)
        return not_ours(db, "another program's file");
    if (version != SCHEMA_VERSION)
        return not_ours(db, version > SCHEMA_VERSION ? "a newer shunt's" : "an older shunt's");
    return 0;
}

static int check_contents(struct db *db, uint64_t size)
{
    int r = check_schema(db);

    return r == 0 && size <= CHECK_WHOLE_MAX ? check_whole(db) : r;
}

static int make_contents(struct db *db)
{
    int r = db_exec(db, "BEGIN IMMEDIATE");

    for (size_t i = 0; r == 0 && i < TABLES; i++)
        r = db_exec(db, schema[i].sql);
    if (r == 0)
        r = db_exec(db, "PRAGMA user_version=" NUMBER(SCHEMA_VERSION) "; PRAGMA application_id=" NUMBER(APPLICATION_ID) ";"
                        "COMMIT");
    return r;
}

/* --- opening --- */

static void harden(sqlite3 *sqlite)
{
    static const struct {
        int id, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 1 << 20},     {SQLITE_LIMIT_SQL_LENGTH, 1 << 14}, {SQLITE_LIMIT_COLUMN, 64},
        {SQLITE_LIMIT_EXPR_DEPTH, 32},      {SQLITE_LIMIT_COMPOUND_SELECT, 4},  {SQLITE_LIMIT_VDBE_OP, 25000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},     {SQLITE_LIMIT_ATTACHED, 0},         {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 4096},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 32}, {SQLITE_LIMIT_TRIGGER_DEPTH, 1},    {SQLITE_LIMIT_WORKER_THREADS, 0},
    };

    sqlite3_extended_result_codes(sqlite, 1);
    sqlite3_busy_timeout(sqlite, BUSY_MS);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, (int *)NULL);
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
        sqlite3_limit(sqlite, limits[i].id, limits[i].value);
}

static int set_up(struct db *db)
{
    return db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; "
                       "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF");
}

static int set_up_writing(struct db *db)
{
    char pragmas[120];

    snprintf(pragmas, sizeof(pragmas), "PRAGMA journal_mode=WAL; PRAGMA max_page_count=%llu; PRAGMA journal_size_limit=1048576",
             HISTORY_FILE_MAX / PAGE);
    return db_exec(db, pragmas);
}

/* A URI, since only that can say "immutable": whatever is special in it is written as %XX. */
static char *uri_of(const struct place *place, bool immutable)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", place->directory, place->name);
    char *uri = mem_zalloc(3 * strlen(path) + 64);
    size_t at = (size_t)sprintf(uri, "file:");

    for (const char *c = path; *c; c++) {
        if (strchr("/._-", *c) || (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
            uri[at++] = *c;
        else
            at += (size_t)sprintf(uri + at, "%%%02X", (unsigned char)*c);
    }
    strcpy(uri + at, immutable ? "?immutable=1" : "");
    return uri;
}

static int open_file(struct db *db, bool immutable)
{
    _cleanup_free_ char *uri = uri_of(&db->place, immutable);
    int flags = immutable ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int code = sqlite3_open_v2(uri, &db->sqlite,
                               flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                               NULL);

    if (code != SQLITE_OK)
        return db_error(db, code);
    harden(db->sqlite);
    return set_up(db);
}

int db_open(struct db *db, enum place_mode mode, struct err *err)
{
    struct stat st = {0};
    bool immutable;
    int r = place_check(&db->place, db->why, sizeof(db->why));

    if (r == -ENOENT && mode == PLACE_CREATE)
        r = place_create_file(&db->place);
    if (r == 0 && fstatat(db->place.dirfd, db->place.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    if (r == 0 && st.st_size == 0 && mode != PLACE_CREATE)
        return -ENOENT; /* somebody is about to fill it */
    if (r == -ENOENT || r == -EUCLEAN)
        return r;
    /* The log cannot be written where the directory cannot; then what was committed before is read as it is. */
    immutable = mode != PLACE_CREATE && r == 0 &&
                (faccessat(db->place.dirfd, ".", W_OK, AT_EACCESS) < 0 ||
                 faccessat(db->place.dirfd, db->place.name, W_OK, AT_EACCESS) < 0);
    if (r == 0)
        r = open_file(db, immutable);
    if (r == 0 && st.st_size)
        r = check_kind(db);
    if (r == 0 && mode == PLACE_CREATE)
        r = set_up_writing(db);
    if (r == 0)
        r = st.st_size == 0 ? make_contents(db) : check_contents(db, (uint64_t)st.st_size);
    if (r < 0 && r != -EUCLEAN)
        err_set(err, ERR_SYSTEM, -r, "%s: %s", db->place.shown, *db->why ? db->why : strerror(-r));
    return r;
}

static void db_close(struct db *db)
{
    sqlite3_close_v2(db->sqlite);
    db->sqlite = NULL;
}

int db_open_at(struct db *db, const struct history_place *where, enum place_mode mode, char *ret_notice, size_t size,
               struct err *err)
{
    int r = place_open(&db->place, where, mode, err);

    db->sqlite = NULL;
    *db->why = '\0';
    if (r < 0)
        return r;
    r = db_open(db, mode, err);
    if (r == -EUCLEAN && mode != PLACE_LOOK) {
        int moved;

        db_close(db);
        moved = place_set_aside(&db->place, db->why, ret_notice, size);
        if (moved < 0)
            r = err_set(err, ERR_SYSTEM, -moved, "%s is no history of shunt's (%s), and cannot be set aside: %s",
                        db->place.shown, db->why, strerror(-moved));
        else
            r = mode == PLACE_CREATE ? db_open(db, mode, err) : -ENOENT;
    }
    if (r == -EUCLEAN)
        err_set(err, ERR_SYSTEM, EUCLEAN, "%s is no history of shunt's (%s)", db->place.shown, db->why);
    if (r < 0)
        db_done(db);
    return r;
}

void db_done(struct db *db)
{
    db_close(db);
    place_done(&db->place);
}
