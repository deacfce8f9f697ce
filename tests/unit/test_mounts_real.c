/* SPDX-License-Identifier: MIT */
/*
 * Plans applied on the kernel that runs this: each test forks into new namespaces, applies, and looks around from inside.
 * As root every test runs twice: with root's own powers, and as uid 1000 in a user namespace of its own, where inherited
 * mounts are locked. Where namespaces are not to be had the tests skip and say so; SHUNT_TEST_MOUNTS=required makes that a
 * failure (the VM sets it).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/base/io.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/mount_plan.h"

#define UID 1000

/* ---- the playground: a project and a scratch directory below /var/tmp, another below /tmp ------------------------- */

struct ground {
    bool userns;
    char *base;    /* in /var/tmp: proj/ proj/sub/ lib/ secret/ scratch/ */
    char *tmp;     /* in /tmp: keep/ sock */
    char *proj, *scratch, *secret, *keep, *lib;
    int listener;  /* on tmp/sock */
    struct sandbox_spec spec;
    /* of stacked views */
    struct mount_plan *command, *cell;
    struct mount_apply apply_cell;
    const char *second; /* cell's scratch directory */
};

static char *make_dir(const char *in, const char *name, mode_t mode)
{
    char *path = mem_printf("%s/%s", in, name);

    assert_int_equal(mkdir(path, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void put(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(chmod(path, 0777), 0);
    return fd;
}

static void chown_all(const char *path, uid_t uid)
{
    _cleanup_free_ char *command = mem_printf("chown -R %u:%u '%s'", uid, uid, path);

    assert_int_equal(system(command), 0);
}

static struct ground *ground_new(bool userns)
{
    struct ground *g = mem_zalloc(sizeof(*g));
    _cleanup_free_ char *sock = NULL;

    umask(022);
    g->userns = userns;
    g->base = mem_strdup("/var/tmp/shunt-test.XXXXXX");
    g->tmp = mem_strdup("/tmp/shunt-test.XXXXXX");
    assert_non_null(mkdtemp(g->base));
    assert_non_null(mkdtemp(g->tmp));
    chmod(g->base, 0755);
    chmod(g->tmp, 0755);
    g->proj = make_dir(g->base, "proj", 0755);
    free(make_dir(g->proj, "sub", 0755));
    g->lib = make_dir(g->base, "lib", 0755);
    g->secret = make_dir(g->base, "secret", 0755);
    free(make_dir(g->secret, "open", 0755));
    g->scratch = make_dir(g->base, "scratch", 0700);
    g->keep = make_dir(g->tmp, "keep", 0755);
    put(g->proj, "file", "project");
    put(g->secret, "key", "hidden");
    put(g->base, "token", "hidden");
    put(g->tmp, "before", "old");
    sock = mem_printf("%s/sock", g->tmp);
    g->listener = listen_on(sock);
    if (userns && geteuid() == 0) {
        chown_all(g->base, UID);
        chown_all(g->tmp, UID);
    }
    spec_init(&g->spec);
    g->spec.ns_mount = true;
    return g;
}

static void ground_free(struct ground *g)
{
    _cleanup_free_ char *command = mem_printf("rm -rf '%s' '%s'", g->base, g->tmp);

    assert_int_equal(system(command), 0);
    close(g->listener);
    spec_done(&g->spec);
    free(g->proj);
    free(g->scratch);
    free(g->secret);
    free(g->keep);
    free(g->lib);
    free(g->base);
    free(g->tmp);
    free(g);
}

static struct mount_request request_of(struct ground *g, enum mounts_for what)
{
    return (struct mount_request){
        .what = what,
        .spec = &g->spec,
        .cwd = g->proj,
        .home = g->base,
        .own_pid_ns = true,
        .initial_userns = !g->userns,
        .id_outside = SPEC_ID_KEEP,
        .id_inside = SPEC_ID_KEEP,
    };
}

/* ---- checks from inside ------------------------------------------------------------------------------------------- */

static void say(const char *file, int line, const char *what, long value)
{
    fprintf(stderr, "%s:%d: inside: %s (%ld, errno %d %s)\n", file, line, what, value, errno, strerror(errno));
    fflush(stderr);
    _exit(1);
}

#define INSIDE(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            say(__FILE__, __LINE__, #condition, 0);                                                                    \
    } while (0)
#define INSIDE_EQUAL(value, expected)                                                                                  \
    do {                                                                                                               \
        long value_ = (long)(value);                                                                                   \
        if (value_ != (long)(expected))                                                                                \
            say(__FILE__, __LINE__, #value " == " #expected, value_);                                                  \
    } while (0)

/* 0, or the positive errno of creating a file there. */
static int try_write(const char *dir, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static bool there(const char *dir, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    if (!d)
        return -errno;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int try_connect(const char *dir, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

/* ---- going in ----------------------------------------------------------------------------------------------------- */

typedef void inside_fn(struct ground *g);

struct entry {
    struct ground *g;
    const struct mount_plan *plan;
    const struct mount_apply *apply;
    inside_fn *before, *check;
    int expect;             /* of mount_plan_apply() */
    const char *stage;      /* that it must name */
    const int *block;       /* system calls that the kernel shall lack; 0 at the end */
};

static void block_calls(const int *calls)
{
    struct sock_filter code[16];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (; *calls; calls++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*calls, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = n;
    INSIDE_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    INSIDE_EQUAL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
}

static void map_self(uid_t uid)
{
    _cleanup_free_ char *map = mem_printf("%u %u 1", uid, uid);

    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny"), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/uid_map", map), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/gid_map", map), 0);
}

static _Noreturn void inside_main(const struct entry *entry)
{
    const char *stage = "";
    int r;

    alarm(20);
    if (entry->block)
        block_calls(entry->block);
    if (entry->before)
        entry->before(entry->g);
    r = mount_plan_apply(entry->plan, entry->apply, &stage);
    if (r != entry->expect) {
        fprintf(stderr, "apply: \"%s\": %s\n", stage, strerror(-r));
        _exit(1);
    }
    if (entry->stage && strcmp(stage, entry->stage) != 0) {
        fprintf(stderr, "stage \"%s\", not \"%s\"\n", stage, entry->stage);
        _exit(1);
    }
    if (r == 0 && entry->check)
        entry->check(entry->g);
    _exit(0);
}

/* A child in a new user namespace (one id) where wanted, then a child of it in new mount, pid and ipc namespaces. */
static void go_inside(const struct entry *entry)
{
    pid_t outer = fork(), inner;
    int status;

    if (outer == 0) {
        if (entry->g->userns) {
            if (geteuid() == 0) {
                INSIDE_EQUAL(syscall(SYS_setresgid, UID, UID, UID), 0);
                INSIDE_EQUAL(syscall(SYS_setresuid, UID, UID, UID), 0);
                prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
            }
            uid_t uid = geteuid();

            INSIDE_EQUAL(unshare(CLONE_NEWUSER), 0);
            map_self(uid);
        }
        inner = (pid_t)syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD, NULL, NULL, NULL, NULL);
        INSIDE(inner >= 0);
        if (inner == 0)
            inside_main(entry);
        INSIDE_EQUAL(waitpid(inner, &status, 0), inner);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    assert_true(outer > 0);
    assert_int_equal(waitpid(outer, &status, 0), outer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct mount_plan *compile(const struct mount_request *request)
{
    struct mount_plan *plan = NULL;
    struct err err = ERR_INIT;
    int r = mount_plan_compile(request, &plan, &err);

    if (r < 0)
        print_message("%s (%s)\n", err.message, err.hint);
    assert_int_equal(r, 0);
    return plan;
}

static void run_view(struct ground *g, const struct mount_request *request, inside_fn *check)
{
    struct mount_plan *plan = compile(request);
    struct entry entry = {.g = g, .plan = plan, .check = check};

    go_inside(&entry);
    mount_plan_free(plan);
}

static bool can_unshare(bool userns)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (userns && geteuid() == 0 && (syscall(SYS_setresgid, UID, UID, UID) || syscall(SYS_setresuid, UID, UID, UID)))
            _exit(1);
        _exit(unshare((userns ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWPID) < 0);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

static struct ground *begin(bool userns)
{
    if (can_unshare(userns))
        return ground_new(userns);
    print_message("no %s here for uid %u\n", userns ? "user namespaces" : "mount namespaces", geteuid());
    if (getenv("SHUNT_TEST_MOUNTS") && (userns || geteuid() == 0))
        fail();
    skip();
    return NULL;
}

#define BOTH(name)                                                                                                     \
    static void test_##name##_as_root(void **state)                                                                    \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        name(false);                                                                                                   \
    }                                                                                                                  \
    static void test_##name##_in_userns(void **state)                                                                  \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        name(true);                                                                                                    \
    }

/* ---- read-only root ----------------------------------------------------------------------------------------------- */

static void see_readonly(struct ground *g)
{
    char cwd[4096];

    INSIDE_EQUAL(try_write("/etc", "shunt-test"), EROFS);
    INSIDE_EQUAL(try_write(g->base, "x"), EROFS);
    INSIDE_EQUAL(try_write(g->proj, "x"), EROFS);
    INSIDE_EQUAL(try_write("/var/tmp", "x"), 0);
    INSIDE_EQUAL(try_write("/tmp", "x"), 0);
    INSIDE_EQUAL(try_write("/dev/shm", "x"), 0);
    INSIDE_EQUAL(entries("/tmp"), 1);
    INSIDE_EQUAL(try_write(g->lib, "made-inside"), 0);
    INSIDE_EQUAL(entries(g->secret), 1);
    INSIDE(!there(g->secret, "key"));
    INSIDE_EQUAL(try_write(g->secret, "x"), EROFS);
    {
        _cleanup_free_ char *open_dir = mem_printf("%s/open", g->secret);
        _cleanup_free_ char *token = mem_printf("%s/token", g->base);
        char buf[8];
        int fd = open(token, O_RDONLY | O_CLOEXEC);

        INSIDE_EQUAL(try_write(open_dir, "made-inside"), 0);
        INSIDE(fd >= 0);
        INSIDE_EQUAL(read(fd, buf, sizeof(buf)), 0);
    }
    INSIDE(getcwd(cwd, sizeof(cwd)));
    INSIDE(strcmp(cwd, g->proj) == 0);
    INSIDE_EQUAL(getpid(), 1);
    INSIDE(there("/proc/1", "status"));
    INSIDE_EQUAL(entries("/proc/2"), -ENOENT);
    /* /proc itself stays writable. */
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/comm", "renamed"), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/sys/kernel/hostname", "x"), g->userns ? -EACCES : -EROFS);
}

static void readonly(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    _cleanup_free_ char *made = mem_printf("%s/made-inside", g->lib);

    if (!userns)
        request.cwd = g->proj;
    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_FRESH;
    spec_add_path(&g->spec, SPEC_PATH_WRITABLE, "../lib", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_WRITABLE, "~/secret/open", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_HIDDEN, g->secret, 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_HIDDEN, "~/token", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_READONLY, "~", 0, false, NULL);
    run_view(g, &request, see_readonly);
    assert_int_equal(access(made, F_OK), 0);
    ground_free(g);
}
BOTH(readonly)

/* ---- overlays ----------------------------------------------------------------------------------------------------- */

static void see_overlay(struct ground *g)
{
    _cleanup_free_ char *before = mem_printf("%s/before", g->tmp);
    char buf[8] = "";

    INSIDE(there(g->tmp, "before"));
    INSIDE_EQUAL(try_write(g->tmp, "made-inside"), 0);
    INSIDE_EQUAL(unlink(before), 0);
    INSIDE_EQUAL(try_write(g->keep, "kept"), 0);
    INSIDE_EQUAL(try_connect(g->tmp, "sock"), 0);
    INSIDE_EQUAL(try_write("/tmp", "shunt-test-made-inside"), 0);
    INSIDE_EQUAL(entries("/dev/shm"), 0);
    INSIDE_EQUAL(entries(g->scratch), 0);
    INSIDE_EQUAL(try_write(g->proj, "made-inside"), 0);
    {
        _cleanup_free_ char *file = mem_printf("%s/file", g->proj);
        int fd = open(file, O_RDWR | O_CLOEXEC);

        INSIDE(fd >= 0);
        INSIDE_EQUAL(read(fd, buf, 7), 7);
        INSIDE_EQUAL(ftruncate(fd, 0), 0);
    }
}

static void see_nothing_outside(struct ground *g, bool scratch)
{
    struct stat st;
    _cleanup_free_ char *file = mem_printf("%s/file", g->proj);

    assert_true(there(g->tmp, "before"));
    assert_false(there(g->tmp, "made-inside"));
    assert_false(there(g->proj, "made-inside"));
    assert_false(there("/tmp", "shunt-test-made-inside"));
    assert_true(there(g->keep, "kept"));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 7);
    assert_int_equal(there(g->scratch, "tmp.upper/shunt-test-made-inside"), scratch);
}

static void overlay_with(struct ground *g, bool scratch)
{
    const char *keep[] = {g->keep, "/tmp/shunt-test-not-there", NULL};
    struct mount_request request = request_of(g, MOUNTS_EXEC);

    request.keep = keep;
    request.scratch = scratch ? g->scratch : NULL;
    g->spec.tmp = SPEC_TMP_OVERLAY;
    g->spec.shm_private = true;
    g->spec.workdir = SPEC_WORKDIR_OVERLAY;
    run_view(g, &request, see_overlay);
    see_nothing_outside(g, scratch);
    ground_free(g);
}

static void overlay(bool userns)
{
    overlay_with(begin(userns), true);
}
BOTH(overlay)

static void overlay_of_readonly_root(bool userns)
{
    struct ground *g = begin(userns);

    g->spec.root_readonly = true;
    overlay_with(g, true);
}
BOTH(overlay_of_readonly_root)

static void overlay_in_memory(bool userns)
{
    overlay_with(begin(userns), false);
}
BOTH(overlay_in_memory)

/* ---- a run, its command, its cells -------------------------------------------------------------------------------- */

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
    pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, NULL, NULL, NULL, NULL);
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

#define ROWS(name) cmocka_unit_test(test_##name##_as_root), cmocka_unit_test(test_##name##_in_userns)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS(readonly),
        ROWS(overlay),
        ROWS(overlay_of_readonly_root),
        ROWS(overlay_in_memory),
        ROWS(run_with_overlay),
        ROWS(run_with_fresh_tmp),
        ROWS(run_in_memory),
        ROWS(run_with_overlay_of_readonly_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
