/* SPDX-License-Identifier: MIT */
/* Values of rows: whatever a file says, what comes out of here is bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/history/internal.h"

#define NUMBER_MAX (1LL << 53) /* what JSON readers can hold */

uint64_t column_number(sqlite3_stmt *statement, int column)
{
    int64_t value = sqlite3_column_int64(statement, column);

    return value < 0 ? 0 : value > NUMBER_MAX ? NUMBER_MAX : (uint64_t)value;
}

void column_text(sqlite3_stmt *statement, int column, char *ret, size_t size)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    size_t n = 0;

    for (; text && text[n] && n + 1 < size; n++)
        ret[n] = text[n] >= ' ' && text[n] < 127 ? (char)text[n] : '?';
    ret[n] = '\0';
}

/* Ids are compared, so they stay as they are; who shows one cleans it. */
char *column_string(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    char *copy = strndup(text ? text : "", 4096);

    if (!copy)
        abort();
    return copy;
}

void column_state(sqlite3_stmt *statement, int first, struct history_state *ret)
{
    char verdict[16];

    *ret = (struct history_state){
        .known = true,
        .runs = column_number(statement, first),
        .wall_us = column_number(statement, first + 1),
        .cpu_us = column_number(statement, first + 2),
        .peak_tasks = column_number(statement, first + 3),
        .peak_memory_bytes = column_number(statement, first + 4),
        .hits = column_number(statement, first + 7),
        .tried = column_number(statement, first + 8),
        .clean = column_number(statement, first + 9),
        .limit_tasks = column_number(statement, first + 10),
        .limit_memory_bytes = column_number(statement, first + 11),
        .need_tasks = column_number(statement, first + 12),
        .need_memory_bytes = column_number(statement, first + 13),
    };
    column_text(statement, first + 5, verdict, sizeof(verdict));
    ret->verdict = verdict_parse(verdict);
    column_text(statement, first + 6, ret->text, sizeof(ret->text));
    if (ret->hits > ret->tried)
        ret->hits = ret->tried;
    if (ret->verdict != VERDICT_NONE && !ret->hits)
        ret->hits = ret->tried = 1;
}
