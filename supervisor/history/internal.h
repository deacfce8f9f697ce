/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Within supervisor/history:
 *
 *   place.c     the directory: found, made, locked; files set aside
 *   db.c        one SQLite file, opened as something that a stranger may have written
 *   load.c, record.c, document.c   what is read and written
 *   state.c     what follows from it: pure
 */
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/history/history.h"

struct err;

enum place_mode {
    PLACE_LOOK,  /* nothing is made, nothing is changed */
    PLACE_USE,   /* a bad file may be set aside */
    PLACE_CREATE /* ... and directory and file are made */
};

struct place {
    int dirfd; /* locked but for PLACE_LOOK where that is not to be had; -1 */
    char directory[PATH_MAX]; /* without symbolic links */
    char name[NAME_MAX + 1];
    char shown[PATH_MAX]; /* for people: as the user would write it */
};

/* -ENOENT: there is no directory; -EBUSY: others hold it for too long. */
int place_open(struct place *place, const struct history_place *where, enum place_mode mode, struct err *err);
void place_done(struct place *place);
/* -ENOENT, -EUCLEAN (with the reason: it is no file that could be ours), or 0. */
int place_check(const struct place *place, char *ret_why, size_t size);
int place_create_file(const struct place *place);
/* Renames the file to NAME.bad-N, at most 3 of them, and removes what belongs to it. `ret_notice` says so. */
int place_set_aside(const struct place *place, const char *why, char *ret_notice, size_t size);

struct db {
    struct place place;
    sqlite3 *sqlite;
    char why[200]; /* after -EUCLEAN */
};

/* -ENOENT, -EUCLEAN (no history of ours; `why`), -EBUSY, -EACCES, ... */
int db_open(struct db *db, enum place_mode mode, struct err *err);
/* The whole way: place, file, setting aside and, with PLACE_CREATE, making it anew. */
int db_open_at(struct db *db, const struct history_place *where, enum place_mode mode, char *ret_notice, size_t size,
               struct err *err);
void db_done(struct db *db);
int db_exec(struct db *db, const char *sql);
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret);
/* 1: a row, 0: done, or -errno. */
int db_step(struct db *db, sqlite3_stmt *statement);
/* Of an error in SQLite: -errno, and `why`. */
int db_error(struct db *db, int code);

void statement_donep(sqlite3_stmt **statement);
#define _cleanup_statement_ __attribute__((cleanup(statement_donep)))

/* Values of a row, bounded: negative numbers are 0, text is cut and has no control characters. */
uint64_t column_number(sqlite3_stmt *statement, int column);
void column_text(sqlite3_stmt *statement, int column, char *ret, size_t size);
/* malloc'ed, never NULL; cut at 4096 bytes. */
char *column_string(sqlite3_stmt *statement, int column);
/* Columns of STATE_COLUMNS, from `first` on. */
void column_state(sqlite3_stmt *statement, int first, struct history_state *ret);

#define STATE_COLUMNS                                                                              \
    "runs, wall_us, cpu_us, peak_tasks, peak_memory, verdict, text, hits, tried, clean, "          \
    "limit_tasks, limit_memory, need_tasks, need_memory"
#define STATE_COUNT 14

/* --- ids to indices --- */

struct id_index;
/* The strings stay the caller's. Of equal ids the first one counts. */
struct id_index *id_index_new(size_t most);
void id_index_free(struct id_index *index);
void id_index_add(struct id_index *index, const char *id, size_t value);
/* (size_t)-1: not there. */
size_t id_index_find(const struct id_index *index, const char *id);
