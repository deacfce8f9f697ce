/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Attacks on a sandbox, from inside: `attack [--mark=TEXT] [--host=MNT,UTS] NAME [ARG]...` tries one for real and prints one line.
 *
 *   NAME: refused ERRNO         exit status 1
 *   NAME: succeeded DETAIL      0
 *   NAME: absent WHY            2: the kernel has no such thing, or the place gives nothing to attack
 *
 * Where nothing stops an attack it must do no harm: each proves that it could, and leaves it at that (signal 0, a file
 * that the runner made for it, an ioctl on the runner's own terminal). What multiplies is bounded by a count.
 * What cannot be done harmlessly (umount, pivot_root, a host name) is marked `changes_host`, and is not even tried unless
 * `--host` names the inodes of the host's mount and uts namespaces and this process is in neither: the runner puts
 * namespaces of its own around every attempt, and this is what notices when it did not.
 * `--mark` does nothing: the runner finds by it, in /proc/PID/cmdline, whatever an attack left behind.
 */
#include <stdbool.h>
#include <stddef.h>

enum attack_end { ATTACK_SUCCEEDED, ATTACK_REFUSED, ATTACK_ABSENT };

struct outcome {
    enum attack_end end;
    int errnum;       /* REFUSED */
    char detail[240]; /* SUCCEEDED, ABSENT */
};

struct attack {
    const char *name;
    const char *args; /* for the usage message */
    int nargs;        /* at least so many */
    void (*run)(char *const args[], struct outcome *out);
    bool changes_host;
};

/* What each file offers, ended by a NULL name. */
extern const struct attack attacks_cgroup[];
extern const struct attack attacks_files[];
extern const struct attack attacks_ipc[];
extern const struct attack attacks_lingering[];
extern const struct attack attacks_namespaces[];
extern const struct attack attacks_network[];
extern const struct attack attacks_privileges[];
extern const struct attack attacks_processes[];
extern const struct attack attacks_resources[];
extern const struct attack attacks_syscalls[];
extern const struct attack attacks_terminals[];

void outcome_refused(struct outcome *out, int errnum);
__attribute__((format(printf, 2, 3))) void outcome_succeeded(struct outcome *out, const char *format, ...);
__attribute__((format(printf, 2, 3))) void outcome_absent(struct outcome *out, const char *format, ...);
/* Of a call that says -1 and errno. Returns whether it succeeded. */
bool outcome_of(struct outcome *out, long result);
/* Opens for the given access and closes again: that it can be opened is the proof. */
void outcome_of_open(struct outcome *out, const char *path, int flags);

/* Reads at most size - 1 bytes and ends them with NUL. Returns how many, or -1 with errno. */
long attack_read_file(const char *path, char *buf, size_t size);
/* A number from the command line; ends the program when it is none. */
long attack_number(const char *text);
