/* SPDX-License-Identifier: MIT */
/* Adapter "ctest": what runs before what. Names are looked up in sorted tables, since a suite may have many thousands. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/adapters/ctest.h"

struct named {
    const char *text;
    size_t index; /* of the test */
};

struct table { /* sorted by text, then by index */
    struct named *rows;
    size_t n, room;
};

static int compare(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int r = strcmp(x->text, y->text);

    return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void add(struct table *table, const char *text, size_t index)
{
    mem_grow(&table->rows, &table->room, table->n + 1, sizeof(*table->rows));
    table->rows[table->n++] = (struct named){text, index};
}

static void sort(struct table *table)
{
    if (table->n)
        qsort(table->rows, table->n, sizeof(*table->rows), compare);
}

/* Who has this text, one after the other: starts at NULL, ends with NULL. */
static const struct named *next_of(const struct table *table, const char *text, const struct named *last)
{
    size_t low = 0, high = table->n;

    if (last)
        low = (size_t)(last - table->rows) + 1;
    while (!last && low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(table->rows[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table->n && strcmp(table->rows[low].text, text) == 0 ? &table->rows[low] : NULL;
}

/* Of a property of all tests. */
static void fill(struct table *table, const json_t *tests, const char *name)
{
    const json_t *test;
    const char *text;
    size_t i;

    json_array_foreach (tests, i, test) {
        const json_t *value = ctest_property(test, name);

        for (size_t k = 0; (text = ctest_text_at(value, k)); k++)
            add(table, text, i);
    }
    sort(table);
}

struct tables {
    struct table names, setups, cleanups;
};

static void depend(struct adapter_list *list, size_t i, const json_t *test, const struct tables *tables)
{
    const json_t *value = ctest_property(test, "DEPENDS");
    const char *name;

    for (size_t k = 0; (name = ctest_text_at(value, k)); k++) {
        const struct named *on = next_of(&tables->names, name, NULL);

        if (on && on->index != i)
            adapter_add_after(&list->entries[i], on->index, false);
    }
}

/* Whoever requires a fixture runs after its setup, which must have passed, and before its cleanup. */
static void require(struct adapter_list *list, size_t i, const json_t *test, const struct tables *tables)
{
    const json_t *value = ctest_property(test, "FIXTURES_REQUIRED");
    const char *fixture;

    for (size_t k = 0; (fixture = ctest_text_at(value, k)); k++) {
        for (const struct named *row = NULL; (row = next_of(&tables->setups, fixture, row));)
            if (row->index != i)
                adapter_add_after(&list->entries[i], row->index, true);
        for (const struct named *row = NULL; (row = next_of(&tables->cleanups, fixture, row));)
            if (row->index != i)
                adapter_add_cleanup(&list->entries[row->index], i);
    }
}

/* Cleanup without anybody in between. */
static void clean_after(struct adapter_list *list, size_t i, const json_t *test, const struct tables *tables)
{
    const json_t *value = ctest_property(test, "FIXTURES_CLEANUP");
    const char *fixture;

    for (size_t k = 0; (fixture = ctest_text_at(value, k)); k++)
        for (const struct named *row = NULL; (row = next_of(&tables->setups, fixture, row));)
            if (row->index != i)
                adapter_add_cleanup(&list->entries[i], row->index);
}

void ctest_order(struct adapter_list *list, const json_t *tests)
{
    struct tables tables = {0};
    const json_t *test;
    size_t i;

    for (i = 0; i < list->nentries; i++)
        add(&tables.names, list->entries[i].id, i);
    sort(&tables.names);
    fill(&tables.setups, tests, "FIXTURES_SETUP");
    fill(&tables.cleanups, tests, "FIXTURES_CLEANUP");
    json_array_foreach (tests, i, test) {
        depend(list, i, test, &tables);
        require(list, i, test, &tables);
        clean_after(list, i, test, &tables);
    }
    free(tables.names.rows);
    free(tables.setups.rows);
    free(tables.cleanups.rows);
}
