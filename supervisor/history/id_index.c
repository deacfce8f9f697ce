/* SPDX-License-Identifier: MIT */
/* A hash table of ids. Its order depends on nothing that a file says: FNV-1a, linear probing, half full at most. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/mem.h"
#include "supervisor/history/internal.h"

struct entry {
    const char *id;
    uint64_t hash;
    size_t value;
};

struct id_index {
    size_t mask;
    struct entry entries[];
};

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash ^ hash >> 32;
}

struct id_index *id_index_new(size_t most)
{
    struct id_index *index;
    size_t room = 16;

    while (room < 2 * most)
        room *= 2;
    index = mem_zalloc(sizeof(*index) + room * sizeof(index->entries[0]));
    index->mask = room - 1;
    return index;
}

void id_index_free(struct id_index *index)
{
    free(index);
}

static size_t place_of(const struct id_index *index, const char *id, uint64_t hash)
{
    size_t at = hash & index->mask;

    while (index->entries[at].id &&
           (index->entries[at].hash != hash || strcmp(index->entries[at].id, id) != 0))
        at = (at + 1) & index->mask;
    return at;
}

void id_index_add(struct id_index *index, const char *id, size_t value)
{
    uint64_t hash = hash_of(id);
    size_t at = place_of(index, id, hash);

    if (!index->entries[at].id)
        index->entries[at] = (struct entry){.id = id, .hash = hash, .value = value};
}

size_t id_index_find(const struct id_index *index, const char *id)
{
    const struct entry *entry = &index->entries[place_of(index, id, hash_of(id))];

    return entry->id ? entry->value : (size_t)-1;
}
