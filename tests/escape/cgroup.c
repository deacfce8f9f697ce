/* SPDX-License-Identifier: MIT */
/* Control groups: out of ours, into others, past our own limits. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Calls `use` with each mounted hierarchy's directory of our own group, until it says true. A cgroup namespace shows "/"
 * for it, and then the mount's root is it. */
static bool each_own_group(bool (*use)(const char *directory, void *arg), void *arg)
{
    static const char *const tops[] = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified",
                                       "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"};
    char text[8192];
    if (attack_read_file("/proc/self/cgroup", text, sizeof text) < 0)
        return false;
    char *state = NULL;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char *path = strchr(line, '/');
        for (size_t i = 0; path && i < sizeof tops / sizeof *tops; i++) {
            char directory[PATH_MAX], probe[PATH_MAX + 16];
            snprintf(directory, sizeof directory, "%s%s", tops[i], strcmp(path, "/") ? path : "");
            snprintf(probe, sizeof probe, "%s/cgroup.procs", directory);
            if (!access(probe, F_OK) && use(directory, arg))
                return true;
        }
    }
    return false;
}

/* Moves this process into the runner's groups (colons between them): empty ones, made for this. */
static void join(char *const args[], struct outcome *out)
{
    char list[4096], *state = NULL;
    snprintf(list, sizeof list, "%s", args[0]);
    outcome_absent(out, "no group to join");
    for (char *directory = strtok_r(list, ":", &state); directory; directory = strtok_r(NULL, ":", &state)) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/cgroup.procs", directory);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool joined = outcome_of(out, fd) && outcome_of(out, write(fd, "0", 1));
        if (fd >= 0)
            close(fd);
        if (joined)
            return;
    }
}

struct try {
    const char *file;
    struct outcome *out;
    bool found;
};

/* Writes back what stands there: that it can be written is the proof. */
static bool rewrite_limit(const char *directory, void *arg)
{
    struct try *try = arg;
    char path[PATH_MAX + 32], text[64];
    snprintf(path, sizeof path, "%s/%s", directory, try->file);
    long n = attack_read_file(path, text, sizeof text);
    if (n < 0)
        return false;
    try->found = true;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (!outcome_of(try->out, fd))
        return false;
    bool written = outcome_of(try->out, write(fd, text, (size_t)n));
    close(fd);
    if (written)
        outcome_succeeded(try->out, "wrote %.200s", path);
    return written;
}

static void raise_limit(char *const args[], struct outcome *out)
{
    for (; *args; args++) {
        struct try try = {*args, out, false};
        outcome_refused(out, ENOENT);
        if (each_own_group(rewrite_limit, &try))
            return;
        if (try.found)
            return;
    }
}

static bool make_below(const char *directory, void *arg)
{
    struct try *try = arg;
    char path[PATH_MAX + 32];
    try->found = true;
    snprintf(path, sizeof path, "%s/attack-%d", directory, getpid());
    bool made = outcome_of(try->out, mkdir(path, 0755));
    if (made) {
        outcome_succeeded(try->out, "made %.200s", path);
        rmdir(path);
    }
    return made;
}

static void nest(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_refused(out, ENOENT);
    each_own_group(make_below, &(struct try){NULL, out, false});
}

/* CVE-2022-0492: the program that the kernel runs as root of the host when a v1 group empties. Opened, never written. */
static void release_agent(char *const args[], struct outcome *out)
{
    (void)args;
    static const char *const names[] = {"pids", "memory", "cpu", "cpu,cpuacct", "systemd", "freezer", "devices", "blkio"};
    outcome_refused(out, ENOENT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/release_agent", names[i]);
        if (access(path, F_OK))
            continue;
        outcome_of_open(out, path, O_WRONLY);
        if (out->end == ATTACK_SUCCEEDED)
            return;
    }
}

/* The same by a mount of one's own. A named hierarchy without controllers, as nobody needs it for anything. */
static void mount_cgroup(char *const args[], struct outcome *out)
{
    if (outcome_of(out, mount("attack", args[0], "cgroup2", 0, NULL)))
        umount2(args[0], MNT_DETACH);
}

const struct attack attacks_cgroup[] = {
    {"cgroup-join", "DIRECTORY[:DIRECTORY]...", 1, join, false},
    {"cgroup-raise", "FILE...", 1, raise_limit, false},
    {"cgroup-nest", "", 0, nest, false},
    {"cgroup-release-agent", "", 0, release_agent, false},
    {"cgroup-mount", "DIRECTORY", 1, mount_cgroup, true},
    {0},
};
