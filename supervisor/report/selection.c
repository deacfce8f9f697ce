/* SPDX-License-Identifier: MIT */
/* Which of the collected tests a run is about. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/mem.h"
#include "supervisor/report/internal.h"

/* "shunt: 7 deselected by -E, 12 of other shards, 5 of 24 tests run (shard 2 of 4, balanced by history)" */
void report_selection(struct report *report, const struct report_selection *s)
{
    _cleanup_free_ char *deselected = s->deselected ? mem_printf("%zu deselected by -E, ", s->deselected) : mem_strdup("");
    _cleanup_free_ char *elsewhere = s->shards ? mem_printf("%zu of other shards, ", s->elsewhere) : mem_strdup("");
    _cleanup_free_ char *shard = s->shards ? mem_printf(" (shard %u of %u, %s)", s->shard, s->shards,
                                                        s->timed ? "balanced by history" : "by their ids: no history knows half of them")
                                           : mem_strdup("");
    _cleanup_free_ char *line = mem_printf("shunt: %s%s%zu of %zu tests run%s\n", deselected, elsewhere, s->run,
                                           s->run + s->deselected + s->elsewhere, shard);

    report->total = s->run;
    report_say(report, line);
    if (report->shard)
        report_emit(report, "shard", report->shard);
    report->shard = NULL;
    report_emit(report, "selection",
                json_pack("{s:I,s:I,s:I}", "run", (json_int_t)s->run, "deselected", (json_int_t)s->deselected, "elsewhere",
                          (json_int_t)s->elsewhere));
}

void report_shard(struct report *report, const struct suite *suite, const struct report_shard *shard)
{
    json_t *others;
    char digest[20];

    if (!report->events)
        return;
    others = json_array();
    for (size_t i = 0; i < suite->count; i++)
        if (shard->of[i] != shard->index)
            json_array_append_new(others, json_pack("[i,o]", (int)shard->of[i] + 1, events_text(suite->tests[i].id)));
    snprintf(digest, sizeof(digest), "%016" PRIx64, shard->digest);
    report->shard = json_pack("{s:i,s:i,s:b,s:s,s:o}", "shard", (int)shard->index + 1, "shards", (int)shard->count, "timed",
                              shard->timed, "plan", digest, "others", others);
}

void report_setup(struct report *report, const char *name, bool teardown, const char *why, uint64_t ns)
{
    report_emit(report, "setup",
                json_pack("{s:o,s:b,s:o,s:I}", "name", events_text(name), "teardown", teardown, "failed", events_text(why), "us",
                          (json_int_t)(ns / 1000)));
}
