/* SPDX-License-Identifier: MIT */
#include "sandbox/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int err_result(const struct err *err)
{
    return err && err->errnum > 0 ? -err->errnum : -EINVAL;
}

int err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        int saved = errno;

        *err = (struct err){.kind = kind, .errnum = errnum};
        errno = errnum; /* for %m */
        va_start(ap, fmt);
        vsnprintf(err->message, sizeof(err->message), fmt, ap);
        va_end(ap);
        errno = saved;
    }
    return errnum > 0 ? -errnum : -EINVAL;
}

int err_hint(struct err *err, const char *fmt, ...)
{
    if (err) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
        va_end(ap);
    }
    return err_result(err);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (err) {
        char tail[sizeof(err->message)];
        va_list ap;
        int n;

        memcpy(tail, err->message, sizeof(tail));
        va_start(ap, fmt);
        n = vsnprintf(err->message, sizeof(err->message), fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof(err->message))
            snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %.400s", tail);
    }
    return err_result(err);
}
