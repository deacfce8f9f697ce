/* SPDX-License-Identifier: MIT */
/* Workers that run programs: their table, their start, and what their `done` comes to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/leak.h"
#include "supervisor/run/budget.h"
#include "supervisor/run/channel.h"
#include "supervisor/run/cpu.h"
#include "supervisor/run/native.h"
#include "supervisor/run/setup.h"
#include "supervisor/run/state.h"
#include "supervisor/runner/table.h"

#define OUTPUT_HEAD (1u << 20) /* of one test's output: so much of its beginning is kept, and as much of its end */
#define TEXT_HEAD (16u << 10)  /* of that, for the reports of a test that failed */
#define TEXT_TAIL (48u << 10)
#define TEXT_TOTAL (128u << 20)     /* of a whole run; then only the last of each is kept */
#define TEXT_TAIL_MUCH (2u << 10)

/* --- the table --- */

static size_t count_words(char *const words[])
{
    size_t n = 0;

    while (words && words[n])
        n++;
    return n;
}

static void write_texts(FILE *out, char *const words[])
{
    for (size_t i = 0; words && words[i]; i++)
        fwrite(words[i], 1, strlen(words[i]) + 1, out);
}

static void write_record(FILE *out, const struct adapter_entry *entry, char *const more[], struct runner_table *head)
{
    struct runner_record record = {.argc = (uint32_t)count_words(entry->argv),
                                   .envc = (uint32_t)(count_words(entry->env) + count_words(more))};
    const char *cwd = entry->cwd ? entry->cwd : "";

    if (record.argc > head->argc_max)
        head->argc_max = record.argc;
    if (record.envc > head->envc_max)
        head->envc_max = record.envc;
    fwrite(&record, sizeof(record), 1, out);
    fwrite(cwd, 1, strlen(cwd) + 1, out);
    write_texts(out, entry->argv);
    write_texts(out, entry->env);
    write_texts(out, more);
    while (ftell(out) % 8)
        fputc('\0', out);
}

int native_make_table(struct native *native)
{
    const struct adapter_list *list = &native->list;
    size_t size, head_size = sizeof(struct runner_table) + list->nentries * sizeof(uint64_t);
    _cleanup_free_ struct runner_table *head = mem_zalloc(head_size);
    _cleanup_free_ char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    head->count = (uint32_t)list->nentries;
    for (size_t i = 0; i < list->nentries; i++) {
        size_t own = suite_find(&native->run->suite, i); /* what a rule gives it */

        head->at[i] = head_size + (uint64_t)ftell(out);
        write_record(out, &list->entries[i], own == TEST_NONE ? NULL : native->run->suite.tests[own].environment, head);
    }
    fclose(out);
    native->table_fd = memfd_create("shunt-tests", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (native->table_fd < 0 || io_write_all(native->table_fd, head, head_size) < 0 ||
        io_write_all(native->table_fd, text, size) < 0)
        return -errno;
    return fcntl(native->table_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ? -errno : 0;
}

/* --- starting one --- */

static int spawn(struct worker *worker, int channel, int output)
{
    struct run *run = worker->run;
    char *const argv[] = {run->native->runner, NULL};
    char **env = setup_environment(
        run, cpu_environment(run, budget_environment(spec_environment(&run->spec, environ, NULL)), worker->reserved));
    int r = run_init_spawn_in_cell(run->init, worker->number, argv, env, (int[3]){channel, output, output});

    spec_environment_free(env);
    return r;
}

int native_launch(struct worker *worker)
{
    int pair[2], out[2] = {-1, -1}, one = 1, r;

    if (worker->run->native->table_fd < 0 && (r = native_make_table(worker->run->native)) < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    worker_open_channel(worker, pair[0]);
    r = worker_make_pipes(worker, out);
    if (r == 0)
        r = spawn(worker, pair[1], out[0]);
    if (r == 0)
        channel_send(worker->channel, "{\"t\":\"tests\",\"fds\":[\"table\"]}", NULL, 0, &worker->run->native->table_fd, 1);
    close(pair[1]);
    close_fd(&out[0]);
    close_fd(&out[1]);
    worker->state = WORKER_ENTERING;
    return r;
}

/* --- output --- */

struct native_output { /* of the running test: its beginning, and its end */
    char *data;
    size_t size, room;
    uint64_t cut; /* bytes left out between the two */
};

static struct native_output *output_of(struct worker *worker)
{
    if (!worker->native_output)
        worker->native_output = mem_zalloc(sizeof(*worker->native_output));
    return worker->native_output;
}

void native_output_free(struct worker *worker)
{
    if (worker->native_output)
        free(worker->native_output->data);
    free(worker->native_output);
    worker->native_output = NULL;
}

void native_output(struct worker *worker, const char *data, size_t size)
{
    struct native_output *output = output_of(worker);

    if (output->size + size > 3 * OUTPUT_HEAD) {
        size_t drop = output->size - 2 * OUTPUT_HEAD;

        memmove(output->data + OUTPUT_HEAD, output->data + OUTPUT_HEAD + drop, OUTPUT_HEAD);
        output->size -= drop;
        output->cut += drop;
    }
    mem_grow(&output->data, &output->room, output->size + size + 1, 1);
    memcpy(output->data + output->size, data, size);
    output->size += size;
    output->data[output->size] = '\0';
}

void native_test_starts(struct worker *worker)
{
    if (worker->native_output)
        worker->native_output->size = worker->native_output->cut = 0;
    worker->tail_size = 0;
}

/* What the reports keep of it. Where a suite says very much, less of each. */
static char *text_of(struct native *native, const struct native_output *output, size_t *ret_size)
{
    bool much = native->text_bytes > TEXT_TOTAL;
    size_t head = much ? 0 : TEXT_HEAD, tail = much ? TEXT_TAIL_MUCH : TEXT_TAIL;
    char *text = NULL;
    FILE *out;

    *ret_size = 0;
    if (!output || !output->size)
        return NULL;
    out = open_memstream(&text, ret_size);
    if (!out)
        abort();
    if (output->size <= head + tail) {
        fwrite(output->data, 1, output->size, out);
    } else {
        fwrite(output->data, 1, head, out);
        fprintf(out, "%s[shunt: %llu bytes left out here%s]\n", head ? "\n" : "",
                (unsigned long long)(output->cut + output->size - head - tail),
                much ? ", since more than 128 MiB of this run's output are kept" : "");
        fwrite(output->data + output->size - tail, 1, tail, out);
    }
    fclose(out);
    native->text_bytes += *ret_size;
    return text;
}

/* --- a test has ended --- */

struct done {
    int64_t status, us, errnum, left;
    const char *stage, *names;
};

static int read_done(struct worker *worker, struct packet *packet, struct done *ret)
{
    int64_t test;

    if (packet_int(packet, "i", 0, INT32_MAX, &test) < 0 || (size_t)test != worker->run->suite.tests[worker->test].number ||
        packet_int(packet, "status", 0, 65535, &ret->status) < 0 || packet_int(packet, "us", 0, 1LL << 53, &ret->us) < 0 ||
        packet_int_or(packet, "errno", 1, 4095, 0, &ret->errnum) < 0 ||
        packet_text(packet, "stage", 64, true, &ret->stage) < 0 ||
        packet_int_or(packet, "left", 1, 1 << 22, 0, &ret->left) < 0 ||
        packet_text(packet, "names", 200, true, &ret->names) < 0)
        return -EPROTO;
    return 0;
}

const struct adapter_entry *native_entry(const struct run *run, size_t test)
{
    return &run->native->list.entries[run->suite.tests[test].number];
}

static void judge_test(struct worker *worker, const struct done *done, struct adapter_judgement *ret)
{
    struct native *native = worker->run->native;
    const struct adapter_entry *entry = native_entry(worker->run, worker->test);
    const struct adapter *adapter = native_adapter(native);
    const struct native_output *output = worker->native_output;
    struct adapter_result result = {.wait_status = (int)done->status,
                                    .output = output && output->data ? output->data : "",
                                    .size = output ? output->size : 0,
                                    .cut = output ? output->cut : 0};

    *ret = (struct adapter_judgement){.outcome = OUTCOME_ERROR};
    if (done->errnum)
        snprintf(ret->message, sizeof(ret->message), "cannot start %.200s: %s: %s", entry->argv[0], done->stage ? done->stage : "?",
                 strerror((int)done->errnum));
    else if (adapter->judge)
        adapter->judge(entry, &result, ret);
    else
        adapter_judge_status(entry, &result, ret);
}

static void say_left(struct worker *worker, size_t test, const struct done *done)
{
    struct run *run = worker->run;
    struct leak_sum sum = {.tasks = (size_t)done->left};
    struct incident *incident;

    if (!done->left || run->config->leaks == LEAKS_IGNORE)
        return;
    incident = incident_new(worker, VERDICT_LEAK, test);
    leak_sum_text(&sum, incident->text, sizeof(incident->text));
    snprintf(incident->evidence, sizeof(incident->evidence), "%s; ended before the next test began", done->names ? done->names : "");
    incident->next = run->config->leaks == LEAKS_FAIL ? INCIDENT_FAILED : INCIDENT_NOTHING;
    report_incident(run->report, &run->suite, incident);
}

static bool is_pass(enum outcome outcome)
{
    return outcome == OUTCOME_PASSED || outcome == OUTCOME_PASSED_SERIAL || outcome == OUTCOME_FLAKY;
}

int native_done(struct worker *worker, struct packet *packet)
{
    struct done done = {0};
    struct adapter_judgement judgement;
    struct test_result result = {0};
    _cleanup_free_ char *text = NULL;
    size_t test = worker->test, nincidents = worker->run->nincidents;

    if (read_done(worker, packet, &done) < 0)
        return -EPROTO;
    worker_read_output(worker);
    judge_test(worker, &done, &judgement);
    if (done.left && worker->run->config->leaks == LEAKS_FAIL && is_pass(judgement.outcome)) {
        judgement.outcome = OUTCOME_FAILED;
        snprintf(judgement.message, sizeof(judgement.message), "left %lld process%s behind: %s", (long long)done.left,
                 done.left == 1 ? "" : "es", done.names ? done.names : "");
    }
    result.outcome = judgement.outcome;
    result.call_us = (uint64_t)done.us;
    result.message = *judgement.message ? judgement.message : NULL;
    result.errnum = (int)done.errnum;
    if (!is_pass(judgement.outcome) || worker->run->config->success_output != OUTPUT_NEVER)
        result.text = text = text_of(worker->run->native, worker->native_output, &result.text_size);
    worker->state = WORKER_WAITING;
    judge_boundary(worker, &result);
    if (worker->state == WORKER_DYING)
        return 0;
    if (worker->run->nincidents == nincidents)
        say_left(worker, test, &done);
    worker_reports_complete(worker);
    return 0;
}

/* --- before a test starts --- */

static enum native_start settle(struct run *run, size_t test, enum outcome outcome, char *message)
{
    free(run->suite.tests[test].message);
    run->suite.tests[test].message = message;
    run_test_outcome(run, test, outcome);
    return NATIVE_SETTLED;
}

/* Where it would look for it; made by an earlier test, perhaps. A cell's own /tmp is not looked into. NULL: all are there. */
static const char *missing_file(const struct adapter_entry *entry)
{
    for (char **path = entry->required; path && *path; path++) {
        _cleanup_free_ char *full = **path == '/' || !entry->cwd ? mem_strdup(*path) : mem_printf("%s/%s", entry->cwd, *path);

        if (access(full, F_OK) < 0 && errno == ENOENT)
            return *path;
    }
    return NULL;
}

enum native_start native_may_start(struct run *run, size_t test)
{
    const struct adapter_entry *entry = native_entry(run, test);
    const char *missing;

    if (entry->skipped)
        return settle(run, test, OUTCOME_SKIPPED, mem_strdup(entry->skipped));
    if (entry->absent)
        return settle(run, test, OUTCOME_NOT_RUN, mem_strdup(entry->absent));
    for (size_t i = 0; i < entry->nneeds; i++) {
        size_t index = suite_find(&run->suite, entry->needs[i]); /* select.c keeps what is needed */
        const struct test *needed = index == TEST_NONE ? NULL : &run->suite.tests[index];

        if (!needed)
            continue;
        if (needed->outcome == OUTCOME_NONE && needed->rerouted && !run->suite.tests[test].rerouted && run->phase == PHASE_PARALLEL)
            return NATIVE_LATER;
        if (!is_pass(needed->outcome) && needed->outcome != OUTCOME_SKIPPED) /* as CTest has it */
            return settle(run, test, OUTCOME_NOT_RUN,
                          mem_printf("it needs %.200s, which %s", needed->id,
                                     needed->outcome == OUTCOME_NONE ? "has not run yet" : "did not pass"));
    }
    missing = missing_file(entry);
    return missing ? settle(run, test, OUTCOME_NOT_RUN, mem_printf("its required file is not there: %.300s", missing)) : NATIVE_START;
}
