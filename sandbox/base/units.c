/* SPDX-License-Identifier: MIT */
#include "sandbox/base/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "sandbox/base/clock.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"b", 1},
    {"k", 1ULL << 10},
    {"kb", 1ULL << 10},
    {"kib", 1ULL << 10},
    {"m", 1ULL << 20},
    {"mb", 1ULL << 20},
    {"mib", 1ULL << 20},
    {"g", 1ULL << 30},
    {"gb", 1ULL << 30},
    {"gib", 1ULL << 30},
    {"t", 1ULL << 40},
    {"tb", 1ULL << 40},
    {"tib", 1ULL << 40},
    {NULL, 0},
};

static const struct unit duration_units[] = {
    {"", NS_PER_SEC},         {"s", NS_PER_SEC},        {"sec", NS_PER_SEC},
    {"ms", NS_PER_MS},        {"us", NS_PER_US},        {"m", 60 * NS_PER_SEC},
    {"min", 60 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC}, {NULL, 0},
};

static int parse_digits(const char **p, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = *p;

    for (; **p >= '0' && **p <= '9'; (*p)++)
        if (__builtin_mul_overflow(value, 10ULL, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
            return -ERANGE;
    if (*p == start)
        return -EINVAL;
    *ret = value;
    return 0;
}

/* The digits after the point, in billionths: "5" of 1.5G is half of one G. Beyond nine digits they
 * are checked but no longer counted. */
static int parse_fraction(const char **p, uint64_t *ret_billionths)
{
    uint64_t value = 0, place = 100000000;
    const char *start = *p;

    for (; **p >= '0' && **p <= '9'; (*p)++, place /= 10)
        value += (uint64_t)(**p - '0') * place;
    if (*p == start)
        return -EINVAL;
    *ret_billionths = value;
    return 0;
}

static int parse_with_units(const char *text, const struct unit *units,
                            int (*compare)(const char *, const char *), uint64_t *ret)
{
    uint64_t whole, billionths = 0, value;
    const char *p = text;
    int r;

    r = parse_digits(&p, &whole);
    if (r < 0)
        return r;
    if (*p == '.') {
        p++;
        r = parse_fraction(&p, &billionths);
        if (r < 0)
            return r;
    }
    for (; units->suffix; units++) {
        unsigned __int128 part;

        if (compare(p, units->suffix) != 0)
            continue;
        part = (unsigned __int128)billionths * units->factor / 1000000000U;
        if (__builtin_mul_overflow(whole, units->factor, &value) ||
            __builtin_add_overflow(value, (uint64_t)part, &value))
            return -ERANGE;
        *ret = value;
        return 0;
    }
    return -EINVAL;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_with_units(text, size_units, strcasecmp, ret_bytes);
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
    return parse_with_units(text, duration_units, strcmp, ret_ns);
}

int units_parse_milli(const char *text, uint64_t *ret_milli)
{
    static const struct unit thousandths[] = {{"", 1000}, {NULL, 0}};

    return parse_with_units(text, thousandths, strcmp, ret_milli);
}

int units_parse_count(const char *text, uint64_t *ret)
{
    const char *p = text;
    uint64_t value;
    int r = parse_digits(&p, &value);

    if (r < 0)
        return r;
    if (*p)
        return -EINVAL;
    *ret = value;
    return 0;
}
