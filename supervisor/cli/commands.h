/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The commands of `shunt`. Each gets its own name as argv[0], returns the exit status of the
 * program, and has printed what there was to say.
 */
struct err;

enum exit_status { /* docs/man/shunt.1, EXIT STATUS */
                   EXIT_PASSED = 0,
                   EXIT_FAILED = 1,
                   EXIT_INTERRUPTED = 2,
                   EXIT_INTERNAL = 3,
                   EXIT_USAGE = 4,
                   EXIT_NO_TESTS = 5,
                   EXIT_SANDBOX = 6
};

int cmd_run(int argc, char **argv);
int cmd_run_help(void);
int cmd_list(int argc, char **argv);
int cmd_list_help(void);
int cmd_doctor(int argc, char **argv);
int cmd_doctor_help(void);
int cmd_exec(int argc, char **argv);
int cmd_exec_help(void);
int cmd_history(int argc, char **argv);
int cmd_history_help(void);
int cmd_config(int argc, char **argv);
int cmd_config_help(void);
int cmd_merge(int argc, char **argv);
int cmd_merge_help(void);
int cmd_policy(int argc, char **argv);
int cmd_policy_help(void);
int cmd_scan(int argc, char **argv);
int cmd_scan_help(void);
int cmd_mark(int argc, char **argv);
int cmd_mark_help(void);

/* Prints "shunt: message" and the hint to stderr; returns the status for the kind of error. */
int cli_fail(const struct err *err);
