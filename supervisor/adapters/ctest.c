/* SPDX-License-Identifier: MIT */
/*
 * Adapter "ctest". CTest says itself what it would run (--show-only=json-v1, CMake 3.14 and later), with the selection
 * that the command's own options make; what its properties mean is in cmake-properties(7), and the order in which a result is
 * judged is CTest's own: expected output, forbidden output, skipping, exit status, WILL_FAIL.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/base/units.h"
#include "supervisor/adapters/ctest.h"

/* --- properties --- */

struct patterns { /* for judge(); an array of texts, one after the other, each with its NUL */
    size_t npass, nfail, nskip;
    char text[];
};

const json_t *ctest_property(const json_t *test, const char *name)
{
    const json_t *list = json_object_get(test, "properties"), *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "name"));

        if (key && strcmp(key, name) == 0)
            return json_object_get(entry, "value");
    }
    return NULL;
}

static bool is_set(const json_t *test, const char *name)
{
    const json_t *value = ctest_property(test, name);

    return json_is_true(value) || (json_is_integer(value) && json_integer_value(value));
}

const char *ctest_text_at(const json_t *value, size_t k)
{
    return json_is_string(value) ? (k == 0 ? json_string_value(value) : NULL) : json_string_value(json_array_get(value, k));
}

static size_t count_texts(const json_t *value, size_t *bytes)
{
    size_t n = 0;

    for (const char *text; (text = ctest_text_at(value, n)); n++)
        *bytes += strlen(text) + 1;
    return n;
}

static char *copy_texts(char *at, const json_t *value)
{
    const char *text;

    for (size_t k = 0; (text = ctest_text_at(value, k)); k++)
        at = stpcpy(at, text) + 1;
    return at;
}

static void read_patterns(const json_t *test, struct adapter_entry *entry)
{
    const json_t *pass = ctest_property(test, "PASS_REGULAR_EXPRESSION"), *fail = ctest_property(test, "FAIL_REGULAR_EXPRESSION");
    const json_t *skip = ctest_property(test, "SKIP_REGULAR_EXPRESSION");
    struct patterns sizes = {0}, *patterns;
    size_t bytes = 0;

    sizes.npass = count_texts(pass, &bytes);
    sizes.nfail = count_texts(fail, &bytes);
    sizes.nskip = count_texts(skip, &bytes);
    if (!bytes)
        return;
    patterns = mem_zalloc(sizeof(*patterns) + bytes);
    memcpy(patterns, &sizes, sizeof(*patterns));
    copy_texts(copy_texts(copy_texts(patterns->text, pass), fail), skip);
    entry->data = patterns;
}

static const char *value_before(const struct adapter_entry *entry, const char *name, size_t length)
{
    const char *found = NULL;
    _cleanup_free_ char *word = strndup(name, length);

    for (size_t i = 0; entry->env && entry->env[i]; i++)
        if (strncmp(entry->env[i], name, length) == 0 && (entry->env[i][length] == '=' || !entry->env[i][length]))
            found = entry->env[i][length] ? entry->env[i] + length + 1 : "";
    return found ? found : getenv(word);
}

/* "VAR=op:value" */
static void modify(struct adapter_entry *entry, const char *text)
{
    size_t name = strcspn(text, "=");
    const char *op = text[name] ? text + name + 1 : "", *value = strchr(op, ':');
    const char *before = value_before(entry, text, name);
    const char *between = strncmp(op, "path_list", 9) == 0 ? ":" : strncmp(op, "cmake_list", 10) == 0 ? ";" : "";
    _cleanup_free_ char *word = NULL;

    if (!text[name] || !value)
        return;
    value++;
    if (!before || !*before) {
        before = "";
        between = "";
    }
    if (strncmp(op, "set:", 4) == 0)
        word = mem_printf("%.*s=%s", (int)name, text, value);
    else if (strncmp(op, "unset:", 6) == 0)
        word = mem_printf("%.*s", (int)name, text);
    else if (strstr(op, "_append:"))
        word = mem_printf("%.*s=%s%s%s", (int)name, text, before, between, value);
    else if (strstr(op, "_prepend:"))
        word = mem_printf("%.*s=%s%s%s", (int)name, text, value, between, before);
    if (word)
        adapter_append(&entry->env, word);
}

static void read_environment(const json_t *test, struct adapter_entry *entry)
{
    const json_t *set = ctest_property(test, "ENVIRONMENT"), *modified = ctest_property(test, "ENVIRONMENT_MODIFICATION");
    const char *text;

    for (size_t k = 0; (text = ctest_text_at(set, k)); k++)
        if (strchr(text, '=') > text)
            adapter_append(&entry->env, text);
    for (size_t k = 0; (text = ctest_text_at(modified, k)); k++)
        modify(entry, text);
}

static void read_numbers(const json_t *test, struct adapter_entry *entry, uint64_t default_timeout_ns)
{
    const json_t *processors = ctest_property(test, "PROCESSORS"), *skip = ctest_property(test, "SKIP_RETURN_CODE");
    double timeout = json_number_value(ctest_property(test, "TIMEOUT")), cost = json_number_value(ctest_property(test, "COST"));

    if (json_integer_value(processors) > 1)
        entry->weight = json_integer_value(processors) > 4096 ? 4096 : (unsigned)json_integer_value(processors);
    if (json_integer_value(skip) > 0 && json_integer_value(skip) < 256)
        entry->skip_status = (int)json_integer_value(skip);
    if (timeout > 0 && timeout < 1e9)
        entry->timeout_ns = (uint64_t)(timeout * 1e9);
    else
        entry->timeout_ns = default_timeout_ns;
    if (cost > 0 && cost < 1e9)
        entry->cost_us = (uint64_t)(cost * 1e6);
}

static int read_command(const json_t *test, struct adapter_entry *entry)
{
    const json_t *command = json_object_get(test, "command"), *word;
    size_t i;

    /* CTest leaves it out where the program is not there, and says "Not Run". */
    if (!command) {
        char *const words[] = {(char *)"false", NULL};

        entry->argv = adapter_words(words);
        entry->absent = mem_strdup("ctest names no program for it: it is not built, or not found");
        return 0;
    }
    json_array_foreach (command, i, word) {
        if (!json_is_string(word))
            return -EPROTO;
        adapter_append(&entry->argv, json_string_value(word));
    }
    return entry->argv ? 0 : -EPROTO;
}

static int read_test(const json_t *test, struct adapter_list *list, uint64_t default_timeout_ns)
{
    const char *name = json_string_value(json_object_get(test, "name")), *text;
    struct adapter_entry *entry = name && *name ? adapter_add(list, name) : NULL;

    if (!entry || read_command(test, entry) < 0)
        return -EPROTO;
    entry->classname = mem_strdup("ctest");
    text = json_string_value(ctest_property(test, "WORKING_DIRECTORY"));
    entry->cwd = text ? mem_strdup(text) : NULL;
    if (is_set(test, "RUN_SERIAL")) {
        entry->lane = LANE_SERIAL;
        entry->why = mem_strdup("RUN_SERIAL");
    }
    for (size_t k = 0; (text = ctest_text_at(ctest_property(test, "RESOURCE_LOCK"), k)); k++)
        adapter_append(&entry->locks, text);
    for (size_t k = 0; (text = ctest_text_at(ctest_property(test, "LABELS"), k)); k++)
        adapter_append(&entry->labels, text);
    entry->will_fail = is_set(test, "WILL_FAIL");
    if (is_set(test, "DISABLED"))
        entry->skipped = mem_strdup("DISABLED");
    for (size_t k = 0; (text = ctest_text_at(ctest_property(test, "REQUIRED_FILES"), k)); k++)
        adapter_append(&entry->required, text);
    read_numbers(test, entry, default_timeout_ns);
    read_environment(test, entry);
    read_patterns(test, entry);
    return 0;
}

/* --- the list --- */

static int no_list(const struct adapter_step *step, struct err *err)
{
    if (WIFEXITED(step->wait_status) && WEXITSTATUS(step->wait_status) == 0)
        err_set(err, ERR_USAGE, EPROTO, "ctest --show-only=json-v1 did not say which tests there are");
    else if (WIFEXITED(step->wait_status))
        err_set(err, ERR_USAGE, EINVAL, "ctest could not list its tests: exit status %d", WEXITSTATUS(step->wait_status));
    else
        err_set(err, ERR_USAGE, EINVAL, "ctest could not list its tests: died of signal %d", WTERMSIG(step->wait_status));
    return err_hint(err, "look at what it says to: ctest --show-only=json-v1 (CMake 3.14 and later), in a directory that was built");
}

static int read_list(struct adapter_list *list, const json_t *document)
{
    const json_t *tests = json_object_get(document, "tests"), *test;
    uint64_t default_timeout_ns = ctest_timeout_ns(list->argv);
    size_t i, rematched = 0;

    if (!json_is_array(tests))
        return -EPROTO;
    json_array_foreach (tests, i, test)
        if (read_test(test, list, default_timeout_ns) < 0)
            return -EPROTO;
        else
            rematched += ctest_property(test, "TIMEOUT_AFTER_MATCH") != NULL;
    if (rematched)
        option_notice(list, "TIMEOUT_AFTER_MATCH is left out: a test's limit is its TIMEOUT");
    ctest_order(list, tests);
    return 0;
}

static int list(struct adapter_list *list, struct err *err)
{
    const struct adapter_step *step = list->steps;
    const char *at;
    json_t *document;
    int r;

    if (!list->nsteps) {
        ctest_ask(list);
        return 0;
    }
    /* With --test-dir it says in front which directory that is. */
    at = step->size ? strchr(step->output, '{') : NULL;
    document = at ? json_loadb(at, step->size - (size_t)(at - step->output), JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    r = WIFEXITED(step->wait_status) && WEXITSTATUS(step->wait_status) == 0 && document ? read_list(list, document) : -EPROTO;
    json_decref(document);
    return r < 0 ? no_list(step, err) : 0;
}

/* --- judging --- */

/* Where the bracket expression that begins at `p` ends: behind its ']'. */
static const char *behind_bracket(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    if (*p)
        p++; /* a ']' in front is one of them */
    while (*p && *p != ']')
        p++;
    return *p ? p + 1 : p;
}

/* CMake's expressions are POSIX's extended ones, but braces are letters, and so is a letter or digit behind a backslash. */
static char *to_posix(const char *text)
{
    char *posix = mem_zalloc(2 * strlen(text) + 1), *out = posix;

    while (*text)
        if (*text == '[') {
            const char *end = behind_bracket(text);

            out = mempcpy(out, text, (size_t)(end - text));
            text = end;
        } else if (*text == '\\' && text[1]) {
            if (!isalnum((unsigned char)text[1]))
                *out++ = '\\';
            *out++ = text[1];
            text += 2;
        } else {
            if (*text == '{' || *text == '}')
                *out++ = '\\';
            *out++ = *text++;
        }
    return posix;
}

/* 1: one matches, `*ret_text` is it; 0: none; -1: it cannot be understood. `*at`: the texts, left behind them. */
static int matches(const char **at, size_t n, const struct adapter_result *result, const char **ret_text)
{
    int found = 0;

    for (size_t k = 0; k < n; k++, *at += strlen(*at) + 1) {
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)result->size};
        _cleanup_free_ char *posix = NULL;
        regex_t regex;

        if (found)
            continue;
        *ret_text = *at;
        posix = to_posix(*at);
        if (regcomp(&regex, posix, REG_EXTENDED) != 0) {
            found = -1;
            continue;
        }
        found = regexec(&regex, result->output, 1, &range, REG_STARTEND) == 0;
        regfree(&regex);
    }
    return found;
}

static void fail(struct adapter_judgement *ret, const char *what, const char *text)
{
    ret->outcome = OUTCOME_FAILED;
    snprintf(ret->message, sizeof(ret->message), "%s%.300s", what, text);
}

static void judge(const struct adapter_entry *entry, const struct adapter_result *result, struct adapter_judgement *ret)
{
    const struct patterns *patterns = entry->data;
    struct adapter_result seen = *result;
    const char *at = patterns ? patterns->text : NULL, *text = "";
    int pass, fails, skip;

    if (!patterns) {
        adapter_judge_status(entry, result, ret);
        return;
    }
    pass = matches(&at, patterns->npass, result, &text);
    fails = pass < 0 ? 0 : matches(&at, patterns->nfail, result, &text);
    skip = pass < 0 || fails < 0 ? 0 : matches(&at, patterns->nskip, result, &text);
    if (pass < 0 || fails < 0 || skip < 0) {
        fail(ret, "an expression of its properties cannot be understood: ", text);
        ret->outcome = OUTCOME_ERROR;
        return;
    }
    if (skip > 0) {
        ret->outcome = OUTCOME_SKIPPED;
        snprintf(ret->message, sizeof(ret->message), "its output matches SKIP_REGULAR_EXPRESSION %.300s", text);
        return;
    }
    if (patterns->npass && WIFEXITED(result->wait_status) && WEXITSTATUS(result->wait_status) != entry->skip_status)
        seen.wait_status = 0; /* what it says counts, and not its status */
    adapter_judge_status(entry, &seen, ret);
    if (ret->outcome == OUTCOME_SKIPPED || WIFSIGNALED(result->wait_status))
        return;
    if ((patterns->npass && !pass) || fails > 0) {
        if (entry->will_fail) {
            *ret = (struct adapter_judgement){.outcome = OUTCOME_PASSED};
            return;
        }
        if (fails > 0)
            fail(ret, "its output matches FAIL_REGULAR_EXPRESSION ", text);
        else
            fail(ret, "its output matches no PASS_REGULAR_EXPRESSION", "");
    }
}

extern const struct adapter adapter_ctest;
const struct adapter adapter_ctest = {
    .name = "ctest",
    .help = "CTest: ctest --test-dir build ...",
    .package = "cmake",
    .recognise = ctest_recognise,
    .list = list,
    .judge = judge,
};
