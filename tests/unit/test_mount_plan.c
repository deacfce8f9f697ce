/* SPDX-License-Identifier: MIT */
/* Which operations come of which spec, in which order; what is refused, and whose fault it says it was. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/mounts/internal.h"
#include "sandbox/mounts/mountinfo.h"
#include "sandbox/scratch/scratch.h"

struct fixture {
    char *base; /* /var/tmp/..., with a/b/c, a/file */
    struct sandbox_spec spec;
    struct mount_request request;
    char *text; /* of the last plan */
};

static void make(const char *base, const char *name)
{
    _cleanup_free_ char *path = mem_printf("%s/%s", base, name);

    assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    _cleanup_free_ char *file = NULL;
    FILE *out;

    f->base = mem_strdup("/var/tmp/shunt-test.XXXXXX");
    if (!mkdtemp(f->base))
        return -1;
    make(f->base, "a");
    make(f->base, "a/b");
    make(f->base, "a/b/c");
    file = mem_printf("%s/a/file", f->base);
    out = fopen(file, "we");
    if (!out)
        return -1;
    fclose(out);
    spec_init(&f->spec);
    f->spec.ns_mount = true;
    f->request = (struct mount_request){.what = MOUNTS_EXEC,
                                        .spec = &f->spec,
                                        .cwd = f->base,
                                        .home = f->base,
                                        .id_outside = SPEC_ID_KEEP,
                                        .id_inside = SPEC_ID_KEEP};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *command = mem_printf("rm -rf '%s'", f->base);
    int r = system(command);

    spec_done(&f->spec);
    free(f->base);
    free(f->text);
    free(f);
    return r;
}

/* The operations, with "BASE" for the fixture's directory. */
static const char *plan_of(struct fixture *f)
{
    struct mount_plan *plan = NULL;
    struct err err = ERR_INIT;
    size_t n = strlen(f->base);
    char *at;

    if (mount_plan_compile(&f->request, &plan, &err) < 0)
        fail_msg("%s", err.message);
    free(f->text);
    f->text = mount_plan_describe(plan);
    mount_plan_free(plan);
    while ((at = strstr(f->text, f->base))) {
        memcpy(at, "BASE", 4);
        memmove(at + 4, at + n, strlen(at + n) + 1);
    }
    return f->text;
}

static void add(struct fixture *f, enum spec_path_kind kind, const char *path)
{
    spec_add_path(&f->spec, kind, path, 0, false, "policies/test.yaml:7");
}

static bool has(const char *text, const char *line)
{
    _cleanup_free_ char *whole = mem_printf("%s\n", line);
    const char *at = strstr(text, whole);

    return at && (at == text || at[-1] == '\n');
}

/* All lines, in this order; others may stand between. */
static void in_order(const char *text, const char *const *lines)
{
    const char *at = text;

    for (; *lines; lines++) {
        _cleanup_free_ char *whole = mem_printf("%s\n", *lines);
        const char *found = strstr(at, whole);

        if (!found)
            fail_msg("no \"%s\" (there, in this order) in\n%s", *lines, text);
        at = found + strlen(whole);
    }
}

static void refused(struct fixture *f, enum err_kind kind, const char *part)
{
    struct mount_plan *plan = (void *)1;
    struct err err = ERR_INIT;
    int r = mount_plan_compile(&f->request, &plan, &err);

    assert_true(r < 0);
    assert_ptr_equal(plan, (void *)1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.message, part))
        fail_msg("no \"%s\" in \"%s\"", part, err.message);
}

static void test_nothing(void **state)
{
    struct fixture *f = *state;
    struct mount_plan *plan = NULL;

    f->spec.ns_mount = false;
    assert_int_equal(mount_plan_compile(&f->request, &plan, NULL), 0);
    assert_true(mount_plan_empty(plan));
    mount_plan_free(plan);
    f->request.own_pid_ns = true;
    assert_int_equal(mount_plan_compile(&f->request, &plan, NULL), 0);
    assert_false(mount_plan_empty(plan));
    mount_plan_free(plan);
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    const char *const lines[] = {"private mounts",    "open BASE/a/b",          "read-only /",
                                 "fresh /proc",       "minimal /dev",           "tmpfs on /tmp",
                                 "tmpfs on /dev/shm", "tmpfs on /var/tmp",      "hide around BASE/a",
                                 "writable BASE/a/b", "hide BASE/a/b/c",        "seal /dev",
                                 "seal BASE/a",       "working directory BASE", NULL};

    f->request.own_pid_ns = true;
    f->spec.root_readonly = true;
    f->spec.tmp = SPEC_TMP_FRESH;
    f->spec.dev_minimal = true;
    add(f, SPEC_PATH_HIDDEN, "a/b/c");
    add(f, SPEC_PATH_WRITABLE, "~/a/b");
    add(f, SPEC_PATH_HIDDEN, "a");
    add(f, SPEC_PATH_READONLY, ".");
    in_order(plan_of(f), lines);
}

static void test_later_wins(void **state)
{
    struct fixture *f = *state;

    f->spec.root_readonly = true;
    add(f, SPEC_PATH_HIDDEN, "a");
    add(f, SPEC_PATH_WRITABLE, "a");
    assert_true(has(plan_of(f), "writable BASE/a"));
    assert_false(has(f->text, "hide BASE/a"));
    add(f, SPEC_PATH_TMPFS, "a/../a/");
    assert_true(has(plan_of(f), "tmpfs on BASE/a"));
    assert_false(has(f->text, "writable BASE/a"));
    f->spec.workdir = SPEC_WORKDIR_READONLY;
    add(f, SPEC_PATH_WRITABLE, ".");
    assert_false(has(plan_of(f), "writable BASE"));
}

/* A rule that changes nothing costs nothing. */
static void test_needless(void **state)
{
    struct fixture *f = *state;

    add(f, SPEC_PATH_WRITABLE, "a");
    assert_false(has(plan_of(f), "writable BASE/a"));
    add(f, SPEC_PATH_READONLY, "a");
    assert_true(has(plan_of(f), "read-only BASE/a"));
    f->spec.root_readonly = true;
    assert_false(has(plan_of(f), "read-only BASE/a"));
    add(f, SPEC_PATH_HIDDEN, "a");
    add(f, SPEC_PATH_HIDDEN, "a/b");
    assert_true(has(plan_of(f), "hide BASE/a"));
    assert_false(has(f->text, "hide BASE/a/b"));
}

static void test_root_by_name(void **state)
{
    struct fixture *f = *state;

    add(f, SPEC_PATH_READONLY, "/");
    assert_true(has(plan_of(f), "read-only /"));
    add(f, SPEC_PATH_WRITABLE, "/");
    assert_false(has(plan_of(f), "read-only /"));
    add(f, SPEC_PATH_HIDDEN, "/");
    refused(f, ERR_USAGE, "policies/test.yaml:7");
}

static void test_missing(void **state)
{
    struct fixture *f = *state;

    spec_add_path(&f->spec, SPEC_PATH_WRITABLE, "not/there", 0, true, NULL);
    assert_null(strstr(plan_of(f), "not/there"));
    add(f, SPEC_PATH_WRITABLE, "not/there");
    refused(f, ERR_USAGE, "policies/test.yaml:7");
    refused(f, ERR_USAGE, "not/there");
}

static void test_tmpfs_wants_a_directory(void **state)
{
    struct fixture *f = *state;

    add(f, SPEC_PATH_TMPFS, "a/file");
    refused(f, ERR_USAGE, "is no directory");
}

static void test_no_home(void **state)
{
    struct fixture *f = *state;

    f->request.home = NULL;
    add(f, SPEC_PATH_HIDDEN, "~/a");
    refused(f, ERR_USAGE, "there is no home directory");
}

static void test_hidden_cwd(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *cwd = mem_printf("%s/a/b", f->base);

    f->request.cwd = cwd;
    add(f, SPEC_PATH_HIDDEN, "~/a");
    refused(f, ERR_USAGE, "hides the working directory");
    add(f, SPEC_PATH_READONLY, ".");
    assert_true(has(plan_of(f), "hide around BASE/a"));
    f->request.cwd = "/not/there";
    refused(f, ERR_USAGE, "/not/there");
}

static void test_views(void **state)
{
    struct fixture *f = *state;
    const char *const run[] = {"slave mounts", "read-only /sys", "tmpfs on /dev/shm", "hide /sys/fs/cgroup", NULL};
    const char *const cell[] = {"slave mounts",     "open /tmp",          "fresh /proc",
                                "overlay on /tmp",  "sockets below /tmp", "hide /proc/kcore", NULL};

    f->spec.tmp = SPEC_TMP_OVERLAY;
    f->spec.shm_private = true;
    f->spec.mask_kernel = true;
    f->request.own_pid_ns = true;
    f->request.what = MOUNTS_RUN;
    in_order(plan_of(f), run);
    assert_false(has(f->text, "overlay on /tmp"));
    assert_false(has(f->text, "hide /proc/kcore"));
    f->request.what = MOUNTS_COMMAND;
    assert_true(has(plan_of(f), "hide /proc/kcore"));
    assert_false(has(f->text, "fresh /proc"));
    f->request.what = MOUNTS_CELL;
    in_order(plan_of(f), cell);
    assert_false(has(f->text, "hide /sys/fs/cgroup"));
    /* What is mounted below the run's /tmp would keep a cell from overlaying it. */
    add(f, SPEC_PATH_READONLY, "/var/tmp");
    f->spec.paths[0].kind = SPEC_PATH_READONLY;
    f->spec.tmp = SPEC_TMP_FRESH;
    f->request.what = MOUNTS_RUN;
    add(f, SPEC_PATH_HIDDEN, "a");
    assert_true(has(plan_of(f), "a second way to /var/tmp"));
    f->request.what = MOUNTS_CELL;
    assert_true(has(plan_of(f), "open /dev/shm/.shunt/var-tmp"));
}

/* In the run's view they would keep cells from mounting their own /proc. */
static void test_rules_below_proc(void **state)
{
    struct fixture *f = *state;

    add(f, SPEC_PATH_HIDDEN, "/proc/version");
    add(f, SPEC_PATH_READONLY, "/proc/sys");
    f->request.what = MOUNTS_RUN;
    assert_false(has(plan_of(f), "hide /proc/version"));
    f->request.what = MOUNTS_CELL;
    assert_true(has(plan_of(f), "hide /proc/version"));
    assert_true(has(f->text, "read-only /proc/sys"));
    assert_null(strstr(f->text, "open /proc/sys"));
}

static void test_too_many(void **state)
{
    struct fixture *f = *state;

    f->spec.root_readonly = true;
    for (int i = 0; i < MOUNTS_SLOTS + 1; i++) {
        _cleanup_free_ char *name = mem_printf("a/b/c/%d", i);

        make(f->base, name);
        add(f, SPEC_PATH_WRITABLE, name);
    }
    refused(f, ERR_USAGE, "too many");
}

static void test_mountinfo(void **state)
{
    struct mountinfo *info = mem_zalloc(sizeof(*info));
    struct mountinfo_line line;
    char template[] = "/tmp/shunt-test.XXXXXX";
    FILE *out;

    (void)state;
    info->fd = mkstemp(template);
    assert_true(info->fd >= 0);
    out = fopen(template, "we");
    assert_non_null(out);
    fprintf(out, "36 35 98:0 / /with\\040blank\\134 rw,noatime,nodev master:1 - ext4 /dev/root rw\n");
    fprintf(out, "garbage\n\n36 35 98:0 / /no/dash rw\n37 35 98:0 / /long rw - overlay o ");
    for (int i = 0; i < 20000; i++)
        fputc('x', out);
    fprintf(out, "\n38 35 0:5 / /last ro,nosuid - cgroup2 c rw");
    fprintf(out, "\n");
    fclose(out);
    assert_int_equal(mountinfo_next(info, &line), 1);
    assert_string_equal(line.path, "/with blank\\");
    assert_string_equal(line.type, "ext4");
    assert_int_equal(mountinfo_flags(line.options), 4 | 1024); /* MS_NODEV, MS_NOATIME */
    assert_int_equal(mountinfo_next(info, &line), 1);
    assert_string_equal(line.path, "/last");
    assert_int_equal(mountinfo_flags(line.options), 1 | 2); /* MS_RDONLY, MS_NOSUID */
    assert_int_equal(mountinfo_next(info, &line), 0);
    mountinfo_close(info);
    unlink(template);
    free(info);
}

static void test_below(void **state)
{
    (void)state;
    assert_true(mounts_is_below("/a/b", "/a"));
    assert_true(mounts_is_below("/a", "/a"));
    assert_true(mounts_is_below("/a", "/"));
    assert_false(mounts_is_below("/ab", "/a"));
    assert_false(mounts_is_below("/", "/a"));
}

/* As overlays leave it, deeper than there are descriptors, with links to what must stay. */
static void test_remove_tree(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *top = mem_printf("%s/a", f->base);
    _cleanup_free_ char *link_path = mem_printf("%s/a/b/link", f->base);
    int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < 1500; i++) {
        int next;

        assert_int_equal(mkdirat(at, "d", 0700), 0);
        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    make(f->base, "stays");
    make(f->base, "stays/inside");
    assert_int_equal(symlink("../../stays", link_path), 0);
    make(f->base, "a/work");
    make(f->base, "a/work/work");
    chmod(top, 0500);
    at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fchmodat(at, "work/work", 0, 0), 0);
    close(at);
    assert_int_equal(scratch_remove_tree(top), 0);
    assert_int_equal(access(top, F_OK), -1);
    at = open(f->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(faccessat(at, "stays/inside", F_OK, 0), 0);
    close(at);
    assert_int_equal(scratch_remove_tree(top), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing),
        TEST(order),
        TEST(later_wins),
        TEST(needless),
        TEST(root_by_name),
        TEST(missing),
        TEST(tmpfs_wants_a_directory),
        TEST(no_home),
        TEST(hidden_cwd),
        TEST(views),
        TEST(rules_below_proc),
        TEST(too_many),
        TEST(remove_tree),
        cmocka_unit_test(test_mountinfo),
        cmocka_unit_test(test_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
