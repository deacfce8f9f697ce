/* SPDX-License-Identifier: MIT */
#pragma once

/* Capabilities, capabilities(7), as bits: 1 << CAP_x. */
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>

#define CAPS_BIT(cap) (1ULL << (cap))
#define CAPS_ALL UINT64_MAX
/* The fourteen that Docker, Podman and containerd leave by default. */
#define CAPS_DOCKER                                                                                              \
    (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_FOWNER) |            \
     CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) |                 \
     CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_SYS_CHROOT) | \
     CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_AUDIT_WRITE))

/* Cuts bounding, permitted and effective sets down to those in `mask`; ambient and inheritable become empty, so a
 * process that is not uid 0 keeps nothing over exec. What one does not have is not gained. A process without
 * capabilities (an ordinary user) has nothing to lose: 0. Async-signal-safe. Returns 0 or -errno. */
int caps_keep(uint64_t mask);
/* The bounding set alone. */
int caps_bound(uint64_t mask);

/* For policies: "net_raw", "NET_RAW" or "CAP_NET_RAW", and its number. The number, or -EINVAL for no such capability.
 */
int caps_parse(const char *name);
/* "net_raw"; a number in digits where it has no name. Returns 0, or -ENOBUFS. */
int caps_name(unsigned cap, char *ret, size_t size);
