/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "supervisor/adapters/tap_text.h"

#define DIAGNOSTICS 4 /* lines of them in a message */

struct line {
    const char *at;
    size_t size;
};

static bool next_line(const char **at, const char *end, struct line *ret)
{
    const char *stop;

    if (*at >= end)
        return false;
    stop = memchr(*at, '\n', (size_t)(end - *at));
    *ret = (struct line){*at, (size_t)((stop ? stop : end) - *at)};
    *at = stop ? stop + 1 : end;
    if (ret->size && ret->at[ret->size - 1] == '\r')
        ret->size--;
    return true;
}

static bool begins(struct line line, const char *text)
{
    return line.size >= strlen(text) && memcmp(line.at, text, strlen(text)) == 0;
}

static void skip(struct line *line, size_t n)
{
    line->at += n;
    line->size -= n;
}

static void skip_blanks(struct line *line)
{
    while (line->size && (*line->at == ' ' || *line->at == '\t'))
        skip(line, 1);
}

static bool take_number(struct line *line, uint64_t *ret)
{
    uint64_t number = 0;
    size_t n = 0;

    for (; n < line->size && n < 18 && isdigit((unsigned char)line->at[n]); n++)
        number = number * 10 + (uint64_t)(line->at[n] - '0');
    if (!n || (n < line->size && isdigit((unsigned char)line->at[n])))
        return false;
    skip(line, n);
    *ret = number;
    return true;
}

void tap_say(char message[ADAPTER_MESSAGE], const char *text, size_t size)
{
    size_t n = strlen(message);
    bool blank = false;

    for (size_t i = 0; i < size && n + 2 < ADAPTER_MESSAGE; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c == 0x7f) {
            blank = n > 0;
            continue;
        }
        if (blank && message[n - 1] != ' ')
            message[n++] = ' ';
        blank = false;
        message[n++] = (char)c;
    }
    message[n] = '\0';
}

void tap_say_mark(char message[ADAPTER_MESSAGE], const char *mark)
{
    strncat(message, mark, ADAPTER_MESSAGE - 1 - strlen(message));
}

/* --- directives --- */

enum directive { DIRECTIVE_NONE, DIRECTIVE_SKIP, DIRECTIVE_TODO };

/* "# SKIP reason", "# todo reason": behind the last # that has no backslash in front. */
static enum directive directive_of(struct line line, struct line *ret_reason)
{
    for (size_t i = line.size; i-- > 0;) {
        struct line rest = {line.at + i + 1, line.size - i - 1};

        if (line.at[i] != '#' || (i && line.at[i - 1] == '\\'))
            continue;
        skip_blanks(&rest);
        if (rest.size < 4 || (strncasecmp(rest.at, "skip", 4) != 0 && strncasecmp(rest.at, "todo", 4) != 0))
            continue;
        *ret_reason = rest;
        while (ret_reason->size && isalpha((unsigned char)*ret_reason->at)) /* "skipped" as well */
            skip(ret_reason, 1);
        skip_blanks(ret_reason);
        return tolower((unsigned char)*rest.at) == 's' ? DIRECTIVE_SKIP : DIRECTIVE_TODO;
    }
    return DIRECTIVE_NONE;
}

static void set_reason(struct tap *tap, struct line reason)
{
    tap->reason[0] = '\0';
    tap_say(tap->reason, reason.at, reason.size);
}

/* --- lines --- */

static bool read_plan(struct tap *tap, struct line line)
{
    struct line reason = {0};
    uint64_t number;

    if (!begins(line, "1.."))
        return false;
    skip(&line, 3);
    if (!take_number(&line, &number) || (line.size && *line.at != ' ' && *line.at != '\t'))
        return false;
    if (!tap->has_plan) {
        tap->has_plan = true;
        tap->plan = number;
        if (!number && directive_of(line, &reason) == DIRECTIVE_SKIP)
            set_reason(tap, reason);
    }
    return true;
}

/* "ok 1 - name # SKIP why" */
static bool read_test(struct tap *tap, struct line line)
{
    struct line whole = line, reason = {0};
    bool failed = begins(line, "not ok");
    size_t word = failed ? 6 : 2;
    enum directive directive;
    uint64_t number;

    if ((!failed && !begins(line, "ok")) || (line.size > word && line.at[word] != ' ' && line.at[word] != '\t'))
        return false;
    skip(&line, word);
    skip_blanks(&line);
    tap->seen++;
    if (!take_number(&line, &number))
        number = tap->seen;
    tap->out_of_order |= number != tap->seen;
    directive = directive_of(line, &reason);
    if (directive == DIRECTIVE_SKIP)
        tap->skipped++;
    if (directive == DIRECTIVE_TODO)
        (*(failed ? &tap->todo : &tap->todo_passed))++;
    if (directive != DIRECTIVE_NONE)
        set_reason(tap, reason);
    if (failed && directive == DIRECTIVE_NONE && !tap->failed++) {
        tap->first_number = number;
        tap_say(tap->first, whole.at, whole.size);
        return true;
    }
    return false;
}

/* What is said of a test that failed: the comments and the YAML behind it, as many lines as fit a message. Test::More
 * says it on stderr, which may arrive before: then it is what stands in front. */
static void add_diagnostics(char message[ADAPTER_MESSAGE], const char *at, const char *end)
{
    struct line line;
    bool first = true;

    for (int n = 0; n < DIAGNOSTICS && next_line(&at, end, &line);) {
        skip_blanks(&line);
        if (line.size && *line.at == '#')
            skip(&line, 1);
        else if (line.at[-1] != ' ' && line.at[-1] != '\t')
            break; /* neither a comment nor indented */
        skip_blanks(&line);
        if (!line.size || begins(line, "---") || begins(line, "...") || begins(line, "Looks like you"))
            continue;
        tap_say_mark(message, first ? ": " : " ");
        tap_say(message, line.at, line.size);
        first = false;
        n++;
    }
}

static const char *said_before(const char *text, const char *end)
{
    static const char mark[] = "#   Failed test";

    return memmem(text, (size_t)(end - text), mark, sizeof(mark) - 1);
}

struct tap tap_read(const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    struct tap tap = {0};
    struct line line;

    while (next_line(&at, end, &line)) {
        if (begins(line, "Bail out!")) {
            tap.bailed_out = true;
            set_reason(&tap, (struct line){line.at + 9, line.size - 9});
            break;
        }
        if (!read_plan(&tap, line) && read_test(&tap, line)) {
            const char *before = said_before(text, line.at);
            size_t length = strlen(tap.first);

            add_diagnostics(tap.first, at, end);
            if (strlen(tap.first) == length && before)
                add_diagnostics(tap.first, before, line.at);
        }
    }
    return tap;
}

/* --- judging --- */

static void say_plan(const struct tap *tap, char message[ADAPTER_MESSAGE])
{
    char text[128] = "";

    if (!tap->has_plan && !tap->seen)
        snprintf(text, sizeof(text), "its output is no TAP: no plan (1..N), and no test");
    else if (!tap->has_plan)
        snprintf(text, sizeof(text), "no plan (1..N) in its TAP");
    else if (tap->plan != tap->seen)
        snprintf(text, sizeof(text), "planned %llu test%s, and ran %zu", (unsigned long long)tap->plan, tap->plan == 1 ? "" : "s",
                 tap->seen);
    else if (tap->out_of_order)
        snprintf(text, sizeof(text), "its tests are not numbered one after the other");
    tap_say(message, text, strlen(text));
}

void tap_say_reason(const struct tap *tap, char message[ADAPTER_MESSAGE])
{
    char text[64];

    if (tap->bailed_out) {
        tap_say_mark(message, "Bail out!");
        if (*tap->reason)
            tap_say_mark(message, " ");
        tap_say_mark(message, tap->reason);
    } else if (tap->failed) {
        if (tap->failed > 1) {
            snprintf(text, sizeof(text), "%zu of %zu failed, first: ", tap->failed, tap->seen);
            tap_say_mark(message, text);
        }
        tap_say_mark(message, tap->first);
    } else {
        say_plan(tap, message);
    }
}

static void passed(const struct tap *tap, struct adapter_judgement *ret)
{
    bool only = tap->seen == 1;

    ret->outcome = tap->skipped == tap->seen     ? OUTCOME_SKIPPED /* of a plan of none as well */
                   : only && tap->todo           ? OUTCOME_XFAILED
                   : only && tap->todo_passed    ? OUTCOME_XPASSED
                                                 : OUTCOME_PASSED;
    if (ret->outcome != OUTCOME_PASSED)
        tap_say(ret->message, tap->reason, strlen(tap->reason));
}

void tap_judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    struct tap tap = tap_read(result->output, result->size);
    struct adapter_judgement status;

    *ret = (struct adapter_judgement){.outcome = OUTCOME_FAILED};
    adapter_judge_status(entry, result, &status);
    if (status.outcome == OUTCOME_SKIPPED) {
        *ret = status;
        return;
    }
    if (result->cut && !tap.failed && !tap.bailed_out && status.outcome == OUTCOME_PASSED) {
        ret->outcome = OUTCOME_ERROR;
        snprintf(ret->message, sizeof(ret->message), "%llu bytes of its TAP are not kept: whether a test failed there is not known",
                 (unsigned long long)result->cut);
        return;
    }
    if (WIFSIGNALED(result->wait_status)) {
        *ret = status;
        if (tap.failed || tap.bailed_out)
            tap_say_mark(ret->message, "; ");
        if (tap.failed || tap.bailed_out)
            tap_say_reason(&tap, ret->message);
        return;
    }
    tap_say_reason(&tap, ret->message);
    if (!*ret->message && WEXITSTATUS(result->wait_status))
        snprintf(ret->message, sizeof(ret->message), "exit status %d, though no test failed", WEXITSTATUS(result->wait_status));
    if (!*ret->message)
        passed(&tap, ret);
}
