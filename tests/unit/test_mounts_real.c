/* SPDX-License-Identifier: MIT */
/* The view of `shunt exec`, applied on the kernel that runs this and looked at from inside. */
#include "tests/unit/mounts_inside.h"

/* ---- read-only root -----------------------------------------------------------------------------------------------
 */

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
    INSIDE_EQUAL(try_write("/proc/sys/kernel", "hostname"), g->userns ? EACCES : EROFS);
}

static void set_readonly(struct ground *g)
{
    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_FRESH;
    spec_add_path(&g->spec, SPEC_PATH_WRITABLE, "../lib", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_WRITABLE, "~/secret/open", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_HIDDEN, g->secret, 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_HIDDEN, "~/token", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_READONLY, "~", 0, false, NULL);
}

static void readonly(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    _cleanup_free_ char *made = mem_printf("%s/made-inside", g->lib);

    set_readonly(g);
    run_view(g, &request, see_readonly);
    assert_int_equal(access(made, F_OK), 0);
    ground_free(g);
}
BOTH(readonly)

/* ---- overlays -----------------------------------------------------------------------------------------------------
 */

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

/* ---- the fallbacks ------------------------------------------------------------------------------------------------
 */

/* Linux before 5.12 and 5.6, or a container engine's filter. */
static void readonly_without_new_calls(bool userns)
{
    static const int calls[] = {SYS_mount_setattr, SYS_openat2, 0};
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    struct mount_plan *plan;

    set_readonly(g);
    plan = compile(&request);
    go_inside(&(struct entry){.g = g, .plan = plan, .check = see_readonly, .block = calls});
    mount_plan_free(plan);
    ground_free(g);
}
BOTH(readonly_without_new_calls)

/* ---- /dev and masks -----------------------------------------------------------------------------------------------
 */

static void see_dev(struct ground *g)
{
    static const char *const expected[] = {"null", "zero",  "full",   "random", "urandom", "ptmx",   "pts",    "shm",
                                           "fd",   "stdin", "stdout", "stderr", "tty",     "mqueue", "console"};
    DIR *d = opendir("/dev");
    char name[64];
    int master, slave;

    INSIDE(d);
    for (struct dirent *e; (e = readdir(d));) {
        bool found = e->d_name[0] == '.';

        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
            found = found || strcmp(e->d_name, expected[i]) == 0;
        if (!found)
            fprintf(stderr, "/dev/%s\n", e->d_name);
        INSIDE(found);
    }
    closedir(d);
    for (size_t i = 0; i < 12; i++)
        INSIDE(there("/dev", expected[i]));
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/dev/null", "x"), 0);
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
    INSIDE_EQUAL(try_write("/dev", "file"), EROFS);
    INSIDE_EQUAL(try_write("/dev/shm", "file"), 0);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    INSIDE(master >= 0);
    INSIDE_EQUAL(unlockpt(master), 0);
    INSIDE_EQUAL(ptsname_r(master, name, sizeof(name)), 0);
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    INSIDE(slave >= 0);
    (void)g;
}

static void dev(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);

    g->spec.dev_minimal = true;
    g->spec.ns_ipc = true;
    g->spec.root_readonly = true;
    run_view(g, &request, see_dev);
    ground_free(g);
}
BOTH(dev)

static void see_masks(struct ground *g)
{
    struct stat st;

    INSIDE(stat("/proc/kcore", &st) < 0 || S_ISCHR(st.st_mode));
    INSIDE(stat("/proc/timer_list", &st) < 0 || S_ISCHR(st.st_mode));
    INSIDE_EQUAL(entries("/sys/fs/cgroup"), 0);
    INSIDE(entries("/sys/firmware") <= 0);
    INSIDE(entries("/sys/class/net") <= 0);
    INSIDE_EQUAL(mkdir("/sys/fs/cgroup/x", 0755), -1);
    INSIDE_EQUAL(errno, EROFS);
    if (!g->userns) {
        INSIDE_EQUAL(try_write("/proc/sys/kernel", "hostname"), EROFS);
        INSIDE(!there("/proc", "sysrq-trigger") || try_write("/proc", "sysrq-trigger") == EROFS);
        INSIDE(!there("/sys/kernel", "uevent_helper") || try_write("/sys/kernel", "uevent_helper") == EROFS);
    }
    INSIDE_EQUAL(io_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000"), 0);
    INSIDE_EQUAL(try_write(g->base, "x"), 0);
}

static void masks(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);

    g->spec.mask_kernel = true;
    request.own_net_ns = true;
    run_view(g, &request, see_masks);
    ground_free(g);
}
BOTH(masks)

/* ---- attacks ------------------------------------------------------------------------------------------------------
 */

/* secret/ becomes a link to /etc after the plan was made: nothing below /etc may be mounted, or mounted upon. */
static void swap_secret(struct ground *g)
{
    _cleanup_free_ char *aside = mem_printf("%s.aside", g->secret);

    INSIDE_EQUAL(rename(g->secret, aside), 0);
    INSIDE_EQUAL(symlink("/etc", g->secret), 0);
}

static void refuse_link(bool userns, enum spec_path_kind kind, const char *verb, const int *block)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    _cleanup_free_ char *path = mem_printf("%s/open", g->secret);
    _cleanup_free_ char *stage = mem_printf("%s %s", verb, path);
    struct mount_plan *plan;

    g->spec.root_readonly = true;
    spec_add_path(&g->spec, kind, path, 0, true, NULL); /* optional is no excuse */
    plan = compile(&request);
    /* In the child's own namespace the swap is seen, and outside too: the ground is made anew for each. */
    go_inside(
        &(struct entry){.g = g, .plan = plan, .before = swap_secret, .expect = -ELOOP, .stage = stage, .block = block});
    mount_plan_free(plan);
    ground_free(g);
}

static void links(bool userns)
{
    static const int calls[] = {SYS_openat2, 0};

    refuse_link(userns, SPEC_PATH_WRITABLE, "open", NULL);
    refuse_link(userns, SPEC_PATH_HIDDEN, "hide", NULL);
    refuse_link(userns, SPEC_PATH_TMPFS, "tmpfs on", NULL);
    refuse_link(userns, SPEC_PATH_WRITABLE, "open", calls);
    refuse_link(userns, SPEC_PATH_HIDDEN, "hide", calls);
}
BOTH(links)

static void swap_cwd(struct ground *g)
{
    _cleanup_free_ char *aside = mem_printf("%s.aside", g->proj);

    INSIDE_EQUAL(rename(g->proj, aside), 0);
    INSIDE_EQUAL(mkdir(g->proj, 0755), 0);
}

static void other_cwd(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    _cleanup_free_ char *stage = mem_printf("working directory %s", g->proj);
    struct mount_plan *plan = compile(&request);

    go_inside(&(struct entry){.g = g, .plan = plan, .before = swap_cwd, .expect = -ESTALE, .stage = stage});
    mount_plan_free(plan);
    ground_free(g);
}
BOTH(other_cwd)

/* Neither up from the root nor out of a root of one's own. */
static void see_no_way_out(struct ground *g)
{
    _cleanup_free_ char *up = mem_printf("/../../proc/self/root/../%s", g->secret);
    _cleanup_free_ char *below = mem_printf("%s", g->secret + 1);

    INSIDE_EQUAL(entries(up), 0);
    INSIDE_EQUAL(mkdir("/tmp/jail", 0755), 0);
    if (chroot("/tmp/jail") == 0) { /* the old trick: the working directory stays outside */
        for (int i = 0; i < 20; i++)
            INSIDE_EQUAL(chdir(".."), 0);
        INSIDE_EQUAL(chroot("."), 0);
        INSIDE_EQUAL(entries(below), 0);
        INSIDE_EQUAL(try_write("etc", "shunt-test"), EROFS);
    } else {
        INSIDE(geteuid() != 0);
    }
}

static void no_way_out(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);

    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_FRESH;
    spec_add_path(&g->spec, SPEC_PATH_READONLY, "~", 0, false, NULL);
    spec_add_path(&g->spec, SPEC_PATH_HIDDEN, g->secret, 0, false, NULL);
    run_view(g, &request, see_no_way_out);
    ground_free(g);
}
BOTH(no_way_out)

/* ---- paths named at the last moment -------------------------------------------------------------------------------
 */

static void see_more_kept(struct ground *g)
{
    _cleanup_free_ char *link = mem_printf("%s/link", g->tmp);

    INSIDE_EQUAL(try_write(g->keep, "kept"), 0);
    INSIDE_EQUAL(access(link, F_OK), -1);
    INSIDE_EQUAL(entries("/tmp"), 1);
}

static void more_kept(bool userns)
{
    struct ground *g = begin(userns);
    struct mount_request request = request_of(g, MOUNTS_EXEC);
    _cleanup_free_ char *link = mem_printf("%s/link", g->tmp);
    const char *keep[] = {g->keep, link, "/tmp/shunt-test-not-there", "/etc", NULL}, *many[40] = {NULL};
    struct mount_apply apply = {.keep = keep};
    struct mount_plan *plan;

    assert_int_equal(symlink("/etc", link), 0);
    g->spec.tmp = SPEC_TMP_FRESH;
    plan = compile(&request);
    go_inside(&(struct entry){.g = g, .plan = plan, .apply = &apply, .check = see_more_kept});
    assert_true(there(g->keep, "kept"));
    for (size_t i = 0; i < 33; i++)
        many[i] = "/tmp/x";
    apply.keep = many;
    go_inside(
        &(struct entry){.g = g, .plan = plan, .apply = &apply, .expect = -E2BIG, .stage = "open more kept paths"});
    mount_plan_free(plan);
    ground_free(g);
}
BOTH(more_kept)

/* ---- owners -------------------------------------------------------------------------------------------------------
 */

#define POOL_UID 54321

static void see_mapped(struct ground *g)
{
    struct stat st;

    INSIDE_EQUAL(syscall(SYS_setresgid, POOL_UID, POOL_UID, POOL_UID), 0);
    INSIDE_EQUAL(syscall(SYS_setresuid, POOL_UID, POOL_UID, POOL_UID), 0);
    INSIDE_EQUAL(stat(".", &st), 0);
    INSIDE_EQUAL(st.st_uid, POOL_UID);
    INSIDE_EQUAL(stat("other", &st), 0);
    INSIDE_EQUAL(st.st_uid, 7);
    INSIDE_EQUAL(try_write(g->proj, "made-inside"), 0);
    INSIDE_EQUAL(try_write(g->keep, "made-inside"), 0);
    INSIDE_EQUAL(try_write(g->lib, "made-inside"), EROFS);
    if (g->spec.workdir == SPEC_WORKDIR_OVERLAY) {
        _cleanup_free_ char *file = mem_printf("%s/file", g->proj);
        int fd = open(file, O_RDWR | O_TRUNC | O_CLOEXEC);

        INSIDE(fd >= 0);
    }
}

static void owners(enum spec_workdir workdir)
{
    struct ground *g;
    struct mount_request request;
    struct mount_plan *plan = NULL;
    struct err err = ERR_INIT;
    _cleanup_free_ char *made = NULL, *other = NULL;
    const char *keep[2] = {NULL};
    struct stat st;
    int r;

    if (geteuid() != 0) {
        print_message("idmapped mounts are root's\n");
        skip();
    }
    g = begin(false);
    request = request_of(g, MOUNTS_EXEC);
    made = mem_printf("%s/made-inside", g->proj);
    other = mem_printf("%s/other", g->proj);
    put(g->proj, "other", "");
    assert_int_equal(chown(other, 7, 7), 0);
    keep[0] = g->keep;
    request.keep = keep;
    request.scratch = g->scratch;
    request.id_outside = 0;
    request.id_inside = POOL_UID;
    g->spec.root_readonly = true;
    g->spec.tmp = SPEC_TMP_OVERLAY;
    g->spec.workdir = workdir;
    if (workdir == SPEC_WORKDIR_AS_IS)
        spec_add_path(&g->spec, SPEC_PATH_WRITABLE, ".", 0, false, NULL);
    r = mount_plan_compile(&request, &plan, &err);
    if (r < 0) {
        assert_int_equal(r, -EINVAL);
        assert_int_equal(err.kind, ERR_SANDBOX);
        assert_non_null(strstr(err.message, "idmapped"));
        print_message("not here, and said so: %s\n", err.message);
    } else {
        spec_add_path(&g->spec, SPEC_PATH_READONLY, g->lib, 0, false, NULL);
        mount_plan_free(plan);
        plan = compile(&request);
        go_inside(&(struct entry){.g = g, .plan = plan, .check = see_mapped});
        r = stat(made, &st);
        assert_int_equal(r, workdir == SPEC_WORKDIR_AS_IS ? 0 : -1);
        if (r == 0)
            assert_int_equal(st.st_uid, 0);
        mount_plan_free(plan);
    }
    ground_free(g);
}

static void test_owners(void **state)
{
    (void)state;
    owners(SPEC_WORKDIR_AS_IS);
}

static void test_owners_of_an_overlay(void **state)
{
    (void)state;
    owners(SPEC_WORKDIR_OVERLAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS(readonly),
        ROWS(readonly_without_new_calls),
        ROWS(overlay),
        ROWS(overlay_of_readonly_root),
        ROWS(overlay_in_memory),
        ROWS(dev),
        ROWS(masks),
        ROWS(links),
        ROWS(other_cwd),
        ROWS(no_way_out),
        ROWS(more_kept),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_owners_of_an_overlay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
