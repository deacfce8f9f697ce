/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * For the tests that apply plans for real: a playground of directories, and the way into new namespaces. As root every
 * test runs twice: with root's own powers, and as uid 1000 in a user namespace of its own, where inherited mounts are
 * locked. Where namespaces are not to be had the tests skip and say so; SHUNT_TEST_MOUNTS=required makes that a failure
 * (the VM sets it).
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
#include "sandbox/scratch/scratch.h"

#define UID 1000

/* ---- the playground: a project and a scratch directory below /var/tmp, another below /tmp -------------------------
 */

struct ground {
    bool userns;
    char *base; /* in /var/tmp: proj/ proj/sub/ lib/ secret/ scratch/ */
    char *tmp;  /* in /tmp: keep/ sock */
    char *proj, *scratch, *secret, *keep, *lib;
    int listener; /* on tmp/sock */
    struct sandbox_spec spec;
    /* of stacked views */
    struct mount_plan *command, *cell;
    struct mount_apply apply_cell;
    const char *second; /* cell's scratch directory */
};

static inline char *make_dir(const char *in, const char *name, mode_t mode)
{
    char *path = mem_printf("%s/%s", in, name);

    assert_int_equal(mkdir(path, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static inline void put(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

static inline int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(chmod(path, 0777), 0);
    return fd;
}

static inline void chown_all(const char *path, uid_t uid)
{
    _cleanup_free_ char *command = mem_printf("chown -R %u:%u '%s'", uid, uid, path);

    assert_int_equal(system(command), 0);
}

static inline struct ground *ground_new(bool userns)
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

static inline void ground_free(struct ground *g)
{
    assert_int_equal(scratch_remove_tree(g->base), 0);
    assert_int_equal(scratch_remove_tree(g->tmp), 0);
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

static inline struct mount_request request_of(struct ground *g, enum mounts_for what)
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

/* ---- checks from inside -------------------------------------------------------------------------------------------
 */

static inline _Noreturn void say(const char *file, int line, const char *what, long value)
{
    fprintf(stderr, "%s:%d: inside: %s (%ld, errno %d %s)\n", file, line, what, value, errno, strerror(errno));
    fflush(stderr);
    _exit(1);
}

#define INSIDE(condition)                           \
    do {                                            \
        if (!(condition))                           \
            say(__FILE__, __LINE__, #condition, 0); \
    } while (0)
#define INSIDE_EQUAL(value, expected)                                 \
    do {                                                              \
        long value_ = (long)(value);                                  \
        if (value_ != (long)(expected))                               \
            say(__FILE__, __LINE__, #value " == " #expected, value_); \
    } while (0)

/* 0, or the positive errno of creating a file there. */
static inline int try_write(const char *dir, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static inline bool there(const char *dir, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

static inline int entries(const char *path)
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

static inline int try_connect(const char *dir, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

/* ---- going in -----------------------------------------------------------------------------------------------------
 */

typedef void inside_fn(struct ground *g);

struct entry {
    struct ground *g;
    const struct mount_plan *plan;
    const struct mount_apply *apply;
    inside_fn *before, *check;
    int expect;        /* of mount_plan_apply() */
    const char *stage; /* that it must name */
    const int *block;  /* system calls that the kernel shall lack; 0 at the end */
};

static inline void block_calls(const int *calls)
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

static inline void map_self(uid_t uid)
{
    _cleanup_free_ char *map = mem_printf("%u %u 1", uid, uid);

    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny"), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/uid_map", map), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/gid_map", map), 0);
}

static inline _Noreturn void inside_main(const struct entry *entry)
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

/* A child in a new user namespace (one id) where wanted, then a child of it in new mount, pid, ipc and uts namespaces:
 * what a test tries to write must not reach the machine even when the sandbox fails. */
static inline void go_inside(const struct entry *entry)
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
        inner = (pid_t)syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD, NULL,
                               NULL, NULL, NULL);
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

static inline struct mount_plan *compile(const struct mount_request *request)
{
    struct mount_plan *plan = NULL;
    struct err err = ERR_INIT;
    int r = mount_plan_compile(request, &plan, &err);

    if (r < 0)
        print_message("%s (%s)\n", err.message, err.hint);
    assert_int_equal(r, 0);
    return plan;
}

static inline void run_view(struct ground *g, const struct mount_request *request, inside_fn *check)
{
    struct mount_plan *plan = compile(request);
    struct entry entry = {.g = g, .plan = plan, .check = check};

    go_inside(&entry);
    mount_plan_free(plan);
}

static inline bool can_unshare(bool userns)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (userns && geteuid() == 0 &&
            (syscall(SYS_setresgid, UID, UID, UID) || syscall(SYS_setresuid, UID, UID, UID)))
            _exit(1);
        _exit(unshare((userns ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWPID) < 0);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

static inline struct ground *begin(bool userns)
{
    if (can_unshare(userns))
        return ground_new(userns);
    print_message("no %s here for uid %u\n", userns ? "user namespaces" : "mount namespaces", geteuid());
    if (getenv("SHUNT_TEST_MOUNTS") && (userns || geteuid() == 0))
        fail();
    skip();
    return NULL;
}

#define BOTH(name)                                    \
    static void test_##name##_as_root(void **state)   \
    {                                                 \
        (void)state;                                  \
        name(false);                                  \
    }                                                 \
    static void test_##name##_in_userns(void **state) \
    {                                                 \
        (void)state;                                  \
        name(true);                                   \
    }

#define ROWS(name) cmocka_unit_test(test_##name##_as_root), cmocka_unit_test(test_##name##_in_userns)
