/* SPDX-License-Identifier: MIT */
#include "supervisor/cli/commands.h"

#include <stdio.h>

#include "sandbox/base/err.h"

int cli_fail(const struct err *err)
{
    fprintf(stderr, "shunt: %s\n", err->message);
    if (*err->hint)
        fprintf(stderr, "  %s\n", err->hint);
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
