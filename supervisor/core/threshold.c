/* SPDX-License-Identifier: MIT */
#include "supervisor/core/threshold.h"

#include <stdlib.h>

#define TESTS_MIN 5
#define SUITE_PART 10
#define EARLY_MIN 25
#define EARLY_PART 4
#define FAR 2 /* times the 95th percentile: the largest is a case of its own */

enum threshold_limit threshold_limit_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_TASKS:
        return THRESHOLD_TASKS;
    case VERDICT_MEMORY:
        return THRESHOLD_MEMORY;
    case VERDICT_TIMEOUT:
        return THRESHOLD_TIMEOUT;
    default:
        return THRESHOLD_LIMITS;
    }
}

bool threshold_broke(struct threshold *threshold, enum threshold_limit limit, size_t suite, size_t finished)
{
    size_t n = ++threshold->broke[limit];
    bool of_suite = n >= TESTS_MIN && n * SUITE_PART >= suite;
    bool of_finished = n >= EARLY_MIN && n * EARLY_PART >= finished;

    if (threshold->low[limit] || (!of_suite && !of_finished))
        return false;
    threshold->low[limit] = true;
    return true;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void threshold_need(uint64_t *peaks, size_t n, uint64_t step, struct threshold_need *ret)
{
    uint64_t wanted;

    qsort(peaks, n, sizeof(*peaks), by_size);
    *ret = (struct threshold_need){.p95 = peaks[(n * 95 + 99) / 100 - 1], .max = peaks[n - 1]};
    wanted = ret->max / FAR > ret->p95 ? ret->p95 : ret->max;
    ret->suggest = (wanted + wanted / 8 + step - 1) / step * step;
    for (size_t i = 0; i < n; i++)
        ret->above += peaks[i] > ret->suggest;
}
