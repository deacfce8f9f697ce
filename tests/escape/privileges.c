/* SPDX-License-Identifier: MIT */
/* More rights than were given: setuid programs, file capabilities, ids, limits. */
#include "tests/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long long capabilities(const char *which)
{
    char text[8192], *at;
    if (attack_read_file("/proc/self/status", text, sizeof text) < 0 || !(at = strstr(text, which)))
        return 0;
    return strtoull(at + strlen(which), NULL, 16);
}

/* What a setuid program of the runner's own, or one with file capabilities, finds itself to be: not an attack. */
static void who_am_i(char *const args[], struct outcome *out)
{
    unsigned long long before = strtoull(args[1], NULL, 16), now = capabilities("CapPrm:");
    if (geteuid() != (uid_t)attack_number(args[0]))
        outcome_succeeded(out, "became user %u", geteuid());
    else if (now & ~before)
        outcome_succeeded(out, "gained capabilities %llx", now & ~before);
    else
        outcome_refused(out, EPERM);
}

/* Runs PROGRAM, a copy of this one with the setuid bit or capabilities; its answer is ours. */
static void gain(char *const args[], struct outcome *out)
{
    char uid[16], caps[24];
    snprintf(uid, sizeof uid, "%u", geteuid());
    snprintf(caps, sizeof caps, "%llx", capabilities("CapPrm:"));
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execl(args[0], "attack", "who-am-i", uid, caps, NULL);
        _exit(100 + (errno & 63));
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        outcome_refused(out, errno);
    else if (WIFEXITED(status) && !WEXITSTATUS(status))
        outcome_succeeded(out, "%s runs with more rights", args[0]);
    else
        outcome_refused(out, WIFEXITED(status) && WEXITSTATUS(status) >= 100 ? WEXITSTATUS(status) - 100 : EPERM);
}

static void become_root(char *const args[], struct outcome *out)
{
    (void)args;
    if (!getuid())
        outcome_succeeded(out, "we are uid 0");
    else
        outcome_of(out, syscall(SYS_setresuid, 0, 0, 0));
}

static void drop_groups(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, setgroups(0, NULL));
}

/* Every capability that the kernel knows, set in all three sets. */
static void all_capabilities(char *const args[], struct outcome *out)
{
    (void)args;
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    memset(sets, 0xff, sizeof sets);
    sets[1].effective = sets[1].permitted = sets[1].inheritable = 0x1ff;
    /* CAP_SYS_RESOURCE may be missing on the machine itself, and then nobody can have it. */
    if (syscall(SYS_capset, &head, sets)) {
        int saved = errno;
        if (capabilities("CapPrm:") & (1ULL << CAP_SYS_ADMIN))
            outcome_succeeded(out, "CAP_SYS_ADMIN is there");
        else
            outcome_refused(out, saved);
    } else {
        outcome_succeeded(out, "all capabilities");
    }
}

/* MASK: those that must not be there, in any set. The bounding one only counts when it is named: without a right of its own
 * an ordinary user cannot make it smaller, and under no_new_privs nothing comes of it. */
static void holds_capabilities(char *const args[], struct outcome *out)
{
    static const char *const sets[] = {"CapPrm:", "CapEff:", "CapInh:", "CapAmb:", "CapBnd:"};
    unsigned long long mask = strtoull(args[0], NULL, 16);
    outcome_refused(out, EPERM);
    size_t n = sizeof sets / sizeof *sets - !args[1];
    for (size_t i = 0; i < n; i++)
        if (capabilities(sets[i]) & mask) {
            outcome_succeeded(out, "%s %llx", sets[i], capabilities(sets[i]) & mask);
            return;
        }
}

/* Without it every setuid program counts. */
static void new_privileges(char *const args[], struct outcome *out)
{
    (void)args;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        outcome_refused(out, EPERM);
    else
        outcome_succeeded(out, "no_new_privs is not set");
}

/* A hard limit one higher than it is. */
static void raise_rlimit(char *const args[], struct outcome *out)
{
    int which = !strcmp(args[0], "nproc") ? RLIMIT_NPROC : RLIMIT_NOFILE;
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)which, &limit) || limit.rlim_max == RLIM_INFINITY) {
        outcome_absent(out, "no limit is set");
        return;
    }
    limit.rlim_max++;
    outcome_of(out, setrlimit((__rlimit_resource_t)which, &limit));
}

static void raise_priority(char *const args[], struct outcome *out)
{
    (void)args;
    outcome_of(out, setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 5));
}

/* Protected against the OOM killer at the cost of everybody else. */
static void oom_protect(char *const args[], struct outcome *out)
{
    (void)args;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (outcome_of(out, fd))
        outcome_of(out, write(fd, "-1000", 5));
}

const struct attack attacks_privileges[] = {
    {"who-am-i", "UID CAPS", 2, who_am_i, false},
    {"gain", "PROGRAM", 1, gain, false},
    {"become-root", "", 0, become_root, false},
    {"drop-groups", "", 0, drop_groups, false},
    {"all-capabilities", "", 0, all_capabilities, false},
    {"holds-capabilities", "MASK [bounding]", 1, holds_capabilities, false},
    {"new-privileges", "", 0, new_privileges, false},
    {"raise-rlimit", "nproc|nofile", 1, raise_rlimit, false},
    {"raise-priority", "", 0, raise_priority, false},
    {"oom-protect", "", 0, oom_protect, false},
    {0},
};
