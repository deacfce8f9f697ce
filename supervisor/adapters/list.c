/* SPDX-License-Identifier: MIT */
/* Making lists of tests: memory, unique ids, and what order and locks come to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "supervisor/adapters/adapter.h"

/* --- words --- */

static size_t count_words(char *const words[])
{
    size_t n = 0;

    while (words && words[n])
        n++;
    return n;
}

char **adapter_words(char *const words[])
{
    size_t n = count_words(words);
    char **copy = mem_calloc(n + 1, sizeof(*copy));

    for (size_t i = 0; i < n; i++)
        copy[i] = mem_strdup(words[i]);
    return copy;
}

void adapter_append(char ***words, const char *word)
{
    size_t n = count_words(*words), room = n ? n + 1 : 0;

    mem_grow(words, &room, n + 2, sizeof(**words));
    (*words)[n] = mem_strdup(word);
    (*words)[n + 1] = NULL;
}

char *adapter_join_words(char *const argv[])
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    for (size_t i = 0; argv[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", argv[i]);
    fclose(out);
    return text;
}

const char *adapter_program(char *const argv[])
{
    const char *slash = strrchr(argv[0], '/');

    return slash ? slash + 1 : argv[0];
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* --- the list --- */

struct adapter_step *adapter_ask(struct adapter_list *list, char *const argv[])
{
    struct adapter_step *step;

    mem_grow(&list->steps, &list->steps_room, list->nsteps + 1, sizeof(*list->steps));
    step = &list->steps[list->nsteps++];
    *step = (struct adapter_step){.argv = adapter_words(argv)};
    return step;
}

struct adapter_entry *adapter_add(struct adapter_list *list, const char *id)
{
    struct adapter_entry *entry;

    if (list->nentries >= ADAPTER_TESTS_MAX)
        return NULL;
    mem_grow(&list->entries, &list->entries_room, list->nentries + 1, sizeof(*list->entries));
    entry = &list->entries[list->nentries++];
    *entry = (struct adapter_entry){.id = mem_strdup(id), .weight = 1};
    return entry;
}

size_t adapter_index_of(const struct adapter_list *list, const char *id)
{
    for (size_t i = 0; i < list->nentries; i++)
        if (strcmp(list->entries[i].id, id) == 0)
            return i;
    return (size_t)-1;
}

static void add_index(size_t **indices, size_t *n, size_t index)
{
    *indices = reallocarray(*indices, *n + 1, sizeof(**indices));
    if (!*indices)
        abort();
    (*indices)[(*n)++] = index;
}

void adapter_add_after(struct adapter_entry *entry, size_t index, bool needs)
{
    add_index(&entry->after, &entry->nafter, index);
    if (needs)
        add_index(&entry->needs, &entry->nneeds, index);
}

void adapter_add_cleanup(struct adapter_entry *entry, size_t index)
{
    adapter_add_after(entry, index, false);
    add_index(&entry->cleans, &entry->ncleans, index);
}

static void entry_done(struct adapter_entry *entry)
{
    free(entry->id);
    free(entry->file);
    free(entry->classname);
    free(entry->name);
    free_words(entry->argv);
    free(entry->cwd);
    free_words(entry->env);
    free(entry->why);
    free(entry->group);
    free_words(entry->locks);
    free_words(entry->labels);
    free(entry->after);
    free(entry->needs);
    free(entry->cleans);
    free(entry->skipped);
    free(entry->absent);
    free_words(entry->required);
    free(entry->data);
}

void adapter_keep(struct adapter_list *list, size_t from, size_t to)
{
    for (size_t i = 0; i < list->nentries; i++)
        if (i < from || i >= to)
            entry_done(&list->entries[i]);
    if (from < to)
        memmove(list->entries, list->entries + from, (to - from) * sizeof(*list->entries));
    list->nentries = from < to ? to - from : 0;
}

void adapter_list_done(struct adapter_list *list)
{
    for (size_t i = 0; i < list->nsteps; i++) {
        free_words(list->steps[i].argv);
        free(list->steps[i].cwd);
        free(list->steps[i].output);
    }
    for (size_t i = 0; i < list->nentries; i++)
        entry_done(&list->entries[i]);
    free(list->steps);
    free(list->entries);
    free(list->root);
    free(list->notice);
    free(list->state);
    *list = (struct adapter_list){.argv = list->argv};
}

/* --- unique ids --- */

struct named {
    const char *id;
    size_t index;
};

static int by_id(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int r = strcmp(x->id, y->id);

    return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void make_unique(struct adapter_list *list)
{
    struct named *names = mem_calloc(list->nentries + 1, sizeof(*names));
    size_t nth = 1;

    for (size_t i = 0; i < list->nentries; i++)
        names[i] = (struct named){list->entries[i].id, i};
    qsort(names, list->nentries, sizeof(*names), by_id);
    for (size_t i = 1; i < list->nentries; i++) {
        struct adapter_entry *entry = &list->entries[names[i].index];

        nth = strcmp(names[i].id, names[i - 1].id) == 0 ? nth + 1 : 1;
        if (nth > 1) /* the old text is still compared with */
            entry->id = mem_printf("%s#%zu", names[i].id, nth);
    }
    for (size_t i = 0; i < list->nentries; i++)
        if (list->entries[names[i].index].id != names[i].id)
            free((char *)names[i].id);
    free(names);
}

/* --- sets of tests that belong together --- */

static size_t find_set(size_t *sets, size_t i)
{
    while (sets[i] != i)
        i = sets[i] = sets[sets[i]];
    return i;
}

static void join_sets(size_t *sets, size_t a, size_t b)
{
    a = find_set(sets, a);
    b = find_set(sets, b);
    if (a < b)
        sets[b] = a;
    else
        sets[a] = b;
}

/* Whoever shares the name of a group with an earlier one. */
static void join_by_name(struct adapter_list *list, size_t *sets)
{
    struct named *names = NULL;
    size_t n = 0, room = 0;

    for (size_t i = 0; i < list->nentries; i++) {
        const struct adapter_entry *entry = &list->entries[i];

        mem_grow(&names, &room, n + 1, sizeof(*names));
        if (entry->group)
            names[n++] = (struct named){entry->group, i};
    }
    if (n)
        qsort(names, n, sizeof(*names), by_id);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i].id, names[i - 1].id) == 0)
            join_sets(sets, names[i].index, names[i - 1].index);
    free(names);
}

/* A set of more than one gets a group, named after what its first one has; one of the serial lane takes all there. */
static void sets_to_groups(struct adapter_list *list, size_t *sets)
{
    size_t n = list->nentries;
    size_t *sizes = mem_calloc(n + 1, sizeof(*sizes));
    bool *serial = mem_zalloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        sizes[find_set(sets, i)]++;
        serial[find_set(sets, i)] |= list->entries[i].lane == LANE_SERIAL;
    }
    for (size_t i = 0; i < n; i++) {
        struct adapter_entry *entry = &list->entries[i];
        size_t first = find_set(sets, i);

        if (sizes[first] < 2)
            continue;
        free(entry->group);
        entry->group = first == i ? mem_printf("with %s", entry->id) : mem_strdup(list->entries[first].group);
        if (serial[first] && entry->lane != LANE_SERIAL) {
            entry->lane = LANE_SERIAL;
            free(entry->why);
            entry->why = mem_strdup("shares an order with tests that are serial");
        }
    }
    free(sizes);
    free(serial);
}

/* --- order --- */

static int loop_error(const struct adapter_list *list, size_t at, struct err *err)
{
    err_set(err, ERR_USAGE, ELOOP, "the order of tests is a circle: \"%.100s\" is to run before itself", list->entries[at].id);
    return err_hint(err, "look at what it depends on, and at what that depends on");
}

struct place { /* in passes over the list: who may, goes, and sees in the same pass only what stands before it */
    size_t pass, index;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->pass != y->pass ? (x->pass > y->pass) - (x->pass < y->pass) : (x->index > y->index) - (x->index < y->index);
}

static bool is_edge(const struct adapter_list *list, size_t i, size_t k)
{
    return list->entries[i].after[k] < list->nentries && list->entries[i].after[k] != i;
}

/* Who waits for whom, the other way round: those that wait for i are ret_who[ret_from[i]] to ret_who[ret_from[i + 1]]. */
static void turn_round(const struct adapter_list *list, size_t **ret_from, size_t **ret_who, size_t *waits)
{
    size_t n = list->nentries, *from = mem_calloc(n + 2, sizeof(*from)), *who;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list->entries[i].nafter; k++)
            if (is_edge(list, i, k)) {
                from[list->entries[i].after[k] + 2]++;
                waits[i]++;
            }
    for (size_t i = 2; i < n + 2; i++)
        from[i] += from[i - 1];
    who = mem_calloc(from[n + 1] + 1, sizeof(*who));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list->entries[i].nafter; k++)
            if (is_edge(list, i, k))
                who[from[list->entries[i].after[k] + 1]++] = i;
    *ret_from = from;
    *ret_who = who;
}

/* Kahn's; what has no order keeps its place. `ret[k]`: who is at place k. */
static int order(struct adapter_list *list, size_t *ret, struct err *err)
{
    size_t n = list->nentries, ready = 0, *from, *who, *waits = mem_calloc(n + 1, sizeof(*waits));
    struct place *places = mem_calloc(n + 1, sizeof(*places));
    size_t stuck = n;

    turn_round(list, &from, &who, waits);
    for (size_t i = 0; i < n; i++) {
        places[i].index = i;
        if (!waits[i])
            ret[ready++] = i;
    }
    for (size_t k = 0; k < ready; k++)
        for (size_t at = from[ret[k]]; at < from[ret[k] + 1]; at++) {
            size_t next = who[at], pass = places[ret[k]].pass + (ret[k] > next);

            if (pass > places[next].pass)
                places[next].pass = pass;
            if (--waits[next] == 0)
                ret[ready++] = next;
        }
    for (size_t i = n; ready < n && i > 0; i--)
        stuck = waits[i - 1] ? i - 1 : stuck;
    qsort(places, n, sizeof(*places), by_place);
    for (size_t k = 0; k < n; k++)
        ret[k] = places[k].index;
    free(places);
    free(waits);
    free(from);
    free(who);
    return ready < n ? loop_error(list, stuck, err) : 0;
}

static void renumber(size_t *indices, size_t n, const size_t *places)
{
    for (size_t i = 0; i < n; i++)
        indices[i] = places[indices[i]];
}

static int put_in_order(struct adapter_list *list, struct err *err)
{
    size_t n = list->nentries;
    size_t *who = mem_calloc(n + 1, sizeof(*who)), *places = mem_calloc(n + 1, sizeof(*places));
    struct adapter_entry *sorted;
    int r = order(list, who, err);

    if (r == 0) {
        sorted = mem_calloc(n + 1, sizeof(*sorted));
        for (size_t k = 0; k < n; k++) {
            sorted[k] = list->entries[who[k]];
            places[who[k]] = k;
        }
        for (size_t k = 0; k < n; k++) {
            renumber(sorted[k].after, sorted[k].nafter, places);
            renumber(sorted[k].needs, sorted[k].nneeds, places);
            renumber(sorted[k].cleans, sorted[k].ncleans, places);
        }
        free(list->entries);
        list->entries = sorted;
        list->entries_room = n + 1;
    }
    free(who);
    free(places);
    return r;
}

int adapter_list_finish(struct adapter_list *list, struct err *err)
{
    size_t n = list->nentries;
    bool ordered = false;
    size_t *sets;
    int r;

    make_unique(list);
    for (size_t i = 0; i < n; i++)
        ordered = ordered || list->entries[i].nafter;
    r = ordered ? put_in_order(list, err) : 0;
    if (r < 0)
        return r;
    sets = mem_calloc(n + 1, sizeof(*sets));
    for (size_t i = 0; i < n; i++)
        sets[i] = i;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list->entries[i].nafter; k++)
            join_sets(sets, i, list->entries[i].after[k]);
    join_by_name(list, sets);
    sets_to_groups(list, sets);
    free(sets);
    return 0;
}

static char *text_or(const char *text, const char *other)
{
    return mem_strdup(text ? text : other);
}

void adapter_list_to_suite(const struct adapter_list *list, struct suite *suite)
{
    for (size_t i = 0; i < list->nentries; i++) {
        const struct adapter_entry *entry = &list->entries[i];
        struct test *test = suite_add(suite);

        test->id = mem_strdup(entry->id);
        test->file = text_or(entry->file, entry->id); /* each one a module: long ones go first, and all may be stolen */
        test->classname = text_or(entry->classname, "");
        test->name = text_or(entry->name, entry->id);
        test->why = entry->why ? mem_strdup(entry->why) : NULL;
        test->group = entry->group ? mem_strdup(entry->group) : NULL;
        test->lane = entry->lane;
        test->tasks = entry->tasks;
        test->memory_bytes = entry->memory_bytes;
        test->timeout_ns = entry->timeout_ns;
        test->slow_ns = entry->slow_ns;
        test->grace_ns = entry->grace_ns;
        test->expected_us = entry->cost_us;
        test->weight = entry->weight ? entry->weight : 1;
        for (char **lock = entry->locks; lock && *lock; lock++)
            test_add_lock(test, *lock);
        test->markers = entry->labels ? adapter_words(entry->labels) : NULL;
    }
}
