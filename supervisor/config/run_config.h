/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Everything that `shunt run` was told, checked but not yet resolved: AUTO stays AUTO until the surroundings
 * and the suite are known. Filled by the option table in supervisor/cli, read by supervisor/run.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/core/retry.h"

#define RUN_CONFIG_AUTO UINT64_MAX    /* "auto": find out */
#define RUN_CONFIG_UNSET (UINT64_MAX - 1) /* not given here: the suite's own value, else auto */

enum run_on_reroute { ON_REROUTE_PASS, ON_REROUTE_WARN, ON_REROUTE_FAIL };
enum run_fork_server { FORK_SERVER_AUTO, FORK_SERVER_OFF };
enum run_leaks { LEAKS_IGNORE, LEAKS_RECORD, LEAKS_FAIL };
enum run_budget { BUDGET_AUTO, BUDGET_HOST, BUDGET_NONE };
enum run_cpu_view { CPU_VIEW_HOST, CPU_VIEW_SHARE };
enum run_confirm { CONFIRM_NONE, CONFIRM_KILLED, CONFIRM_FAILED };
enum run_list { LIST_NONE, LIST_TEXT, LIST_JSON };
enum run_order { ORDER_LONGEST, ORDER_LISTED, ORDER_RANDOM };
enum run_output { OUTPUT_NEVER, OUTPUT_IMMEDIATE, OUTPUT_FINAL, OUTPUT_IMMEDIATE_FINAL };
enum run_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct sandbox_config;
struct filter;
struct rules;
struct setup_scripts;

#define RUN_CONFIG_FILTERS 32

struct run_config {
    const struct sandbox_config *sandbox;
    char **command; /* NULL-terminated, at least one; points into argv */

    const char *adapter;   /* --adapter; NULL: by the command */
    bool batch;            /* --batch: a suite of the framework's is one process, and one test */
    const char *from_path; /* --from; NULL. Then `command` is what people read */
    enum run_list list;    /* `shunt list`: print which tests there are, and run none */

    uint64_t workers;          /* -n N|auto|logical; 1..256, AUTO or UNSET */
    bool workers_logical;      /* -n logical */
    uint64_t max_worker_restart; /* UNSET: the suite's own, else 4 x workers */
    uint64_t max_fail;         /* --maxfail, -x; UNSET: the suite's own; 0: never stop */

    uint64_t tasks, serial_tasks;                /* 1..4194304 or AUTO */
    uint64_t memory_bytes, serial_memory_bytes;  /* at least 1 MiB or AUTO; 0: none */
    uint64_t timeout_ns;       /* --timeout: wall time of one test; 0: none; RUN_CONFIG_UNSET: the policy's */
    uint64_t slow_ns;          /* --slow: a notice for people; 0: none */
    uint64_t grace_ns;         /* --grace: between SIGTERM and SIGKILL at a timeout; 0: SIGKILL at once */
    uint64_t stall_ns;         /* --stall; 0: off */

    unsigned cpu_share;        /* --cpu-share: CPUs of one worker; 0: auto */
    bool cpu_share_off;        /* --cpu-share=off: workers are told nothing */
    enum run_cpu_view cpu_view; /* what a worker of the parallel lane sees: mask, os.cpu_count() */

    enum run_budget budget;    /* auto: make's, where make started shunt */

    struct retry_policy retry; /* of tests without one of their own */
    bool flaky_fails;          /* --on-flaky=fail */

    unsigned reroute;          /* bit per enum verdict (supervisor/core/verdict.h) */
    enum run_on_reroute on_reroute;
    enum run_leaks leaks;      /* what a test that leaves something behind comes to */
    enum run_confirm confirm; /* which results of a starved test count only once it has run alone */
    enum run_fork_server fork_server;
    bool no_sandbox;           /* --sandbox=off: lanes and limits only */

    struct filter *filters[RUN_CONFIG_FILTERS]; /* -E: tests that one of them matches run; none: all */
    size_t nfilters;
    enum run_order order;
    uint64_t seed;             /* of a random order; UNSET: any */
    uint64_t repeat;           /* each test runs so often, or until it is bad; at least 1 */
    bool until_fail;           /* and the run stops at the first that is */
    unsigned shard, shards;    /* --shard: the tests of part `shard` (from 0) of so many; 0: all */
    const struct setup_scripts *setup; /* of the project's shunt.yaml; NULL: none */
    const struct rules *rules; /* of the project's shunt.yaml; NULL: none */

    const char *history_path;  /* NULL: .shunt/history.db below the suite's root */
    bool no_history;           /* neither read nor written */
    bool relearn;              /* known offenders are tried in parallel again */

    const char *events_path;   /* NULL: none */
    const char *junit_path;
    enum run_color color;
    enum run_output success_output, failure_output; /* when the output of a program is shown, by what its test came to */
    bool no_capture;           /* programs' output as it comes, one test at a time */
    bool no_keys;              /* the terminal is left alone: --no-input-handler */
    bool quiet;                /* no header, no progress; incidents and the summary stay */
};
