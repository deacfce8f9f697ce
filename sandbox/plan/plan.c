/* SPDX-License-Identifier: MIT */
#include "sandbox/plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/landlock/landlock.h"
#include "sandbox/launch/seal.h"
#include "sandbox/notify/clone_limit.h"
#include "sandbox/seccomp/profile.h"

/* Ids of the range that nobody hands out (systemd's list of uid ranges leaves 1879048192 and up alone); one a supervisor,
 * so that two runs at a time can neither signal nor count each other's processes. */
#define POOL_BASE 1900000000u
#define POOL_SMALL 60000u /* where only 16 bits of ids are mapped, as in many containers */
#define POOL_SMALL_SIZE 5000u

/* --- ids --- */

static bool id_is_mapped(const char *map_file, uint32_t id)
{
    _cleanup_fclose_ FILE *f = fopen(map_file, "re");
    unsigned long inside, outside, count;

    if (!f) /* nobody knows: it is tried */
        return true;
    while (fscanf(f, "%lu %lu %lu", &inside, &outside, &count) == 3)
        if (id >= inside && id - inside < count)
            return true;
    return false;
}

static uint32_t pool_id(void)
{
    uint32_t id = POOL_BASE + (uint32_t)getpid();

    if (id_is_mapped("/proc/self/uid_map", id) && id_is_mapped("/proc/self/gid_map", id))
        return id;
    return POOL_SMALL + (uint32_t)getpid() % POOL_SMALL_SIZE;
}

static void other_ids(const struct sandbox_spec *spec, unsigned *ret_uid, unsigned *ret_gid)
{
    *ret_uid = spec->uid == SPEC_ID_AUTO ? pool_id() : spec->uid;
    *ret_gid = spec->gid == SPEC_ID_AUTO || spec->gid == SPEC_ID_KEEP ? *ret_uid : spec->gid;
}

/* Root of a user namespace, as in a rootless container, may have no other id than 0, nor drop its groups. */
static bool can_switch(const struct sandbox_spec *spec)
{
    char setgroups[16] = "";
    unsigned uid, gid;

    other_ids(spec, &uid, &gid);
    io_read_file_at(AT_FDCWD, "/proc/self/setgroups", setgroups, sizeof(setgroups));
    return strncmp(setgroups, "deny", 4) != 0 && id_is_mapped("/proc/self/uid_map", uid) &&
           id_is_mapped("/proc/self/gid_map", gid);
}

/* Does what is asked for need namespaces that an ordinary user gets from a user namespace only? */
static bool needs_userns(const struct sandbox_spec *spec, bool cgroup_tasks)
{
    const unsigned namespaced = SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_IPC) | SPEC_BIT(SPEC_UTS) |
                                SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP);

    /* What every suite gets by default is no reason; what somebody asked for is. */
    bool asked = spec->network != SPEC_NET_HOST || spec->root_readonly || spec->npaths ||
                 spec->workdir != SPEC_WORKDIR_AS_IS || (spec->demands & namespaced);

    return !spec->observe && (asked || (spec->limits.tasks && !cgroup_tasks));
}

static enum plan_identity choose_identity(const struct plan_request *request, const struct sandbox_spec *spec)
{
    bool root = geteuid() == 0, possible = spec->userns != SPEC_USERNS_NEVER &&
                                           !(request->without & (PLAN_WITHOUT_USERNS | PLAN_WITHOUT_NAMESPACES));

    if (root && spec->uid != SPEC_ID_KEEP && can_switch(spec))
        return PLAN_ID_SWITCH;
    if (!possible)
        return PLAN_ID_KEEP;
    if (spec->userns == SPEC_USERNS_ALWAYS)
        return PLAN_ID_USERNS;
    return !root && needs_userns(spec, request->cgroup_tasks) ? PLAN_ID_USERNS : PLAN_ID_KEEP;
}

static void set_ids(struct sandbox_plan *plan)
{
    plan->uid = geteuid();
    plan->gid = getegid();
    if (plan->identity == PLAN_ID_SWITCH)
        other_ids(&plan->spec, &plan->uid, &plan->gid);
}

/* --- what is left out --- */

static void leave_out(struct sandbox_spec *spec, unsigned without)
{
    if (without & PLAN_WITHOUT_NAMESPACES)
        without |= SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_IPC) | SPEC_BIT(SPEC_UTS) |
                   SPEC_BIT(SPEC_NET);
    if (without & SPEC_BIT(SPEC_PID))
        spec->ns_pid = spec->ns_time = false;
    if (without & SPEC_BIT(SPEC_IPC))
        spec->ns_ipc = false;
    if (without & SPEC_BIT(SPEC_UTS))
        spec->ns_uts = false;
    if (without & SPEC_BIT(SPEC_NET))
        spec->network = SPEC_NET_HOST;
    if (without & SPEC_BIT(SPEC_MOUNT)) {
        spec->ns_mount = spec->ns_cgroup = spec->dev_minimal = spec->mask_kernel = false;
        spec_clear_paths(spec);
        without |= SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP);
        spec->workdir = SPEC_WORKDIR_AS_IS;
    }
    if (without & SPEC_BIT(SPEC_READONLY))
        spec->root_readonly = false;
    if (without & SPEC_BIT(SPEC_TMP)) {
        spec->tmp = SPEC_TMP_HOST;
        spec->shm_private = false;
    }
    if (without & SPEC_BIT(SPEC_LANDLOCK))
        spec->landlock = false;
    if (without & SPEC_BIT(SPEC_DENIALS))
        spec->notify = false;
}

/* --- namespaces and mounts --- */

static unsigned long flags_of(const struct sandbox_spec *spec)
{
    unsigned wants = spec_wants(spec) & ~spec->demands;

    return (spec->ns_pid ? CLONE_NEWPID : 0) |
           (wants & (SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP)) || spec->ns_pid ? CLONE_NEWNS
                                                                                                            : 0) |
           (spec->ns_ipc ? CLONE_NEWIPC : 0) | (spec->ns_uts ? CLONE_NEWUTS : 0) |
           (spec->network != SPEC_NET_HOST ? CLONE_NEWNET : 0) | (spec->ns_cgroup ? CLONE_NEWCGROUP : 0);
}

/* A cell repeats what keeps workers apart from each other. */
static unsigned long cell_flags_of(unsigned long run)
{
    return run & CLONE_NEWPID ? run & (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET) : 0;
}

/* Owners are mapped one to one: what belongs to a third user stays closed to the payload, and that is said before it starts. */
static int check_owners(const struct plan_request *request, const struct sandbox_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->spec.npaths; i++) {
        const struct spec_path *path = &plan->spec.paths[i];
        _cleanup_free_ char *full = path->path[0] == '/' || path->path[0] == '~'
                                        ? mem_strdup(path->path)
                                        : mem_printf("%s/%s", request->cwd, path->path);
        struct stat st;

        if (path->kind != SPEC_PATH_WRITABLE || stat(full, &st) < 0 || st.st_uid == geteuid() || st.st_uid == plan->uid ||
            st.st_mode & S_IWOTH)
            continue;
        err_set(err, ERR_USAGE, EACCES, "%s: %s belongs to uid %u: the policy's user (uid %u) could not write there",
                path->origin ? path->origin : "policy", full, (unsigned)st.st_uid, plan->uid);
        return err_hint(err, "run shunt as that user, or extend the policy with \"user: {uid: %u, gid: %u}\"",
                        (unsigned)st.st_uid, (unsigned)st.st_gid);
    }
    return 0;
}

static int compile_mounts(const struct plan_request *request, struct sandbox_plan *plan, struct err *err)
{
    struct mount_request mounts = {
        .spec = &plan->spec,
        .cwd = request->cwd,
        .home = request->home,
        .scratch = request->scratch,
        .keep = request->keep,
        .own_pid_ns = plan->namespaces & CLONE_NEWPID,
        .own_net_ns = plan->namespaces & CLONE_NEWNET,
        .initial_userns = plan->identity != PLAN_ID_USERNS && geteuid() == 0,
        .id_outside = SPEC_ID_KEEP,
        .id_inside = SPEC_ID_KEEP,
    };
    static const enum mounts_for exec[] = {MOUNTS_EXEC}, run[] = {MOUNTS_RUN, MOUNTS_COMMAND, MOUNTS_CELL};
    size_t n = request->cells ? 3 : 1;
    int r;

    if (!(plan->namespaces & CLONE_NEWNS))
        return 0;
    if (plan->identity == PLAN_ID_SWITCH) {
        r = check_owners(request, plan, err);
        if (r < 0)
            return r;
        mounts.id_outside = geteuid();
        mounts.id_inside = plan->uid;
    }
    for (size_t i = 0; i < n; i++) {
        mounts.what = request->cells ? run[i] : exec[i];
        if (mounts.what == MOUNTS_CELL) {
            /* Made by a user namespace's owner, upon mounts whose owners are mapped already. */
            mounts.id_outside = mounts.id_inside = SPEC_ID_KEEP;
            if (!plan->cell_namespaces)
                continue;
        }
        r = mount_plan_compile(&mounts, &plan->mounts[mounts.what], err);
        if (r < 0)
            return r;
        if (mount_plan_empty(plan->mounts[mounts.what])) {
            mount_plan_free(plan->mounts[mounts.what]);
            plan->mounts[mounts.what] = NULL;
        }
    }
    return 0;
}

/* --- filters --- */

/* In front of the program: where the clone filter would allow, it goes on with what comes next. */
static int ask_for_clones(struct sock_fprog *program)
{
    struct sock_filter code[CLONE_LIMIT_CODE], *both;
    struct sock_fprog clones;
    int r = clone_limit_program(code, &clones);
    size_t head;

    if (r < 0)
        return r;
    head = clones.len - 1u; /* less its RET ALLOW, to which every other way through it leads */
    if (head + program->len > BPF_MAXINSNS)
        return -E2BIG;
    both = mem_calloc(head + program->len, sizeof(*both));
    memcpy(both, code, head * sizeof(*both));
    memcpy(both + head, program->filter, program->len * sizeof(*both));
    program->len = (unsigned short)(head + program->len);
    free(program->filter);
    program->filter = both;
    return 0;
}

static int compile_filters(const struct plan_request *request, struct sandbox_plan *plan, struct err *err)
{
    /* A forked worker joins its cell by setns(), and its own filter refuses that from then on. */
    static const char *const permit[] = {"setns", NULL};
    const struct sandbox_spec *spec = &plan->spec;
    const char *paths[] = {spec->seccomp, NULL, NULL, NULL};
    size_t n = 1;
    struct seccomp_request seccomp = {.paths = paths,
                                      .caps = spec->caps,
                                      .permit = request->cells ? permit : NULL};
    int r;

    if (!spec->seccomp)
        return 0;
    plan->notify = spec->notify; /* learning, it is set (learn_relax) */
    if (request->guard_profile)
        paths[n++] = request->guard_profile;
    if (request->cells && request->worker_profile)
        paths[n++] = request->worker_profile;
    for (size_t i = 0; i < n; i++)
        plan->profiles[i] = mem_strdup(paths[i]);
    r = seccomp_profile_compile(&seccomp, &plan->filter, err);
    if (r == 0 && plan->notify) {
        seccomp.notify = true;
        seccomp.log_all = request->learn;
        r = seccomp_profile_compile(&seccomp, &plan->notifying, err);
    }
    if (r == 0 && plan->task_limit == PLAN_TASKS_NOTIFY && (r = ask_for_clones(&plan->notifying)) < 0)
        err_set(err, ERR_SANDBOX, -r, "the filter of %s cannot ask for clones: %s", spec->name, strerror(-r));
    if (r == 0 && request->cells && request->seal_profile)
        r = seccomp_profile_compile(&(struct seccomp_request){.path = request->seal_profile}, &plan->worker_filter, err);
    return r;
}

/* Where its first calls are let through by every filter, or none asks. */
static bool starts_quietly(const struct sandbox_plan *plan)
{
    static const uint32_t calls[] = {SYS_sendmsg, SYS_execve, SYS_write, SYS_exit_group};

    for (size_t i = 0; plan->notify && i < sizeof(calls) / sizeof(calls[0]); i++)
        if (seccomp_evaluate(&plan->notifying, seccomp_native_arch(), calls[i], NULL) != SECCOMP_RET_ALLOW)
            return false;
    return true;
}

int plan_refusing(const struct sandbox_plan *plan, size_t i, struct sock_fprog *ret, struct err *err)
{
    return seccomp_profile_compile(
        &(struct seccomp_request){.path = plan->profiles[i], .caps = plan->spec.caps}, ret, err);
}

/* --- all of it --- */

static enum plan_task_limit choose_task_limit(const struct plan_request *request, const struct sandbox_plan *plan)
{
    if (!plan->spec.limits.tasks || plan->spec.observe)
        return PLAN_TASKS_NONE;
    if (request->cgroup_tasks)
        return PLAN_TASKS_CGROUP;
    /* A user namespace counts its own processes, an id that nobody else has counts its own, too. Root's are not counted. */
    if ((plan->identity == PLAN_ID_USERNS && geteuid() != 0) || plan->identity == PLAN_ID_SWITCH)
        return PLAN_TASKS_NPROC;
    /* The ids of a whole run would be one budget for all workers. */
    if (plan->namespaces & CLONE_NEWPID && !request->cells && !(request->without & PLAN_WITHOUT_PID_MAX))
        return PLAN_TASKS_PID_MAX;
    if (plan->spec.seccomp && plan->spec.notify && !request->cells && !request->learn)
        return PLAN_TASKS_NOTIFY;
    return PLAN_TASKS_NONE;
}

static unsigned given(const struct plan_request *request, const struct sandbox_plan *plan)
{
    const unsigned not_ours = SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU);
    struct sandbox_spec bare = plan->spec;
    unsigned gives;

    bare.demands = 0;
    gives = spec_wants(&bare) & ~not_ours;
    if (plan->identity == PLAN_ID_KEEP || (plan->identity == PLAN_ID_USERNS && geteuid() == 0))
        gives &= ~SPEC_BIT(SPEC_USER);
    else if (geteuid() != 0 && plan->spec.uid != SPEC_ID_KEEP)
        gives |= SPEC_BIT(SPEC_USER);
    if (request->cells && !plan->cell_namespaces) /* all workers share the run's */
        gives &= ~SPEC_BIT(SPEC_TMP);
    if (!(plan->namespaces & CLONE_NEWNS))
        gives &= ~(SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP));
    return gives;
}

int plan_compile(const struct plan_request *request, struct sandbox_plan **ret, struct err *err)
{
    struct sandbox_plan *plan = mem_zalloc(sizeof(*plan));
    bool root = geteuid() == 0;
    int r;

    spec_copy(&plan->spec, request->spec);
    leave_out(&plan->spec, request->without | (landlock_abi() ? 0 : SPEC_BIT(SPEC_LANDLOCK)));
    plan->cwd = mem_strdup(request->cwd);
    plan->scratch = request->scratch ? mem_strdup(request->scratch) : NULL;
    plan->identity = choose_identity(request, &plan->spec);
    /* Without a user namespace an ordinary user gets no other. */
    if (!root && plan->identity != PLAN_ID_USERNS)
        leave_out(&plan->spec, PLAN_WITHOUT_NAMESPACES);
    set_ids(plan);
    plan->namespaces = flags_of(&plan->spec);
    /* A cell is a user namespace, so that those who enter it need no privilege outside. */
    plan->cell_namespaces =
        request->cells && plan->spec.userns != SPEC_USERNS_NEVER ? cell_flags_of(plan->namespaces) : 0;
    plan->task_limit = choose_task_limit(request, plan);
    r = compile_mounts(request, plan, err);
    if (r == 0)
        r = landlock_compile(&plan->spec, request->cwd, request->home, request->keep, &plan->landlock);
    if (r == 0)
        r = compile_filters(request, plan, err);
    if (r < 0) {
        plan_free(plan);
        return r;
    }
    plan->quiet_start = starts_quietly(plan);
    plan->gives = given(request, plan);
    *ret = plan;
    return 0;
}

void plan_free(struct sandbox_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < 4; i++)
        mount_plan_free(plan->mounts[i]);
    free(plan->landlock);
    seccomp_profile_done(&plan->filter);
    seccomp_profile_done(&plan->notifying);
    for (int i = 0; i < PLAN_PROFILES; i++)
        free(plan->profiles[i]);
    seccomp_profile_done(&plan->worker_filter);
    free(plan->cwd);
    free(plan->scratch);
    spec_done(&plan->spec);
    free(plan);
}

int plan_seal_fd(const struct sandbox_plan *plan)
{
    struct seal_header header = {
        .magic = SEAL_MAGIC,
        .filter_bytes = (uint32_t)(plan->worker_filter.len * sizeof(struct sock_filter)),
        .landlock_bytes = plan->landlock ? plan->landlock->bytes : 0,
        .caps = plan->spec.caps,
    };
    _cleanup_close_ int fd = memfd_create("shunt-seal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    r = io_write_all(fd, &header, sizeof(header));
    if (r == 0 && header.filter_bytes)
        r = io_write_all(fd, plan->worker_filter.filter, header.filter_bytes);
    if (r == 0 && header.landlock_bytes)
        r = io_write_all(fd, plan->landlock, header.landlock_bytes);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        r = -errno;
    return r < 0 ? r : take_fd(&fd);
}
