/* SPDX-License-Identifier: MIT */
#pragma once

/* How far a socket address reaches. Pure. */
#include <stddef.h>

enum learn_reach {
    LEARN_REACH_NONE,     /* no network: unix, netlink, no address, or unusable */
    LEARN_REACH_LOOPBACK, /* 127.0.0.0/8, ::1; the wildcard, which is wherever one is */
    LEARN_REACH_HOST,
    LEARN_REACH_UNIX /* a path in the file system: *ret_path */
};

/* `path` (may be NULL) gets the path of a unix address; `room` is at least 109. */
enum learn_reach learn_address_reach(const void *address, size_t length, char *path, size_t room);
