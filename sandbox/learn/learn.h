/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Learning a policy: a command runs with nothing refused and every system call told, what it did is
 * noted, and the smallest policy that allows it is written: `hardened`, and what this run needs
 * beyond it.
 *
 *   learn_relax(&spec);                        nothing shall be in its way, else what it does after
 * a failure is learned learn_new(&options, &learn, &err); learn_call(learn, notify, denial); for
 * each notification (struct notify_options.decide), before its answer learn_note_peaks(learn,
 * tasks, bytes); learn_write(learn, &output, &err);         FILE and its profile, or FILE.new and a
 * diff, and what to do with it
 *
 * What is read of a caller's memory may be changed by the caller before the kernel reads it. For a
 * filter that would be a hole; here the caller has no more to gain than a wrong policy, which a
 * person reviews.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;
struct learn;
struct notify;
struct notify_denial;
struct sandbox_spec;

/* No view of files, no network, identity, environment or limits of its own. Namespaces that an
 * ordinary program does not notice stay, and so do an overlay of /tmp and what the policy sets in
 * the environment. Demands are dropped, but that the calls are told. Pure. The caller sees to it
 * that spec->seccomp names some profile: without a filter nothing is told. */
void learn_relax(struct sandbox_spec *spec);

struct learn_options {
    const struct sandbox_spec *
        base; /* what the learned policy extends, with a seccomp profile; copied as far as needed */
    const char *guard; /* the profile that shunt merges into each filter; NULL: none */
    const char *cwd;   /* absolute */
    const char *home;  /* NULL: none */
    bool workers; /* the run's workers enter cells: what shunt itself does for that is not theirs */
};

int learn_new(const struct learn_options *options, struct learn **ret, struct err *err);
void learn_free(struct learn *learn); /* accepts NULL */
/* Below `path` only shunt itself writes, or it is elsewhere under the learned policy. NULL and
 * relative paths: ignored. */
void learn_leave_out(struct learn *learn, const char *path);
void learn_call(struct learn *learn, const struct notify *notify,
                const struct notify_denial *denial);
/* The call starts a thread or process: the moment to count them, where the kernel keeps no peak. */
bool learn_starts_task(const struct notify_denial *denial);
/* The largest of all that were given counts; 0: not known. */
void learn_note_peaks(struct learn *learn, uint64_t tasks, uint64_t memory_bytes);

/* Can `path` be written, or be made? ERR_USAGE. Asked before the run, which may be long. */
int learn_check_path(const char *path, struct err *err);

struct learn_output {
    const char *path;     /* FILE; its profile is FILE less ".yaml", and ".seccomp.json" */
    char *const *command; /* NULL-terminated */
    bool whole;           /* `command` begins with an option of ours: no "--" before it */
    const char *with;     /* the words before the command: "shunt exec" */
    int status;           /* that the command ended with */
    FILE *out;            /* for people */
};

int learn_write(struct learn *learn, const struct learn_output *output, struct err *err);
