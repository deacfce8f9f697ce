/* SPDX-License-Identifier: MIT */
#include "sandbox/learn/address.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static enum learn_reach reach4(uint32_t address)
{
    bool here = address == INADDR_ANY || address >> 24 == IN_LOOPBACKNET;

    return here ? LEARN_REACH_LOOPBACK : LEARN_REACH_HOST;
}

static enum learn_reach reach6(const struct in6_addr *address)
{
    uint32_t mapped;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&mapped, address->s6_addr + 12, sizeof(mapped));
        return reach4(ntohl(mapped));
    }
    return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address) ? LEARN_REACH_LOOPBACK
                                                                             : LEARN_REACH_HOST;
}

static enum learn_reach reach_unix(const void *address, size_t length, char *path, size_t room)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    const char *name = (const char *)address + head;

    /* Without a name, or with one that is in no directory (abstract). */
    if (length <= head || !*name)
        return LEARN_REACH_NONE;
    if (path)
        snprintf(path, room, "%.*s", (int)(length - head), name);
    return LEARN_REACH_UNIX;
}

enum learn_reach learn_address_reach(const void *address, size_t length, char *path, size_t room)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    sa_family_t family;

    if (length < sizeof(family))
        return LEARN_REACH_NONE;
    memcpy(&family, address, sizeof(family));
    if (family == AF_UNIX)
        return reach_unix(address, length, path, room);
    if (family == AF_INET && length >= sizeof(in)) {
        memcpy(&in, address, sizeof(in));
        return reach4(ntohl(in.sin_addr.s_addr));
    }
    /* The kernel takes one without its last field, sin6_scope_id. */
    if (family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        memset(&in6, 0, sizeof(in6));
        memcpy(&in6, address, length < sizeof(in6) ? length : sizeof(in6));
        return reach6(&in6.sin6_addr);
    }
    return LEARN_REACH_NONE;
}
