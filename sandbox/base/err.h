/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a user must act on. Functions return 0 or -errno; those whose failure reaches a person also fill
 * a `struct err`: what happened (message), and what to do (hint). It is filled once, at the place that
 * knows, and gains context on the way up with err_wrap(). A NULL `struct err *` is accepted everywhere.
 */

enum err_kind {
    ERR_NONE,
    ERR_USAGE,   /* the command line or the configuration is wrong: exit status 4 */
    ERR_SANDBOX, /* isolation that was required is not to be had: exit status 6 */
    ERR_SYSTEM,  /* the machine refused something that shunt needs: exit status 3 */
    ERR_INTERNAL /* shunt itself broke: exit status 3 */
};

struct err {
    enum err_kind kind;
    int errnum; /* positive errno, 0 when none applies */
    char message[512];
    char hint[512]; /* empty when there is nothing to say */
};

#define ERR_INIT {.kind = ERR_NONE}

/* Fills `err` and returns -errnum (-EINVAL when errnum is 0). Does not append strerror(): put "%m"
 * or a better word into the message where it helps. */
int err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Sets the remedy. Returns -errnum of `err`, so that `return err_hint(...)` ends a function. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prepends "context: " to the message. Returns -errnum of `err`. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
