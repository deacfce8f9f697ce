/* SPDX-License-Identifier: MIT */
/* What can be read about this machine without trying: it explains results, and never replaces a trial. */
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/io.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/probe/internal.h"

#define CAP_SYS_ADMIN_BIT (1ull << 21)
#define MOUNT_LINE_MAX 8192

static long read_setting(const char *path)
{
    char text[64];

    return io_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -1;
}

static void find_status(struct probe_result *result)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long bits;
    int mode;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "CapEff: %llx", &bits) == 1)
            result->sysadmin = bits & CAP_SYS_ADMIN_BIT;
        else if (sscanf(line, "Seccomp: %d", &mode) == 1)
            result->filtered = mode == 2;
    }
}

/* The first user namespace maps all ids to themselves. */
static void find_userns(struct probe_result *result)
{
    char text[256];
    unsigned inner, outer, count;

    if (io_read_file_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) > 0)
        result->in_userns = sscanf(text, "%u %u %u", &inner, &outer, &count) != 3 || inner || outer || count != 4294967295u;
}

/* A mount below /proc (but for those that serve) makes the kernel refuse new ones of proc to whoever is not root outside. */
static void find_masks(struct probe_result *result)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = malloc(MOUNT_LINE_MAX);

    while (file && line && fgets(line, MOUNT_LINE_MAX, file)) {
        char point[sizeof(result->proc_mask)];

        if (sscanf(line, "%*d %*d %*s %*s %47s", point) != 1 || strncmp(point, "/proc/", 6) != 0)
            continue;
        if (strncmp(point, "/proc/sys/fs/binfmt_misc", 24) == 0 || strncmp(point, "/proc/fs/nfsd", 13) == 0)
            continue;
        result->proc_masked = true;
        memcpy(result->proc_mask, point, sizeof(point));
        return;
    }
}

static void name_container(struct probe_result *result, const char *name)
{
    size_t length = strcspn(name, "\n");

    result->in_container = true;
    snprintf(result->container, sizeof(result->container), "%.*s", (int)length, name);
}

/* Files that the engines put there, and the variable that systemd's container interface asks for. */
static void find_container(struct probe_result *result)
{
    const char *variable = getenv("container");
    char text[32];

    if (getenv("KUBERNETES_SERVICE_HOST") || access("/var/run/secrets/kubernetes.io", F_OK) == 0)
        name_container(result, "kubernetes");
    else if (access("/.dockerenv", F_OK) == 0)
        name_container(result, "docker");
    else if (access("/run/.containerenv", F_OK) == 0)
        name_container(result, "podman");
    else if (io_read_file_at(AT_FDCWD, "/run/systemd/container", text, sizeof(text)) > 0)
        name_container(result, text);
    else if (variable && *variable)
        name_container(result, variable);
}

static void find_confinement(struct probe_result *result)
{
    char text[256];

    if (io_read_file_at(AT_FDCWD, "/sys/kernel/security/lsm", text, sizeof(text)) > 0)
        snprintf(result->lsm, sizeof(result->lsm), "%.*s", (int)strcspn(text, "\n"), text);
    /* The file is shared by all security modules; AppArmor's has a mode in brackets. */
    if (io_read_file_at(AT_FDCWD, "/proc/self/attr/current", text, sizeof(text)) > 0 && strchr(text, '('))
        snprintf(result->confined, sizeof(result->confined), "%.*s", (int)strcspn(text, " \n"), text);
}

void probe_find_facts(struct probe_result *result)
{
    struct cgroup_host *host;
    struct utsname names;

    if (uname(&names) == 0)
        snprintf(result->kernel, sizeof(result->kernel), "%s", names.release);
    result->uid = geteuid();
    result->systemd = access("/run/systemd/system", F_OK) == 0;
    result->userns_clone = (int)read_setting("/proc/sys/kernel/unprivileged_userns_clone");
    result->userns_apparmor = (int)read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    result->userns_max = read_setting("/proc/sys/user/max_user_namespaces");
    result->landlock_abi =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (result->landlock_abi < 0)
        result->landlock_abi = 0;
    find_status(result);
    find_userns(result);
    find_masks(result);
    find_container(result);
    find_confinement(result);
    if (cgroup_host_open(&host, NULL) == 0) {
        snprintf(result->cgroup_mode, sizeof(result->cgroup_mode), "%s", cgroup_mode_name(cgroup_host_mode(host)));
        cgroup_host_free(host);
    }
}
