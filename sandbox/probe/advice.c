/* SPDX-License-Identifier: MIT */
/*
 * What to do for more. Pure: it knows the facts of a struct probe_result and nothing else. Commands are those of
 * docker-run(1), podman-run(1), Kubernetes' PodSpec, systemd-run(1) and sysctl(8); only what is the case here is named.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/probe/probe.h"

enum need { /* what an engine must be asked for */
    NEED_NAMESPACES = 1 << 0,
    NEED_MOUNTS = 1 << 1,
    NEED_PROC = 1 << 2,
    NEED_CGROUP = 1 << 3
};

static bool is(const struct probe_result *r, const char *container)
{
    return strcmp(r->container, container) == 0;
}

static bool fails(const struct probe_result *r, enum probe_id id, int errnum)
{
    return r->rungs[id].tried && !r->rungs[id].works && r->rungs[id].errnum == errnum;
}

static const char *errno_name(int errnum)
{
    const char *name = strerrorname_np(errnum);

    return name ? name : "?";
}

/* A user namespace itself cannot be had (any namespace tells: they are tried inside it). */
static bool userns_refused(const struct probe_result *r)
{
    return r->rungs[PROBE_UTS_USERNS].tried && !r->rungs[PROBE_UTS_USERNS].works;
}

/* The setting or filter that refuses user namespaces; NULL: none that can be seen from here. */
static const char *userns_cause(const struct probe_result *r)
{
    if (!userns_refused(r))
        return NULL;
    if (r->userns_max == 0)
        return "user.max_user_namespaces is 0";
    if (r->userns_clone == 0 && !r->sysadmin)
        return "kernel.unprivileged_userns_clone is 0";
    if (r->userns_apparmor == 1 && !r->in_container && !r->sysadmin)
        return "kernel.apparmor_restrict_unprivileged_userns is 1";
    if (r->filtered)
        return is(r, "docker") ? "Docker's seccomp profile" : "a seccomp filter around us";
    return NULL;
}

/* ---- what to ask the engine for ---- */

static const unsigned needs[SPEC_GUARANTEE_COUNT] = {
    [SPEC_TASKS] = NEED_CGROUP,
    [SPEC_MEMORY] = NEED_CGROUP,
    [SPEC_CPU] = NEED_CGROUP,
    [SPEC_PID] = NEED_NAMESPACES | NEED_MOUNTS | NEED_PROC,
    [SPEC_KILL] = NEED_NAMESPACES,
    [SPEC_MOUNT] = NEED_NAMESPACES | NEED_MOUNTS,
    [SPEC_IPC] = NEED_NAMESPACES,
    [SPEC_UTS] = NEED_NAMESPACES,
    [SPEC_NET] = NEED_NAMESPACES,
    [SPEC_READONLY] = NEED_NAMESPACES | NEED_MOUNTS,
    [SPEC_TMP] = NEED_NAMESPACES | NEED_MOUNTS,
};

/* False: no flag of the engine would change what is missing. */
static bool docker_flags(const struct probe_result *r, unsigned need, char *buf, size_t size)
{
    bool podman = is(r, "podman"), cgroup = need & NEED_CGROUP;
    bool refused = need & NEED_NAMESPACES && userns_refused(r), masked = need & NEED_PROC && r->proc_masked;
    const struct {
        bool wanted;
        const char *docker, *podman;
    } flags[] = {
        {cgroup && r->cgroup2, "--cgroupns=private --security-opt writable-cgroups=true",
         "--security-opt unmask=/sys/fs/cgroup"},
        {cgroup && !r->cgroup2, "--privileged", "--privileged"},
        {refused && r->filtered, "--security-opt seccomp=unconfined", "--security-opt seccomp=unconfined"},
        {refused && !r->filtered, "--cap-add SYS_ADMIN", "--cap-add SYS_ADMIN"},
        {need & (NEED_MOUNTS | NEED_PROC) && *r->confined, "--security-opt apparmor=unconfined",
         "--security-opt apparmor=unconfined"},
        {masked, "--security-opt systempaths=unconfined", "--security-opt unmask=ALL"},
    };
    bool any = false;

    snprintf(buf, size, "%s run", podman ? "podman" : "docker");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].wanted) {
            snprintf(buf + strlen(buf), size - strlen(buf), " %s", podman ? flags[i].podman : flags[i].docker);
            any = true;
        }
    snprintf(buf + strlen(buf), size - strlen(buf), " ...%s%s",
             cgroup && r->cgroup2 && !podman ? " (Docker 28 and later; before: --privileged)" : "",
             cgroup && r->cgroup2 ? ", and shunt with --adopt-cgroup" : "");
    return any;
}

static void kubernetes_fields(const struct probe_result *r, unsigned need, char *buf, size_t size)
{
    bool proc = need & NEED_PROC && r->proc_masked;
    bool seccomp = need & NEED_NAMESPACES && r->filtered && userns_refused(r);

    if (need & NEED_CGROUP) {
        snprintf(buf, size,
                 "on the node, containerd 2.1 and later: cgroup_writable = true for the runtime class in config.toml; "
                 "CRI-O: the pod's annotation io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw: \"true\"; then shunt with "
                 "--adopt-cgroup");
        return;
    }
    /* Kubernetes accepts an unmasked /proc only in a pod with a user namespace of its own. */
    snprintf(buf, size, "in the pod: %ssecurityContext: {%s%s%s}", proc ? "hostUsers: false, and in the container: " : "",
             seccomp ? "seccompProfile: {type: Unconfined}" : "", seccomp && proc ? ", " : "",
             proc ? "procMount: Unmasked" : "");
    if (!seccomp && !proc)
        snprintf(buf, size, "in the pod: hostUsers: false, and in the container: securityContext: {capabilities: {add: "
                            "[SYS_ADMIN]}}");
}

/* False: no engine that we know the words of, or none that it would listen to. */
static bool ask_engine(const struct probe_result *r, unsigned need, char *buf, size_t size)
{
    if (is(r, "docker") || is(r, "podman"))
        return docker_flags(r, need, buf, size);
    if (!is(r, "kubernetes"))
        return false;
    kubernetes_fields(r, need, buf, size);
    return true;
}

/* ---- by guarantee ---- */

static void say_command(struct probe_advice *ret, const char *better, const char *command)
{
    snprintf(ret->better, sizeof(ret->better), "%s", better);
    snprintf(ret->command, sizeof(ret->command), "%s", command);
}

static bool advise_v2(const struct probe_result *r, struct probe_advice *ret)
{
    if (r->in_container || !r->systemd || !r->rungs[PROBE_TASKS_CGROUP_V1].works || r->rungs[PROBE_TASKS_CGROUP_V2].works)
        return false;
    say_command(ret, "cgroup v2, which wakes shunt at a limit",
                "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line");
    return true;
}

static bool advise_cgroup(const struct probe_result *r, enum spec_guarantee g, struct probe_advice *ret)
{
    const struct probe_rung *best = probe_best(r, g);
    const char *name = spec_guarantee_name(g);
    static const char *const controllers[] = {[SPEC_TASKS] = "pids", [SPEC_MEMORY] = "memory", [SPEC_CPU] = "cpu"};

    if (best && strncmp(best->key, "cgroup", 6) == 0)
        return g == SPEC_TASKS && advise_v2(r, ret);
    snprintf(ret->better, sizeof(ret->better), "a limit by cgroup (%s)", controllers[g]);
    if (*r->cgroup_problem) {
        if (!r->cgroup_readonly || !ask_engine(r, NEED_CGROUP, ret->command, sizeof(ret->command)))
            snprintf(ret->command, sizeof(ret->command), "%s", r->cgroup_hint);
        return *ret->command;
    }
    /* There are cgroups, and just this controller is not to be had. */
    if (strcmp(r->cgroup_mode, "v2") != 0 || !r->systemd || r->in_container || r->uid == 0)
        return false;
    snprintf(ret->command, sizeof(ret->command),
             "as root: systemctl edit user@.service, with [Service] Delegate=cpu memory pids (for %s), then log in anew",
             name);
    return true;
}

static bool advise_userns(const struct probe_result *r, char *buf, size_t size)
{
    const char *sysctl = NULL;

    if (!userns_refused(r))
        return false;
    if (r->userns_max == 0)
        sysctl = "user.max_user_namespaces=15000";
    else if (r->userns_clone == 0 && !r->sysadmin)
        sysctl = "kernel.unprivileged_userns_clone=1";
    else if (r->userns_apparmor == 1 && !r->in_container && !r->sysadmin)
        sysctl = "kernel.apparmor_restrict_unprivileged_userns=0";
    if (sysctl)
        snprintf(buf, size, "as root%s: sysctl -w %s", r->in_container ? " on the host" : "", sysctl);
    return sysctl != NULL;
}

/* Namespaces and what needs them. */
static bool advise_namespaces(const struct probe_result *r, enum spec_guarantee g, struct probe_advice *ret)
{
    bool bare = g == SPEC_PID && r->rungs[PROBE_PID_BARE].works;

    snprintf(ret->better, sizeof(ret->better), "%s", bare ? "a /proc of its own" : "namespaces of its own");
    if (!bare && advise_userns(r, ret->command, sizeof(ret->command)))
        return true;
    if (ask_engine(r, needs[g], ret->command, sizeof(ret->command)))
        return true;
    if (bare && *r->proc_mask)
        snprintf(ret->command, sizeof(ret->command), "start shunt where nothing is mounted below /proc (here: %s)",
                 r->proc_mask);
    else if (r->filtered && userns_refused(r))
        snprintf(ret->command, sizeof(ret->command),
                 "start shunt outside the seccomp filter around it, which refuses user namespaces");
    else if (r->uid != 0)
        snprintf(ret->command, sizeof(ret->command), "as root: sudo shunt ...");
    else
        return false;
    return true;
}

static bool advise_tmp(const struct probe_result *r, struct probe_advice *ret)
{
    if (!probe_has(r, SPEC_TMP))
        return advise_namespaces(r, SPEC_TMP, ret);
    if (r->rungs[PROBE_TMP_OVERLAY].works || !fails(r, PROBE_TMP_OVERLAY, ENODEV))
        return false;
    say_command(ret, "an overlay, which shows what was there", "as root: modprobe overlay");
    return true;
}

static bool advise_user(const struct probe_result *r, struct probe_advice *ret)
{
    if (r->uid != 0)
        say_command(ret, "a user id of shunt's pool", "as root: sudo shunt ...");
    else if (r->in_userns)
        say_command(ret, "a user id of shunt's pool",
                    "a user namespace with a range of ids: /etc/subuid and newuidmap (rootless Podman and Docker), not unshare -r");
    else if (is(r, "kubernetes"))
        say_command(ret, "a user id of shunt's pool", "in the container: securityContext: {capabilities: {add: [SETUID, SETGID]}}");
    else if (is(r, "docker") || is(r, "podman"))
        say_command(ret, "a user id of shunt's pool",
                    is(r, "podman") ? "podman run --cap-add SETUID --cap-add SETGID ..."
                                    : "docker run --cap-add SETUID --cap-add SETGID ...");
    else
        return false;
    return true;
}

static bool advise_filter(const struct probe_result *r, enum probe_id id, struct probe_advice *ret)
{
    snprintf(ret->better, sizeof(ret->better), "%s", r->rungs[id].name);
    if (fails(r, id, EBUSY)) {
        snprintf(ret->command, sizeof(ret->command),
                 "start shunt outside the sandbox around it, which listens for system calls already");
        return true;
    }
    if (!r->filtered)
        return false; /* then it is the kernel that lacks it */
    if (is(r, "kubernetes"))
        say_command(ret, r->rungs[id].name, "in the pod: securityContext: {seccompProfile: {type: Unconfined}}");
    else if (is(r, "docker") || is(r, "podman"))
        snprintf(ret->command, sizeof(ret->command), "%s run --security-opt seccomp=unconfined ...", r->container);
    else
        snprintf(ret->command, sizeof(ret->command), "start shunt outside the seccomp filter around it");
    return true;
}

static bool advise_landlock(const struct probe_result *r, struct probe_advice *ret)
{
    /* EOPNOTSUPP: the kernel has it, and it was not turned on at boot (landlock(7)). */
    if (fails(r, PROBE_LANDLOCK_RULES, EOPNOTSUPP)) {
        snprintf(ret->better, sizeof(ret->better), "Landlock");
        snprintf(ret->command, sizeof(ret->command), "boot with lsm=landlock,%s on the kernel's command line",
                 *r->lsm ? r->lsm : "... (the list that is there now)");
        return true;
    }
    return advise_filter(r, PROBE_LANDLOCK_RULES, ret);
}

bool probe_advise(const struct probe_result *result, enum spec_guarantee guarantee, struct probe_advice *ret)
{
    *ret = (struct probe_advice){0};
    switch (guarantee) {
    case SPEC_TASKS:
    case SPEC_MEMORY:
    case SPEC_CPU:
        return advise_cgroup(result, guarantee, ret);
    case SPEC_TMP:
        return advise_tmp(result, ret);
    default:
        break;
    }
    if (probe_has(result, guarantee))
        return false;
    switch (guarantee) {
    case SPEC_USER:
        return advise_user(result, ret);
    case SPEC_SECCOMP:
        return advise_filter(result, PROBE_SECCOMP_FILTER, ret);
    case SPEC_DENIALS:
        return advise_filter(result, PROBE_DENIALS_NOTIFY, ret);
    case SPEC_LANDLOCK:
        return advise_landlock(result, ret);
    case SPEC_CAPS:
    case SPEC_GUARANTEE_COUNT:
        return false;
    default:
        return advise_namespaces(result, guarantee, ret);
    }
}

bool probe_advise_all(const struct probe_result *result, unsigned bits, char *buf, size_t size)
{
    unsigned need = 0;
    char rest[640] = "";

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (bits & SPEC_BIT(g) && !probe_has(result, g))
            need |= needs[g];
    if (need & NEED_CGROUP && !result->cgroup_readonly)
        need &= ~(unsigned)NEED_CGROUP; /* then it is not the engine that refuses */
    /* Kubernetes: the pod's fields and the node's configuration are two places. */
    if (is(result, "kubernetes") && need & NEED_CGROUP && need != NEED_CGROUP) {
        ask_engine(result, need & ~(unsigned)NEED_CGROUP, rest, sizeof(rest));
        need = NEED_CGROUP;
    }
    if (!need || !ask_engine(result, need, buf, size))
        return false;
    if (*rest)
        snprintf(buf + strlen(buf), size - strlen(buf), "; and %s", rest);
    return true;
}

bool probe_remedy(const struct probe_result *result, enum spec_guarantee guarantee, char *buf, size_t size)
{
    struct probe_advice advice;

    if (!probe_advise(result, guarantee, &advice))
        return false;
    snprintf(buf, size, "%s", advice.command);
    return true;
}

/* The last whole rung that was tried and failed is the one that needs least, so its failure says most. */
static const struct probe_rung *telling_failure(const struct probe_result *r, enum spec_guarantee g)
{
    const struct probe_rung *found = NULL;

    if (g == SPEC_KILL && r->rungs[PROBE_KILL_PIDNS].errnum)
        return &r->rungs[PROBE_KILL_PIDNS]; /* that needs no cgroup, of which there is word elsewhere */
    for (int i = 0; i < PROBE_RUNG_COUNT; i++) {
        const struct probe_rung *rung = &r->rungs[i];

        if (rung->guarantee == g && rung->exact && rung->tried && !rung->works && (rung->errnum || *rung->detail))
            if (!found || rung->errnum)
                found = rung;
    }
    return found;
}

void probe_reason(const struct probe_result *result, enum spec_guarantee guarantee, char *buf, size_t size)
{
    const struct probe_rung *rung = telling_failure(result, guarantee);
    const struct probe_rung *best = probe_best(result, guarantee);
    const char *cause = userns_cause(result);
    bool cgroup = guarantee == SPEC_TASKS || guarantee == SPEC_MEMORY || guarantee == SPEC_CPU;

    if (cgroup && *result->cgroup_problem)
        snprintf(buf, size, "%s", result->cgroup_problem);
    else if (rung && cause && needs[guarantee] & NEED_NAMESPACES)
        snprintf(buf, size, "user namespaces are refused (%s): %s", errno_name(rung->errnum), cause);
    else if (rung && rung->errnum)
        snprintf(buf, size, "%s: %s", errno_name(rung->errnum), rung->detail);
    else if (rung)
        snprintf(buf, size, "%s", rung->detail);
    else if (best)
        snprintf(buf, size, "only %s", best->name);
    else
        snprintf(buf, size, "no way was found");
}
