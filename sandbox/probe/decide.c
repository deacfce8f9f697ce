/* SPDX-License-Identifier: MIT */
/* Which rung is best, what a policy lacks, what --require means. Pure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"
#include "sandbox/probe/probe.h"

#define WHOLE true
#define PART false

static const struct probe_rung table[PROBE_RUNG_COUNT] = {
#define X(id, of, json, strength, text) \
    [PROBE_##id] = {.guarantee = (enum spec_guarantee)SPEC_##of, .key = json, .name = text, .exact = strength},
    PROBE_RUNGS(X)
#undef X
};

void probe_init(struct probe_result *result)
{
    *result = (struct probe_result){.userns_clone = -1, .userns_apparmor = -1, .userns_max = -1};
    memcpy(result->rungs, table, sizeof(table));
    strcpy(result->cgroup_mode, "none");
}

const struct probe_rung *probe_best(const struct probe_result *result, enum spec_guarantee guarantee)
{
    for (int i = 0; i < PROBE_RUNG_COUNT; i++)
        if (result->rungs[i].guarantee == guarantee && result->rungs[i].works)
            return &result->rungs[i];
    return NULL;
}

bool probe_has(const struct probe_result *result, enum spec_guarantee guarantee)
{
    const struct probe_rung *best = probe_best(result, guarantee);

    return best && best->exact;
}

unsigned probe_unmet(const struct probe_result *result, const struct sandbox_spec *spec)
{
    unsigned wants = spec_wants(spec), unmet = 0;

    /* "An id of the pool as root, else the caller's own" promises an ordinary user no more than what is so anyway. */
    if (spec->uid == SPEC_ID_AUTO && result->uid != 0 && !(spec->demands & SPEC_BIT(SPEC_USER)))
        wants &= ~SPEC_BIT(SPEC_USER);
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (wants & SPEC_BIT(g) && !probe_has(result, g))
            unmet |= SPEC_BIT(g);
    return unmet;
}

static int unknown_guarantee(const char *word, struct err *err)
{
    const char *names[SPEC_GUARANTEE_COUNT + 1] = {NULL};
    char all[256] = "";
    const char *nearest;

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        size_t length = strlen(all);

        names[g] = spec_guarantee_name(g);
        snprintf(all + length, sizeof(all) - length, "%s%s", g ? ", " : "", names[g]);
    }
    nearest = nearest_word(word, names);
    err_set(err, ERR_USAGE, EINVAL, "\"%.40s\" is no guarantee", word);
    if (nearest)
        return err_hint(err, "did you mean \"%s\"? There are: %s", nearest, all);
    return err_hint(err, "there are: %s", all);
}

int probe_parse_requirements(const char *list, unsigned *ret_bits, unsigned *ret_without, struct err *err)
{
    unsigned bits = 0, without = 0;

    for (const char *p = list;;) {
        bool minus = *p == '-';
        size_t length = strcspn(p += minus, ",");
        char word[48];
        int g;

        snprintf(word, sizeof(word), "%.*s", (int)length, p);
        g = length < sizeof(word) ? spec_guarantee_parse(word) : -EINVAL;
        if (g < 0)
            return unknown_guarantee(word, err);
        *(minus ? &without : &bits) |= SPEC_BIT(g);
        *(minus ? &bits : &without) &= ~SPEC_BIT(g);
        if (!p[length])
            break;
        p += length + 1;
    }
    *ret_bits = bits;
    *ret_without = without;
    return 0;
}

static void append(char *buf, size_t size, const char *separator, const char *text)
{
    size_t length = strlen(buf);

    if (length < size)
        snprintf(buf + length, size - length, "%s%s", length ? separator : "", text);
}

/* The remedies of all that is missing, each once: several guarantees often want the same. */
static void remedies(const struct probe_result *result, unsigned missing, char *buf, size_t size)
{
    *buf = '\0';
    if (probe_advise_all(result, missing, buf, size))
        return;
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        struct probe_advice advice;

        if (missing & SPEC_BIT(g) && probe_advise(result, g, &advice) && !strstr(buf, advice.command))
            append(buf, size, "; or: ", advice.command);
    }
}

int probe_require(const struct probe_result *result, unsigned bits, struct err *err)
{
    unsigned missing = 0;
    char names[200] = "", why[300] = "", what[512];

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        if (!(bits & SPEC_BIT(g)) || probe_has(result, g))
            continue;
        if (!missing)
            probe_reason(result, g, why, sizeof(why));
        missing |= SPEC_BIT(g);
        append(names, sizeof(names), ", ", spec_guarantee_name(g));
    }
    if (!missing)
        return 0;
    err_set(err, ERR_SANDBOX, EOPNOTSUPP, "required, and not to be had here: %s (%s)", names, why);
    remedies(result, missing, what, sizeof(what));
    return err_hint(err, "%s", *what ? what : "shunt doctor says what this machine can do");
}
