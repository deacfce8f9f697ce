/* SPDX-License-Identifier: MIT */
/* Learning: paths, addresses, the profile, the policy, the diff. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox/base/cleanup.h"
#include "sandbox/base/err.h"
#include "sandbox/base/mem.h"
#include "sandbox/learn/internal.h"
#include "sandbox/learn/rows.h"
#include "sandbox/learn/text.h"
#include "sandbox/notify/notify.h"
#include "sandbox/seccomp/profile.h"
#include "sandbox/spec/spec.h"

/* --- relaxing --- */

static void test_nothing_is_in_the_way(void **state)
{
    struct sandbox_spec spec;

    (void)state;
    spec_init(&spec);
    spec.root_readonly = spec.landlock = spec.mask_kernel = spec.dev_minimal = true;
    spec.network = SPEC_NET_NONE;
    spec.tmp = SPEC_TMP_FRESH;
    spec.uid = spec.gid = SPEC_ID_AUTO;
    spec.caps = 0;
    spec.env_pass_all = false;
    spec.ns_pid = true;
    spec.limits.tasks = 7;
    spec.demands = SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_TASKS);
    spec.rlimits[0].set = true;
    spec_list_add(&spec.env_drop, "SECRET");
    spec_list_add(&spec.env_set, "TMPDIR=/tmp");
    spec_add_path(&spec, SPEC_PATH_HIDDEN, "/opt", 0, false, "here");
    spec_set_text(&spec.seccomp, "x.json");
    learn_relax(&spec);
    assert_false(spec.root_readonly || spec.landlock || spec.mask_kernel || spec.dev_minimal ||
                 spec.rlimits[0].set);
    assert_true(spec.observe && spec.env_pass_all && spec.notify && spec.ns_pid);
    assert_int_equal(spec.network, SPEC_NET_HOST);
    assert_int_equal(spec.tmp, SPEC_TMP_OVERLAY);
    assert_int_equal(spec.uid, SPEC_ID_KEEP);
    assert_true(spec.caps == UINT64_MAX);
    assert_int_equal(spec.npaths, 0);
    assert_int_equal(spec.env_drop.n, 0);
    assert_int_equal(spec.env_set.n, 1);
    assert_int_equal(spec.demands, SPEC_BIT(SPEC_DENIALS));
    assert_false(spec_wants(&spec) &
                 (SPEC_BIT(SPEC_TASKS) | SPEC_BIT(SPEC_READONLY) | SPEC_BIT(SPEC_NET)));
    spec_done(&spec);
}

/* --- paths --- */

static void test_paths_are_joined(void **state)
{
    static const char *const rows[][3] = {
        {"/home/me", "a", "/home/me/a"},
        {"/home/me", "/etc//x/", "/etc/x"},
        {"/home/me", "../you/./b", "/home/you/b"},
        {"/", "../../a", "/a"},
        {"/a", "..", "/"},
        {"/a/b", "", "/a/b"},
        {"/a", "b/..c/...", "/a/b/..c/..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        _cleanup_free_ char *path = learn_path_join(rows[i][0], rows[i][1]);

        assert_string_equal(path, rows[i][2]);
    }
    assert_true(learn_path_below("/a/b", "/a") && learn_path_below("/a", "/a") &&
                learn_path_below("/a", "/"));
    assert_false(learn_path_below("/ab", "/a") || learn_path_below("/", "/a"));
}

static void test_what_calls_need(void **state)
{
    static const struct stat file = {.st_mode = S_IFREG}, device = {.st_mode = S_IFCHR},
                             dir = {.st_mode = S_IFDIR};
    static const struct {
        enum learn_need need;
        unsigned long long flags;
        const struct stat *st;
        enum learn_want want;
    } rows[] = {
        {LEARN_NEED_OPEN, O_RDONLY, &file, LEARN_WANT_NOTHING},
        {LEARN_NEED_OPEN, O_WRONLY, &file, LEARN_WANT_ITSELF},
        {LEARN_NEED_OPEN, O_WRONLY, NULL, LEARN_WANT_NOTHING},
        {LEARN_NEED_OPEN, O_WRONLY, &device, LEARN_WANT_NOTHING},
        {LEARN_NEED_OPEN, O_RDONLY | O_TRUNC, &file, LEARN_WANT_ITSELF},
        {LEARN_NEED_OPEN, O_WRONLY | O_CREAT, NULL, LEARN_WANT_DIRECTORY},
        {LEARN_NEED_OPEN, O_RDONLY | O_CREAT, NULL, LEARN_WANT_DIRECTORY},
        {LEARN_NEED_OPEN, O_RDONLY | O_CREAT, &file, LEARN_WANT_NOTHING},
        {LEARN_NEED_OPEN, O_WRONLY | O_CREAT, &file, LEARN_WANT_ITSELF},
        {LEARN_NEED_OPEN, O_WRONLY | O_CREAT | O_EXCL, &file, LEARN_WANT_NOTHING},
        {LEARN_NEED_OPEN, O_RDWR | O_TMPFILE, &dir, LEARN_WANT_ITSELF},
        {LEARN_NEED_OPEN, O_PATH | O_RDWR, &file, LEARN_WANT_NOTHING},
        {LEARN_NEED_NEW, 0, &dir, LEARN_WANT_NOTHING},
        {LEARN_NEED_NEW, 0, NULL, LEARN_WANT_DIRECTORY},
        {LEARN_NEED_OLD, 0, &file, LEARN_WANT_ITSELF},
        {LEARN_NEED_OLD, 0, NULL, LEARN_WANT_NOTHING},
        {LEARN_NEED_OLD_ENTRY, 0, &file, LEARN_WANT_DIRECTORY},
        {LEARN_NEED_OLD_ENTRY, 0, NULL, LEARN_WANT_NOTHING},
        {LEARN_NEED_ENTRY, 0, NULL, LEARN_WANT_DIRECTORY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(learn_path_want(rows[i].need, rows[i].flags, rows[i].st), rows[i].want);
}

static void test_paths_are_reduced(void **state)
{
    struct learn_paths paths = {.cwd = "/tmp/work/here", .home = "/home/me"};

    (void)state;
    paths.own[paths.nown++] = mem_strdup("/run/user/0/shunt-x");
    learn_paths_add(&paths, "/tmp/work/here/out/1", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/tmp/other", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/dev/shm/sem", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/run/user/0/shunt-x", LEARN_WANT_DIRECTORY); /* not /run/user/0 */
    learn_paths_add(&paths, "/run/user/0/shunt-x/sock", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/newdir", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/sys/kernel/x", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/home/me/.cache/x/1", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/home/me/.cache/x/y/2", LEARN_WANT_DIRECTORY);
    learn_paths_add(&paths, "/var/log/one", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/srv/a", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/srv/b", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/srv/c", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/srv/d", LEARN_WANT_ITSELF);
    learn_paths_add(&paths, "/srv/d", LEARN_WANT_NOTHING);
    learn_paths_reduce(&paths);
    assert_true(paths.cwd_written && paths.root_written && paths.kernel_written);
    assert_int_equal(paths.n, 3);
    assert_string_equal(paths.items[0].path, "/home/me/.cache/x");
    assert_string_equal(paths.items[1].path, "/srv");
    assert_true(paths.items[1].directory);
    assert_string_equal(paths.items[2].path, "/var/log/one");
    assert_false(paths.items[2].directory);
    {
        _cleanup_free_ char *below = learn_path_text(&paths, "/home/me/.cache/x"),
                            *itself = learn_path_text(&paths, "/home/me");

        assert_string_equal(below, "~/.cache/x");
        assert_string_equal(itself, "/home/me");
    }
    learn_paths_done(&paths);
}

static void test_paths_are_bounded(void **state)
{
    struct learn_paths paths = {.cwd = "/work"};
    char path[64];

    (void)state;
    for (int i = 0; i < LEARN_PATHS_MAX + 5; i++) {
        snprintf(path, sizeof(path), "/x/%d/f", i);
        learn_paths_add(&paths, path, LEARN_WANT_DIRECTORY);
    }
    assert_int_equal(paths.n, LEARN_PATHS_MAX);
    assert_int_equal(paths.lost, 5);
    learn_paths_done(&paths);
}

/* What is gone at the end needs the nearest directory that is there; links are followed; what a
 * policy cannot say is counted. */
static void test_paths_settle(void **state)
{
    static const char *const seen[] = {"link/gone/f", "odd?/f", "real/sub", "file"};
    _cleanup_free_ char *here = getcwd(NULL, 0), *base = mem_printf("%s/learn-XXXXXX", here);
    struct learn_paths paths = {.cwd = "/nowhere"};

    (void)state;
    if (learn_path_below(here, "/tmp") || learn_path_below(here, "/var/tmp")) {
        print_message("the working directory is below /tmp, which is each sandbox's own\n");
        free(here);
        free(base);
        skip(); /* jumps */
    }
    assert_non_null(mkdtemp(base));
    assert_int_equal(chdir(base), 0);
    assert_true(mkdir("real", 0700) == 0 && mkdir("odd?", 0700) == 0 &&
                symlink("real", "link") == 0);
    close(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        _cleanup_free_ char *path = learn_path_join(base, seen[i]);

        learn_paths_add(&paths, path, i == 3 ? LEARN_WANT_ITSELF : LEARN_WANT_DIRECTORY);
    }
    learn_paths_settle(&paths);
    assert_true(rmdir("real") == 0 && rmdir("odd?") == 0 && unlink("link") == 0 &&
                unlink("file") == 0);
    assert_true(chdir(here) == 0 && rmdir(base) == 0);
    assert_int_equal(paths.odd, 1);
    assert_int_equal(paths.n, 2);
    assert_string_equal(paths.items[0].path + strlen(base), "/file");
    assert_string_equal(paths.items[1].path + strlen(base), "/real");
    assert_true(paths.items[1].directory && !paths.items[0].directory);
    learn_paths_done(&paths);
}

/* --- addresses --- */

static enum learn_reach reach4(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return learn_address_reach(&in, sizeof(in), NULL, 0);
}

static enum learn_reach reach6(const char *text)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};

    assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
    return learn_address_reach(&in, sizeof(in), NULL, 0);
}

static void test_addresses(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    char path[128];

    (void)state;
    assert_int_equal(reach4("127.0.0.1"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach4("127.9.9.9"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach4("0.0.0.0"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach4("128.0.0.1"), LEARN_REACH_HOST);
    assert_int_equal(reach4("10.0.0.1"), LEARN_REACH_HOST);
    assert_int_equal(reach6("::1"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach6("::"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach6("::ffff:127.0.0.1"), LEARN_REACH_LOOPBACK);
    assert_int_equal(reach6("::ffff:10.0.0.1"), LEARN_REACH_HOST);
    assert_int_equal(reach6("fe80::1"), LEARN_REACH_HOST);
    assert_int_equal(learn_address_reach(&in, 4, NULL, 0), LEARN_REACH_NONE); /* cut off */
    assert_int_equal(learn_address_reach(&in, 1, NULL, 0), LEARN_REACH_NONE);
    assert_int_equal(learn_address_reach(&un, sizeof(un), path, sizeof(path)), LEARN_REACH_UNIX);
    assert_string_equal(path, "/run/x");
    un.sun_path[0] = '\0';
    assert_int_equal(learn_address_reach(&un, sizeof(un), path, sizeof(path)), LEARN_REACH_NONE);
}

/* --- calls, profile, policy --- */

static char *base_profile(void)
{
    static const char text[] =
        "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
        "{\"names\": [\"read\", \"write\", \"openat\", \"open\", \"close\", \"reboot\", \"mkdir\"],"
        " \"action\": \"SCMP_ACT_ALLOW\"},"
        "{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\","
        " \"args\": [{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]}]}";
    char *path = mem_strdup("/tmp/learn-base-XXXXXX.json");
    int fd = mkstemps(path, 5);

    assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    close(fd);
    return path;
}

static struct learn *new_learn(void)
{
    _cleanup_free_ char *path = base_profile();
    struct sandbox_spec base;
    struct learn_options options = {.base = &base, .cwd = "/work", .home = "/home/me"};
    struct err err = ERR_INIT;
    struct learn *learn = NULL;

    spec_init(&base);
    spec_set_text(&base.name, "hardened");
    spec_set_text(&base.seccomp, path);
    base.network = SPEC_NET_LOOPBACK;
    base.demands = SPEC_BIT(SPEC_NET);
    if (learn_new(&options, &learn, &err) < 0)
        fail_msg("%s", err.message);
    spec_done(&base);
    unlink(path);
    return learn;
}

static void call(struct learn *learn, const char *name, uint64_t first)
{
    struct notify_denial denial = {.arch = seccomp_native_arch(),
                                   .nr = (uint32_t)seccomp_syscall_number(name),
                                   .args = {first}};

    learn_call(learn, NULL, &denial); /* tid 0: nothing of it is looked at but registers */
}

static bool has(const json_t *list, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    return false;
}

static uint32_t answer(const char *profile_text, const char *name, uint64_t first)
{
    char path[] = "/tmp/learn-out-XXXXXX.json";
    struct sock_fprog program;
    struct err err = ERR_INIT;
    uint64_t args[6] = {first};
    uint32_t result;
    int fd = mkstemps(path, 5);

    assert_true(fd >= 0 &&
                write(fd, profile_text, strlen(profile_text)) == (ssize_t)strlen(profile_text));
    close(fd);
    if (seccomp_profile_compile(&(struct seccomp_request){.path = path}, &program, &err) < 0)
        fail_msg("%s", err.message);
    unlink(path);
    result = seccomp_evaluate(&program, seccomp_native_arch(),
                              (uint32_t)seccomp_syscall_number(name), args);
    seccomp_profile_done(&program);
    return result;
}

static void test_calls_become_a_profile(void **state)
{
    struct learn *learn = new_learn();
    _cleanup_free_ char *text = NULL;
    struct learn_calls calls;

    (void)state;
    call(learn, "socket", AF_INET);
    call(learn, "socket", AF_PACKET);
    call(learn, "getpriority", 0);
    call(learn, "ptrace", 0);
    call(learn, "openat", 0);
    learn_sort_calls(learn, &calls);
    assert_int_equal(calls.nseen, 4);
    assert_true(has(calls.dangerous, "ptrace") && json_array_size(calls.dangerous) == 1);
    assert_true(has(calls.arguments, "socket") && json_array_size(calls.arguments) == 1);
    assert_true(has(calls.added, "getpriority") && has(calls.granted, "getpriority"));
    assert_false(has(calls.granted, "ptrace") || has(calls.granted, "reboot") ||
                 has(calls.granted, "mkdir"));
    assert_int_equal(calls.nunused, 2); /* reboot, mkdir */
    text = learn_profile_text(learn->profile, calls.granted, calls.added);
    assert_int_equal(answer(text, "socket", AF_INET), SECCOMP_RET_ALLOW);
    assert_int_equal(answer(text, "socket", AF_PACKET),
                     SECCOMP_RET_ERRNO | 38); /* hardened's condition stays */
    assert_int_equal(answer(text, "getpriority", 0), SECCOMP_RET_ALLOW);
    assert_int_equal(answer(text, "exit_group", 0), SECCOMP_RET_ALLOW); /* whether seen or not */
#ifdef SYS_open
    assert_int_equal(answer(text, "open", 0), SECCOMP_RET_ALLOW); /* of openat's family */
#endif
    assert_int_equal(answer(text, "ptrace", 0), SECCOMP_RET_ERRNO | 38);
    assert_int_equal(answer(text, "mkdir", 0), SECCOMP_RET_ERRNO | 38);
    learn_calls_done(&calls);
    learn_free(learn);
}

static void test_foreign_calls_are_told(void **state)
{
    struct learn *learn = new_learn();
    struct notify_denial denial = {.arch = 0x40000003, .nr = 5};

    (void)state;
    learn_call(learn, NULL, &denial);
    denial = (struct notify_denial){.arch = seccomp_native_arch(), .nr = UINT32_MAX - 7};
    learn_call(learn, NULL, &denial);
    assert_true(learn->foreign);
    for (size_t i = 0; i < LEARN_CALLS; i++)
        assert_false(learn->seen[i]);
    learn_free(learn);
}

static void test_policy_text(void **state)
{
    char *command[] = {(char *)"make", (char *)"a\nb", NULL};
    struct learn_output output = {.path = "dir/my policy.yaml", .command = command};
    struct learn *learn = new_learn();
    _cleanup_free_ char *text = NULL;
    struct learn_calls calls;

    (void)state;
    learn->reach = LEARN_REACH_HOST;
    learn_paths_add(&learn->paths, "/work/x", LEARN_WANT_DIRECTORY);
    learn_paths_add(&learn->paths, "/srv/with \"quotes\"/x", LEARN_WANT_DIRECTORY);
    learn_note_peaks(learn, 41, 200 << 20);
    learn_note_peaks(learn, 3, 1 << 20);
    call(learn, "ptrace", 0);
    learn_sort_calls(learn, &calls);
    text = learn_policy_text(learn, &calls, &output, "my policy.seccomp.json");
    assert_non_null(strstr(text, "# Learned from one run of: make a?b\n"));
    assert_non_null(strstr(text, "\npolicy: my_policy\n"));
    assert_non_null(strstr(text, "\nextends: hardened\nnetwork: host "));
    assert_non_null(strstr(text, "  writable:\n    - \".\"\n    - \"/srv/with \\\"quotes\\\"\"\n"));
    assert_non_null(strstr(text, "\nseccomp: \"my policy.seccomp.json\"\n"));
    assert_non_null(strstr(text, "the run made them: ptrace\n"));
    assert_non_null(strstr(text, "\n  tasks: 88\n  memory: 416M\nrequire: [-net]\n"));
    learn_calls_done(&calls);
    learn_free(learn);
}

static void test_limits_have_room(void **state)
{
    (void)state;
    assert_int_equal(learn_tasks_limit(0), 0);
    assert_int_equal(learn_tasks_limit(1), 16);
    assert_int_equal(learn_tasks_limit(41), 88);
    assert_int_equal(learn_memory_limit_mib(0), 0);
    assert_int_equal(learn_memory_limit_mib(1 << 20), 128);
    assert_int_equal(learn_memory_limit_mib(1000ULL << 20), 2016);
}

static void test_rows_and_names_exist(void **state)
{
    (void)state;
    for (size_t i = 0; i < learn_nrows; i++)
        assert_int_not_equal(seccomp_syscall_number(learn_rows[i].name), -EINVAL);
    for (const char *const *name = learn_always; *name; name++) {
        assert_int_not_equal(seccomp_syscall_number(*name), -EINVAL);
        assert_false(learn_is_dangerous(*name));
    }
    for (const char *const *family = learn_families; *family; family++) {
        _cleanup_free_ char *copy = mem_strdup(*family);
        char *save = NULL;

        for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            assert_int_not_equal(seccomp_syscall_number(word), -EINVAL);
            assert_false(learn_is_dangerous(word));
        }
    }
}

/* --- diff --- */

static void check_diff(const char *before, const char *after, const char *want)
{
    _cleanup_free_ char *diff = learn_diff(before, after, "a", "b");

    assert_string_equal(diff, want);
}

static void test_diff(void **state)
{
    (void)state;
    check_diff("x\n", "x\n", "");
    check_diff("1\n2\n3\n", "1\n3\n4\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n 1\n-2\n 3\n+4\n");
    check_diff("", "1\n", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+1\n");
    check_diff("1\n", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-1\n");
    check_diff(
        "1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\n", "2\n3\n4\n5\n6\n7\n8\n9\na\nb\nd\n",
        "--- a\n+++ b\n@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n@@ -9,4 +8,4 @@\n 9\n a\n b\n-c\n+d\n");
}

static void texts(void **state)
{
    static const char *const good[] = {"", "a b", "l \xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80", "\xc2\xa0"};
    static const char *const bad[] = {"\xff", "\xc3", "a\nb", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xef\xbb\xbf" "a", "\xed\xa0\x80"};
    static const char *const words[][2] = {{"a.yaml", "a.yaml"}, {"", "''"}, {"l \xc3\xa9", "'l \xc3\xa9'"}, {"a'b", "'a'\\''b'"},
                                           {"$HOME", "'$HOME'"}, {"\xc3\xa9", "\xc3\xa9"}};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(learn_text_fits(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(learn_text_fits(bad[i]));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        learn_text_word(out, words[i][0]);
        fclose(out);
        assert_string_equal(text, words[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_in_the_way),
        cmocka_unit_test(test_paths_are_joined),
        cmocka_unit_test(test_what_calls_need),
        cmocka_unit_test(test_paths_are_reduced),
        cmocka_unit_test(test_paths_are_bounded),
        cmocka_unit_test(test_paths_settle),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_calls_become_a_profile),
        cmocka_unit_test(test_foreign_calls_are_told),
        cmocka_unit_test(test_policy_text),
        cmocka_unit_test(test_limits_have_room),
        cmocka_unit_test(test_rows_and_names_exist),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
