/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Refused system calls by name. The filter of a sandbox answers "notify" where it would refuse; whoever holds the listener
 * (shunt) evaluates the same profiles' refusing forms for the errno, answers it, and counts. Decisions use registers only,
 * never memory of the caller.
 *
 * One listener a sandbox: a second one in the same filter tree is refused by the kernel (EBUSY), a stacked filter that
 * notifies without a listener of its own gives ENOSYS, and an errno of a stacked filter beats a notification. So what
 * shall be named is in one program, the one that was installed with the listener. When shunt is gone notified calls give
 * ENOSYS, as long as nobody else holds the listener: whoever installed it must close it (exec does).
 *
 * Source: seccomp_unotify(2).
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct notify;

struct notify_denial {
    uint64_t id;          /* of the notification, for notify_waits() */
    pid_t tid;            /* as the reader's pid namespace sees it (0: not at all); it waits while `decide` runs */
    uint32_t arch, nr;
    uint64_t args[6];
    int errnum;           /* that it gets (0: success, though nothing was done: errnoRet 0); learning: that it would get */
    const char *name;     /* "io_uring_setup" */
    const char *profile;  /* that refused it: "seccomp/tight.json"; NULL: none does */
};

enum notify_answer { NOTIFY_REFUSE, NOTIFY_CONTINUE };

struct notify_options {
    int listener;                       /* taken */
    const struct sock_fprog *programs;  /* the refusing forms, the strictest first where they differ; not owned, must
                                           outlive it */
    const char *const *names;           /* one per program, for notify_denial.profile */
    size_t nprograms;
    bool learn;                         /* everything goes on */
    /* Called for each call before it is answered; may choose another answer, or another errno in denial->errnum. NULL: what
     * a profile refuses is refused, and the rest goes on. */
    enum notify_answer (*decide)(void *arg, struct notify_denial *denial);
    /* Called once the kernel took the answer: for each call that was refused (learning: for each). A caller that died, or
     * was interrupted and asks again, is not counted twice. NULL: none. */
    void (*answered)(void *arg, const struct notify_denial *denial);
    void *arg;
};

/* -EINVAL: the descriptor is no listener. -ENOSYS, -EACCES: this kernel has no notifications. */
int notify_new(const struct notify_options *options, struct notify **ret, struct err *err);
/* Closes the listener: whoever waits gets ENOSYS. Accepts NULL. */
void notify_free(struct notify *notify);
int notify_fd(const struct notify *notify); /* poll for reading, then notify_handle() */
/* Answers at most `most` calls that wait now; never blocks. Returns how many, or -errno; callers that died are no errors
 * (and no answers, but count towards `most`). -EPIPE: nobody uses the filter any more, stop polling. */
int notify_handle(struct notify *notify, unsigned most);
/* In `decide`: does the caller still wait? What was read of /proc/TID before is about it then, and not about a later task
 * of that number. */
bool notify_waits(const struct notify *notify, const struct notify_denial *denial);

/* How often each call was refused (or, learning, made), for reports: sorted by count, then name. At most NOTIFY_CALLS_MAX
 * and one named NOTIFY_OTHERS for what did not fit. Valid until the next call of a notify function. */
#define NOTIFY_CALLS_MAX 512
#define NOTIFY_OTHERS "other calls"
struct notify_count {
    const char *name; /* lives as long as notify */
    const char *profile;
    uint64_t count;
    int errnum;
};
size_t notify_counts(struct notify *notify, const struct notify_count **ret);

/* Is a listener to be had here? 0, or what the kernel says: -EBUSY, a filter around us has one. Tried in a child. */
int notify_possible(void);

/* --- install.c: async-signal-safe, in the child; no_new_privs or CAP_SYS_ADMIN is the caller's business --- */

/* Installs `program` for the calling thread, with a listener (close-on-exec). 0 or -errno; -EBUSY: a filter around us has
 * one. Calls that wait are then interrupted by deadly signals only, where the kernel can do that (5.19). */
int notify_install(const struct sock_fprog *program, int *ret_listener);
/* Over a unix socket, with sendmsg() and no other system call: learning, every other one would wait for a listener that
 * nobody has received yet. 0 or -errno. */
int notify_send_listener(int sock, int listener);
/* Waits for it (recvmsg). -ECONNRESET: the other side closed without sending one. Close-on-exec. */
int notify_receive_listener(int sock, int *ret_listener);
