/* SPDX-License-Identifier: MIT */
/* All adapters. A new one is a line in the list below and a declaration above it. */
#include <string.h>

#include "supervisor/adapters/adapter.h"

extern const struct adapter adapter_commands, adapter_command, adapter_ctest;
extern const struct adapter adapter_gtest, adapter_catch2, adapter_doctest;
extern const struct adapter adapter_bats, adapter_meson, adapter_prove, adapter_tap;
extern const struct adapter adapter_cargo, adapter_go;

/* In this order they are asked. */
const struct adapter *const adapter_all[] = {
    &adapter_ctest,
    &adapter_gtest,
    &adapter_catch2,
    &adapter_doctest,
    &adapter_meson,
    &adapter_prove,
    &adapter_bats,
    &adapter_tap,
    &adapter_cargo,
    &adapter_go,
    &adapter_commands,
    &adapter_command,
    NULL,
};

_Static_assert(sizeof(adapter_all) / sizeof(*adapter_all) <= ADAPTERS_MAX, "more adapters than candidates can be");

const struct adapter *adapter_find(const char *name)
{
    for (size_t i = 0; adapter_all[i]; i++)
        if (strcmp(adapter_all[i]->name, name) == 0)
            return adapter_all[i];
    return NULL;
}

size_t adapter_candidates(char *const argv[], const struct adapter *ret[ADAPTERS_MAX + 1])
{
    enum adapter_claim claims[ADAPTERS_MAX] = {ADAPTER_NO};
    size_t n = 0;

    for (size_t i = 0; adapter_all[i]; i++)
        claims[i] = adapter_all[i]->recognise ? adapter_all[i]->recognise(argv) : ADAPTER_NO;
    for (int wanted = ADAPTER_YES; wanted > ADAPTER_NO; wanted--)
        for (size_t i = 0; adapter_all[i]; i++)
            if ((int)claims[i] == wanted)
                ret[n++] = adapter_all[i];
    ret[n] = NULL;
    return n;
}
