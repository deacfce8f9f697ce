/* SPDX-License-Identifier: MIT */
#include "supervisor/run/detect/blame_alone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/stacks.h"
#include "supervisor/plan/lanes.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/worker_tasks.h"
#include "supervisor/run/state.h"

#define AT_ONCE_NS (50 * NS_PER_MS)

void blame_look_done(struct blame_look *look)
{
    for (size_t i = 0; i < look->norigins; i++)
        free(look->origins[i]);
}

static const char *origin_of(const struct blame_look *look, size_t test)
{
    for (size_t i = 0; i < look->norigins; i++)
        if (look->origin_tests[i] == test)
            return look->origins[i];
    return "";
}

void blame_look(const struct worker *worker, struct blame_look *ret)
{
    *ret = (struct blame_look){0};
    ret->nsurvivors = leak_watch_survivors(worker, ret->survivors, BLAME_SURVIVORS);
    ret->main_task = worker->pid_in_cell;
    snprintf(ret->slot_name, sizeof(ret->slot_name), "%s",
             worker->slot ? worker->slot->name : "standby");
    for (size_t i = 0; i < ret->nsurvivors; i++)
        if (ret->norigins < BLAME_ORIGINS && !*origin_of(ret, ret->survivors[i].test)) {
            ret->origins[ret->norigins] =
                mem_strdup(leak_watch_origin(worker, ret->survivors[i].test));
            ret->origin_tests[ret->norigins++] = ret->survivors[i].test;
        }
}

static bool is_death(enum verdict verdict)
{
    return verdict == VERDICT_EXIT || verdict == VERDICT_SIGNAL || verdict == VERDICT_EXTERNAL ||
           verdict == VERDICT_DENIED || verdict == VERDICT_PROTOCOL;
}

/* Deaths that a stranger's task may bring about. What the plugin does itself, and limits, are the
 * test's own. */
static bool may_be_anothers(const struct worker *worker, const struct incident *incident)
{
    return worker->exited && !incident->is_void && is_death(incident->verdict);
}

static void say_innocent(const struct run *run, const struct blame_look *look, const struct blame *blame,
                         struct incident *incident)
{
    char text[400];

    if (blame->confidence == BLAME_DIRECT)
        snprintf(text, sizeof(text), "done by what %.300s left behind",
                 run->suite.tests[blame->test].id);
    else if (blame->nsuspects && !look->nsurvivors)
        snprintf(text, sizeof(text), "%.300s had just ended in it, and is run again alone, to see whether it does it",
                 run->suite.tests[blame->suspects[0]].id);
    else if (blame->unseen)
        snprintf(text, sizeof(text),
                 "this test had not begun, or other tests had run in it before and not all that they left is known");
    else
        snprintf(text, sizeof(text),
                 "threads or processes that %zu earlier test%s left behind lived in it: %s run "
                 "again alone, to see "
                 "whether they do it",
                 blame->nsuspects, blame->nsuspects == 1 ? "" : "s",
                 blame->nsuspects == 1 ? "that one is" : "these are");
    evidence_put_first(incident, text);
}

/* At least half of a task limit is taken by what earlier tests left: whoever is refused the rest is
 * not to blame. */
static bool filled_by_others(const struct run *run, const struct blame_look *look,
                             struct incident *incident)
{
    size_t most = TEST_NONE, count = 0;
    char text[400];
    const char *origin;

    if (incident->test == TEST_NONE || !incident->limits.tasks ||
        look->nsurvivors < incident->limits.tasks / 2)
        return false;
    for (size_t i = 0; i < look->nsurvivors; i++) {
        size_t n = 0;

        for (size_t k = 0; k < look->nsurvivors; k++)
            n += look->survivors[k].test == look->survivors[i].test;
        if (n > count) {
            count = n;
            most = look->survivors[i].test;
        }
    }
    origin = origin_of(look, most);
    snprintf(text, sizeof(text), "%zu tasks of earlier tests lived in it, %zu of %.150s%s%.150s",
             look->nsurvivors, count, run->suite.tests[most].id, *origin ? ": " : "", origin);
    evidence_put_first(incident, text);
    incident->is_void = true;
    incident->blame.confidence = *origin ? BLAME_DIRECT : BLAME_WINDOW;
    incident->blame.nsuspects = 0;
    incident->blame.culprit = most;
    return true;
}

static void add_owner(struct incident *incident, size_t test)
{
    for (size_t i = 0; i < incident->blame.nsuspects; i++)
        if (incident->blame.suspects[i] == test)
            return;
    if (incident->blame.nsuspects < BLAME_SUSPECTS)
        incident->blame.suspects[incident->blame.nsuspects++] = test;
}

/* "3 tasks that a.py::test_x and 1 other test left lived in it: 2 processes started at a.py:8". */
static void say_owners(const struct run *run, const struct blame_look *look, const struct incident *incident, char *buf,
                       size_t size)
{
    size_t others = incident->blame.nsuspects - 1;
    const char *origin = origin_of(look, incident->blame.suspects[0]);
    char more[40] = "";

    if (others)
        snprintf(more, sizeof(more), " and %zu other test%s", others, others == 1 ? "" : "s");
    snprintf(buf, size, "%zu task%s that %.150s%s left lived in it%s%.150s", look->nsurvivors, look->nsurvivors == 1 ? "" : "s",
             run->suite.tests[incident->blame.suspects[0]].id, more, *origin ? ": " : "", origin);
}

/* Limits and clocks count a whole worker. Beside what earlier tests left in it nobody can say whose doing it was, so the
 * test runs again where nothing is left, and what it breaks there is its own. */
static bool beside_leftovers(const struct worker *worker, const struct blame_look *look, struct incident *incident)
{
    const struct run *run = worker->run;
    bool counted = incident->verdict == VERDICT_TASKS || incident->verdict == VERDICT_MEMORY ||
                   incident->verdict == VERDICT_STALL || incident->verdict == VERDICT_TIMEOUT;
    bool grown = incident->verdict == VERDICT_MEMORY && worker->last_test != TEST_NONE && incident->limits.memory_bytes &&
                 worker->at_start.memory_now_bytes >= incident->limits.memory_bytes / 2;
    char text[400];

    if (!counted || incident->test == TEST_NONE || incident->is_void || !(look->nsurvivors || grown))
        return false;
    for (size_t i = look->nsurvivors; i-- > 0;)
        add_owner(incident, look->survivors[i].test);
    if (incident->blame.nsuspects)
        say_owners(run, look, incident, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "earlier tests had left %llu of its %llu MiB in use",
                 (unsigned long long)(worker->at_start.memory_now_bytes >> 20),
                 (unsigned long long)(incident->limits.memory_bytes >> 20));
    evidence_put_first(incident, text);
    incident->is_void = true;
    incident->blame.confidence = BLAME_SUSPECT;
    incident->blame.culprit = TEST_NONE;
    return true;
}

/* What the black box says of a test: only one that has run already. */
static size_t ended_test(const struct run *run, uint32_t number)
{
    size_t test = number > 0 ? suite_find(&run->suite, number - 1) : TEST_NONE;

    return test != TEST_NONE && run->suite.tests[test].outcome != OUTCOME_NONE ? test : TEST_NONE;
}

/* Else the worker had not read yet that it should run this test: the box still names the one before. */
static bool has_begun(const struct worker *worker, const struct incident *incident, const struct blackbox *box)
{
    return incident->test == TEST_NONE || worker->last_test == TEST_NONE || !box->current ||
           box->current != worker->run->suite.tests[worker->last_test].number + 1;
}

static void say_by_thread(struct incident *incident)
{
    char text[sizeof(incident->text)];

    memcpy(text, incident->text, sizeof(text));
    snprintf(incident->text, sizeof(incident->text), "by a thread that it started: %.220s", text);
}

size_t blame_settle(struct worker *worker, const struct blame_look *look, struct incident *incident)
{
    struct blackbox box;
    struct blame blame;
    struct blame_view view = {.test = incident->test,
                              .main_task = look->main_task,
                              .survivors = look->survivors,
                              .nsurvivors = look->nsurvivors};
    bool begun;

    incident->blame.during = TEST_NONE;
    if (incident->verdict == VERDICT_TASKS && filled_by_others(worker->run, look, incident))
        return TEST_NONE;
    if (beside_leftovers(worker, look, incident))
        return TEST_NONE;
    if (!may_be_anothers(worker, incident)) {
        incident->blame.confidence = incident->test == TEST_NONE ? BLAME_NONE
                                     : incident->more.nstarts    ? BLAME_DIRECT
                                                                 : BLAME_WINDOW;
        return TEST_NONE;
    }
    evidence_read_box(worker, &box);
    view.exit_task = box.exit_task;
    view.exit_test = ended_test(worker->run, box.exit_test);
    view.survivors_known = worker->leaf != NULL || incident->verdict == VERDICT_DENIED || incident->verdict == VERDICT_PROTOCOL;
    view.used = worker->last_test != TEST_NONE;
    view.just_ended = incident->test == TEST_NONE && worker->state != WORKER_ENDING ? worker->last_test : TEST_NONE;
    begun = has_begun(worker, incident, &box);
    if (!begun) {
        view.test = TEST_NONE;
        view.just_ended = worker->last_test;
    }
    view.fault_main =
        incident->output && stacks_fault_in_main(incident->output, incident->output_size);
    blame_death(&view, &blame);
    blame.unseen = blame.unseen || (!begun && !blame.nsuspects && blame.test == TEST_NONE);
    incident->blame.confidence = blame.confidence;
    incident->blame.nsuspects = blame.nsuspects;
    memcpy(incident->blame.suspects, blame.suspects, sizeof(blame.suspects));
    incident->blame.by_thread = view.exit_task && view.exit_task != view.main_task && blame.test != TEST_NONE;
    incident->blame.open = (blame.nsuspects || blame.unseen) && incident->test != TEST_NONE;
    if (!blame.nsuspects && !blame.unseen && (blame.test == incident->test || blame.test == TEST_NONE)) {
        if (incident->blame.by_thread)
            say_by_thread(incident);
        return TEST_NONE;
    }
    say_innocent(worker->run, look, &blame, incident);
    incident->blame.culprit = blame.test;
    incident->is_void = incident->test != TEST_NONE;
    return blame.nsuspects ? TEST_NONE : blame.test;
}

void blame_message(const struct incident *incident, char *buf, size_t size)
{
    const char *where = incident->blame.where;
    const char *in_thread = strstr(where, " in thread ");

    if (incident->blame.by_thread && *where)
        snprintf(buf, size, "a thread that it started ended the worker: %.*s",
                 (int)(in_thread ? in_thread - where : (ptrdiff_t)strlen(where)), where);
    else
        snprintf(buf, size, "%s", incident->text);
}

/* 0: not known. */
uint64_t blame_lived_since(const struct blame_look *look, size_t test)
{
    for (size_t i = look->nsurvivors; i-- > 0;)
        if (look->survivors[i].test == test)
            return clock_now_ns() - look->survivors[i].since_ns;
    return 0;
}

/* The outcome of a test that seemed to have ended well: what it left ended a worker. */
static void revise(struct run *run, struct incident *incident, const char *slot_name)
{
    struct test *test = &run->suite.tests[incident->test];
    enum outcome was = test->outcome;
    char text[sizeof(incident->text) + sizeof(incident->blame.where)];

    test->verdict = incident->verdict;
    if (outcome_is_bad(was))
        return;
    incident->blame.revised = true;
    blame_message(incident, text, sizeof(text));
    free(test->message);
    test->message = mem_strdup(text);
    test->outcome = OUTCOME_KILLED;
    controller_feed_killed(run->controller, incident->test, slot_name, incident);
    report_test_revised(run->report, &run->suite, incident->test, was);
    run_count_failure(run);
}

void blame_charge(struct worker *worker, struct incident *incident, const char *slot_name)
{
    struct run *run = worker->run;

    incident->next = INCIDENT_KILLED;
    incident->blame.confidence = BLAME_DIRECT;
    incident->blame.belated = true;
    revise(run, incident, slot_name);
    report_incident(run->report, &run->suite, incident);
}

void blame_follow(struct worker *worker, const struct blame_look *look, size_t index,
                  size_t earlier)
{
    struct run *run = worker->run;
    struct incident *incident;
    size_t during = run->incidents[index].test;
    const char *origin;
    uint64_t later;
    char ago[32] = "";

    /* Alone and with wide limits it would break none: only a death can be tried out. */
    for (size_t i = 0; is_death(run->incidents[index].verdict) && i < run->incidents[index].blame.nsuspects; i++)
        blame_suspect(run, look, &run->incidents[index], run->incidents[index].blame.suspects[i]);
    if (run->incidents[index].next == INCIDENT_REROUTED && is_death(run->incidents[index].verdict))
        blame_rerouted(run, &run->incidents[index]);
    if (earlier == TEST_NONE)
        return;
    incident = incident_new(worker, run->incidents[index].verdict, earlier);
    incident->slot = run->incidents[index].slot;
    incident->serial = run->incidents[index].serial;
    incident->blame.during = during;
    snprintf(incident->blame.where, sizeof(incident->blame.where), "%s",
             run->incidents[index].blame.where);
    incident->blame.by_thread = run->incidents[index].blame.by_thread;
    later = blame_lived_since(look, earlier);
    if (later >= AT_ONCE_NS)
        snprintf(ago, sizeof(ago), ", %.1f s later", (double)later / 1e9);
    else if (later)
        snprintf(ago, sizeof(ago), ", at once");
    snprintf(incident->text, sizeof(incident->text), "by what it left behind%s%s%.150s", ago,
             during == TEST_NONE ? "" : ", during ",
             during == TEST_NONE ? "" : run->suite.tests[during].id);
    origin = origin_of(look, earlier);
    snprintf(incident->evidence, sizeof(incident->evidence), "%s%s%s", incident->blame.where,
             *incident->blame.where && *origin ? "; " : "", origin);
    report_keep_evidence(run->report, incident);
    blame_charge(worker, incident, look->slot_name);
}

static bool is_explained(const struct run *run, const struct incident *death)
{
    const struct test *test = &run->suite.tests[death->test];

    if ((test->rerouted || test->outcome == OUTCOME_KILLED) && test->verdict == death->verdict)
        return true; /* it died again, where nothing of others was */
    for (size_t i = 0; i < run->nincidents; i++)
        if (run->incidents[i].blame.belated && run->incidents[i].blame.during == death->test)
            return true;
    return false;
}

bool blame_close(struct run *run)
{
    bool open = false;

    for (size_t i = 0; i < run->nincidents; i++) {
        struct incident *incident = &run->incidents[i];

        incident->blame.open = incident->blame.open && !is_explained(run, incident);
        open = open || incident->blame.open;
    }
    return open;
}
