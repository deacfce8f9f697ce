/* SPDX-License-Identifier: MIT */
#include "supervisor/core/verdict.h"

#include <string.h>

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
#define X(name, text) [VERDICT_##name] = (text),
        VERDICT_LIST(X)
#undef X
    };

    return verdict >= 0 && verdict < VERDICT_COUNT ? names[verdict] : "none";
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {
#define X(name, text) [OUTCOME_##name] = (text),
        OUTCOME_LIST(X)
#undef X
    };

    return outcome < OUTCOME_COUNT ? names[outcome] : "none";
}

enum verdict verdict_parse(const char *text)
{
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (strcmp(verdict_name((enum verdict)v), text) == 0)
            return (enum verdict)v;
    return VERDICT_NONE;
}

enum outcome outcome_parse(const char *text)
{
    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (strcmp(outcome_name((enum outcome)o), text) == 0)
            return (enum outcome)o;
    return OUTCOME_COUNT;
}

bool outcome_is_bad(enum outcome outcome)
{
    return outcome == OUTCOME_FAILED || outcome == OUTCOME_ERROR || outcome == OUTCOME_KILLED ||
           outcome == OUTCOME_NOT_RUN || outcome == OUTCOME_NONE;
}
