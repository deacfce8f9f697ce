/* SPDX-License-Identifier: MIT */
#pragma once

/* The account of a finished command: for people on stderr, and as JSON (docs/man/shunt.1, REPORT). */
struct err;
struct exec_config;
struct sandbox;
struct sandbox_spec;

/* What was wanted and is not in force; with --verbose everything that is. */
void account_started(const struct exec_config *config, const struct sandbox *sandbox, const struct sandbox_spec *spec);
/* Nothing when there is nothing to say: the command ended by itself and no limit, refusal or leak had to do with it. */
void account_print(const struct exec_config *config, struct sandbox *sandbox, const struct sandbox_spec *spec);
/* A report for a command that did not start, so that one of an earlier command does not stand for it. Nothing where it cannot
 * be written, or without --report. `command` may be NULL. */
void account_write_not_started(const struct exec_config *config, const struct err *why);
int account_write(const struct exec_config *config, const struct sandbox *sandbox, const struct sandbox_spec *spec,
                  struct err *err);
