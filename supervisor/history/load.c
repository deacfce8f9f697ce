/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/history/internal.h"

/* What each test came to last: the newest runs first, until every test has its word. */
static int load_outcomes(struct db *db, struct id_index *index, size_t wanted, struct history_state *states)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r = db_prepare(db, "SELECT tests.id, results.outcome FROM results CROSS JOIN tests ON tests.test = results.test "
                           "ORDER BY results.run DESC", &statement);

    while (wanted && r == 0 && (r = db_step(db, statement)) == 1) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        size_t test = id ? id_index_find(index, id) : (size_t)-1;
        enum outcome outcome;
        char word[16];

        r = 0;
        if (test == (size_t)-1 || states[test].last != OUTCOME_NONE)
            continue;
        column_text(statement, 1, word, sizeof(word));
        outcome = outcome_parse(word);
        states[test].last = outcome == OUTCOME_COUNT ? OUTCOME_NONE : outcome;
        wanted--;
    }
    return r;
}

static int load_states(struct db *db, struct id_index *index, struct history_state *states, size_t *ret_known)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r;

    r = db_prepare(db, "SELECT id, " STATE_COLUMNS " FROM tests", &statement);
    while (r == 0 && (r = db_step(db, statement)) == 1) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        size_t test = id ? id_index_find(index, id) : (size_t)-1;

        if (test != (size_t)-1) {
            column_state(statement, 1, &states[test]);
            ++*ret_known;
        }
        r = 0;
    }
    return r;
}

static int load(struct db *db, const struct suite *suite, bool outcomes, struct history_state *states)
{
    struct id_index *index = id_index_new(suite->count);
    size_t known = 0;
    int r;

    for (size_t i = 0; i < suite->count; i++)
        id_index_add(index, suite->tests[i].id, i);
    r = load_states(db, index, states, &known);
    if (r == 0 && outcomes)
        r = load_outcomes(db, index, known, states);
    id_index_free(index);
    return r;
}

int history_load(const struct history_place *place, const struct suite *suite, bool outcomes,
                 struct history_state *states, char *ret_notice, size_t size, struct err *err)
{
    struct db db;
    int r;

    *ret_notice = '\0';
    for (size_t i = 0; i < suite->count; i++)
        states[i] = (struct history_state){.verdict = VERDICT_NONE};
    r = db_open_at(&db, place, PLACE_USE, ret_notice, size, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = load(&db, suite, outcomes, states);
    if (r < 0) /* half of it is no history */
        for (size_t i = 0; i < suite->count; i++)
            states[i] = (struct history_state){.verdict = VERDICT_NONE};
    if (r == -EUCLEAN && place_set_aside(&db.place, db.why, ret_notice, size) == 0)
        r = 0;
    if (r < 0)
        err_set(err, ERR_SYSTEM, -r, "%s: %s", db.place.shown, db.why);
    db_done(&db);
    return r;
}
