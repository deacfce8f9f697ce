/* SPDX-License-Identifier: MIT */
/* `shunt list`: which tests there are, in which lane, and why. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/report/text.h"
#include "supervisor/run/native.h"
#include "supervisor/run/state.h"

static void set_text(json_t *object, const char *key, const char *text)
{
    _cleanup_free_ char *clean = text ? text_clean(text, strlen(text), 1) : NULL;

    if (clean && *clean)
        json_object_set_new(object, key, json_string(clean));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number)
        json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *words(char *const list[])
{
    json_t *array = json_array();

    for (size_t i = 0; list && list[i]; i++) {
        _cleanup_free_ char *clean = text_clean(list[i], strlen(list[i]), 1);

        json_array_append_new(array, json_string(clean));
    }
    return array;
}

static json_t *test_json(const struct run *run, size_t i)
{
    const struct test *test = &run->suite.tests[i];
    const struct adapter_entry *entry = run->native ? native_entry(run, i) : NULL;
    json_t *object = json_object();

    set_text(object, "id", test->id);
    json_object_set_new(object, "lane", json_string(test->lane == LANE_SERIAL ? "serial" : "parallel"));
    set_text(object, "why", test->why);
    set_text(object, "group", test->group);
    set_text(object, "file", test->file);
    if (test->weight > 1)
        set_number(object, "weight", test->weight);
    if (test->locks)
        json_object_set_new(object, "locks", words(test->locks));
    set_number(object, "tasks", test->tasks);
    set_number(object, "memory_bytes", test->memory_bytes);
    set_number(object, "timeout_ms", test->timeout_ns / 1000000);
    set_number(object, "expected_us", test->expected_us);
    if (entry) {
        json_object_set_new(object, "argv", words(entry->argv));
        set_text(object, "cwd", entry->cwd);
        if (entry->env)
            json_object_set_new(object, "env", words(entry->env));
        set_text(object, "skipped", entry->skipped);
    }
    return object;
}

static void print_json(const struct run *run)
{
    json_t *tests = json_array(), *document;
    char *text;

    for (size_t i = 0; i < run->suite.count; i++)
        json_array_append_new(tests, test_json(run, i));
    document = json_pack("{s:i,s:s,s:i,s:o}", "version", 1, "adapter", run->native ? native_adapter(run->native)->name : "pytest",
                         "workers", (int)run->limits.workers, "tests", tests);
    text = json_dumps(document, JSON_INDENT(1));
    puts(text ? text : "{}");
    free(text);
    json_decref(document);
}

static void print_text(const struct run *run)
{
    size_t serial = 0;

    for (size_t i = 0; i < run->suite.count; i++) {
        const struct test *test = &run->suite.tests[i];
        const struct adapter_entry *entry = run->native ? native_entry(run, i) : NULL;
        const char *why = entry && entry->skipped ? entry->skipped : test->why;
        _cleanup_free_ char *id = text_clean(test->id, strlen(test->id), 0);
        _cleanup_free_ char *reason = text_clean(why ? why : "", why ? strlen(why) : 0, 0);

        serial += test->lane == LANE_SERIAL;
        printf("%-8s  %s", entry && entry->skipped ? "skipped" : test->lane == LANE_SERIAL ? "serial" : "parallel", id);
        if (*reason)
            printf("   [%s]", reason);
        else if (test->group)
            printf("   [in order with others: %s]", test->group);
        putchar('\n');
    }
    fprintf(stderr, "shunt: %s: %zu test%s, %zu of them in the serial lane; %u worker%s\n",
            run->native ? native_adapter(run->native)->name : "pytest", run->suite.count, run->suite.count == 1 ? "" : "s", serial,
            run->limits.workers, run->limits.workers == 1 ? "" : "s");
}

void list_print(const struct run *run)
{
    if (run->config->list == LIST_JSON)
        print_json(run);
    else
        print_text(run);
    fflush(stdout);
}
