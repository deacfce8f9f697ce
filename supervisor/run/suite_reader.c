/* SPDX-License-Identifier: MIT */
#include "supervisor/run/suite_reader.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/suite.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/state.h"

#define TEXT_MAX 4096
#define TESTS_MAX (1 << 20)
#define WORDS_MAX 64 /* markers of one test; locks */
#define WORD_LENGTH_MAX 256

static int read_n(const struct packet *packet, int64_t *ret)
{
    const char *word;

    if (packet_text(packet, "n", 16, true, &word) == 0) {
        if (!word)
            *ret = -1;
        else if (strcmp(word, "auto") == 0)
            *ret = -2;
        else if (strcmp(word, "logical") == 0)
            *ret = -3;
        else
            return -EPROTO;
        return 0;
    }
    return packet_int(packet, "n", 0, 4096, ret);
}

int suite_reader_options(const struct packet *packet, struct suite *suite,
                         struct suite_options *options, size_t *ret_count)
{
    const char *root, *why, *dist;
    int64_t count;

    if (packet_int(packet, "count", 1, TESTS_MAX, &count) < 0 ||
        packet_text(packet, "root", TEXT_MAX, true, &root) < 0 || packet_text(packet, "dist", 64, true, &dist) < 0 ||
        packet_int_or(packet, "maxfail", 0, INT32_MAX, 0, &options->max_fail) < 0 ||
        packet_int_or(packet, "max_worker_restart", 0, INT32_MAX, -1,
                      &options->max_worker_restart) < 0 ||
        packet_bool(packet, "fork", true, &options->fork) < 0 ||
        packet_bool(packet, "inputs", false, &options->inputs) < 0 ||
        packet_int_or(packet, "n_max", 0, 4096, 0, &options->n_max) < 0 ||
        packet_text(packet, "why", 1024, true, &why) < 0 || read_n(packet, &options->n) < 0)
        return -EPROTO;
    snprintf(options->why_not_fork, sizeof(options->why_not_fork), "%s", why ? why : "");
    suite->fixed = dist && strcmp(dist, "each") == 0;
    if (root)
        suite->root = mem_strdup(root);
    *ret_count = (size_t)count;
    return 0;
}

static int read_text(const json_t *object, const char *key, bool required, char **ret)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value))
        return required ? -EPROTO : 0;
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX)
        return -EPROTO;
    *ret = mem_strdup(json_string_value(value));
    return 0;
}

static int read_number(const json_t *object, const char *key, uint64_t min, uint64_t max,
                       uint64_t *ret)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < min || (uint64_t)number > max)
        return -EPROTO;
    *ret = (uint64_t)number;
    return 0;
}

static int read_lane(const json_t *object, enum lane *ret)
{
    const json_t *value = json_object_get(object, "lane");
    const char *word = json_string_value(value);

    if (!value || json_is_null(value))
        return 0;
    if (!word || (strcmp(word, "serial") != 0 && strcmp(word, "parallel") != 0))
        return -EPROTO;
    *ret = strcmp(word, "serial") == 0 ? LANE_SERIAL : LANE_PARALLEL;
    return 0;
}

static int read_words(const json_t *object, const char *key, char ***ret)
{
    const json_t *array = json_object_get(object, key), *value;
    size_t i;

    if (!array || json_is_null(array))
        return 0;
    if (!json_is_array(array) || json_array_size(array) > WORDS_MAX)
        return -EPROTO;
    if (!json_array_size(array))
        return 0;
    *ret = mem_zalloc((json_array_size(array) + 1) * sizeof(**ret));
    json_array_foreach (array, i, value) {
        if (!json_is_string(value) || json_string_length(value) > WORD_LENGTH_MAX)
            return -EPROTO;
        (*ret)[i] = mem_strdup(json_string_value(value));
    }
    return 0;
}

static int read_test(const json_t *object, struct suite *suite)
{
    struct test *test = suite_add(suite);
    uint64_t timeout_ms = 0, slow_ms = 0, grace_ms = 0, weight = 1, retries = UINT64_MAX;

    if (read_text(object, "id", true, &test->id) < 0 ||
        read_text(object, "file", false, &test->file) < 0 ||
        read_text(object, "classname", false, &test->classname) < 0 ||
        read_text(object, "name", false, &test->name) < 0 ||
        read_text(object, "why", false, &test->why) < 0 ||
        read_text(object, "group", false, &test->group) < 0 ||
        read_words(object, "markers", &test->markers) < 0 || read_words(object, "locks", &test->locks) < 0 ||
        read_lane(object, &test->lane) < 0 ||
        read_number(object, "tasks", 1, 1 << 22, &test->tasks) < 0 ||
        read_number(object, "memory", 1 << 20, 1ULL << 50, &test->memory_bytes) < 0 ||
        read_number(object, "timeout_ms", 1, 1ULL << 40, &timeout_ms) < 0 ||
        read_number(object, "slow_ms", 1, 1ULL << 40, &slow_ms) < 0 ||
        read_number(object, "grace_ms", 1, 1ULL << 40, &grace_ms) < 0 ||
        read_number(object, "retries", 0, RETRY_MAX, &retries) < 0 ||
        read_number(object, "weight", 1, 4096, &weight) < 0)
        return -EPROTO;
    if (!test->file)
        test->file = mem_strdup("");
    if (!test->classname)
        test->classname = mem_strdup("");
    if (!test->name)
        test->name = mem_strdup(test->id);
    suite_share(suite);
    test->timeout_ns = timeout_ms * NS_PER_MS;
    test->slow_ns = slow_ms * NS_PER_MS;
    test->grace_ns = grace_ms * NS_PER_MS;
    test->weight = (unsigned)weight;
    test->retries = retries == UINT64_MAX ? -1 : (int)retries;
    return 0;
}

int suite_reader_tests(const struct packet *packet, struct suite *suite, size_t expected)
{
    int64_t first, n;
    json_t *array, *object;
    size_t i;
    int r = 0;

    if (packet_int(packet, "first", 0, TESTS_MAX, &first) < 0 || (size_t)first != suite->count ||
        packet_int(packet, "n", 1, TESTS_MAX, &n) < 0 ||
        suite->count + (size_t)n > expected || !packet->payload)
        return -EPROTO;
    array = json_loadb(packet->payload, packet->payload_size, 0, NULL);
    if (!json_is_array(array) || json_array_size(array) != (size_t)n)
        r = -EPROTO;
    json_array_foreach (array, i, object)
        if (r == 0)
            r = read_test(object, suite);
    json_decref(array);
    return r;
}
