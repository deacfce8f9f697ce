/* SPDX-License-Identifier: MIT */
#pragma once

/* Docker's default fourteen capabilities, and no more. Source: capabilities(7). Async-signal-safe. */
#include <linux/capability.h>

#define CAPS_BIT(cap) (1ULL << (cap))
#define CAPS_FOURTEEN                                                                                              \
    (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_FOWNER) |              \
     CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) |                   \
     CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_SYS_CHROOT) |   \
     CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_AUDIT_WRITE))

/* Cuts bounding, ambient, inheritable, permitted and effective sets down to the fourteen. A process without
 * capabilities (an ordinary user) has nothing to lose: 0. Returns 0 or -errno. */
int caps_drop(void);
