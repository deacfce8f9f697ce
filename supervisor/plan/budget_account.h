/* SPDX-License-Identifier: MIT */
#pragma once

/* Who holds how many tokens of the host's pool, and what becomes of those of the dead. Pure. */
#include <stdbool.h>
#include <stddef.h>

struct budget_record {
    bool alive;
    unsigned long long tokens; /* as its file says: not to be trusted */
};

struct budget_account {
    bool fresh;        /* nobody is alive: the pool is emptied and filled anew */
    unsigned put_back; /* tokens to write into it */
};

struct budget_account budget_account(const struct budget_record *records, size_t n, unsigned capacity);
