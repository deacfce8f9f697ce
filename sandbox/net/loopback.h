/* SPDX-License-Identifier: MIT */
#pragma once

/* In a network namespace of one's own the loopback device exists, and is down. Needs CAP_NET_ADMIN in the user
 * namespace that owns it. Async-signal-safe. Returns 0 or -errno. Source: netdevice(7). */
int net_loopback_up(void);
