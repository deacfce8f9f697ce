/* SPDX-License-Identifier: MIT */
/* What is noted about a worker that broke out or died: its tasks, stacks, counters and black box, in bounded time. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "supervisor/core/blackbox.h"
#include "supervisor/core/core_file.h"
#include "supervisor/core/stacks.h"
#include "supervisor/core/timing.h"
#include "supervisor/run/detect/blame.h"
#include "supervisor/run/detect/counted.h"
#include "supervisor/run/detect/leak_watch.h"
#include "supervisor/run/detect/proc_task.h"
#include "supervisor/run/detect/stack_dump.h"
#include "supervisor/run/state.h"
#include "supervisor/run/detect/timeout.h"
#include "supervisor/run/detect/worker_tasks.h"

#define NAMES_MAX 4
/* All of it at most 30 ms: reading tasks, and waiting for stacks. */
#define DETAILS_NS (7 * NS_PER_MS)
#define LIST_NS (14 * NS_PER_MS)
#define STACKS_NS (22 * NS_PER_MS)
#define ALL_NS (26 * NS_PER_MS)
#define STACKS_URGENT_NS (7 * NS_PER_MS)

struct name_count {
    char comm[24];
    size_t threads;
};

static void count_name(struct name_count *names, size_t *n, const char *comm)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i].comm, comm) == 0) {
            names[i].threads++;
            return;
        }
    if (*n < NAMES_MAX) {
        snprintf(names[*n].comm, sizeof(names[*n].comm), "%s", comm);
        names[(*n)++].threads = 1;
    }
}

/* "61 tasks in 3 processes when it was stopped: 58 python3, 3 sh". `runner`: our own process, which is none of the test's; 0: there is none. */
static void describe(struct incident *incident, size_t processes, pid_t runner)
{
    struct name_count names[NAMES_MAX];
    size_t n = 0, at;
    size_t seen = 0, total = incident->ntasks_total;
    const char *glue = ": ";

    for (size_t i = 0; i < incident->ntasks; i++) {
        bool ours = runner && incident->tasks[i].tgid == runner;

        processes -= ours && processes && incident->tasks[i].tid == runner;
        total -= ours && total;
        seen += !ours;
        if (!ours)
            count_name(names, &n, incident->tasks[i].comm);
    }
    at = (size_t)snprintf(incident->evidence, sizeof(incident->evidence), "%zu task%s", total, total == 1 ? "" : "s");
    if (seen < total) /* there was no time to look at each */
        at += (size_t)snprintf(incident->evidence + at, sizeof(incident->evidence) - at, " when it was stopped, %zu of them looked at", seen);
    else
        at += (size_t)snprintf(incident->evidence + at, sizeof(incident->evidence) - at, " in %zu process%s when it was stopped", processes,
                               processes == 1 ? "" : "es");
    for (size_t i = 0; i < n && at < sizeof(incident->evidence); i++) {
        at += (size_t)snprintf(incident->evidence + at, sizeof(incident->evidence) - at, "%s%zu %s",
                               glue, names[i].threads, names[i].comm);
        glue = ", ";
    }
}

/* "; 2 tasks that tests/a.py::test_it left lived in it too": none of this test's doing. Where that speaks against them, or for this test,
 * blame.c says it. */
static void say_leftovers(const struct worker *worker, struct incident *incident)
{
    struct blame_survivor left[BLAME_SURVIVORS];
    size_t n, test, others = 0, at = strlen(incident->evidence);
    char more[48] = "";

    if (incident->verdict != VERDICT_CONTENTION && incident->verdict != VERDICT_CPU && incident->verdict != VERDICT_PROTOCOL)
        return;
    n = leak_watch_survivors(worker, left, BLAME_SURVIVORS);
    test = n ? left[0].test : TEST_NONE;
    if (test >= worker->run->suite.count || at + 1 >= sizeof(incident->evidence))
        return;
    for (size_t i = 1; i < n; i++)
        others += left[i].test != test && left[i].test != left[i - 1].test;
    if (others)
        snprintf(more, sizeof(more), " and %zu other%s", others, others == 1 ? "" : "s");
    snprintf(incident->evidence + at, sizeof(incident->evidence) - at, "%s%zu task%s that %.200s%s left lived in it too", at ? "; " : "",
             n, n == 1 ? "" : "s", worker->run->suite.tests[test].id, more);
}

/* What the worker noted itself says more than what the kernel calls its tasks. */
void evidence_of_starts(const struct worker *worker, char *buf, size_t size)
{
    unsigned char page[BLACKBOX_SIZE];
    ssize_t n = worker->box_fd >= 0 ? pread(worker->box_fd, page, sizeof(page), 0) : 0;

    blackbox_describe(page, n > 0 ? (size_t)n : 0, buf, size);
}

static void read_box(const struct worker *worker, struct blackbox *ret)
{
    unsigned char page[BLACKBOX_SIZE];
    ssize_t n = worker->box_fd >= 0 ? pread(worker->box_fd, page, sizeof(page), 0) : 0;

    blackbox_read(page, n > 0 ? (size_t)n : 0, ret);
}

void evidence_read_box(const struct worker *worker, struct blackbox *ret)
{
    read_box(worker, ret);
}

static void note_box(struct worker *worker, struct incident *incident)
{
    struct blackbox box;

    read_box(worker, &box);
    incident->more.phase = box.phase;
    if (!box.nstarts)
        return;
    incident->more.starts = mem_calloc(box.nstarts, sizeof(*box.starts));
    memcpy(incident->more.starts, box.starts, box.nstarts * sizeof(*box.starts));
    incident->more.nstarts = box.nstarts;
}

static bool is_listed(const struct incident *incident, pid_t tid)
{
    for (size_t i = 0; i < incident->ntasks; i++)
        if (incident->tasks[i].tid == tid)
            return true;
    return false;
}

/* Adds those of `ids` that are not in the list yet. What each waits for, and command lines, are left out once DETAILS_NS have
 * passed since `start`, all that is left once LIST_NS have. */
static void add_tasks(struct incident *incident, const pid_t *ids, ssize_t n, uint64_t start, bool waits)
{
    for (ssize_t i = 0; i < n && i < INCIDENT_MAX_TASKS && incident->ntasks < INCIDENT_MAX_TASKS; i++) {
        struct incident_task *task = &incident->tasks[incident->ntasks];
        uint64_t spent = clock_now_ns() - start;

        if (spent > LIST_NS)
            break;
        if (is_listed(incident, ids[i]) || proc_task_read(ids[i], task) < 0)
            continue;
        if (waits && spent < DETAILS_NS)
            proc_task_waits(task);
        if (task->tgid == task->tid && spent < DETAILS_NS)
            task->command = proc_task_command(task->tid);
        incident->ntasks++;
    }
}

/* Without a cgroup: the worker and its descendants. */
static size_t list_descendants(struct worker *worker, struct incident *incident, uint64_t start)
{
    pid_t processes[INCIDENT_MAX_TASKS], ids[INCIDENT_MAX_TASKS];
    size_t n = counted_processes(worker, processes, INCIDENT_MAX_TASKS);
    size_t threads = 0;

    incident->tasks = mem_calloc(INCIDENT_MAX_TASKS, sizeof(*incident->tasks));
    for (size_t i = 0; i < n; i++)
        threads = worker_tasks_add_threads(processes[i], ids, threads, INCIDENT_MAX_TASKS);
    add_tasks(incident, processes, (ssize_t)n, start, true);
    add_tasks(incident, ids, (ssize_t)threads, start, true);
    return n + threads;
}

/* Processes come first: they say more than their threads. Returns the number of tasks that there are. */
static size_t list_tasks(struct worker *worker, struct incident *incident, uint64_t start, bool waits)
{
    pid_t ids[INCIDENT_MAX_TASKS];
    ssize_t total;

    if (!incident->tasks)
        incident->tasks = mem_calloc(INCIDENT_MAX_TASKS, sizeof(*incident->tasks));
    add_tasks(incident, ids, cgroup_leaf_processes(worker->leaf, ids, INCIDENT_MAX_TASKS), start, waits);
    total = cgroup_leaf_threads(worker->leaf, ids, INCIDENT_MAX_TASKS);
    add_tasks(incident, ids, total, start, waits);
    return total > 0 ? (size_t)total : 0;
}

static size_t count_processes(const struct incident *incident)
{
    size_t n = 0;

    for (size_t i = 0; i < incident->ntasks; i++)
        n += incident->tasks[i].tgid == incident->tasks[i].tid && incident->tasks[i].state != 'Z';
    return n;
}

void evidence_put_first(struct incident *incident, const char *text)
{
    char rest[sizeof(incident->evidence)];
    size_t at;

    memcpy(rest, incident->evidence, sizeof(rest));
    at = (size_t)snprintf(incident->evidence, sizeof(incident->evidence), "%s%s", text, *rest ? "; " : "");
    if (at < sizeof(rest))
        memcpy(incident->evidence + at, rest, sizeof(rest) - at - 1);
}

/* Of its main thread, before anybody froze it; 0: not taken. */
static char main_state(const struct worker *worker, const struct incident *incident)
{
    for (size_t i = 0; i < incident->ntasks; i++)
        if (incident->tasks[i].tid == worker->pid)
            return incident->tasks[i].state;
    return 0;
}

/* Has its test the CPU, or wants it, or had it for most of its time? */
static bool is_busy(const struct worker *worker, const struct incident *incident)
{
    struct timing timing = {.elapsed_ns = incident->limits.timeout_ns};

    if (incident->verdict != VERDICT_TIMEOUT || incident->test == TEST_NONE || !timing.elapsed_ns)
        return false;
    timing.cpu_known = worker_tasks_cpu(worker, &timing.cpu_ns);
    return timing_is_busy(&timing) || main_state(worker, incident) == 'R';
}

/* Of a test whose worker is dead: nobody can be asked any more, so only the CPU that it had tells. */
static const char *verb_of_dead(const struct worker *worker)
{
    struct timing timing = {.elapsed_ns = clock_now_ns() - worker->go_ns};

    timing.cpu_known = worker_tasks_cpu(worker, &timing.cpu_ns);
    if (timing_is_busy(&timing))
        return "runs";
    return timing.cpu_known && timing.cpu_ns < timing.elapsed_ns / 10 ? "waits" : "stood";
}

/* "waits at tests/a.py:14 in test_it (…)" in front of what it started; "its main thread is in test_it (…)" where the first line says
 * already at which line. */
static void say_where(struct incident *incident, const char *verb, bool placed)
{
    char text[sizeof(incident->more.waits_at) + 32];
    const char *name = placed ? strstr(incident->more.waits_at, " in ") : NULL;

    if (!*incident->more.waits_at)
        return;
    if (name)
        snprintf(text, sizeof(text), "its main thread is%s", name);
    else
        snprintf(text, sizeof(text), "%s at %s", verb, incident->more.waits_at);
    evidence_put_first(incident, text);
}

/* In its first line: ", waits in get (tests/a.py:14)". */
static void say_time(struct incident *incident)
{
    size_t at = strlen(incident->text);
    char where[200];

    timing_where(incident->more.waits_at, incident->more.busy, where, sizeof(where));
    if (*where && at < sizeof(incident->text))
        snprintf(incident->text + at, sizeof(incident->text) - at, ", %s", where);
}

static const char *file_of_test(const struct run *run, size_t test)
{
    return test < run->suite.count && run->suite.tests[test].file ? run->suite.tests[test].file : "";
}

static bool find_line(const struct run *run, const struct incident *incident, const char *text, size_t size,
                      enum stacks_thread which, char *buf, size_t buf_size)
{
    return run->suite.root && stacks_line(text, size, which, run->suite.root, file_of_test(run, incident->test), buf,
                                          buf_size);
}

/* For what stands still time does not matter; one that breaks out goes on breaking out meanwhile. */
static void take_stacks(struct worker *worker, struct incident *incident, uint64_t start)
{
    bool still = incident->verdict == VERDICT_STALL || incident->verdict == VERDICT_TIMEOUT;
    uint64_t own, spent = clock_now_ns() - start, budget = still ? STACKS_NS : STACKS_URGENT_NS;

    if (!still && incident->verdict != VERDICT_TASKS)
        return;
    if (spent + budget > ALL_NS)
        budget = spent < ALL_NS ? ALL_NS - spent : 0;
    own = stack_dump_take(worker, budget, &incident->more);
    if (still && incident->more.stacks)
        find_line(worker->run, incident, incident->more.stacks, own, STACKS_MAIN, incident->more.waits_at,
                  sizeof(incident->more.waits_at));
}

/*
 * What tasks wait for is read first: a frozen or stopped task waits for nothing but its going on, and a stack dump wakes
 * it. Then it is frozen, so that the list becomes whole. cgroup_leaf_freeze() freezes through the v2 tree, whose frozen
 * tasks die of SIGKILL, and stops by SIGSTOP everywhere else, which SIGKILL ends as well: shunt may be killed at any of
 * these moments, and the pid namespace's end takes all of them. The freezer of v1 would keep them.
 */
static void take_living(struct worker *worker, struct incident *incident, uint64_t start, bool freeze)
{
    size_t before = list_tasks(worker, incident, start, true), after;

    take_stacks(worker, incident, start);
    if (freeze)
        cgroup_leaf_freeze(worker->leaf, true);
    after = list_tasks(worker, incident, start, false);
    incident->ntasks_total = before > after ? before : after;
}

/* Below the suite's root, as its history. The root is what the suite's own process says: it counts where we were started in
 * it, or below it. */
void evidence_place(struct run *run)
{
    const char *root = run->suite.root;
    _cleanup_free_ char *here = getcwd(NULL, 0);
    size_t length = root ? strlen(root) : 0;
    bool around = here && length > 1 && *root == '/' && strncmp(here, root, length) == 0 &&
                  (here[length] == '\0' || here[length] == '/');

    report_set_state_root(run->report, around ? root : ".");
}

static void take(struct worker *worker, struct incident *incident, bool freeze)
{
    uint64_t start = clock_now_ns();

    evidence_of_starts(worker, incident->evidence, sizeof(incident->evidence));
    note_box(worker, incident);
    if (incident->test != TEST_NONE) {
        counters_for_detector(&worker->at_start, &incident->more.at_start);
        incident->more.has_start = worker->leaf != NULL;
    }
    if (worker->leaf && !worker->exited) {
        take_living(worker, incident, start, freeze);
    } else if (worker->leaf) {
        incident->ntasks_total = list_tasks(worker, incident, start, true);
    } else if (!worker->exited) {
        incident->ntasks_total = list_descendants(worker, incident, start);
        take_stacks(worker, incident, start);
    }
    if (!incident->evidence[0] && incident->ntasks_total > 1 && !worker->exited)
        describe(incident, count_processes(incident), worker->run->native ? worker->pid : 0);
    say_leftovers(worker, incident);
    memory_watch_say(worker, incident);
    incident->more.busy = is_busy(worker, incident);
    if (incident->verdict == VERDICT_TIMEOUT && main_state(worker, incident) == 'T')
        evidence_put_first(incident, "it is stopped by a signal (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU), and nobody sent SIGCONT");
    say_where(incident, incident->more.busy ? "runs" : "waits", incident->verdict == VERDICT_TIMEOUT);
    incident->more.cost_ns = clock_now_ns() - start;
}

void evidence_look(struct worker *worker, struct incident *incident)
{
    take(worker, incident, false);
}

void evidence_take(struct worker *worker, struct incident *incident)
{
    bool early = timeout_evidence(worker, incident);

    if (!early)
        take(worker, incident, true);
    else if (worker->leaf && !worker->exited)
        cgroup_leaf_freeze(worker->leaf, true);
    if (incident->verdict == VERDICT_TIMEOUT)
        say_time(incident);
}

/* "; 4 processes lived on: python3 -c …". */
static void say_orphans(struct incident *incident)
{
    size_t n = count_processes(incident), at = strlen(incident->evidence);

    if (!n || at + 2 >= sizeof(incident->evidence))
        return;
    at += (size_t)snprintf(incident->evidence + at, sizeof(incident->evidence) - at,
                           "%s%zu process%s of it lived on and %s ended", at ? "; " : "", n, n == 1 ? "" : "es",
                           n == 1 ? "was" : "were");
}

static void say_core(const struct worker *worker, struct incident *incident)
{
    char pattern[256], text[300], first[8] = "0";
    size_t at = strlen(incident->evidence);

    if (incident->verdict != VERDICT_SIGNAL || !WIFSIGNALED(worker->wait_status) || !WCOREDUMP(worker->wait_status) ||
        io_read_file_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) < 0)
        return;
    io_read_file_at(AT_FDCWD, "/proc/sys/kernel/core_uses_pid", first, sizeof(first));
    core_file_describe(pattern, *first == '1', worker->pid_in_cell, (int)worker->pid, text, sizeof(text));
    snprintf(incident->evidence + at, sizeof(incident->evidence) - at, "%s%s", at ? "; " : "", text);
}

void evidence_of_death(struct worker *worker, struct incident *incident)
{
    const struct run *run = worker->run;
    struct blackbox box;

    if (worker->leaf) {
        cgroup_leaf_read(worker->leaf, CGROUP_READ_ALL, &worker->counters);
        counters_for_detector(&worker->counters, &incident->more.after);
        incident->more.has_after = true;
    }
    incident->output = worker_last_output(worker, &incident->output_size);
    if (!worker->exited)
        return;
    read_box(worker, &box);
    if (box.exit_task) {
        snprintf(incident->blame.where, sizeof(incident->blame.where), "os._exit(%d) at %s", box.exit_status,
                 *box.exit_where ? box.exit_where : "an unknown line");
    } else if (incident->output) {
        find_line(run, incident, incident->output, incident->output_size, STACKS_CURRENT, incident->blame.where,
                  sizeof(incident->blame.where));
    }
    if (incident->output && incident->verdict == VERDICT_TIMEOUT) {
        find_line(run, incident, incident->output, incident->output_size, STACKS_MAIN, incident->more.waits_at,
                  sizeof(incident->more.waits_at));
        say_where(incident, verb_of_dead(worker), false);
    } else if (*incident->blame.where) {
        evidence_put_first(incident, incident->blame.where);
    }
    say_core(worker, incident);
    if (!timeout_verdict(worker)) /* else the list is from before they were asked to end */
        say_orphans(incident);
}
