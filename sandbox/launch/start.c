/* SPDX-License-Identifier: MIT */
/* Starting the run init: one try after the other, each with less, until the kernel plays along. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/launch/internal.h"
#include "sandbox/launch/wire.h"
#include "sandbox/net/namespace.h"
#include "sandbox/notify/notify.h"
#include "sandbox/plan/plan.h"
#include "sandbox/seccomp/profile.h"

#define START_TIMEOUT_MS 10000
#define TRIES 24 /* more than there is to leave out */

static void note_missing(struct run_init *init, const char *what, int errnum, const char *remedy)
{
    size_t at = strlen(init->missing);

    snprintf(init->missing + at, sizeof(init->missing) - at, "%s%s: %s%s%s%s", at ? "; " : "", what,
             strerror(errnum), *remedy ? " (" : "", remedy, *remedy ? ")" : "");
}

static int wait_ready(struct run_init *init, struct wire_event *event)
{
    struct pollfd pfd = {init->channel, POLLIN, 0};
    int r;

    do
        r = poll(&pfd, 1, START_TIMEOUT_MS);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return r == 0 ? -ETIMEDOUT : -errno;
    if (recv(init->channel, event, sizeof(*event), 0) != sizeof(*event) || event->type != WIRE_READY)
        return -EPIPE;
    return -event->errnum;
}

void run_init_end_child(struct run_init *init)
{
    if (init->pid > 0 && !init->reaped) {
        kill(init->pid, SIGKILL);
        while (waitpid(init->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    init->pid = 0;
    close_fd(&init->channel);
}

struct attempt { /* how one try ended */
    bool cloned;
    bool again; /* nothing was wrong with the plan */
    unsigned lost;
    char stage[64];
};

static int open_setup(const struct run_init_spec *spec, bool userns, int pair[2], int go[2], struct wire_setup *setup)
{
    go[0] = go[1] = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    if (userns && pipe2(go, O_CLOEXEC) < 0) {
        int saved = errno;

        close(pair[0]);
        close(pair[1]);
        return -saved;
    }
    setup->channel = pair[1];
    setup->go = go[0];
    setup->payload = spec->payload;
    setup->keep_session = spec->keep_session && spec->spec->tty;
    setup->watch_left = spec->watch_left;
    setup->payload_comes = spec->meanwhile;
    setup->first = spec->first;
    return 0;
}

/* Once it has been called, each try is told what came of it. */
static int meanwhile(struct run_init *init, struct run_init_spec *spec, struct attempt *attempt)
{
    if (!spec->meanwhile)
        return 0;
    if (!init->met) {
        init->met = true;
        attempt->again = spec->meanwhile(spec);
    }
    if (attempt->again)
        return -EAGAIN;
    return run_init_send_payload(init, spec->payload);
}

/* Making a network namespace takes the kernel as long as all mounts: where it needs no user namespace, it is made here while
 * the run init mounts. Where that fails, clone() shall make it and say what is the matter. */
static int make_net(struct run_init *init, struct attempt *attempt)
{
    _cleanup_close_ int fd = net_namespace_make();

    if (fd < 0) {
        init->net_by_clone = attempt->again = true;
        return fd;
    }
    return run_init_send_net(init, fd);
}

/* One try with exactly this plan. On failure nothing stays. */
static int try_start(struct run_init *init, struct run_init_spec *spec, struct cgroup_birth *birth,
                     struct attempt *attempt)
{
    const struct sandbox_plan *plan = init->plan;
    bool userns = plan->identity == PLAN_ID_USERNS;
    bool net_beside = plan->namespaces & CLONE_NEWNET && !userns && !init->net_by_clone;
    struct wire_setup setup = {.plan = plan, .birth = birth, .net_comes = net_beside};
    struct wire_event event = {0};
    int pair[2], go[2], r;

    *attempt = (struct attempt){.stage = "starting"};
    /* Itself, and whoever the supervisor of the cell is, are counted, too. */
    if (plan->task_limit == PLAN_TASKS_NPROC && !spec->cells)
        setup.nproc = plan->spec.limits.tasks + userns;
    r = open_setup(spec, userns, pair, go, &setup);
    if (r < 0)
        return r;
    fflush(NULL);
    init->pid = cgroup_birth_clone(birth, plan->namespaces ^ (net_beside ? CLONE_NEWNET : 0) ^ (userns ? CLONE_NEWUSER : 0));
    if (init->pid == 0) {
        close(pair[0]);
        close_fd(&go[1]);
        init_main(&setup);
    }
    init->reaped = false;
    init->channel = pair[0];
    close(pair[1]);
    close_fd(&go[0]);
    r = init->pid < 0 ? init->pid : 0;
    attempt->cloned = r == 0;
    snprintf(attempt->stage, sizeof(attempt->stage), "%s", userns ? "user namespace" : "namespaces");
    if (r == 0 && userns)
        r = userns_map_ids(init->pid, plan);
    if (r == 0 && userns && write(go[1], "g", 1) != 1)
        r = -EPIPE;
    close_fd(&go[1]);
    if (r == 0 && net_beside)
        r = make_net(init, attempt);
    if (r == 0)
        r = meanwhile(init, spec, attempt);
    if (r == 0) {
        r = wait_ready(init, &event);
        attempt->lost = (unsigned)event.status;
        event.stage[sizeof(event.stage) - 1] = '\0';
        snprintf(attempt->stage, sizeof(attempt->stage), "%s", event.stage);
    } else if (userns && !attempt->again) {
        attempt->cloned = false;
    }
    if (r < 0)
        run_init_end_child(init);
    return r;
}

/* Can a cell be made? Found out by making one. */
static bool try_cell(struct run_init *init)
{
    struct pollfd pfd = {init->channel, POLLIN, 0};
    struct run_init_event event;
    bool made = false;

    if (run_init_prepare_cell(init, UINT64_MAX) < 0 || poll(&pfd, 1, START_TIMEOUT_MS) <= 0 ||
        run_init_next(init, &event) < 0)
        return false;
    if (event.type == RUN_INIT_CELL) {
        made = true;
        for (int i = 0; i < RUN_INIT_CELL_NS; i++)
            close_fd(&event.ns_fd[i]);
        run_init_drop_cell(init, UINT64_MAX);
    } else if (event.type == RUN_INIT_FAILED) {
        note_missing(init, event.stage, event.errnum, "");
    }
    return made;
}

/* What the next try goes without. False: there is nothing left to leave out. */
static bool leave_out(const struct run_init *init, const struct attempt *attempt, struct sandbox_spec *spec,
                      unsigned *without)
{
    unsigned before = *without;
    const struct sandbox_plan *plan = init->plan;

    if (attempt->cloned) {
        *without |= attempt->lost;
    } else if (plan->identity == PLAN_ID_USERNS) {
        *without |= PLAN_WITHOUT_USERNS;
        if (geteuid() == 0)
            *without |= PLAN_WITHOUT_NAMESPACES;
    } else if (plan->namespaces && geteuid() == 0 && plan->identity == PLAN_ID_KEEP &&
               spec->userns == SPEC_USERNS_AUTO && !(before & PLAN_WITHOUT_USERNS)) {
        spec->userns = SPEC_USERNS_ALWAYS; /* root without CAP_SYS_ADMIN, as in a container */
        return true;
    } else if (plan->namespaces) {
        *without |= PLAN_WITHOUT_NAMESPACES;
    }
    return *without != before;
}

int run_init_refuse(const struct sandbox_spec *spec, enum spec_guarantee g, const char *why, struct err *err)
{
    struct sandbox_spec bare = *spec;
    bool asked = spec->asked & SPEC_BIT(g);
    char who[96] = "--require";

    if (!asked)
        snprintf(who, sizeof(who), "policy %.80s", spec->name);
    bare.demands = 0;
    if (!(spec_wants(&bare) & SPEC_BIT(g))) {
        err_set(err, ERR_USAGE, EINVAL, "%s is required (%s), and policy %s does not ask for it: %s",
                spec_guarantee_name(g), who, spec->name, spec_guarantee_text(g));
        return err_hint(err, "another --policy (\"shunt policy list\"), or one of your own, as FILE.yaml for --policy FILE.yaml:\n"
                        "    policy: own\n    extends: %s\n    %s", spec->name, spec_guarantee_key(g));
    }
    err_set(err, ERR_SANDBOX, EPERM, "%s is required (%s), and not to be had here: %s%s%.250s",
            spec_guarantee_name(g), who, spec_guarantee_text(g), *why ? ": " : "", why);
    if (asked)
        return err_hint(err, "\"shunt doctor --policy %s\" says what to do\n"
                        "  to go on without: leave %s out of --require", spec->name, spec_guarantee_name(g));
    return err_hint(err, "\"shunt doctor --policy %s\" says what to do\n"
                    "  to go on without: --require=-%s, or a policy with \"extends: %s\" and \"require: [-%s]\"", spec->name,
                    spec_guarantee_name(g), spec->name, spec_guarantee_name(g));
}

/* What a policy cannot do without, before anything is started that way. */
static int check_demands(const struct run_init *init, const struct run_init_spec *given, struct err *err)
{
    const struct sandbox_spec *spec = given->spec;
    const struct sandbox_plan *plan = init->plan;
    unsigned gives = plan->gives | given->limits | (plan->task_limit != PLAN_TASKS_NONE ? SPEC_BIT(SPEC_TASKS) : 0) |
                     (plan->namespaces & CLONE_NEWPID ? SPEC_BIT(SPEC_KILL) : 0);
    unsigned lacking = spec->demands & ~gives;
    const unsigned limits = SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_MEMORY) | SPEC_BIT(SPEC_CPU);
    const char *why;

    for (int g = 0; g < SPEC_GUARANTEE_COUNT; g++) {
        if (!(lacking & SPEC_BIT(g)))
            continue;
        why = SPEC_BIT(g) & limits ? given->limits_missing ? given->limits_missing : "" : init->missing;
        return run_init_refuse(spec, (enum spec_guarantee)g, why, err);
    }
    return 0;
}

/* The listener travels by sendmsg(). A program that has something to say to that would wait for whoever is to receive it. */
static bool can_hand_over(const struct sandbox_plan *plan)
{
    const uint64_t args[6] = {3, 4096, MSG_NOSIGNAL};

    return seccomp_evaluate(&plan->notifying, seccomp_native_arch(), SYS_sendmsg, args) == SECCOMP_RET_ALLOW;
}

/* Whether a listener can be had is known only when the command has it; where something depends on that, or there is a filter
 * around us whose listener may be in the way, it is tried before. True: the plan must do without. */
static bool listener_lacks(struct run_init *init, const struct sandbox_spec *spec, unsigned *without)
{
    const struct sandbox_plan *plan = init->plan;
    bool depends = plan->task_limit == PLAN_TASKS_NOTIFY || spec->demands & SPEC_BIT(SPEC_DENIALS);
    int r;

    if (plan->notify && !can_hand_over(plan)) {
        note_missing(init, "names of refused calls", EPERM, "the profile refuses sendmsg, over which shunt is told of them");
        *without |= SPEC_BIT(SPEC_DENIALS);
        return true;
    }
    if (!plan->notify || (!depends && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0))
        return false;
    r = notify_possible();
    if (r == 0)
        return false;
    note_missing(init, "seccomp notification", -r,
                 r == -EBUSY ? "a filter around shunt has the one listener that there can be: start it outside" : "");
    *without |= SPEC_BIT(SPEC_DENIALS);
    return true;
}

/* Errors of clone() and unshare() that mean something else than their text says. */
static const char *remedy_of(const struct run_init *init, const struct attempt *attempt, int errnum)
{
    bool userns = !attempt->cloned && init->plan->identity == PLAN_ID_USERNS;

    if (userns && errnum == ENOSPC)
        return "user.max_user_namespaces allows no more: as root, sysctl -w user.max_user_namespaces=15000";
    if (userns && (errnum == EPERM || errnum == EACCES))
        return "a seccomp filter, an LSM or kernel.unprivileged_userns_clone around shunt forbids it";
    return errnum == EPERM && geteuid() != 0 ? "needs root" : "";
}

static int start_rungs(struct run_init *init, const struct run_init_spec *promised, struct cgroup_birth *birth,
                       struct err *err)
{
    struct run_init_spec as_is = *promised, *given = &as_is;
    struct sandbox_spec spec;
    struct plan_request request = {
        .spec = &spec,
        .cells = given->cells,
        .learn = given->learn,
        .cwd = given->cwd,
        .home = given->home,
        .scratch = given->scratch,
        .keep = given->keep,
        .guard_profile = given->guard_profile,
        .worker_profile = given->worker_profile,
        .seal_profile = given->seal_profile,
    };
    struct attempt attempt;
    const char *remedy;
    int r = 0;

    spec_copy(&spec, given->spec);
    for (int i = 0; i < TRIES; i++) {
        plan_free(init->plan);
        init->plan = NULL;
        request.cgroup_tasks = given->cgroup_tasks;
        r = plan_compile(&request, &init->plan, err);
        if (r == 0 && listener_lacks(init, &spec, &request.without))
            continue;
        if (r == 0)
            r = check_demands(init, given, err);
        if (r < 0)
            break;
        r = try_start(init, given, birth, &attempt);
        if (r == 0)
            break;
        if (attempt.again)
            continue;
        err_set(err, ERR_SYSTEM, -r, "cannot start the sandbox: %s: %m", attempt.stage);
        remedy = remedy_of(init, &attempt, -r);
        if (!leave_out(init, &attempt, &spec, &request.without))
            break;
        note_missing(init, attempt.stage, -r, remedy);
    }
    spec_done(&spec);
    return r;
}

int run_init_start(const struct run_init_spec *spec, struct run_init **ret, struct err *err)
{
    struct run_init *init = mem_zalloc(sizeof(*init));
    struct cgroup_birth birth = CGROUP_BIRTH_INIT;
    int r = 0;

    init->channel = init->seal_fd = -1;
    if (spec->cgroup && (r = cgroup_run_birth_control(spec->cgroup, &birth)) < 0)
        err_set(err, ERR_SYSTEM, -r, "cannot open the run's cgroup: %m");
    if (r == 0)
        r = start_rungs(init, spec, spec->cgroup ? &birth : NULL, err);
    cgroup_birth_done(&birth);
    if (r == 0 && spec->cells && (init->seal_fd = plan_seal_fd(init->plan)) < 0)
        r = err_set(err, ERR_SYSTEM, -init->seal_fd, "memfd_create: %m");
    if (r < 0) {
        run_init_free(init);
        return r;
    }
    if (geteuid() == 0 && spec->spec->uid != SPEC_ID_KEEP && init->plan->identity != PLAN_ID_SWITCH)
        note_missing(init, "a user id of its own", EPERM, "this user namespace has no other, or may not drop groups");
    if (init->plan->cell_namespaces)
        init->cells = try_cell(init);
    else if (spec->cells && init->plan->namespaces & CLONE_NEWPID && init->plan->spec.userns == SPEC_USERNS_NEVER)
        note_missing(init, "namespaces of each worker's own", EPERM, "they need a user namespace, and userns is never");
    io_set_nonblock(init->channel, true);
    *ret = init;
    return 0;
}
