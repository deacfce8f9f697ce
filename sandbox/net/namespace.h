/* SPDX-License-Identifier: MIT */
#pragma once

/* Makes a network namespace and stays outside. Needs CAP_SYS_ADMIN, and /proc. Returns its descriptor or -errno. Source:
 * clone(2), network_namespaces(7). */
int net_namespace_make(void);
