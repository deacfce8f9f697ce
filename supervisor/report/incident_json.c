/* SPDX-License-Identifier: MIT */
/* An incident as JSON: the same in --events and in the run's directory. A field that was not taken is null, or absent. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/cleanup.h"
#include "supervisor/report/internal.h"
#include "supervisor/report/text.h"

void incident_tasks_free(struct incident_task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(tasks[i].command);
    free(tasks);
}

void incident_done(struct incident *incident)
{
    incident_tasks_free(incident->tasks, incident->ntasks);
    free(incident->more.starts);
    free(incident->more.stacks);
    free(incident->output);
}

static json_t *lines(const char *data, size_t size)
{
    _cleanup_free_ char *text = data ? text_clean(data, size, 1) : NULL;

    return text ? json_string(text) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? events_text(text) : json_null();
}

static json_t *task_json(const struct incident_task *task)
{
    char state[2] = {task->state, '\0'};
    json_t *fields = json_pack("{s:i,s:i,s:i,s:s,s:I,s:o}", "tid", task->tid, "tgid", task->tgid, "ppid", task->ppid,
                               "state", state, "start_ticks", (json_int_t)task->start_ticks, "comm",
                               events_text(task->comm));

    if (*task->wchan)
        json_object_set_new(fields, "wchan", events_text(task->wchan));
    if (*task->call_name)
        json_object_set_new(fields, "call", events_text(task->call_name));
    if (task->command)
        json_object_set_new(fields, "command", events_text(task->command));
    return fields;
}

static json_t *tasks_json(const struct incident *incident)
{
    json_t *list = json_array();

    for (size_t i = 0; i < incident->ntasks; i++)
        json_array_append_new(list, task_json(&incident->tasks[i]));
    return list;
}

static json_t *counters_json(const struct detector_counters *c)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "tasks_now", (json_int_t)c->tasks_now, "tasks_peak",
                     (json_int_t)c->tasks_peak, "tasks_refused", (json_int_t)c->tasks_refused, "memory_now_bytes",
                     (json_int_t)c->memory_now_bytes, "memory_peak_bytes", (json_int_t)c->memory_peak_bytes,
                     "oom_kills", (json_int_t)c->oom_kills, "cpu_us", (json_int_t)(c->cpu_ns / 1000));
}

static json_t *id_json(const struct suite *suite, size_t test)
{
    return test < suite->count ? events_text(suite->tests[test].id) : json_null();
}

static json_t *blame_json(const struct suite *suite, const struct incident *incident)
{
    const struct incident_blame *blame = &incident->blame;
    json_t *suspects = json_array();

    for (size_t i = 0; i < blame->nsuspects; i++)
        json_array_append_new(suspects, id_json(suite, blame->suspects[i]));
    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "confidence", blame_confidence_name(blame->confidence), "where",
                     text_or_null(blame->where), "culprit", id_json(suite, blame->culprit), "during", id_json(suite, blame->during), "suspects", suspects);
}

static json_t *starts_json(const struct incident_evidence *more)
{
    json_t *list = json_array();

    for (size_t i = 0; i < more->nstarts; i++)
        json_array_append_new(list, json_pack("{s:I,s:o}", "count", (json_int_t)more->starts[i].count, "text",
                                              events_text(more->starts[i].text)));
    return list;
}

static void add_evidence(json_t *fields, const struct incident *incident)
{
    const struct incident_evidence *more = &incident->more;

    json_object_set_new(fields, "counters", counters_json(&incident->counters));
    if (more->has_start)
        json_object_set_new(fields, "counters_start", counters_json(&more->at_start));
    if (more->has_after)
        json_object_set_new(fields, "counters_after", counters_json(&more->after));
    json_object_set_new(fields, "phase", text_or_null(more->phase));
    json_object_set_new(fields, "starts", starts_json(more));
    json_object_set_new(fields, "waits_at", text_or_null(more->waits_at));
    json_object_set_new(fields, "stacks", lines(more->stacks, more->stacks_size));
    json_object_set_new(fields, "evidence_us", json_integer((json_int_t)(more->cost_ns / 1000)));
    json_object_set_new(fields, "directory", text_or_null(more->directory));
    json_object_set_new(fields, "tasks", tasks_json(incident));
    json_object_set_new(fields, "ntasks", json_integer((json_int_t)incident->ntasks_total));
    json_object_set_new(fields, "output", lines(incident->output, incident->output_size));
}

json_t *incident_json(const struct suite *suite, const struct incident *incident)
{
    static const char *const nexts[] = {"recorded", "failed", "rerouted", "retried", "again", "killed", "no-test"};
    json_t *fields = json_pack(
        "{s:i,s:s,s:b,s:o,s:i,s:i,s:s,s:o,s:o,s:s,s:I,s:I,s:b}", "number", (int)incident->number, "verdict",
        verdict_name(incident->verdict), "void", incident->is_void, "id", id_json(suite, incident->test), "worker",
        (int)incident->slot, "generation", (int)incident->generation, "lane",
        incident->serial ? "serial" : "parallel", "text", events_text(incident->text), "evidence",
        events_text(incident->evidence), "next", nexts[incident->next], "kill_us",
        (json_int_t)(incident->kill_ns / 1000), "replace_us", (json_int_t)(incident->replace_ns / 1000), "replaced",
        incident->replaced);

    json_object_set_new(fields, "denied", text_or_null(incident->denied));
    json_object_set_new(fields, "limits",
                        json_pack("{s:I,s:I}", "tasks", (json_int_t)incident->limits.tasks, "memory_bytes",
                                  (json_int_t)incident->limits.memory_bytes));
    json_object_set_new(fields, "blame", blame_json(suite, incident));
    add_evidence(fields, incident);
    return fields;
}
