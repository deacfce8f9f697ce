/* SPDX-License-Identifier: MIT */
/* The stacked views of a run, its command and its cells, applied on the kernel that runs this. */
#include "tests/unit/mounts_inside.h"

/* ---- a run, its command, its cells --------------------------------------------------------------------------------
 */

static void write_map(pid_t pid, const char *which)
{
    _cleanup_free_ char *ours = mem_printf("/proc/self/%s", which);
    _cleanup_free_ char *path = mem_printf("/proc/%d/%s", (int)pid, which);
    unsigned inside, outside, count;
    char map[64];
    FILE *f = fopen(ours, "re");

    INSIDE(f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3);
    fclose(f);
    snprintf(map, sizeof(map), "%u %u %u", inside, inside, count);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, path, map), 0);
}

static void apply_here(const struct mount_plan *plan, const struct mount_apply *apply)
{
    const char *stage = "";
    int r = mount_plan_apply(plan, apply, &stage);

    if (r < 0)
        fprintf(stderr, "apply: \"%s\": %s\n", stage, strerror(-r));
    INSIDE_EQUAL(r, 0);
}

static void wait_for(pid_t pid)
{
    int status;

    INSIDE_EQUAL(waitpid(pid, &status, 0), pid);
    INSIDE_EQUAL(status, 0);
}

/* As cell.c does: a user namespace with identical ids, and pid, mount and ipc namespaces in it. */
static void in_cell(struct ground *g, inside_fn *check)
{
    int go[2];
    char byte;
    pid_t pid;

    INSIDE_EQUAL(pipe2(go, O_CLOEXEC), 0);
    pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, NULL, NULL,
                         NULL, NULL);
    INSIDE(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        INSIDE_EQUAL(read(go[0], &byte, 1), 1);
        apply_here(g->cell, &g->apply_cell);
        check(g);
        _exit(0);
    }
    if (access("/proc/self/setgroups", F_OK) == 0 && geteuid() != 0) {
        _cleanup_free_ char *path = mem_printf("/proc/%d/setgroups", (int)pid);

        io_write_file_at(AT_FDCWD, path, "deny");
    }
    write_map(pid, "uid_map");
    write_map(pid, "gid_map");
    INSIDE_EQUAL(write(go[1], "g", 1), 1);
    wait_for(pid);
    close(go[0]);
    close(go[1]);
}

static void in_command(struct ground *g, inside_fn *check)
{
    pid_t pid = fork();

    INSIDE(pid >= 0);
    if (pid == 0) {
        INSIDE_EQUAL(unshare(CLONE_NEWNS), 0);
        apply_here(g->command, NULL);
        check(g);
        _exit(0);
    }
    wait_for(pid);
}

static void see_command(struct ground *g)
{
    struct stat st;

    INSIDE(stat("/proc/kcore", &st) < 0 || S_ISCHR(st.st_mode));
    INSIDE_EQUAL(entries("/sys/fs/cgroup"), 0);
    INSIDE_EQUAL(try_write("/tmp", "shunt-test-of-command"), 0);
    INSIDE(entries(g->scratch) <= 0);
    INSIDE_EQUAL(try_write("/dev/shm", "of-command"), 0);
    INSIDE(!there("/dev/shm/.shunt", "tmp"));
    INSIDE_EQUAL(try_write(g->keep, "of-command"), 0);
}

static void see_cell(struct ground *g)
{
    struct stat st;

    INSIDE_EQUAL(getpid(), 1);
    INSIDE_EQUAL(entries("/proc/2"), -ENOENT);
    INSIDE(stat("/proc/kcore", &st) < 0 || S_ISCHR(st.st_mode));
    INSIDE_EQUAL(entries("/sys/fs/cgroup"), 0);
    INSIDE(there("/tmp", "shunt-test-of-command"));
    INSIDE(!there("/tmp", "shunt-test-of-cell"));
    INSIDE_EQUAL(try_write("/tmp", "shunt-test-of-cell"), 0);
    INSIDE_EQUAL(unlink("/tmp/shunt-test-of-command"), 0);
    INSIDE_EQUAL(entries("/dev/shm"), 0);
    INSIDE_EQUAL(try_write("/dev/shm", "of-cell"), 0);
    INSIDE(there(g->keep, "of-command"));
    INSIDE_EQUAL(try_write(g->keep, "of-cell"), 0);
    INSIDE(entries(g->scratch) <= 0);
    if (g->spec.root_readonly)
        INSIDE_EQUAL(try_write("/etc", "shunt-test"), EROFS);
}

static void see_run(struct ground *g)
{
    in_command(g, see_command);
    in_cell(g, see_cell);
    g->apply_cell.scratch = g->apply_cell.scratch ? g->second : NULL;
    in_cell(g, see_cell);
    INSIDE(there("/tmp", "shunt-test-of-command"));
    INSIDE(!there("/tmp", "shunt-test-of-cell"));
    INSIDE(there("/dev/shm", "of-command"));
    unlink("/tmp/shunt-test-of-command");
}

static void stacked(struct ground *g, bool scratch)
{
    const char *keep[] = {g->keep, NULL};
    struct mount_request request = request_of(g, MOUNTS_RUN);
    _cleanup_free_ char *first = make_dir(g->scratch, "cell-1", 0700);
    _cleanup_free_ char *second = make_dir(g->scratch, "cell-2", 0700);
    struct mount_plan *run;
    struct entry entry = {.g = g, .check = see_run};

    g->spec.shm_private = true;
    g->spec.mask_kernel = true;
    request.keep = keep;
    request.scratch = scratch ? g->scratch : NULL;
    run = compile(&request);
    request.what = MOUNTS_COMMAND;
    g->command = compile(&request);
    request.what = MOUNTS_CELL;
    g->cell = compile(&request);
    if (g->userns && geteuid() == 0)
        chown_all(g->scratch, UID);
    g->apply_cell.scratch = scratch ? first : NULL;
    g->second = second;
    entry.plan = run;
    go_inside(&entry);
    assert_true(there(g->keep, "of-cell"));
    assert_false(there("/tmp", "shunt-test-of-cell"));
    mount_plan_free(run);
    mount_plan_free(g->command);
    mount_plan_free(g->cell);
    ground_free(g);
}

static void run_with_overlay(bool userns)
{
    struct ground *g = begin(userns);

    g->spec.tmp = SPEC_TMP_OVERLAY;
    stacked(g, true);
}
BOTH(run_with_overlay)

static void run_with_fresh_tmp(bool userns)
{
    struct ground *g = begin(userns);

    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_FRESH;
    g->spec.dev_minimal = true;
    spec_add_path(&g->spec, SPEC_PATH_WRITABLE, ".", 0, false, NULL);
    stacked(g, true);
}
BOTH(run_with_fresh_tmp)

/* Nothing on disk: the second way to the run's /tmp is in /dev/shm, the layers are in memory. */
static void run_in_memory(bool userns)
{
    struct ground *g = begin(userns);

    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_FRESH;
    stacked(g, false);
}
BOTH(run_in_memory)

static void run_with_overlay_of_readonly_root(bool userns)
{
    struct ground *g = begin(userns);

    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_OVERLAY;
    stacked(g, true);
}
BOTH(run_with_overlay_of_readonly_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS(run_with_overlay),
        ROWS(run_with_fresh_tmp),
        ROWS(run_in_memory),
        ROWS(run_with_overlay_of_readonly_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
