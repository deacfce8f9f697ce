/* SPDX-License-Identifier: MIT */
#include "sandbox/launch/stand.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/base/io.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/wire.h"
#include "sandbox/mounts/mount_plan.h"
#include "sandbox/net/loopback.h"
#include "sandbox/plan/plan.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* Linux 5.6 */
#endif

/* Ids below it are not given out again once the counter has gone round (RESERVED_PIDS of the kernel). */
#define PIDS_RESERVED 300

static void guard(const struct wire_setup *setup)
{
    bool pid_ns = setup->plan->namespaces & CLONE_NEWPID;

    prctl(PR_SET_NAME, "shunt-init", 0, 0, 0);
    if (pid_ns)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    else
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!setup->keep_session)
        setsid();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Which guarantee a stage of mount_plan_apply() belongs to. */
static int32_t lost_with(const char *stage)
{
    static const struct {
        const char *word;
        unsigned bits;
    } words[] = {
        {"overlay", SPEC_BIT(SPEC_TMP)},        {"/tmp", SPEC_BIT(SPEC_TMP)},
        {"/dev/shm", SPEC_BIT(SPEC_TMP)},       {"read-only root", SPEC_BIT(SPEC_READONLY)},
        {"/proc", SPEC_BIT(SPEC_PID)},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(stage, words[i].word))
            return (int32_t)words[i].bits;
    return (int32_t)SPEC_BIT(SPEC_MOUNT);
}

/* The namespace has room for `tasks` ids beside the reserved ones and our own. Linux 6.14 and later. */
static int limit_pids(uint64_t tasks)
{
    char text[32];
    int r;

    snprintf(text, sizeof(text), "%" PRIu64, PIDS_RESERVED + tasks + 1);
    r = io_write_file_at(AT_FDCWD, "/proc/sys/kernel/pid_max", text);
    snprintf(text, sizeof(text), "%d", PIDS_RESERVED);
    return r < 0 ? r : io_write_file_at(AT_FDCWD, "/proc/sys/kernel/ns_last_pid", text);
}

static int join_cgroup(const struct wire_setup *setup)
{
    return setup->birth ? cgroup_birth_join(setup->birth) : 0;
}

int stand_up_net(const struct sandbox_plan *plan, int32_t *ret_lost, const char **ret_stage)
{
    *ret_stage = "the loopback device";
    *ret_lost = (int32_t)SPEC_BIT(SPEC_NET);
    return plan->spec.network == SPEC_NET_LOOPBACK && plan->namespaces & CLONE_NEWNET ? net_loopback_up() : 0;
}

int stand_up(const struct wire_setup *setup, int32_t *ret_lost, const char **ret_stage)
{
    const struct sandbox_plan *plan = setup->plan;
    const struct mount_plan *mounts = plan->mounts[MOUNTS_EXEC] ? plan->mounts[MOUNTS_EXEC] : plan->mounts[MOUNTS_RUN];
    int r;

    guard(setup);
    *ret_stage = "joining the cgroup";
    *ret_lost = 0;
    r = join_cgroup(setup);
    if (r < 0)
        return r;
    if (!setup->net_comes && (r = stand_up_net(plan, ret_lost, ret_stage)) < 0)
        return r;
    /* Of children only: clone() itself has no room for the flag. */
    *ret_stage = "time namespace";
    *ret_lost = 0;
    if (plan->spec.ns_time && unshare(CLONE_NEWTIME) < 0)
        return -errno;
    *ret_stage = "the host name";
    *ret_lost = (int32_t)SPEC_BIT(SPEC_UTS);
    if (plan->namespaces & CLONE_NEWUTS && *plan->spec.hostname &&
        sethostname(plan->spec.hostname, strlen(plan->spec.hostname)) < 0)
        return -errno;
    /* Both files are those of the caller's namespace, whichever /proc is mounted, and /proc/sys may be read-only soon. */
    *ret_stage = "pid_max";
    *ret_lost = (int32_t)PLAN_WITHOUT_PID_MAX;
    if (plan->task_limit == PLAN_TASKS_PID_MAX && (r = limit_pids(plan->spec.limits.tasks)) < 0)
        return r;
    if (mounts && (r = mount_plan_apply(mounts, NULL, ret_stage)) < 0) {
        *ret_lost = lost_with(*ret_stage);
        return r;
    }
    return 0;
}
