/* SPDX-License-Identifier: MIT */
#pragma once

/* What container engines hide and freeze below /proc and /sys (the OCI runtime's maskedPaths and readonlyPaths). */
#include <stdbool.h>

enum mask_kind { MASK_HIDE, MASK_FREEZE };

struct mask {
    enum mask_kind kind;
    const char *path;
    bool always; /* also where the policy asks only for a read-only root */
};

extern const struct mask masks_proc[], masks_sys[], masks_net[]; /* path NULL at the end */
