/* SPDX-License-Identifier: MIT */
/* The decisions of sandbox/probe with made-up machines: what is best, what a policy lacks, which remedy applies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sandbox/base/err.h"
#include "sandbox/probe/internal.h"

static void works(struct probe_result *r, enum probe_id id)
{
    probe_works(&r->rungs[id], "%s", "");
}

static void fails(struct probe_result *r, enum probe_id id, int errnum)
{
    probe_fails(&r->rungs[id], errnum, "%s", strerror(errnum));
}

/* ---- the shapes ---- */

static void no_cgroup(struct probe_result *r, int errnum, const char *problem, const char *hint)
{
    r->cgroup_errnum = errnum;
    snprintf(r->cgroup_problem, sizeof(r->cgroup_problem), "%s", problem);
    snprintf(r->cgroup_hint, sizeof(r->cgroup_hint), "%s", hint);
    fails(r, PROBE_TASKS_CGROUP_V2, errnum);
    fails(r, PROBE_MEMORY_CGROUP_V2, errnum);
    fails(r, PROBE_CPU_CGROUP_V2, errnum);
}

static void cgroup_v2(struct probe_result *r)
{
    strcpy(r->cgroup_mode, "v2");
    r->cgroup2 = true;
    works(r, PROBE_TASKS_CGROUP_V2);
    works(r, PROBE_MEMORY_CGROUP_V2);
    works(r, PROBE_CPU_CGROUP_V2);
    works(r, PROBE_KILL_CGROUP);
}

static void cgroup_v1(struct probe_result *r, const char *mode)
{
    strcpy(r->cgroup_mode, mode);
    works(r, PROBE_TASKS_CGROUP_V1);
    works(r, PROBE_MEMORY_CGROUP_V1);
    works(r, PROBE_CPU_CGROUP_V1);
    works(r, strcmp(mode, "hybrid") == 0 ? PROBE_KILL_CGROUP : PROBE_KILL_LOOP);
}

static const enum probe_id by_root[] = {PROBE_PID_ROOT, PROBE_MOUNT_ROOT, PROBE_IPC_ROOT, PROBE_UTS_ROOT, PROBE_NET_ROOT};
static const enum probe_id by_userns[] = {PROBE_PID_USERNS, PROBE_MOUNT_USERNS, PROBE_IPC_USERNS, PROBE_UTS_USERNS,
                                          PROBE_NET_USERNS};
static const enum probe_id of_mounts[] = {PROBE_KILL_PIDNS,       PROBE_PID_BARE,  PROBE_READONLY_RECURSIVE,
                                          PROBE_READONLY_REMOUNT, PROBE_TMP_TMPFS, PROBE_TMP_OVERLAY};

static void each(struct probe_result *r, const enum probe_id *ids, size_t n, int errnum)
{
    for (size_t i = 0; i < n; i++)
        if (errnum)
            fails(r, ids[i], errnum);
        else
            works(r, ids[i]);
}

/* `root`, `userns`: errno of namespaces that way; 0: they work. */
static void namespaces(struct probe_result *r, int root, int userns)
{
    each(r, by_root, 5, root);
    each(r, by_userns, 5, userns);
    each(r, of_mounts, 6, root && userns ? userns : 0);
    if (userns)
        fails(r, PROBE_TASKS_USERNS, userns);
}

/* What works everywhere since 5.13, for anybody. */
static void common(struct probe_result *r, unsigned uid)
{
    r->uid = uid;
    r->userns_max = 10000;
    works(r, PROBE_TASKS_NOTIFY);
    works(r, PROBE_TASKS_COUNT);
    works(r, PROBE_MEMORY_RLIMIT);
    works(r, PROBE_CPU_AFFINITY);
    works(r, PROBE_KILL_DESCENT);
    works(r, PROBE_SECCOMP_FILTER);
    works(r, PROBE_DENIALS_NOTIFY);
    works(r, PROBE_LANDLOCK_RULES);
    works(r, PROBE_READONLY_LANDLOCK);
    works(r, uid ? PROBE_CAPS_NONE : PROBE_CAPS_DROP);
    if (uid == 0) {
        works(r, PROBE_TASKS_UID);
        works(r, PROBE_USER_POOL);
        fails(r, PROBE_USER_OWN, 0);
    } else {
        fails(r, PROBE_TASKS_UID, EPERM);
        fails(r, PROBE_USER_POOL, EPERM);
        works(r, PROBE_USER_OWN);
    }
}

static void root_machine(struct probe_result *r)
{
    probe_init(r);
    common(r, 0);
    r->sysadmin = true;
    namespaces(r, 0, 0);
    fails(r, PROBE_TASKS_USERNS, 0);
}

static void user_machine(struct probe_result *r, int userns)
{
    probe_init(r);
    common(r, 1000);
    namespaces(r, EPERM, userns);
    if (!userns) {
        works(r, PROBE_TASKS_USERNS);
        works(r, PROBE_USER_USERNS);
    }
}

static void docker_machine(struct probe_result *r)
{
    probe_init(r);
    common(r, 0);
    strcpy(r->container, "docker");
    strcpy(r->confined, "docker-default");
    strcpy(r->proc_mask, "/proc/kcore");
    r->in_container = r->filtered = r->proc_masked = r->cgroup2 = r->cgroup_readonly = true;
    namespaces(r, EPERM, EPERM);
    no_cgroup(r, EROFS, "cannot make cgroups below our own, /sys/fs/cgroup: Read-only file system", "not for Docker");
}

/* ---- what is asked of them ---- */

#define assert_by(result, of, key_) assert_string_equal(probe_best(result, SPEC_##of)->key, key_)

static void assert_no_advice(const struct probe_result *r, enum spec_guarantee g)
{
    struct probe_advice advice;

    if (probe_advise(r, g, &advice))
        fail_msg("%s: unexpected advice: %s", spec_guarantee_name(g), advice.command);
}

static void assert_advice(const struct probe_result *r, enum spec_guarantee g, const char *command)
{
    struct probe_advice advice;

    assert_true(probe_advise(r, g, &advice));
    assert_string_equal(advice.command, command);
    assert_true(*advice.better);
}

/* The standard policy, with a share of the CPUs as a machine's numbers add it. */
static unsigned unmet_of_standard(const struct probe_result *r)
{
    struct sandbox_spec spec;
    unsigned unmet;

    spec_init(&spec);
    spec.ns_pid = spec.ns_mount = spec.ns_ipc = spec.ns_uts = spec.shm_private = spec.notify = true;
    spec.tmp = SPEC_TMP_OVERLAY;
    spec.limits = (struct spec_limits){SPEC_AUTO, SPEC_AUTO, 500, 0};
    spec.caps = 0;
    spec_set_text(&spec.seccomp, "default.json");
    unmet = probe_unmet(r, &spec);
    spec_done(&spec);
    return unmet;
}

#define LIMITS (SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU))
#define VIEWS (SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_IPC) | SPEC_BIT(SPEC_UTS) | SPEC_BIT(SPEC_TMP))

static void test_nothing_is_known(void **state)
{
    struct probe_result r;

    (void)state;
    probe_init(&r);
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        char why[64];

        assert_null(probe_best(&r, g));
        probe_reason(&r, g, why, sizeof(why));
        assert_true(*why);
    }
    assert_int_equal(unmet_of_standard(&r), LIMITS | VIEWS | SPEC_BIT(SPEC_KILL) | SPEC_BIT(SPEC_CAPS) |
                                                SPEC_BIT(SPEC_SECCOMP) | SPEC_BIT(SPEC_DENIALS));
}

static void test_root(void **state)
{
    struct probe_result r;

    (void)state;
    root_machine(&r);
    cgroup_v2(&r);
    assert_by(&r, TASKS, "cgroup-v2");
    assert_by(&r, KILL, "pidns");
    assert_by(&r, PID, "root");
    assert_by(&r, USER, "pool");
    assert_by(&r, TMP, "overlay");
    assert_int_equal(unmet_of_standard(&r), 0);
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        assert_no_advice(&r, g);

    root_machine(&r);
    cgroup_v1(&r, "v1");
    assert_by(&r, TASKS, "cgroup-v1");
    assert_int_equal(unmet_of_standard(&r), 0);
    assert_no_advice(&r, SPEC_TASKS);
    r.systemd = true;
    assert_advice(&r, SPEC_TASKS, "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line");
    assert_no_advice(&r, SPEC_MEMORY);

    root_machine(&r);
    cgroup_v1(&r, "hybrid");
    fails(&r, PROBE_KILL_PIDNS, EPERM);
    assert_by(&r, KILL, "cgroup-kill");
    assert_int_equal(unmet_of_standard(&r), 0);
}

static void test_user_delegated(void **state)
{
    struct probe_result r;

    (void)state;
    user_machine(&r, 0);
    cgroup_v2(&r);
    assert_by(&r, TASKS, "cgroup-v2");
    assert_by(&r, PID, "userns");
    assert_by(&r, USER, "userns");
    assert_false(probe_has(&r, SPEC_USER));
    assert_advice(&r, SPEC_USER, "as root: sudo shunt ...");
    assert_int_equal(unmet_of_standard(&r), 0);

    /* systemd hands a user memory and pids, and not always cpu. */
    fails(&r, PROBE_CPU_CGROUP_V2, ENOENT);
    r.rungs[PROBE_CPU_CGROUP_V2].works = false;
    r.systemd = true;
    assert_by(&r, CPU, "affinity");
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_CPU));
    assert_advice(&r, SPEC_CPU,
                  "as root: systemctl edit user@.service, with [Service] Delegate=cpu memory pids (for cpu), then log in "
                  "anew");
}

static void test_user_without_cgroup(void **state)
{
    struct probe_result r;
    char why[600];

    (void)state;
    user_machine(&r, 0);
    no_cgroup(&r, EBUSY, "other processes live in our cgroup", "systemd-run --user --scope -p Delegate=yes shunt ...");
    assert_by(&r, TASKS, "userns-nproc");
    assert_by(&r, MEMORY, "rlimit");
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU));
    assert_advice(&r, SPEC_TASKS, "systemd-run --user --scope -p Delegate=yes shunt ...");
    assert_advice(&r, SPEC_MEMORY, "systemd-run --user --scope -p Delegate=yes shunt ...");
    probe_reason(&r, SPEC_MEMORY, why, sizeof(why));
    assert_string_equal(why, "other processes live in our cgroup");
}

static void test_user_with_nothing(void **state)
{
    struct probe_result r;
    char why[600];

    (void)state;
    user_machine(&r, EPERM);
    no_cgroup(&r, EACCES, "cannot make cgroups", "ask root");
    assert_by(&r, TASKS, "notify");
    assert_by(&r, KILL, "descent");
    assert_by(&r, READONLY, "landlock");
    assert_null(probe_best(&r, SPEC_PID));
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU) | SPEC_BIT(SPEC_KILL) | VIEWS);

    assert_advice(&r, SPEC_PID, "as root: sudo shunt ..."); /* no cause is to be seen */
    r.filtered = true;
    assert_advice(&r, SPEC_PID, "start shunt outside the seccomp filter around it, which refuses user namespaces");
    r.userns_apparmor = 1;
    assert_advice(&r, SPEC_NET, "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    r.userns_clone = 0;
    assert_advice(&r, SPEC_NET, "as root: sysctl -w kernel.unprivileged_userns_clone=1");
    probe_reason(&r, SPEC_NET, why, sizeof(why));
    assert_string_equal(why, "user namespaces are refused (EPERM): kernel.unprivileged_userns_clone is 0");
    namespaces(&r, EPERM, ENOSPC);
    r.userns_max = 0;
    assert_advice(&r, SPEC_NET, "as root: sysctl -w user.max_user_namespaces=15000");
    probe_reason(&r, SPEC_NET, why, sizeof(why));
    assert_string_equal(why, "user namespaces are refused (ENOSPC): user.max_user_namespaces is 0");

    /* Only counting: nothing that satisfies a policy. */
    fails(&r, PROBE_TASKS_NOTIFY, EBUSY);
    r.rungs[PROBE_TASKS_NOTIFY].works = false;
    assert_by(&r, TASKS, "count");
    assert_true(unmet_of_standard(&r) & SPEC_BIT(SPEC_TASKS));
}

static void test_settings_that_are_not_to_blame(void **state)
{
    struct probe_result r;

    (void)state;
    user_machine(&r, 0);
    cgroup_v2(&r);
    r.userns_clone = 1;
    r.userns_apparmor = 1; /* and yet it works: shunt has a profile of its own */
    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++)
        if (g != SPEC_USER)
            assert_no_advice(&r, g);
}

static void test_docker_default(void **state)
{
    struct probe_result r;
    char text[1024];

    (void)state;
    docker_machine(&r);
    assert_by(&r, TASKS, "uid-nproc");
    assert_by(&r, USER, "pool");
    assert_by(&r, KILL, "descent");
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU) | SPEC_BIT(SPEC_KILL) | VIEWS);
    assert_advice(&r, SPEC_MEMORY,
                  "docker run --cgroupns=private --security-opt writable-cgroups=true ... (Docker 28 and later; before: "
                  "--privileged), and shunt with --adopt-cgroup");
    assert_advice(&r, SPEC_NET, "docker run --security-opt seccomp=unconfined ...");
    assert_advice(&r, SPEC_MOUNT, "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined ...");
    assert_advice(&r, SPEC_PID,
                  "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
                  "systempaths=unconfined ...");
    probe_reason(&r, SPEC_NET, text, sizeof(text));
    assert_string_equal(text, "user namespaces are refused (EPERM): Docker's seccomp profile");
    fails(&r, PROBE_KILL_CGROUP, EROFS);
    probe_reason(&r, SPEC_KILL, text, sizeof(text));
    assert_string_equal(text, "user namespaces are refused (EPERM): Docker's seccomp profile");
    assert_true(probe_advise_all(&r, SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_SECCOMP), text,
                                 sizeof(text)));
    assert_string_equal(text, "docker run --cgroupns=private --security-opt writable-cgroups=true --security-opt "
                              "seccomp=unconfined ... (Docker 28 and later; before: --privileged), and shunt with "
                              "--adopt-cgroup");
    assert_false(probe_advise_all(&r, SPEC_BIT(SPEC_SECCOMP), text, sizeof(text)));

    r.cgroup2 = false; /* cgroup v1: writable ones only with everything */
    assert_advice(&r, SPEC_MEMORY, "docker run --privileged ...");
    strcpy(r.container, "podman");
    assert_advice(&r, SPEC_IPC, "podman run --security-opt seccomp=unconfined ...");
    r.cgroup2 = true;
    assert_advice(&r, SPEC_CPU, "podman run --security-opt unmask=/sys/fs/cgroup ..., and shunt with --adopt-cgroup");
}

static void test_docker_private_and_writable(void **state)
{
    struct probe_result r;

    (void)state;
    docker_machine(&r);
    r.cgroup_errnum = 0;
    r.cgroup_readonly = false;
    r.cgroup_problem[0] = r.cgroup_hint[0] = '\0';
    cgroup_v2(&r);
    r.filtered = false; /* seccomp=unconfined */
    namespaces(&r, EPERM, 0);
    fails(&r, PROBE_PID_ROOT, EPERM);
    fails(&r, PROBE_PID_USERNS, EPERM); /* /proc is masked: no new one is allowed */
    assert_by(&r, TASKS, "cgroup-v2");
    assert_by(&r, KILL, "pidns");
    assert_by(&r, PID, "bare");
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_PID));
    r.confined[0] = '\0'; /* apparmor=unconfined */
    assert_advice(&r, SPEC_PID, "docker run --security-opt systempaths=unconfined ...");
    strcpy(r.container, "kubernetes");
    assert_advice(&r, SPEC_PID,
                  "in the pod: hostUsers: false, and in the container: securityContext: {procMount: Unmasked}");
    r.container[0] = '\0';
    r.in_container = false;
    assert_advice(&r, SPEC_PID, "start shunt where nothing is mounted below /proc (here: /proc/kcore)");
}

static void test_kubernetes_pod(void **state)
{
    struct probe_result r;
    char all[1024];

    (void)state;
    docker_machine(&r);
    strcpy(r.container, "kubernetes");
    r.confined[0] = '\0';
    assert_by(&r, TASKS, "uid-nproc");
    assert_advice(&r, SPEC_NET, "in the pod: securityContext: {seccompProfile: {type: Unconfined}}");
    assert_advice(&r, SPEC_PID,
                  "in the pod: hostUsers: false, and in the container: securityContext: {seccompProfile: {type: "
                  "Unconfined}, procMount: Unmasked}");
    assert_advice(&r, SPEC_MEMORY,
                  "on the node, containerd 2.1 and later: cgroup_writable = true for the runtime class in config.toml; "
                  "CRI-O: the pod's annotation io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw: \"true\"; then shunt with "
                  "--adopt-cgroup");
    assert_true(probe_advise_all(&r, SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_CPU), all, sizeof(all)));
    assert_non_null(strstr(all, "cgroup_writable"));
    assert_non_null(strstr(all, "seccompProfile"));
    r.filtered = false; /* a pod with an unconfined profile, whose node forbids user namespaces */
    assert_advice(&r, SPEC_NET,
                  "in the pod: hostUsers: false, and in the container: securityContext: {capabilities: {add: "
                  "[SYS_ADMIN]}}");
}

static void test_others(void **state)
{
    struct probe_result r;

    (void)state;
    root_machine(&r);
    cgroup_v2(&r);
    r.rungs[PROBE_TMP_OVERLAY].works = false;
    fails(&r, PROBE_TMP_OVERLAY, ENODEV);
    assert_by(&r, TMP, "tmpfs");
    assert_advice(&r, SPEC_TMP, "as root: modprobe overlay");

    r.rungs[PROBE_LANDLOCK_RULES].works = false;
    fails(&r, PROBE_LANDLOCK_RULES, EOPNOTSUPP);
    strcpy(r.lsm, "capability,yama");
    assert_advice(&r, SPEC_LANDLOCK, "boot with lsm=landlock,capability,yama on the kernel's command line");
    fails(&r, PROBE_LANDLOCK_RULES, ENOSYS);
    assert_no_advice(&r, SPEC_LANDLOCK);

    r.rungs[PROBE_DENIALS_NOTIFY].works = false;
    fails(&r, PROBE_DENIALS_NOTIFY, EBUSY);
    assert_null(probe_best(&r, SPEC_DENIALS));
    assert_advice(&r, SPEC_DENIALS,
                  "start shunt outside the sandbox around it, which listens for system calls already");
    works(&r, PROBE_DENIALS_LOG);
    assert_by(&r, DENIALS, "log");
    assert_int_equal(unmet_of_standard(&r), SPEC_BIT(SPEC_DENIALS)); /* a log that drops lines is no promise */
}

/* uid: auto asks for an id of the pool as root, and for nothing more than what is so from anybody else. */
static void test_user_auto(void **state)
{
    struct probe_result r;
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.caps = UINT64_MAX;
    spec.uid = SPEC_ID_AUTO;
    user_machine(&r, EPERM);
    assert_int_equal(probe_unmet(&r, &spec), 0);
    spec.demands = SPEC_BIT(SPEC_USER);
    assert_int_equal(probe_unmet(&r, &spec), SPEC_BIT(SPEC_USER));
    spec.demands = 0;
    root_machine(&r);
    assert_int_equal(probe_unmet(&r, &spec), 0);
    r.rungs[PROBE_USER_POOL].works = false;
    assert_int_equal(probe_unmet(&r, &spec), SPEC_BIT(SPEC_USER));
    spec_done(&spec);
}

static void test_requirements(void **state)
{
    static const char *const wrong[] = {"", "tasks,", ",tasks", "tasks,,net", "tasks, net", "all", "-", "--net"};
    struct err err = ERR_INIT;
    unsigned bits = 0, without = 0;

    (void)state;
    assert_int_equal(probe_parse_requirements("tasks,-memory,net", &bits, &without, &err), 0);
    assert_int_equal(bits, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_NET));
    assert_int_equal(without, SPEC_BIT(SPEC_MEMORY));
    assert_int_equal(probe_parse_requirements("net,-net", &bits, &without, &err), 0);
    assert_int_equal(bits, 0);
    assert_int_equal(without, SPEC_BIT(SPEC_NET));
    assert_int_equal(probe_parse_requirements("tasks,memory,net", &bits, &without, &err), 0);
    assert_int_equal(bits, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_NET));
    assert_int_equal(probe_parse_requirements("seccomp", &bits, &without, &err), 0);
    assert_int_equal(bits, SPEC_BIT(SPEC_SECCOMP));
    bits = 77;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_true(probe_parse_requirements(wrong[i], &bits, &without, &err) < 0);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_int_equal(bits, 77);
    }
    assert_true(probe_parse_requirements("tasks,memroy", &bits, &without, &err) < 0);
    assert_string_equal(err.message, "\"memroy\" is no guarantee");
    assert_non_null(strstr(err.hint, "did you mean \"memory\"?"));
}

static void test_require(void **state)
{
    struct err err = ERR_INIT;
    struct probe_result r;

    (void)state;
    user_machine(&r, EPERM);
    r.userns_clone = 0;
    no_cgroup(&r, EACCES, "cannot make cgroups below our own", "ask root for a cgroup");
    assert_int_equal(probe_require(&r, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_SECCOMP), &err), 0);
    assert_true(probe_require(&r, SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_IPC),
                              &err) < 0);
    assert_int_equal(err.kind, ERR_SANDBOX);
    assert_string_equal(err.message,
                        "required, and not to be had here: memory, ipc, net (cannot make cgroups below our own)");
    assert_string_equal(err.hint,
                        "ask root for a cgroup; or: as root: sysctl -w kernel.unprivileged_userns_clone=1");
    docker_machine(&r);
    assert_true(probe_require(&r, SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_MOUNT), &err) < 0);
    assert_string_equal(err.hint,
                        "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined ...");
}

/* On this machine, whatever it is: what was not asked for is not tried. */
static void test_only(void **state)
{
    struct probe_options options = {.only = SPEC_BIT(SPEC_SECCOMP)};
    struct err err = ERR_INIT;
    struct probe_result r;

    (void)state;
    assert_int_equal(probe_machine(&options, &r, &err), 0);
    assert_true(r.rungs[PROBE_SECCOMP_FILTER].tried);
    assert_true(*r.kernel);
    assert_false(r.rungs[PROBE_UTS_USERNS].tried);
    assert_false(r.rungs[PROBE_TASKS_CGROUP_V1].tried || r.rungs[PROBE_TASKS_CGROUP_V2].tried);
    options.only = SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_UTS);
    assert_int_equal(probe_machine(&options, &r, &err), 0);
    assert_true(r.rungs[PROBE_UTS_USERNS].tried);
    assert_true(r.rungs[PROBE_TASKS_CGROUP_V1].tried || r.rungs[PROBE_TASKS_CGROUP_V2].tried);
    assert_false(r.rungs[PROBE_SECCOMP_FILTER].tried);
}

/* Ids are read by programs: within a guarantee each is there once. */
static void test_keys_are_unique(void **state)
{
    struct probe_result r;

    (void)state;
    probe_init(&r);
    for (int i = 0; i < PROBE_RUNG_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_false(r.rungs[i].guarantee == r.rungs[j].guarantee && strcmp(r.rungs[i].key, r.rungs[j].key) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_user_delegated),
        cmocka_unit_test(test_user_without_cgroup),
        cmocka_unit_test(test_user_with_nothing),
        cmocka_unit_test(test_settings_that_are_not_to_blame),
        cmocka_unit_test(test_docker_default),
        cmocka_unit_test(test_docker_private_and_writable),
        cmocka_unit_test(test_kubernetes_pod),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_user_auto),
        cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_keys_are_unique),
    };

    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
