/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/verdict_set.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/nearest.h"
#include "supervisor/cli/values.h"
#include "supervisor/core/retry.h"
#include "supervisor/core/verdict.h"

struct words {
    unsigned all, fallback;
    bool results; /* "failed" and "error", too */
    const char *example;
};

static unsigned bits_of(const struct words *words, const char *name)
{
    enum verdict verdict = verdict_parse(name);

    if (strcmp(name, "all") == 0)
        return words->all;
    if (strcmp(name, "default") == 0)
        return words->fallback;
    if (words->results && strcmp(name, "failed") == 0)
        return RETRY_ON_FAILED;
    if (words->results && strcmp(name, "error") == 0)
        return RETRY_ON_ERROR;
    return verdict == VERDICT_NONE ? 0 : VERDICT_BIT(verdict);
}

static int unknown_word(const struct words *words, const char *name, struct err *err)
{
    const char *names[VERDICT_COUNT + 3] = {NULL};
    const char *nearest;

    for (int v = 0; v < VERDICT_COUNT; v++)
        names[v] = verdict_name((enum verdict)v);
    if (words->results) {
        names[VERDICT_COUNT] = "failed";
        names[VERDICT_COUNT + 1] = "error";
    }
    nearest = nearest_word(name, names);
    err_set(err, ERR_USAGE, EINVAL, "\"%.40s\" is no verdict", name);
    if (nearest)
        return err_hint(err, "did you mean %s?", nearest);
    return err_hint(err, "verdicts are tasks, memory, stall, timeout, leak, signal, exit, "
                         "denied, protocol, cpu, contention, external; also %sall, none, default, "
                         "and -VERDICT to take one out", words->results ? "failed, error, " : "");
}

static int add_word(const struct words *words, const char *word, unsigned *set, struct err *err)
{
    const char *name = word + (*word == '-');
    unsigned bits = bits_of(words, name);

    if (!bits && strcmp(word, "none") != 0)
        return unknown_word(words, name, err);
    if (*word == '-')
        *set &= ~bits;
    else
        *set |= bits;
    return 0;
}

static int parse(const struct words *words, const char *text, unsigned *ret, struct err *err)
{
    unsigned set = *text == '-' ? words->fallback : 0;
    char word[40];

    for (;;) {
        size_t length = strcspn(text, ",");
        int r;

        if (length >= sizeof(word))
            return cli_expected(err, "a list of verdicts", words->example);
        memcpy(word, text, length);
        word[length] = '\0';
        r = add_word(words, word, &set, err);
        if (r < 0)
            return r;
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    *ret = set;
    return 0;
}

int verdict_set_reroute(const char *text, unsigned *ret, struct err *err)
{
    static const struct words words = {VERDICT_ALL_BITS, VERDICT_REROUTE_DEFAULT, false, "e.g. tasks,memory or all,-leak"};

    return parse(&words, text, ret, err);
}

int verdict_set_retry(const char *text, unsigned *ret, struct err *err)
{
    static const struct words words = {RETRY_ON_ALL, RETRY_ON_DEFAULT, true, "e.g. failed,timeout or default,-error"};

    return parse(&words, text, ret, err);
}
