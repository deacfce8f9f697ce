/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Refused system calls by name. The filters of a sandbox answer "notify" where they would refuse; whoever holds the listener
 * (shunt) evaluates the same profile's refusing form for the errno, answers it, and counts. Decisions use registers only,
 * never memory of the caller. One listener a sandbox: a second one in the same filter tree is refused by the kernel (EBUSY).
 * When shunt is gone such calls give ENOSYS.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct notify;

struct notify_denial {
    pid_t tid;            /* as the reader's pid namespace sees it; it waits for our answer while the callback runs */
    uint32_t arch, nr;
    uint64_t args[6];
    int errnum;           /* that it gets; 0: it was let go on (learning, or `continue`) */
    const char *name;     /* "io_uring_setup" */
    const char *profile;  /* that refused it: "seccomp/tight.json" */
};

enum notify_answer { NOTIFY_REFUSE, NOTIFY_CONTINUE };

struct notify_options {
    int listener;                       /* taken */
    const struct sock_fprog *programs;  /* the refusing forms, in any order; not owned, must outlive it */
    const char *const *names;           /* one per program, for notify_denial.profile */
    size_t nprograms;
    bool learn;                         /* everything goes on */
    /* Called for each call before it is answered; may choose another answer or errno (in denial->errnum). NULL: none. */
    enum notify_answer (*decide)(void *arg, struct notify_denial *denial);
    void *arg;
};

int notify_new(const struct notify_options *options, struct notify **ret, struct err *err);
void notify_free(struct notify *notify); /* closes the listener: whoever waits gets ENOSYS */
int notify_fd(const struct notify *notify); /* poll for reading, then notify_handle() */
/* Answers at most `most` calls that wait. Returns how many, or -errno; -ENOENT and the like of callers that died are no
 * errors. After EPOLLHUP (nobody uses the filter any more) it returns -EPIPE. */
int notify_handle(struct notify *notify, unsigned most);

/* How often each call was refused (or, learning, made), for reports: sorted by count, then name. */
struct notify_count {
    const char *name; /* lives as long as notify */
    const char *profile;
    uint64_t count;
    int errnum;
};
size_t notify_counts(const struct notify *notify, const struct notify_count **ret);
