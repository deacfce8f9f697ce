/* SPDX-License-Identifier: MIT */
/* The caller's terminal: putting words into its mouth, as in CVE-2017-5226, -2019-7303 and -2023-1523. The runner
 * makes the terminal and looks whether anything came. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TIOCLINUX_PASTE 3 /* pastes the selection into the active console */

/* A descriptor of the terminal: what we were given, else what it is called. */
static int find_terminal(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (isatty(fd))
            return fd;
    return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* Raw, as the C library and the filter may disagree on how wide a request is. WIDE sets bit 32, which the kernel drops. */
static long request(int fd, unsigned long number, const char *width, void *arg)
{
    if (width && !strcmp(width, "wide"))
        number |= 1UL << 32;
    return syscall(SYS_ioctl, fd, number, arg);
}

static void push(char *const args[], struct outcome *out)
{
    int fd = find_terminal();
    char c = 'x';
    if (outcome_of(out, fd))
        outcome_of(out, request(fd, TIOCSTI, args[0], &c));
}

static void paste(char *const args[], struct outcome *out)
{
    int fd = find_terminal();
    char command[2] = {TIOCLINUX_PASTE, 0};
    if (outcome_of(out, fd))
        outcome_of(out, request(fd, TIOCLINUX, args[0], command));
}

static void open_terminal(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of_open(out, "/dev/tty", O_RDWR);
}

/* A terminal that is somebody's already becomes ours: as root with a second argument of 1. */
static void steal(char *const args[], struct outcome *out)
{
    (void)args;
    int fd = find_terminal();
    if (!outcome_of(out, fd))
        return;
    setsid();
    outcome_of(out, ioctl(fd, TIOCSCTTY, 1));
}

const struct attack attacks_terminals[] = {
    {"tiocsti", "[wide]", 0, push, false},
    {"tioclinux", "[wide]", 0, paste, false},
    {"open-terminal", "", 0, open_terminal, false},
    {"steal-terminal", "", 0, steal, false},
    {0},
};
