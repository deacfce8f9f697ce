/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <stdio.h>

#include "sandbox/base/err.h"

/* For whoever ran into a limit in a place that has no better word. */
static const char *remedy_of(int errnum)
{
    switch (errnum) {
    case EMFILE:
        return "the limit on open files is too low for shunt: ulimit -n 1024";
    case ENFILE:
        return "the machine has no more open files to give: as root, sysctl -w fs.file-max=...";
    case EAGAIN:
        return "no more processes may be started here: ulimit -u of this user, or pids.max of a cgroup around shunt";
    default:
        return "";
    }
}

int cli_fail(const struct err *err)
{
    const char *hint = *err->hint || err->kind != ERR_SYSTEM ? err->hint : remedy_of(err->errnum);

    fprintf(stderr, "shunt: %s\n", err->message);
    if (*hint)
        fprintf(stderr, "  %s\n", hint);
    switch (err->kind) {
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_SANDBOX:
        return EXIT_SANDBOX;
    case ERR_NONE:
    case ERR_SYSTEM:
    case ERR_INTERNAL:
        break;
    }
    return EXIT_INTERNAL;
}
