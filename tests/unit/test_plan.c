/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/plan/plan.h"

static bool root(void)
{
    return geteuid() == 0;
}

/* pid, mount, ipc and uts namespaces, an overlay of /tmp and a limit on tasks: the bones of "standard". */
static void everyday(struct sandbox_spec *spec)
{
    spec_init(spec);
    spec->ns_pid = spec->ns_mount = spec->ns_ipc = spec->ns_uts = true;
    spec->tmp = SPEC_TMP_OVERLAY;
    spec->shm_private = true;
    spec->limits.tasks = 64;
}

static struct sandbox_plan *compile(struct sandbox_spec *spec, unsigned without, bool cgroup_tasks, bool cells)
{
    struct plan_request request = {
        .spec = spec, .without = without, .cgroup_tasks = cgroup_tasks, .cells = cells, .cwd = "/usr", .home = "/root"};
    struct sandbox_plan *plan = NULL;
    struct err err = ERR_INIT;

    if (plan_compile(&request, &plan, &err) < 0)
        fail_msg("%s", err.message);
    spec_done(spec);
    return plan;
}

static void nothing_asked_nothing_done(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    spec_init(&spec);
    plan = compile(&spec, 0, false, false);
    assert_int_equal(plan->namespaces, 0);
    assert_int_equal(plan->identity, PLAN_ID_KEEP);
    assert_int_equal(plan->task_limit, PLAN_TASKS_NONE);
    assert_int_equal(plan->filter.len, 0);
    assert_int_equal(plan->gives, 0);
    plan_free(plan);
    plan_free(NULL);
}

static void an_everyday_plan(void **state)
{
    const unsigned long namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    const unsigned gives = SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_IPC) |
                           SPEC_BIT(SPEC_UTS) | SPEC_BIT(SPEC_TMP);
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    everyday(&spec);
    plan = compile(&spec, 0, false, false);
    assert_int_equal(plan->namespaces, namespaces);
    assert_int_equal(plan->gives, gives);
    assert_int_equal(plan->identity, root() ? PLAN_ID_KEEP : PLAN_ID_USERNS);
    assert_int_equal(plan->task_limit, root() ? PLAN_TASKS_PID_MAX : PLAN_TASKS_NPROC);
    assert_int_equal(plan->cell_namespaces, 0);
    plan_free(plan);
}

static void a_cell_repeats_what_keeps_workers_apart(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    everyday(&spec);
    spec.network = SPEC_NET_LOOPBACK;
    plan = compile(&spec, 0, false, true);
    assert_int_equal(plan->cell_namespaces, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET);
    plan_free(plan);
    everyday(&spec);
    plan = compile(&spec, SPEC_BIT(SPEC_PID), false, true); /* workers are told apart by their pid namespace */
    assert_int_equal(plan->cell_namespaces, 0);
    plan_free(plan);
}

/* What is left out is not claimed, and what hangs on it goes along. */
static void what_is_left_out_is_not_given(void **state)
{
    static const struct {
        unsigned without, lost;
        unsigned long namespaces;
    } rows[] = {
        {SPEC_BIT(SPEC_PID), SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL), CLONE_NEWPID},
        {SPEC_BIT(SPEC_IPC), SPEC_BIT(SPEC_IPC), CLONE_NEWIPC},
        {SPEC_BIT(SPEC_UTS), SPEC_BIT(SPEC_UTS), CLONE_NEWUTS},
        {SPEC_BIT(SPEC_NET), SPEC_BIT(SPEC_NET), CLONE_NEWNET},
        {SPEC_BIT(SPEC_TMP), SPEC_BIT(SPEC_TMP), 0},
        {SPEC_BIT(SPEC_READONLY), SPEC_BIT(SPEC_READONLY), 0},
        {SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_MOUNT),
         SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP),
         CLONE_NEWPID | CLONE_NEWNS},
        {PLAN_WITHOUT_NAMESPACES,
         SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_KILL) | SPEC_BIT(SPEC_MOUNT) | SPEC_BIT(SPEC_IPC) | SPEC_BIT(SPEC_UTS) |
             SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_TMP),
         CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sandbox_spec spec;
        struct sandbox_plan *full, *less;

        everyday(&spec);
        spec.network = SPEC_NET_LOOPBACK;
        spec.root_readonly = true;
        full = compile(&spec, 0, false, false);
        everyday(&spec);
        spec.network = SPEC_NET_LOOPBACK;
        spec.root_readonly = true;
        less = compile(&spec, rows[i].without, false, false);
        if ((full->gives & ~less->gives) != rows[i].lost ||
            (full->namespaces & ~less->namespaces) != rows[i].namespaces)
            fail_msg("row %zu: lost %#x and namespaces %#lx", i, full->gives & ~less->gives,
                     full->namespaces & ~less->namespaces);
        plan_free(full);
        plan_free(less);
    }
}

/* A demand is no gift: --require net gives nobody a network. */
static void what_is_demanded_is_not_given_for_that(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    everyday(&spec);
    spec.demands = SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_LANDLOCK);
    plan = compile(&spec, 0, true, false);
    assert_int_equal(plan->gives & (SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_LANDLOCK)), 0);
    plan_free(plan);
}

static void the_ladder_of_task_limits(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    everyday(&spec);
    plan = compile(&spec, 0, true, false);
    assert_int_equal(plan->task_limit, PLAN_TASKS_CGROUP);
    plan_free(plan);
    everyday(&spec);
    plan = compile(&spec, PLAN_WITHOUT_PID_MAX | PLAN_WITHOUT_USERNS, false, false);
    assert_int_equal(plan->task_limit, PLAN_TASKS_NONE);
    plan_free(plan);
    everyday(&spec);
    spec.observe = true;
    plan = compile(&spec, 0, true, false);
    assert_int_equal(plan->task_limit, PLAN_TASKS_NONE);
    plan_free(plan);
}

static void root_becomes_somebody_else(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    if (!root()) {
        print_message("[   INFO   ] needs root\n");
        skip();
    }
    everyday(&spec);
    spec.uid = spec.gid = SPEC_ID_AUTO;
    plan = compile(&spec, 0, false, false);
    assert_int_equal(plan->identity, PLAN_ID_SWITCH);
    assert_true(plan->uid >= 60000 && plan->gid == plan->uid);
    assert_int_equal(plan->task_limit, PLAN_TASKS_NPROC); /* counted for that id alone */
    assert_true(plan->gives & SPEC_BIT(SPEC_USER));
    plan_free(plan);
    everyday(&spec);
    spec.uid = 1234;
    spec.gid = 77;
    plan = compile(&spec, 0, false, false);
    assert_int_equal(plan->uid, 1234);
    assert_int_equal(plan->gid, 77);
    plan_free(plan);
    /* Under a user namespace root is root still: another user was asked for, and is not given. */
    everyday(&spec);
    spec.userns = SPEC_USERNS_ALWAYS;
    plan = compile(&spec, 0, true, false);
    assert_int_equal(plan->identity, PLAN_ID_USERNS);
    assert_false(plan->gives & SPEC_BIT(SPEC_USER));
    plan_free(plan);
}

static void a_user_without_user_namespaces_gets_no_other(void **state)
{
    struct sandbox_spec spec;
    struct sandbox_plan *plan;

    (void)state;
    everyday(&spec);
    spec.userns = SPEC_USERNS_NEVER;
    plan = compile(&spec, 0, false, false);
    assert_int_equal(plan->identity, PLAN_ID_KEEP);
    assert_true(root() ? plan->namespaces != 0 : plan->namespaces == 0);
    assert_true(root() ? plan->gives != 0 : plan->gives == 0);
    plan_free(plan);
}

/* While the payload shares the run init's memory nobody hands a listener on: a call that asks would wait for ever. */
static void a_start_that_asks_is_not_quiet(void **state)
{
    struct sandbox_spec spec;
    struct plan_request request = {.spec = &spec, .cwd = "/usr"};
    struct sandbox_plan *plan = NULL;
    struct err err = ERR_INIT;

    (void)state;
    for (int learn = 0; learn < 2; learn++) {
        spec_init(&spec);
        spec_set_text(&spec.seccomp, "policies/seccomp/default.json");
        spec.notify = true;
        request.learn = learn;
        assert_int_equal(plan_compile(&request, &plan, &err), 0);
        assert_true(plan->quiet_start == !learn);
        spec_done(&spec);
        plan_free(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_nothing_done),
        cmocka_unit_test(an_everyday_plan),
        cmocka_unit_test(a_cell_repeats_what_keeps_workers_apart),
        cmocka_unit_test(what_is_left_out_is_not_given),
        cmocka_unit_test(what_is_demanded_is_not_given_for_that),
        cmocka_unit_test(the_ladder_of_task_limits),
        cmocka_unit_test(root_becomes_somebody_else),
        cmocka_unit_test(a_user_without_user_namespaces_gets_no_other),
        cmocka_unit_test(a_start_that_asks_is_not_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
