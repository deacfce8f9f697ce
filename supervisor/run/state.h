/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The state of one `shunt run`, shared by the files of this folder and by nobody else.
 *
 *   run.c         start, phases, end; exit_status.c: what it comes to; list.c: `shunt list`
 *   signals.c     ^C, ^Z, SIGTERM, SIGUSR1
 *   listing.c, native.c   tests that are programs: which there are; workers that run them; whole.c: a command that is one
 *   controller.c  the framework's first process: hello, suite, plan; feed.c: what it is told
 *   scheduler.c   which worker gets which test; when a worker is made, replaced, ended
 *   ledger.c      outcomes, and what becomes of tests when the run stops
 *   worker.c      one worker generation, from its cell to the removal of its cgroup
 *   worker_messages.c, worker_output.c   what it says
 *   tick.c        what time brings
 *   outside.c     what goes on outside of tests: slow imports, slow ends of sessions, errors of their teardown
 *   limits.c      what "auto" means here
 *   budget.c, budget_pool.c   tokens shared with make and with other runs
 *   cpu.c         each slot's CPUs, and the variables that say so
 *   console.c     our own standard output and error, which never block
 *   watcher.c     the status line, and keys
 *   terminal.c    a terminal for a debugger in a worker
 *   learn.c       --learn: the smallest policy that the run needs
 *   history.c     what earlier runs came to, and what is kept of this one
 *
 * detect/ shows the detector what happened, and does what follows from its word:
 *   judge.c       boundaries and deaths: what the detector is shown
 *   incidents.c   what follows from a verdict: evidence, the worker's end, its test's and its slot's fate
 *   evidence.c, stack_dump.c, proc_task.c   what is noted about a worker before it is killed, and after
 *   blame.c, blame_alone.c   whose doing a death was: tasks of earlier tests, suspects, and running those again alone
 *   worker_tasks.c   the tasks of a worker, with and without a cgroup, and their CPU time
 *   stall.c, counted.c, memory_watch.c, cpu_watch.c   what is looked at while a test runs
 *   timeout.c     tests that take long: a notice, and some time to end between SIGTERM and SIGKILL
 *   contention.c  tests that failed while they were starved run again alone
 *   thresholds.c  limits that much of the suite breaks
 *   leak_watch.c, leak_files.c, held_result.c   what tests leave behind, and --leaks=fail
 *   denials.c     refused system calls: answers, and whose they are
 *
 * One thread. Each turn of the loop handles stop signals, then messages, then deaths, then timers, so that nobody
 * dies with an answer unread; the scheduler runs once at the end of each turn.
 */
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/run_init.h"
#include "sandbox/plan/plan.h"
#include "supervisor/config/run_config.h"
#include "supervisor/core/detector.h"
#include "supervisor/core/starve.h"
#include "supervisor/core/suite.h"
#include "supervisor/core/threshold.h"
#include "supervisor/report/report.h"
#include "supervisor/run/detect/memory_watch.h"

struct budget;
struct channel;
struct console;
struct denial_listener;
struct denials;
struct filter_facts;
struct lanes;
struct native;
struct native_output;
struct packet;
struct setup;
struct sock_fprog;
struct terminal;
struct watcher;

#define COMMAND_TAG (1ULL << 40) /* of the command at the run init; above every cell number */

#define PRIORITY_SIGNAL 2
#define PRIORITY_MESSAGE 1
#define PRIORITY_DEATH 0
#define PRIORITY_TIMER (-1)
#define PRIORITY_SCHEDULE (-2)

#define TEST_NONE ((size_t)-1)
#define CAPTURE_FILES 3
#define OUTPUT_TAIL 16384             /* last output that is kept of a worker's stdout and stderr */
#define PAYLOAD_LIMIT (80ULL << 20)   /* reports of one test: 64 MiB by contract, and room for a statement */
#define CONGESTED_BYTES (48ULL << 20) /* waiting for the controller: no new test is started */
#define OUTPUT_LIMIT (64ULL << 20)    /* forwarded output of one worker generation */

#define WORKER_STATES(X)                                                                           \
    X(CELL)     /* its namespaces are being prepared */                                           \
    X(FORKING)  /* asked of the template, or started cold: nothing heard yet */                    \
    X(ENTERING) /* in its cgroup, on its way into its namespaces */                                \
    X(COLLECTING) /* cold only */                                                                  \
    X(STANDBY)  /* able to run tests, in no slot */                                                \
    X(WAITING)  /* at a boundary */                                                                \
    X(RUNNING)                                                                                     \
    X(ENDING)   /* finishes its session */                                                         \
    X(DYING)    /* killed or dead; its cell is being cleared away */

enum worker_state {
#define X(name) WORKER_##name,
    WORKER_STATES(X)
#undef X
};

struct chunk { /* one packet's payload of reports */
    struct chunk *next;
    size_t size;
    char data[];
};

struct chunk_list {
    struct chunk *head, **tail;
    size_t bytes;
};

struct held_result { /* held_result.c: --leaks=fail */
    size_t test; /* TEST_NONE: nothing is held */
    enum outcome outcome;
    bool leaked, reports_complete;
};

struct slot;

struct cpu_watch { /* cpu_watch.c; of the running test */
    uint64_t since_ns; /* run clock; 0: not looked at yet */
    uint64_t cpu_ns, starved_ns, throttled, throttled_ns, delay_ns, memory_ns; /* then */
    uint64_t sampled_ns, sampled_cpu_ns;
    struct oversubscription over;
};

struct worker {
    struct run *run;
    struct worker *next; /* in run->workers */
    unsigned number;     /* of its cell; never reused */
    enum worker_state state;
    struct slot *slot;   /* NULL: a standby, or gone from it */
    unsigned generation;
    bool cold, awaits_template; /* its cell was there first */
    struct slot *reserved; /* cold: started for this slot, whose name it was given; else NULL */

    struct cgroup_leaf *leaf; /* NULL: no cgroups */
    int ns_fd[RUN_INIT_CELL_NS];
    char ns_name[RUN_INIT_CELL_NS][8];
    struct channel *channel;
    pid_t pid, pid_inside; /* 0: unknown */
    int pid_in_cell;       /* as itself sees it; 0 */
    bool wants_terminal;   /* terminal.c: its debugger waits for it */
    bool exited;           /* the run init reported its death */
    int wait_status;
    bool said_bye;
    uint64_t bye_ns;       /* run clock */
    uint64_t closed_ns;    /* its channel closed then, and no death was reported yet; 0 */
    const char *closed_why;

    size_t test, next_test; /* running, or taken and about to; TEST_NONE at a boundary */
    size_t last_test;       /* the one before; TEST_NONE for a fresh worker */
    size_t owed;            /* judged, its reports still to come: what runs next has not begun; TEST_NONE */
    uint64_t go_ns;            /* run clock */
    bool limits_changed;       /* the test brought its own */
    struct detector_limits limits;
    struct cgroup_counters counters, at_start;
    uint64_t counters_read_ns; /* all of them */
    struct chunk_list held;
    uint64_t idle_cpu_ns, idle_since_ns; /* CPU time stood still since then */
    uint64_t stall_probed_ns;
    bool stalled;
    char stall_text[200];
    uint64_t own_cpu_ns, own_cpu_read_ns; /* of its test's tasks alone, while earlier tests' leftovers live beside them */
    size_t own_tasks;
    uint64_t others_cpu_ns, process_cpu_ns; /* worker_tasks.c: when the test began */
    bool beside_leftovers; /* such were left out when it was found stalled: twice the time is needed */

    int output_fd[2]; /* read ends of stdout and stderr; -1 */
    bool output_held; /* --no-capture: not read while the terminal takes nothing */
    ev_io output_io[2];
    int capture_fd[CAPTURE_FILES]; /* the capture's own files, and faulthandler's; -1 */
    int box_fd;        /* the black box; -1 */
    int stacks_fd;     /* stacks of its threads, on demand; -1 */
    struct native_output *native_output; /* native.c: what its test wrote; NULL */
    char *tail;        /* ring of OUTPUT_TAIL */
    size_t tail_size;  /* bytes ever put in */
    uint64_t output_bytes;

    bool confirming;           /* its test has an outcome and is a suspect, run again alone: blame.c */
    size_t suspect;            /* that test; TEST_NONE */
    uint64_t confirm_until_ns; /* its leftovers are given time to end the worker; 0 */

    struct memory_watch memory;
    struct held_result result;
    struct cpu_watch watch;
    bool reports_void; /* those that are owed: their test runs again alone */
    struct timeout_stop *stop; /* timeout.c: its test ran out of time, and what it started may end by itself; NULL */
    bool slow_said, slow_end_said;

    struct leak_watch *leak; /* leak_watch.c; NULL */
    struct leak_files *files; /* leak_files.c; NULL */
    size_t leaked;           /* tasks that its tests left behind */
    uint64_t born_ns, dying_ns;
};

struct slot {
    struct run *run;
    unsigned index;
    bool serial;
    char name[16]; /* "gw0" */
    struct worker *worker;
    unsigned generation;
    size_t pending;        /* incident that waits to say how long the replacement took; TEST_NONE */
    uint64_t killed_at_ns; /* when its worker was */
};

enum run_phase {
    PHASE_STARTING, /* until the suite is known */
    PHASE_PARALLEL,
    PHASE_SERIAL,
    PHASE_FINISHING, /* everything is judged: the controller writes its summary */
    PHASE_STOPPING,  /* interrupted or broken: everything is being ended */
};

struct run_limits { /* resolved */
    unsigned workers;
    double cpus;
    uint64_t share_tasks, share_memory_bytes; /* of what is free, for each worker */
    uint64_t tasks, memory_bytes;
    uint64_t serial_tasks, serial_memory_bytes;
    uint64_t max_worker_restart; /* UINT64_MAX: none */
    uint64_t max_fail;           /* 0: none */
    unsigned threads;            /* that a library should start in a parallel slot; 0: nobody is told anything */
    char budget_text[320];
    char notice[256]; /* fewer slots than asked for; "" */
};

struct suite_options { /* what the framework's own options ask for */
    int64_t n;         /* -1: not given; -2: auto; -3: logical */
    int64_t max_fail;
    int64_t max_worker_restart; /* -1: not given */
    int64_t n_max;     /* bounds "auto"; 0: nothing does */
    bool inputs;       /* the framework has something to say to workers, once it knows how many there are */
    bool fork;
    char why_not_fork[512];
    char digest[65];
    size_t collected;  /* tests, those that are deselected too */
};

struct run_quit { /* what a test asked for: pytest.exit(), KeyboardInterrupt */
    char *why;    /* NULL: nothing */
    int status;   /* -1: pytest's own */
    bool interrupt;
};

struct run_cpu { /* CPUs that may be used */
    int *ids;         /* of the affinity mask */
    size_t n;
    double usable;    /* a quota counts */
    unsigned started; /* threads that the command was told of when it started; 0: nothing */
};

#define RUN_OUTSIDE_ERRORS 8

struct run_outside { /* outside.c */
    char *errors[RUN_OUTSIDE_ERRORS]; /* of sessions' teardowns */
    size_t nerrors;
    bool start_said;
};

struct run_denied { /* who answers refused calls */
    struct sock_fprog programs[PLAN_PROFILES]; /* refusing forms */
    const char *names[PLAN_PROFILES];          /* of their profiles: "seccomp/default.json" */
    size_t nprograms;
    struct denial_listener *listeners;
};

struct run {
    const struct run_config *config;
    struct ev_loop *loop;
    struct report *report;
    struct suite suite;
    struct report_selection selection; /* what it is of all tests that were collected */
    uint64_t seed; /* of its random order */
    struct suite_options options;
    struct lanes *lanes;
    struct cgroup_host *host;
    struct cgroup_run *cgroup; /* NULL: none */
    struct run_init *init;
    struct sandbox_spec spec;  /* of the policy and the options */
    char *python;              /* directory of the framework's plugin; NULL: not found */
    struct scratch *scratch;   /* the directory of the listening socket */
    char *layers;              /* a directory for the upper layers of workers' overlays; NULL: none */
    struct run_limits limits;
    struct run_cpu cpu;
    struct budget *budget; /* NULL: nothing is shared */
    char missing[1024]; /* isolation that is not to be had, and why */
    char run_id[33];
    enum run_phase phase;

    struct native *native; /* tests that are programs: native.h; NULL: pytest, or not known yet */
    bool whole;            /* the command was one test: whole.c */
    bool listed;           /* `shunt list`: has been printed */
    struct controller *controller;
    struct console *console;   /* what is said here; NULL until there is a loop */
    struct watcher *watcher;   /* who sits at the terminal; NULL until the first tick */
    struct terminal *terminal; /* a debugger has it; NULL */
    char *inputs; /* what each worker is handed, opaque; NULL: nothing, or nothing yet */
    size_t inputs_size;
    bool inputs_awaited; /* no worker is assigned before */
    struct channel *template; /* NULL: not there (yet) */
    bool template_ready, cold;
    char cold_why[512];

    struct slot *slots; /* limits.workers of them */
    struct slot serial_slot;
    struct worker *workers; /* all that are not cleared away yet */
    unsigned next_cell;
    unsigned restarts, start_failures;
    uint64_t all_slots_ns;   /* when each slot had its worker for the first time; 0: not yet */
    uint64_t warmed_ns;    /* cgroup_run_warm() was called; 0: not for workers */
    uint64_t start_again_ns; /* no worker is made before: tasks were not to be had */
    size_t settled; /* tests with an outcome */
    size_t failures;
    bool no_new_tests;        /* maxfail, stop, budget spent */
    char stop_reason[200];
    bool worker_died;         /* in no test: the run cannot be green */
    bool interrupted;
    struct run_quit quit;
    bool fatal;               /* shunt broke, or could not go on */

    struct incident *incidents; /* all, in order */
    size_t nincidents, incidents_room;
    struct threshold threshold; /* thresholds.c */
    struct setup *setup;         /* setup.c; NULL: none is needed */
    struct run_history *history; /* history.c; NULL: --no-history, or no suite yet */
    struct blame_case *cases; /* blame.c: suspects */
    size_t ncases, cases_room;
    struct learn *learn;     /* --learn; NULL: off */
    struct denials *denials; /* by test; NULL: nobody looks */
    struct run_denied denied;
    struct run_outside outside;

    uint64_t start_ns;
    uint64_t frozen_ns, frozen_since_ns; /* time that does not count */
    bool command_exited;
    int command_status;
    uint64_t stop_deadline_ns; /* PHASE_STOPPING, FINISHING: then force; 0 */

    ev_timer fast_tick, slow_tick; /* counters; clocks, stalls, clearing away */
    ev_io init_io, notify_io;
    ev_prepare schedule;
    ev_signal on_int, on_term, on_hup, on_quit, on_usr1, on_tstp;
};

/* run.c */
uint64_t run_clock_ns(const struct run *run); /* monotonic, without frozen time */
uint64_t run_elapsed_ns(const struct run *run); /* since the start, for reports */
uint64_t run_timeout_ns(const struct run *run); /* wall time of a test without one of its own; 0: none */
void run_drop_queued(struct run *run, const char *reason); /* all queued tests become not-run */
void run_stop(struct run *run, const char *reason); /* nothing new starts */
void run_fail(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Nothing new starts, since `test` asked for it; the first such wish counts. run_quit(): and the test has no result. */
void run_quit(struct run *run, size_t test, const struct run_quit *quit, const char *why);
void run_quit_after(struct run *run, size_t test, const struct run_quit *quit, const char *why);
void run_abort(struct run *run, const char *reason); /* ends everything now */
void run_close_ledger(struct run *run); /* every test without an outcome becomes not-run */
void run_suite_ready(struct run *run);
void run_start_command(struct run *run); /* one that may start pytest; in the loop */
void run_count_failure(struct run *run); /* --maxfail */
void run_test_outcome(struct run *run, size_t test, enum outcome outcome);

/* exit_status.c: of the run; `ret_reason`: why it is another one than the framework's own */
int run_exit_status(struct run *run, const char **ret_reason);

/* signals.c */
void signals_init(struct run *run);
void signals_done(struct run *run);
void signals_say_status(struct run *run); /* what runs now */

/* scheduler.c */
void scheduler_pump(struct run *run);

/* worker.c */
struct worker *worker_new(struct run *run, struct slot *reserved);
void worker_cell_ready(struct worker *worker, struct run_init_event *event);
/* Those whose cell was there first are forked now. */
void worker_template_ready(struct run *run);
void worker_cold_pending(struct worker *worker, pid_t pid);
/* The cold worker's own connection; taken. */
void worker_cold_connected(struct worker *worker, struct channel *channel);
void worker_assign(struct worker *worker, struct slot *slot);
void worker_go(struct worker *worker, size_t test, size_t next);
void worker_end(struct worker *worker);
void worker_kill(struct worker *worker); /* state becomes DYING; leaves its slot */
bool worker_clear(struct worker *worker); /* DYING: true when nothing of it is left, and it is freed */
/* worker_messages.c: the supervisor's end of a channel to it, and one that it has opened itself. */
void worker_open_channel(struct worker *worker, int fd);
void worker_take_channel(struct worker *worker, struct channel *channel);
/* worker_output.c */
int worker_make_pipes(struct worker *worker, int ret_write[2]);
void worker_read_output(struct worker *worker);
void worker_output_again(struct worker *worker); /* a held one, once there is room */
char *worker_last_output(struct worker *worker, size_t *ret_size);
void worker_start_failed(struct worker *worker, const char *stage, int errnum /* 0: `stage` says it */);
struct worker *worker_find(struct run *run, unsigned number);
const char *worker_state_name(enum worker_state state);
void worker_reports_complete(struct worker *worker); /* of the test that was judged last */
void chunk_list_add(struct chunk_list *list, const void *data, size_t size);
void chunk_list_clear(struct chunk_list *list);

/* judge.c */
struct test_result { /* a `done` message, checked */
    enum outcome outcome;
    uint64_t setup_us, call_us, teardown_us;
    const char *message, *text;
    size_t text_size;
    int errnum;        /* of the exception that it failed with; 0 */
    const char *where; /* the source line that raised it; NULL */
    bool file;         /* it names a file */
};
void judge_start(struct worker *worker); /* counters at the start of a test */
void judge_boundary(struct worker *worker, const struct test_result *result);
bool judge_quit(struct worker *worker); /* its test ended without a result; true: nobody minds, it only ran again as a suspect */
void judge_death(struct worker *worker);
void judge_violation(struct worker *worker, const char *why);
void judge_busy(struct worker *worker); /* something was seen of it between two boundaries */

/* incidents.c */
/* Takes the evidence, ends the worker, and settles what becomes of its test. `void_result`: what the test said, which does
 * not count; NULL: nothing. */
void judge_break(struct worker *worker, const struct detector_result *result, const struct test_result *void_result);
void judge_incident_replaced(struct slot *slot, uint64_t now_ns); /* emits the pending incident */
void judge_incident_flush(struct slot *slot);

void counters_for_detector(const struct cgroup_counters *in, struct detector_counters *out);
/* An incident of this moment and worker; valid until the next. */
struct incident *incident_new(struct worker *worker, enum verdict verdict, size_t test);

/* tick.c */
void tick_all(struct run *run, bool slow);

/* evidence.c: where it is kept; what is taken before the kill, and after it */
void evidence_place(struct run *run);
void evidence_take(struct worker *worker, struct incident *incident);
void evidence_look(struct worker *worker, struct incident *incident); /* the same of a worker that goes on: without freezing it */
void evidence_of_death(struct worker *worker, struct incident *incident);
void evidence_put_first(struct incident *incident, const char *text); /* before what its second line says already */
void evidence_read_box(const struct worker *worker, struct blackbox *ret);
/* Which source lines started threads and processes during the current test; "" when unknown. */
void evidence_of_starts(const struct worker *worker, char *buf, size_t size);

/* stall.c: looks for a worker without progress; true when all its tasks have been waiting for each other. */
bool stall_check(struct worker *worker, uint64_t now_ns);
const char *stall_why_not(const struct run *run); /* "": nothing is in its way */

/* denials.c */
/* A listener: of the command's filter, and with cold workers one of each; taken. Where it does not work a notice says so. */
void denials_open(struct run *run, int listener);
void denials_close(struct run *run);

/* learn.c: --learn. All do nothing where it is off. */
int run_learn_open(struct run *run, struct err *err); /* once the spec is known */
void run_learn_places(struct run *run); /* once shunt's own directories are known */
/* `status`: of the run. */
int run_learn_finish(struct run *run, int status, struct err *err);

/* list.c: `shunt list` */
void list_print(const struct run *run);

/* history.c. Once the suite is known; `outcomes`: what tests came to last, too. */
void run_history_load(struct run *run, bool outcomes);
void run_history_facts(const struct run *run, size_t test, struct filter_facts *facts);
void run_history_keep(struct run *run, const bool *keep); /* as suite_keep(), which follows */
void run_history_permute(struct run *run, const size_t *order); /* as suite_permute() */
/* Once limits are known and before the lanes are: what is expected of tests, and where they begin. */
void run_history_read(struct run *run);
void run_history_say(struct run *run);
/* At the end, when every test has its outcome; `status`: of the run. */
void run_history_write(struct run *run, int status);
void run_history_free(struct run_history *history);

/* controller.c */
int controller_new(struct run *run, struct controller **ret, struct err *err);
void controller_free(struct controller *controller);
const char *controller_socket_path(const struct controller *controller);
bool controller_in_loop(const struct controller *controller); /* it waits for feed */
bool controller_seen(const struct controller *controller);
void controller_plan(struct controller *controller);
/* Tells it which tests of this suite do not run after all: those that `keep` does not say. */
void controller_deselect(struct controller *controller, const struct suite *suite, const bool *keep);
void controller_error(struct controller *controller, const char *message);
/* `failed`: why the test counts as failed although its reports say that it passed; NULL. */
void controller_feed_reports(struct controller *controller, size_t test, const char *name, const char *failed,
                             struct chunk_list *held);
/* The reports of a judged test never came: what the ledger knows of it. */
void controller_feed_bare(struct controller *controller, size_t test, const char *name);
/* Its reports were dropped, as it was to run again; now it will not. */
void controller_feed_given_up(struct controller *controller, size_t test, enum outcome outcome);
void controller_feed_killed(struct controller *controller, size_t test, const char *name,
                            const struct incident *incident);
/* A worker was ended by an incident, or ended itself. */
void controller_node_down(struct controller *controller, const char *name, const char *why);
void controller_output(struct controller *controller, const char *name, const void *data,
                       size_t size);
void controller_say(void *controller, const char *text);
void controller_finish(struct controller *controller);
void controller_interrupt(struct controller *controller, const char *text);
bool controller_congested(const struct controller *controller);
/* Asks it to show all that it has been told, to say so (terminal_go_on()) and to keep the rest until it may go on. False: it is
 * not in its loop. */
bool controller_pause(struct controller *controller);
void controller_resume(struct controller *controller);

/* limits.c */
int limits_resolve(struct run *run, struct err *err);
uint64_t limits_serial_tasks(struct run *run);
/* Notices for limits that were asked for and that nothing here can enforce. */
void limits_say_unenforced(struct run *run);
/* The limits of one test in its lane. */
struct cgroup_limits limits_of_test(const struct run *run, size_t test, bool serial);
