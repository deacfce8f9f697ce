/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by the files of this folder only. */
#include "supervisor/report/report.h"

struct json_t;
struct events;

struct report {
    struct report_options options;
    struct events *events; /* NULL: none asked for */
    char *junit_path, *junit_aside;
    int junit_fd;
    uint64_t start_ns;
    char wall_clock[40]; /* of the run's start, ISO 8601, UTC */
    const char *framework; /* whose tests are shown here, a line each; NULL: somebody else shows them */
    size_t total, ended;
    bool final; /* its tests are shown once more, at the end */
    unsigned leaks_shown;
    size_t crowds_shown;
    char not_writable[512]; /* the source line that was last said to have failed so */
    char *state_root; /* evidence is kept in .shunt below it; NULL: nowhere */
    struct record *record; /* record.c: where evidence is kept; NULL until the first incident, and where it cannot be */
    bool no_record;
    struct json_t *shard; /* fields of the event that follows the header; NULL */
};

/* events.c */
int events_open(const char *path, struct events **ret, struct err *err);
void events_write(struct events *events, double t, const char *name, struct json_t *fields /* taken */);
void events_flush(struct events *events);
/* What the first failed write said, negative; 0 when all went well. */
int events_error(const struct events *events);
void events_close(struct events *events);
/* Text of any kind as a JSON string (valid UTF-8, no control characters but newlines). */
struct json_t *events_text(const char *text);

/* junit.c */
int junit_open(struct report *report, struct err *err);
int junit_write(struct report *report, const struct suite *suite, const struct report_summary *summary,
                struct err *err);

/* report.c: an event (fields taken); whole lines for people */
void report_emit(struct report *report, const char *name, struct json_t *fields);
void report_say(struct report *report, const char *text);

/* incident_json.c: everything that is known of an incident */
struct json_t *incident_json(const struct suite *suite, const struct incident *incident);

/* lines.c: a test starts; has ended; the end of the run, before the summary */
void lines_start(struct report *report, const struct suite *suite, size_t test);
void lines_test(struct report *report, const struct suite *suite, size_t test);
void lines_final(struct report *report, const struct suite *suite);

/* record.c */
int record_open(const char *root, const char *run_id, struct record **ret, struct err *err);
void record_close(struct record *record);
/* Makes its directory, and fills in where it is. 0 or -errno. */
int record_begin(struct record *record, struct incident *incident);
int record_write(struct record *record, const struct suite *suite, const struct incident *incident);

/* tree.c: the processes of an incident as a tree, each with its threads; malloc'ed */
char *incident_tree(const struct incident *incident);

/* incident.c */
const char *incident_advice(const struct incident *incident);
