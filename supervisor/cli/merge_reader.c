/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/merge_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"

#define LINE_MAX_BYTES (256u << 20) /* a shard names all tests of the others in one line */

struct merge_index { /* id to test, by jansson's hash table */
    json_t *of;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

static struct test *find_or_add(struct merged *merged, const char *id)
{
    json_t *known;
    struct test *test;

    if (!merged->index) {
        merged->index = mem_zalloc(sizeof(*merged->index));
        merged->index->of = json_object();
    }
    known = json_object_get(merged->index->of, id);
    if (known)
        return &merged->suite.tests[json_integer_value(known)];
    json_object_set_new(merged->index->of, id, json_integer((json_int_t)merged->suite.count));
    test = suite_add(&merged->suite);
    test->id = mem_strdup(id);
    return test;
}

static void replace(char **to, const char *text)
{
    free(*to);
    *to = text ? mem_strdup(text) : NULL;
}

/* --- events --- */

static enum verdict verdict_of(const json_t *object)
{
    const char *word = text_of(object, "verdict");

    return word ? verdict_parse(word) : VERDICT_NONE;
}

static void take_attempts(struct test *test, const json_t *array)
{
    json_t *attempt;
    size_t i;

    attempts_done(&test->attempts);
    json_array_foreach (array, i, attempt) {
        const char *word = text_of(attempt, "outcome");
        enum outcome outcome = word ? outcome_parse(word) : OUTCOME_COUNT;

        if (outcome != OUTCOME_COUNT)
            attempts_add(&test->attempts, outcome, verdict_of(attempt), number_of(attempt, "us"), text_of(attempt, "message"), NULL, 0);
    }
}

/* A result in two files: what is worse counts, and not-run for nothing. */
static bool counts_less(enum outcome now, enum outcome before)
{
    if (before == OUTCOME_NONE || before == OUTCOME_NOT_RUN)
        return false;
    return now == OUTCOME_NOT_RUN || (outcome_is_bad(before) && !outcome_is_bad(now));
}

static int test_end(struct merged *merged, const json_t *event, const char **ret_why)
{
    const char *id = text_of(event, "id"), *word = text_of(event, "outcome");
    enum outcome outcome = word ? outcome_parse(word) : OUTCOME_COUNT;
    struct test *test;

    if (!id || outcome == OUTCOME_COUNT || outcome == OUTCOME_NONE) {
        *ret_why = "test-end: expected \"id\" and an \"outcome\" that this shunt knows";
        return -EINVAL;
    }
    test = find_or_add(merged, id);
    merged->twice += test->outcome != OUTCOME_NONE && test->outcome != OUTCOME_NOT_RUN && outcome != OUTCOME_NOT_RUN;
    if (counts_less(outcome, test->outcome))
        return 0;
    test->outcome = outcome;
    test->verdict = verdict_of(event);
    test->setup_us = number_of(event, "setup_us");
    test->call_us = number_of(event, "call_us");
    test->teardown_us = number_of(event, "teardown_us");
    test->peak_tasks = number_of(event, "peak_tasks");
    test->peak_memory_bytes = number_of(event, "peak_memory_bytes");
    replace(&test->classname, text_of(event, "classname"));
    replace(&test->name, text_of(event, "name"));
    replace(&test->message, text_of(event, "message"));
    replace(&test->text, text_of(event, "text"));
    take_attempts(test, json_object_get(event, "attempts"));
    return 0;
}

static int test_revised(struct merged *merged, const json_t *event, const char **ret_why)
{
    const char *id = text_of(event, "id"), *word = text_of(event, "outcome");
    enum outcome outcome = word ? outcome_parse(word) : OUTCOME_COUNT;
    struct test *test;

    if (!id || outcome == OUTCOME_COUNT) {
        *ret_why = "test-revised: expected \"id\" and \"outcome\"";
        return -EINVAL;
    }
    test = find_or_add(merged, id);
    test->outcome = outcome;
    replace(&test->message, text_of(event, "message"));
    return 0;
}

static int shard(struct merged *merged, const json_t *event, const char **ret_why)
{
    uint64_t index = number_of(event, "shard"), count = number_of(event, "shards");
    const char *plan = text_of(event, "plan");
    json_t *pair;
    size_t i;

    if (index < 1 || index > count || count > SHARDS_MAX || !plan || strlen(plan) >= sizeof(merged->plan)) {
        *ret_why = "shard: expected \"shard\", \"shards\" and \"plan\"";
        return -EINVAL;
    }
    if (merged->shards && merged->shards != count) {
        *ret_why = "shard: it is a part of another number of parts than the file before";
        return -EINVAL;
    }
    merged->plans += strcmp(merged->plan, plan) != 0;
    snprintf(merged->plan, sizeof(merged->plan), "%s", plan);
    merged->shards = (unsigned)count;
    merged->has[index - 1] = true;
    json_array_foreach (json_object_get(event, "others"), i, pair) {
        const char *id = json_string_value(json_array_get(pair, 1));
        json_int_t of = json_integer_value(json_array_get(pair, 0));

        if (id && of >= 1 && of <= SHARDS_MAX)
            find_or_add(merged, id)->worker = (int)of; /* whose it is */
    }
    return 0;
}

static int take_event(struct merged *merged, const json_t *event, bool *ended, const char **ret_why)
{
    const char *name = text_of(event, "event");

    if (!name || number_of(event, "v") != 1) {
        *ret_why = "is no event of shunt's, version 1 (docs/events.md)";
        return -EINVAL;
    }
    if (strcmp(name, "test-end") == 0)
        return test_end(merged, event, ret_why);
    if (strcmp(name, "test-revised") == 0)
        return test_revised(merged, event, ret_why);
    if (strcmp(name, "shard") == 0)
        return shard(merged, event, ret_why);
    if (strcmp(name, "run-end") == 0) {
        uint64_t wall = number_of(event, "wall_us") * 1000, status = number_of(event, "exit_status");

        *ended = true;
        merged->restarts += (unsigned)number_of(event, "restarts");
        if (wall > merged->wall_ns)
            merged->wall_ns = wall;
        if (status != 5 && status < 256 && (int)status > merged->worst_status) /* a part may have no tests */
            merged->worst_status = (int)status;
    }
    return 0;
}

/* --- files --- */

static int read_lines(struct merged *merged, const char *path, FILE *in, struct err *err)
{
    _cleanup_free_ char *line = NULL;
    size_t room = 0, number = 0;
    bool ended = false;
    ssize_t length;

    while ((length = getline(&line, &room, in)) > 0) {
        const char *why = "is no JSON";
        json_t *event;
        int r = -EINVAL;

        number++;
        if (line[length - 1] != '\n')
            break; /* the run was killed while it wrote this */
        if ((size_t)length > LINE_MAX_BYTES)
            return err_set(err, ERR_USAGE, EFBIG, "%.200s:%zu: is too long for an event", path, number);
        event = json_loadb(line, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(event))
            r = take_event(merged, event, &ended, &why);
        json_decref(event);
        if (r < 0) {
            err_set(err, ERR_USAGE, EINVAL, "%.200s:%zu: %s", path, number, why);
            return err_hint(err, "it takes files that shunt run --events has written");
        }
    }
    merged->unended += !ended;
    if (number == 0)
        return err_set(err, ERR_USAGE, EINVAL, "%.200s: is empty: expected the events of a run", path);
    return 0;
}

int merge_read(struct merged *merged, const char *path, struct err *err)
{
    _cleanup_fclose_ FILE *in = fopen(path, "re");

    if (!in)
        return err_set(err, ERR_USAGE, errno, "%.200s: %m", path);
    return read_lines(merged, path, in, err);
}

size_t merge_close(struct merged *merged)
{
    size_t missing = 0;

    for (size_t i = 0; i < merged->suite.count; i++) {
        struct test *test = &merged->suite.tests[i];
        const char *last = strstr(test->id, "::");

        if (test->outcome == OUTCOME_NONE) {
            bool there = test->worker >= 1 && merged->has[test->worker - 1];

            test->outcome = OUTCOME_NOT_RUN;
            free(test->message);
            test->message = there ? mem_printf("shard %d of %u did not run it", test->worker, merged->shards)
                                  : mem_printf("shard %d of %u is missing", test->worker, merged->shards);
            missing++;
        }
        if (!test->classname)
            test->classname = last ? mem_printf("%.*s", (int)(last - test->id), test->id) : mem_strdup("");
        if (!test->name)
            test->name = mem_strdup(last ? last + 2 : test->id);
    }
    return missing;
}

void merged_done(struct merged *merged)
{
    if (merged->index)
        json_decref(merged->index->of);
    free(merged->index);
    suite_done(&merged->suite);
}
