/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a run tells: people on the terminal, tools in JSON lines, CI in JUnit. The runner calls these functions
 * when something happened; nothing here decides anything. Text that came from a worker is shown with control
 * characters made visible.
 *
 * Where a controller shows the framework's own output, lines for people go through `say` (the runner hands them to
 * the controller as a notice, so that they never land in the middle of a line); else to stderr.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/config/run_config.h"
#include "supervisor/core/blackbox.h"
#include "supervisor/core/blame.h"
#include "supervisor/core/detector.h"
#include "supervisor/core/suite.h"

struct err;
struct report;
struct denials;

struct report_options {
    const char *events_path, *junit_path; /* NULL: none */
    bool color;                           /* ANSI colour and the glyphs ✗ ! ✓ (else the same glyphs, no colour) */
    bool quiet;
    void (*say)(void *arg, const char *text); /* whole lines, each ending in '\n' */
    void (*print)(void *arg, const char *text, size_t size); /* to standard output: lines for tests, where report_show_tests() */
    void *say_arg; /* of both */
    enum run_output success_output, failure_output; /* of the tests that are shown here */
    bool starts;   /* a line when a test starts, too: its output follows as it comes */
    const char *run_id;
};

/* Opens and checks the output files at once (created aside, renamed at the end, so a killed run leaves no
 * half-written JUnit; events are written as they happen). ERR_USAGE naming the path when one cannot be written. */
int report_new(const struct report_options *options, struct report **ret, struct err *err);
void report_free(struct report *report);

/* No framework shows the tests: lines for each are ours. `framework`: static. */
void report_show_tests(struct report *report, const char *framework, size_t total);

struct report_header {
    const char *version, *command, *run_id;
    unsigned workers;
    bool cold; /* workers start cold */
    const char *cold_why;
    unsigned threads;      /* CPUs of a parallel slot; 0: nobody is told anything */
    bool cpu_set;          /* a slot has these CPUs and sees no others; else its libraries are told their number only */
    uint64_t tasks, memory_bytes;               /* of a parallel slot; 0: none */
    uint64_t serial_tasks, serial_memory_bytes;
    const char *cgroup;    /* "hybrid cgroup (tasks, memory, cpu)" */
    const char *isolation; /* "pid, mount, ipc namespaces; seccomp; 14 capabilities" */
    const char *missing;   /* what is wanted and not to be had, a line each, remedies indented below; "" */
    const char *policy;
    unsigned in_force, lacking; /* SPEC_BIT()s: what holds, and what the policy wants and is not to be had */
    const char *shared;    /* the budget of the machine: "shared with ..."; "" */
    const char *budget;    /* "200 tasks in pids cgroup /ci, 183 free" */
};
/* Header: at most 4 lines, e.g.
 *   shunt 0.1: 4 workers; each sized for 1 CPU, at most 64 tasks, 5.6 GiB; serial lane: 170 tasks, 22 GiB
 *   isolation: hybrid cgroup (tasks, memory, cpu); pid, mount, ipc namespaces; seccomp; 14 capabilities  */
void report_run_start(struct report *report, const struct report_header *header);
void report_suite(struct report *report, const struct suite *suite);

void report_test_start(struct report *report, const struct suite *suite, size_t test, unsigned slot,
                       unsigned generation, enum lane lane, uint64_t now_ns);
/* The outcome for good. */
void report_test_end(struct report *report, const struct suite *suite, size_t test, uint64_t now_ns);

/* An earlier outcome turned out to be wrong: the test's leftovers ended a worker after it. `outcome` is what it was. */
void report_test_revised(struct report *report, const struct suite *suite, size_t test, enum outcome was);

/* System calls of the test that were refused (supervisor/core/denials.h): an event each, and for a test that failed lines
 * for people. Call it with the outcome, before report_test_end(). `test` may be DENIALS_NO_TEST, at the end. */
void report_denials(struct report *report, const struct suite *suite, size_t test, const struct denials *denials);
/* A test failed with EROFS or EACCES (`errnum`) of a file at `where`, and under this policy most of what there is cannot be written to.
 * Said once for each source line. */
void report_not_writable(struct report *report, const struct test *test, int errnum, const char *where, const char *policy);

enum incident_next { /* what becomes of the test */
    INCIDENT_NOTHING,  /* recorded only */
    INCIDENT_FAILED,   /* recorded, and the test counts as failed for it */
    INCIDENT_REROUTED, /* to the serial lane */
    INCIDENT_RETRIED,  /* void by pressure from outside: again in its lane */
    INCIDENT_AGAIN,    /* killed, and tried again (--retries) */
    INCIDENT_KILLED,   /* its outcome is killed */
    INCIDENT_NO_TEST   /* no test was running (start, session end) */
};

#define INCIDENT_MAX_TASKS 512

struct incident_task {
    int tid, tgid, ppid;
    char state;
    uint64_t start_ticks;
    char comm[24];
    int inside;        /* its id as the worker sees it; 0: not taken */
    char wchan[32];    /* where the kernel has it wait; "" */
    long call;         /* number of the system call that it is in; -1: none, or not taken */
    char call_name[24]; /* "futex"; "" */
    char *command;     /* command line, of processes only; control characters as they are; NULL */
};
void incident_tasks_free(struct incident_task *tasks, size_t n);

struct incident_evidence { /* beyond the tasks; each field is empty where it was not taken */
    const char *phase;   /* "call"; NULL */
    struct blackbox_start *starts;
    size_t nstarts;
    char *stacks;        /* of Python processes, as they wrote them; NULL */
    size_t stacks_size;
    char waits_at[400];  /* "tests/a.py:14 in test_it (…)"; "" */
    bool has_start, has_after;
    struct detector_counters at_start, after; /* when the test began; right after the kill was sent */
    bool busy;           /* a test that ran too long had a CPU for at least half of that time */
    uint64_t cost_ns;    /* what taking it took */
    char directory[512]; /* ".shunt/runs/1f3a9c2e/incidents/0003", from where shunt was started, else absolute; "" */
};

struct incident_blame {
    enum blame_confidence confidence;
    size_t culprit;     /* void: the earlier test whose leftovers filled the limit or did it; BLAME_NO_TEST */
    size_t during;      /* the test on whose watch it happened, where that is another one; BLAME_NO_TEST */
    bool belated;       /* the test had its outcome already: what it left behind did it */
    bool revised;       /* it had passed until then: the framework has shown that already */
    bool by_thread;     /* os._exit() in a thread that the test had started, whatever ran then */
    bool open;          /* a death that nobody was seen to bring about */
    char where[256];    /* "tests/a.py:9 in thread Thread-1": the source line; "" */
    size_t suspects[BLAME_SUSPECTS];
    size_t nsuspects;
};

struct incident {
    unsigned number;      /* from 1 */
    enum verdict verdict;
    bool is_void;
    bool common;          /* so many tests broke this limit that the limit is wrong: one line, no block */
    size_t test;          /* (size_t)-1: none */
    unsigned slot, generation;
    bool serial;          /* happened in the serial lane */
    bool no_markers;      /* no pytest's: there are none to advise */
    char text[256];       /* the detector's line */
    char evidence[512];   /* second line: "61 threads, 3 processes: …"; "" */
    char denied[512];     /* third line: "denied: keyctl (policy standard, …), EPERM"; "" */
    enum incident_next next;
    size_t kept;          /* queued tests of this worker that were kept */
    uint64_t kill_ns;     /* detection to kill sent */
    uint64_t replace_ns;  /* kill to the replacement being ready to run; 0: not replaced (yet) */
    bool replaced;
    uint64_t time_ns;
    uint64_t ran_ns;      /* from the start of its test; 0: none */
    struct detector_counters counters;
    struct detector_limits limits;
    struct incident_task *tasks; /* what lived, taken before the kill; may be NULL */
    size_t ntasks, ntasks_total;
    char *output;         /* last output, at most 16 KiB; NULL */
    size_t output_size;
    struct incident_evidence more;
    struct incident_blame blame;
};
void incident_done(struct incident *incident);

/* Three lines: what happened to which test; the evidence; what shunt did / what to do. Same text for the `killed`
 * report in pytest: returned as malloc'ed text by incident_text(). Example:
 *   ✗ tests/unit/test_pool.py::test_storm broke out of worker 2: 64 of 64 tasks, 337 more refused   [tasks]
 *     61 threads and 2 processes of python3 when it was killed
 *     worker 2 killed and replaced in 11 ms; the test moved to the serial lane; 14 queued tests kept          */
/* The project's directory, once it is known: evidence goes below it. Copied. */
void report_set_state_root(struct report *report, const char *root);
/* Makes the directory for its evidence, and says in it where that is; nothing where there is none to be had. */
void report_keep_evidence(struct report *report, struct incident *incident);
void report_incident(struct report *report, const struct suite *suite, const struct incident *incident);
/* A common one: "! tests/a.py::test_x: 32 of 32 tasks, 3 more refused   [tasks]; moved to the serial lane". */
char *incident_line(const struct suite *suite, const struct incident *incident);
char *incident_text(const struct suite *suite, const struct incident *incident, bool color);

void report_worker(struct report *report, const char *event, unsigned slot, unsigned generation,
                   int pid, uint64_t ns); /* events file only: "ready", "assigned", "ended", "killed"... */
/* Its last attempt was bad, and after `delay_ns` there will be another. */
void report_test_retry(struct report *report, const struct suite *suite, size_t test, uint64_t delay_ns);
/* One line for people, with a leading "shunt: "; also an event. */
void report_notice(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct report_selection { /* of the tests that were collected */
    size_t run, deselected /* -E */, elsewhere /* of other shards */;
    unsigned shard, shards; /* from 1; 0: the run is not a part */
    bool timed;             /* parts are balanced by time */
};
void report_selection(struct report *report, const struct report_selection *selection);
/* Events file only: a setup command, or its teardown, has ended. `why`: it failed; NULL. */
void report_setup(struct report *report, const char *name, bool teardown, const char *why, uint64_t ns);

/* Events file only, for `shunt merge`: which test is whose, before the others are taken out. */
struct report_shard {
    unsigned index, count; /* from 0 */
    const unsigned *of;    /* by test */
    bool timed;
    uint64_t digest;
};
void report_shard(struct report *report, const struct suite *suite, const struct report_shard *shard);

/* What to do about the last notice: a line below it. */
void report_remedy(struct report *report, const char *text);

/* Events file only: the history was read or written ("read", "written"), of so many tests; `trouble`: or not, and why. */
void report_history(struct report *report, const char *what, size_t tests, size_t serial, uint64_t ns, const char *trouble);

/* SIGUSR1: what runs now. The runner calls begin, then one line a busy slot, then end. */
struct report_running {
    unsigned slot, generation;
    bool serial;
    size_t test;
    uint64_t elapsed_ns;
    uint64_t tasks_now, memory_now_bytes, cpu_ns;
};
void report_status(struct report *report, const struct suite *suite, const struct report_running *rows,
                   size_t n, size_t queued, size_t serial_queued);

struct report_low_limit { /* broken by so many tests that the limit is wrong */
    enum verdict verdict;
    char text[900]; /* how many did, what the suite needs, what to set */
};

struct report_summary {
    const char *end_reason; /* NULL: ran to its end; else "interrupted", "restart budget of 4 spent"… */
    unsigned restarts;
    uint64_t wall_ns;
    int exit_status;
    const char *status_reason; /* where the framework's own status would be another one; NULL */
    const struct incident *incidents; /* all of them, in order */
    size_t nincidents;
    const struct report_low_limit *low; /* such tests are not named one by one */
    size_t nlow;
    const struct denials *denials; /* NULL: nobody looked */
    bool failures;                 /* tests that failed are named: nobody else does */
    const char *const *outside; /* errors of sessions' teardowns, which belong to no test */
    size_t noutside;
    bool reroute_warns;            /* --on-reroute=warn: say that it is no failure, and could be one */
    bool reroute_fails;            /* --on-reroute=fail: a test that passed only alone is a failure */
    bool marks;                    /* there is a history, from which `shunt mark` makes a patch */
};
/* Closing summary: one line of numbers from the ledger (in words of the design), then one line for each test that was
 * killed, passed-serial or left something behind, with its cause, and what to do; not-run grouped by reason. Nothing but
 * the first line when there is nothing to tell. Writes the JUnit file, ends the events. */
int report_run_end(struct report *report, const struct suite *suite, const struct report_summary *summary,
                   struct err *err);
