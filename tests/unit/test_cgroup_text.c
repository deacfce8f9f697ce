/* SPDX-License-Identifier: MIT */
/* Pure parts of sandbox/cgroup: parsing, places, names, the budget's arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sandbox/cgroup/internal.h"

static void test_mounts(void **state)
{
    static const char text[] =
        "21 26 0:20 / /proc rw,relatime - proc proc rw\n"
        "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "38 30 0:35 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "39 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "40 30 0:37 /a\\040b /sys/fs/cg\\040roup\\134x rw master:3 shared:4 - cgroup2 none "
        "rw,nsdelegate\n"
        "41 30 0:37 / /half - cgroup2\n"
        "nonsense\n";
    struct cgroup_mounts mounts;

    (void)state;
    cgroup_mounts_parse(text, &mounts);
    assert_int_equal(mounts.n, 4);
    assert_int_equal(mounts.items[0].controllers, 1 << CGROUP_CPU | 1 << CGROUP_CPUACCT);
    assert_false(mounts.items[0].v2);
    assert_string_equal(mounts.items[1].root, "/docker/abc");
    assert_int_equal(mounts.items[1].controllers, 1 << CGROUP_PIDS);
    assert_int_equal(mounts.items[2].controllers, 0);
    assert_true(mounts.items[3].v2);
    assert_string_equal(mounts.items[3].root, "/a b");
    assert_string_equal(mounts.items[3].point, "/sys/fs/cg roup\\x");
    cgroup_mounts_done(&mounts);
    cgroup_mounts_parse("", &mounts);
    assert_int_equal(mounts.n, 0);
    cgroup_mounts_done(&mounts);
}

static void assert_self(const char *text, bool v2, enum cgroup_resource resource, const char *want)
{
    char *path = cgroup_self_path(text, v2, resource);

    if (want)
        assert_string_equal(path, want);
    else
        assert_null(path);
    free(path);
}

static void test_self_path(void **state)
{
    static const char hybrid[] = "9:name=systemd:/user.slice\n8:pids:/ci/job:7\n2:cpu,cpuacct:/\n"
                                 "4:memory:/process/89\n3:cpuset:/set\n0::/unified/here\n";

    (void)state;
    assert_self(hybrid, true, 0, "/unified/here");
    assert_self(hybrid, false, CGROUP_PIDS, "/ci/job:7");
    assert_self(hybrid, false, CGROUP_MEMORY, "/process/89");
    assert_self(hybrid, false, CGROUP_CPUACCT, "/");
    assert_self("0::/../..\n", true, 0, "/../..");
    assert_self("0::/../..\n", false, CGROUP_PIDS, NULL);
    assert_self("8:pids:/\n", true, 0, NULL);
    assert_self("", true, 0, NULL);
}

static void assert_located(const char *root, const char *point, const char *path, const char *want)
{
    char *own = cgroup_locate(root, point, path);

    if (want)
        assert_string_equal(own, want);
    else
        assert_null(own);
    free(own);
}

static void test_locate(void **state)
{
    (void)state;
    assert_located("/", "/sys/fs/cgroup", "/", "/sys/fs/cgroup");
    assert_located("/", "/sys/fs/cgroup", "/a/b", "/sys/fs/cgroup/a/b");
    /* Docker on v1 without a cgroup namespace: the container's own directory is mounted. */
    assert_located("/docker/abc", "/sys/fs/cgroup/pids", "/docker/abc", "/sys/fs/cgroup/pids");
    assert_located("/docker/abc", "/sys/fs/cgroup/pids", "/docker/abc/x", "/sys/fs/cgroup/pids/x");
    assert_located("/docker/abc", "/sys/fs/cgroup/pids", "/docker/abcd", NULL);
    assert_located("/docker/abc", "/sys/fs/cgroup/pids", "/", NULL);
    /* A namespace whose root is below us: nothing of ours is visible. */
    assert_located("/", "/sys/fs/cgroup", "/..", NULL);
    assert_located("/", "/sys/fs/cgroup", "/../..", NULL);
    assert_located("/", "/sys/fs/cgroup", "/../sibling", NULL);
    /* A mount from outside the namespace: a sibling has a name, our own root has none. */
    assert_located("/..", "/mnt", "/../sibling/x", "/mnt/sibling/x");
    assert_located("/../..", "/mnt", "/", NULL);
    assert_located("/", "/mnt", "/..data", "/mnt/..data");
}

static void test_names(void **state)
{
    static const char *const wrong[] = {
        "",
        "shunt",
        "shunt-1",
        "shunt-1-2",
        "shunt-1-2-3-",
        "shunt-1-2-3-supervisors",
        "shunt-1-2-3x",
        "shunt--1-2-3",
        "shunt-+1-2-3",
        "shunt-01-2-3",
        "shunt-0-2-3",
        "shunt-1- 2-3",
        "shunt-1--2-3",
        "shunt-1-99999999999999999999999-3",
        "xshunt-1-2-3",
        "shunt-99999999999-2-3",
    };
    struct cgroup_id id = {.pid = 4711, .start_ticks = 123456789, .pidns = 4026531836}, back;
    enum cgroup_leftover what;
    char name[CGROUP_NAME_MAX];

    (void)state;
    for (enum cgroup_leftover w = CGROUP_LEFT_TOP; w <= CGROUP_LEFT_ADOPTED; w++) {
        cgroup_id_print(&id, w, name);
        assert_true(cgroup_id_parse(name, &back, &what));
        assert_int_equal(what, w);
        assert_int_equal(back.pid, id.pid);
        assert_int_equal(back.start_ticks, id.start_ticks);
        assert_int_equal(back.pidns, id.pidns);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (cgroup_id_parse(wrong[i], &back, &what))
            fail_msg("accepted: %s", wrong[i]);
}

static void test_stat(void **state)
{
    pid_t parent;
    uint64_t start;

    (void)state;
    assert_true(cgroup_stat_parse("12 (a) b) (c) S 7 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 "
                                  "987654 1000 100 18446744073709551615\n",
                                  &parent, &start));
    assert_int_equal(parent, 7);
    assert_int_equal(start, 987654);
    assert_false(cgroup_stat_parse("12 (a) S 7 12", &parent, &start));
    assert_false(cgroup_stat_parse("", &parent, &start));
}

static void test_keys(void **state)
{
    uint64_t value = 5;

    (void)state;
    assert_true(
        cgroup_value_of_key("low 0\nmax 12\noom_kill 3\noom_group_kill 9\n", "oom_kill", &value));
    assert_int_equal(value, 3);
    assert_true(cgroup_value_of_key("max 12\n", "max", &value));
    assert_int_equal(value, 12);
    assert_true(cgroup_value_of_key("some avg10=0.00 total=9\nfull avg10=0.10 avg60=0.00 total=42\n", "full", &value));
    assert_int_equal(value, 42);
    assert_false(cgroup_value_of_key("full avg10=0.10\nsome total=9\n", "full", &value));
    assert_false(cgroup_value_of_key("oom_killer 3\n", "oom_kill", &value));
    assert_false(cgroup_value_of_key("", "max", &value));
}

static void test_budget(void **state)
{
    struct cgroup_bound tasks[] = {
        {UINT64_MAX, 5, "pids cgroup /"},
        {200, 30, "pids cgroup /ci"},
        {1000, 900, "pids cgroup /ci/job"},
        {32768, 80, "pid_max"},
    };
    struct cgroup_bound memory[] = {{8ULL << 30, 1ULL << 30, "memory of the machine"},
                                    {2ULL << 30, 3ULL << 30, "memory cgroup /ci"}};
    struct cgroup_numbers numbers = {.tasks = tasks,
                                     .n_tasks = 4,
                                     .memory = memory,
                                     .n_memory = 2,
                                     .cpus_affinity = 8,
                                     .cpus_quota = 1.5,
                                     .quota_name = "cpu quota of cgroup /ci"};
    struct cgroup_budget budget;

    (void)state;
    cgroup_budget_compute(&numbers, &budget);
    assert_int_equal(budget.tasks_free, 100);
    assert_int_equal(budget.tasks_total, 1000);
    assert_string_equal(budget.tasks_bound, "pids cgroup /ci/job: 1000");
    assert_int_equal(budget.memory_free_bytes, 0); /* used beyond the limit is not a huge number */
    assert_string_equal(budget.memory_bound, "memory cgroup /ci: 2048 MiB");
    assert_true(budget.cpus > 1.49 && budget.cpus < 1.51);
    assert_string_equal(budget.cpus_bound, "cpu quota of cgroup /ci: 1.5");
    numbers = (struct cgroup_numbers){.cpus_affinity = 4, .cpus_quota = 16};
    cgroup_budget_compute(&numbers, &budget);
    assert_true(budget.tasks_free == UINT64_MAX && budget.memory_free_bytes == UINT64_MAX);
    assert_true(budget.cpus > 3.99 && budget.cpus < 4.01);
    numbers = (struct cgroup_numbers){.cpus_affinity = 4, .cpus_quota = 0.001, .quota_name = "q"};
    cgroup_budget_compute(&numbers, &budget);
    assert_true(budget.cpus >= 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mounts), cmocka_unit_test(test_self_path),
        cmocka_unit_test(test_locate), cmocka_unit_test(test_names),
        cmocka_unit_test(test_stat),   cmocka_unit_test(test_keys),
        cmocka_unit_test(test_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
