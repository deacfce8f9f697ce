/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/history/internal.h"

static int load_states(struct db *db, const struct suite *suite, struct history_state *states)
{
    struct id_index *index = id_index_new(suite->count);
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r;

    for (size_t i = 0; i < suite->count; i++)
        id_index_add(index, suite->tests[i].id, i);
    r = db_prepare(db, "SELECT id, " STATE_COLUMNS " FROM tests", &statement);
    while (r == 0 && (r = db_step(db, statement)) == 1) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        size_t test = id ? id_index_find(index, id) : (size_t)-1;

        if (test != (size_t)-1)
            column_state(statement, 1, &states[test]);
        r = 0;
    }
    id_index_free(index);
    return r;
}

int history_load(const struct history_place *place, const struct suite *suite, struct history_state *states,
                 char *ret_notice, size_t size, struct err *err)
{
    struct db db;
    int r;

    *ret_notice = '\0';
    for (size_t i = 0; i < suite->count; i++)
        states[i] = (struct history_state){.verdict = VERDICT_NONE};
    r = db_open_at(&db, place, PLACE_USE, ret_notice, size, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = load_states(&db, suite, states);
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
