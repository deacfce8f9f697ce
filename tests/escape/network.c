/* SPDX-License-Identifier: MIT */
/* The host's network and sockets; the runner listens and looks whether anybody came. */
#include "tests/escape/attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void connect_unix(const char *name, bool abstract, struct outcome *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!outcome_of(out, fd))
        return;
    if (n + 1 >= sizeof address.sun_path) {
        outcome_refused(out, ENAMETOOLONG);
        return;
    }
    memcpy(address.sun_path + abstract, name, n);
    outcome_of(out, connect(fd, (struct sockaddr *)&address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1)));
}

static void to_abstract(char *const args[], struct outcome *out)
{
    connect_unix(args[0], true, out);
}

static void to_path(char *const args[], struct outcome *out)
{
    connect_unix(args[0], false, out);
}

static void to_tcp(char *const args[], struct outcome *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)attack_number(args[1]))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!outcome_of(out, fd))
        return;
    if (inet_pton(AF_INET, args[0], &address.sin_addr) != 1)
        outcome_absent(out, "no address: %s", args[0]);
    else
        outcome_of(out, connect(fd, (struct sockaddr *)&address, sizeof address));
}

/* A datagram goes nowhere to be refused from: what counts is whether there is a way there. */
static void to_udp(char *const args[], struct outcome *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)attack_number(args[1]))};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (!outcome_of(out, fd))
        return;
    inet_pton(AF_INET, args[0], &address.sin_addr);
    outcome_of(out, sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address));
}

/* Not an attack: what must work where the network is loopback only. */
static void own_loopback(char *const args[], struct outcome *out)
{
    (void)args;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, n) || listen(server, 1) ||
        getsockname(server, (struct sockaddr *)&address, &n))
        outcome_refused(out, errno);
    else
        outcome_of(out, connect(client, (struct sockaddr *)&address, n));
}

/* The port that the runner holds on the host: free where the network is our own. */
static void bind_port(char *const args[], struct outcome *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)attack_number(args[0]))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (outcome_of(out, fd))
        outcome_of(out, bind(fd, (struct sockaddr *)&address, sizeof address));
}

static void raw_packets(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, socket(AF_PACKET, SOCK_RAW, 0));
}

static void virtual_machine(char *const args[], struct outcome *out)
{
    (void)args;
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0 && errno == EAFNOSUPPORT)
        outcome_refused(out, errno);
    else
        outcome_of(out, fd);
}

/* Interfaces that are there beside the loopback one. */
static void other_interfaces(char *const args[], struct outcome *out)
{
    (void)args;
    struct if_nameindex *all = if_nameindex();
    if (!all) {
        outcome_refused(out, errno);
        return;
    }
    outcome_refused(out, ENODEV);
    for (struct if_nameindex *at = all; at->if_index; at++)
        if (strcmp(at->if_name, "lo") && strncmp(at->if_name, "tunl", 4) && strncmp(at->if_name, "sit", 3))
            outcome_succeeded(out, "interface %s", at->if_name);
    if_freenameindex(all);
}

const struct attack attacks_network[] = {
    {"abstract-socket", "NAME", 1, to_abstract, false},
    {"path-socket", "PATH", 1, to_path, false},
    {"tcp", "ADDRESS PORT", 2, to_tcp, false},
    {"udp", "ADDRESS PORT", 2, to_udp, false},
    {"own-loopback", "", 0, own_loopback, false},
    {"bind-port", "PORT", 1, bind_port, false},
    {"raw-packets", "", 0, raw_packets, false},
    {"vsock", "", 0, virtual_machine, false},
    {"other-interfaces", "", 0, other_interfaces, false},
    {0},
};
