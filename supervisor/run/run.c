/* SPDX-License-Identifier: MIT */
#include "supervisor/run/run.h"

#include <errno.h>

#include "sandbox/base/err.h"

int run_main(const struct run_config *config, struct err *err)
{
    (void)config;
    return err_set(err, ERR_INTERNAL, ENOSYS, "not built yet");
}
