/* SPDX-License-Identifier: MIT */
#include "supervisor/plan/budget_account.h"

struct budget_account budget_account(const struct budget_record *records, size_t n, unsigned capacity)
{
    struct budget_account account = {.fresh = true};
    unsigned long long dead = 0;

    for (size_t i = 0; i < n; i++) {
        account.fresh = account.fresh && !records[i].alive;
        if (!records[i].alive)
            dead += records[i].tokens < capacity ? records[i].tokens : capacity;
    }
    if (account.fresh)
        account.put_back = capacity;
    else
        account.put_back = dead < capacity ? (unsigned)dead : capacity;
    return account;
}
