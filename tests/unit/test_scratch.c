/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/scratch/scratch.h"

static int setup(void **state)
{
    char *base = mem_strdup("/tmp/shunt-test-scratch-XXXXXX");

    *state = mkdtemp(base);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    scratch_remove_tree(*state);
    free(*state);
    return 0;
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static char *below(const char *base, const char *name)
{
    char *path = mem_printf("%s/%s", base, name);

    return path;
}

static void make_directory(const char *base, const char *name)
{
    char *path = below(base, name);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static void one_of_ours_is_closed_to_others(void **state)
{
    struct err err = ERR_INIT;
    struct stat st;
    char *path, *again;

    assert_int_equal(scratch_make(*state, &path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(scratch_make(*state, &again, &err), 0);
    assert_string_equal(path, again);
    free(path);
    free(again);
}

/* Whoever made something else of that name, or a link, does not get our files. */
static void what_is_no_directory_of_ours_is_refused(void **state)
{
    struct err err = ERR_INIT;
    char *path, *other = below(*state, "elsewhere"), *got = NULL;

    assert_int_equal(scratch_make(*state, &path, &err), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(scratch_make(*state, &got, &err), -EEXIST);
    assert_null(got);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_non_null(strstr(err.message, path));
    free(path);
    free(other);
}

static void a_place_that_is_not_there(void **state)
{
    struct err err = ERR_INIT;
    char *path = NULL;

    (void)state;
    assert_int_equal(scratch_make("/nowhere/at/all", &path, &err), -ENOENT);
    assert_non_null(strstr(err.hint, "TMPDIR"));
}

static void a_tree_goes_and_links_are_not_followed(void **state)
{
    char *tree = below(*state, "tree"), *outside = below(*state, "outside"), *kept = below(outside, "kept");
    char *path;
    int fd;

    make_directory(*state, "tree");
    make_directory(*state, "outside");
    fd = open(kept, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    path = below(tree, "link");
    assert_int_equal(symlink(outside, path), 0);
    free(path);
    make_directory(tree, "closed");
    path = below(tree, "closed/inner");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0), 0); /* as overlayfs leaves its work directory */
    free(path);
    path = below(tree, "closed");
    assert_int_equal(chmod(path, 0), 0);
    free(path);
    scratch_remove_tree(tree);
    assert_false(exists(tree));
    assert_true(exists(kept));
    scratch_remove_tree(tree); /* gone already, or none */
    scratch_remove_tree(NULL);
    free(tree);
    free(outside);
    free(kept);
}

static void a_link_in_its_place_is_left_alone(void **state)
{
    char *outside = below(*state, "outside"), *kept = below(outside, "kept"), *link = below(*state, "link");

    make_directory(*state, "outside");
    make_directory(outside, "kept");
    assert_int_equal(symlink(outside, link), 0);
    scratch_remove_tree(link);
    assert_true(exists(kept));
    free(outside);
    free(kept);
    free(link);
}

static void depth_is_no_obstacle(void **state)
{
    char *tree = below(*state, "deep"), *path = mem_strdup(tree);

    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < 200; i++) {
        char *next = below(path, "d");

        free(path);
        path = next;
        assert_int_equal(mkdir(path, 0700), 0);
    }
    scratch_remove_tree(tree);
    assert_false(exists(tree));
    free(tree);
    free(path);
}

static char *made_by_the_dead(const char *base)
{
    char buf[512] = "";
    int pair[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(pair), 0);
    pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;
        char *path;

        if (scratch_make(base, &path, &err) < 0 || write(pair[1], path, strlen(path)) < 0)
            _exit(1);
        _exit(0);
    }
    close(pair[1]);
    n = read(pair[0], buf, sizeof(buf) - 1);
    close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(n > 0);
    return mem_strdup(buf);
}

static void what_the_dead_left_is_swept(void **state)
{
    char *dead = made_by_the_dead(*state), *ours;
    static const char *const others[] = {"shunt-1-2", "shunt-x", "shunt-999999-1-1", "shunt", "other"};
    struct err err = ERR_INIT;

    assert_true(exists(dead));
    assert_int_equal(scratch_make(*state, &ours, &err), 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        make_directory(*state, others[i]); /* names of others, and of another pid namespace */
    assert_int_equal(scratch_sweep_base(*state), 1);
    assert_false(exists(dead));
    assert_true(exists(ours));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char *path = below(*state, others[i]);

        assert_true(exists(path));
        free(path);
    }
    assert_int_equal(scratch_sweep_base("/nowhere"), 0);
    free(dead);
    free(ours);
}

/* As root a run gives its directory to the worker's user. A dead one's goes with its socket, and whatever else is in it stays,
 * since that user might be changing it under our hands. */
static void what_was_given_away_is_swept_with_care(void **state)
{
    char *dead = made_by_the_dead(*state), *socket = below(dead, "socket"), *more = below(dead, "more");

    if (geteuid() != 0) {
        print_message("[   INFO   ] needs root\n");
        skip();
    }
    close(open(socket, O_CREAT | O_WRONLY, 0600));
    make_directory(dead, "more");
    assert_int_equal(chown(dead, 1234, 1234), 0);
    assert_int_equal(scratch_sweep_base(*state), 0);
    assert_true(exists(more));
    assert_false(exists(socket));
    assert_int_equal(rmdir(more), 0);
    assert_int_equal(scratch_sweep_base(*state), 1);
    assert_false(exists(dead));
    free(dead);
    free(socket);
    free(more);
}

/* Its pid lives, its start time is another: the number was used again. */
static void a_pid_used_again_saves_nobody(void **state)
{
    struct err err = ERR_INIT;
    unsigned long long start, namespace;
    char *ours, *old, *name;
    int pid;

    assert_int_equal(scratch_make(*state, &ours, &err), 0);
    assert_int_equal(sscanf(strrchr(ours, '/'), "/shunt-%d-%llu-%llu", &pid, &start, &namespace), 3);
    name = mem_printf("shunt-%d-%llu-%llu", pid, start - 1, namespace);
    make_directory(*state, name);
    old = below(*state, name);
    assert_int_equal(scratch_sweep_base(*state), 1);
    assert_false(exists(old));
    assert_true(exists(ours));
    free(ours);
    free(old);
    free(name);
}

/* As overlayfs leaves it with `volatile`; a link in one of these places leads nowhere. */
static void marks_of_overlays_go_alone(void **state)
{
    char *outside = below(*state, "outside/incompat"), *mark = below(*state, "tmp.work/work/incompat"),
         *work = below(*state, "tmp.work/work"), *link = below(*state, "link.work/work");

    make_directory(*state, "outside");
    make_directory(*state, "outside/incompat");
    make_directory(*state, "tmp.upper");
    make_directory(*state, "tmp.work");
    make_directory(*state, "tmp.work/work");
    make_directory(*state, "tmp.work/work/incompat");
    make_directory(*state, "tmp.work/work/incompat/volatile");
    make_directory(*state, "link.work");
    assert_int_equal(symlink("../outside", link), 0);
    scratch_drop_marks(*state);
    scratch_drop_marks(NULL);
    assert_false(exists(mark));
    assert_true(exists(work));
    assert_true(exists(outside));
    free(outside);
    free(mark);
    free(work);
    free(link);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_of_ours_is_closed_to_others),
        TEST(what_is_no_directory_of_ours_is_refused),
        TEST(a_place_that_is_not_there),
        TEST(a_tree_goes_and_links_are_not_followed),
        TEST(a_link_in_its_place_is_left_alone),
        TEST(depth_is_no_obstacle),
        TEST(what_the_dead_left_is_swept),
        TEST(what_was_given_away_is_swept_with_care),
        TEST(a_pid_used_again_saves_nobody),
        TEST(marks_of_overlays_go_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
