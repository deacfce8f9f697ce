/* SPDX-License-Identifier: MIT */
/* What policies become: chains, lists, projects, machines, and that what is printed gives the same spec again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/resource.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/err.h"
#include "sandbox/caps/caps.h"
#include "tests/unit/policy_files.h"

static struct sandbox_spec load(const struct policy_source *source, const char *name, const char *machine)
{
    struct sandbox_spec spec;
    struct err err = ERR_INIT;

    if (policy_load(source, name, machine, &spec, &err) < 0)
        fail_msg("%s: %s / %s", name, err.message, err.hint);
    return spec;
}

static void assert_list(const struct spec_list *list, const char *const *words)
{
    size_t n = 0;

    for (; words[n]; n++) {
        assert_true(n < list->n);
        assert_string_equal(list->items[n], words[n]);
    }
    assert_int_equal(list->n, n);
}

static const char everything[] =
    "policy: all\n"
    "summary: \"it's # \\\"all\\\"\\n\\\\ of it\"\n"
    "observe: true\n"
    "namespaces: {pid: yes, mount: on, ipc: true, uts: yes, cgroup: yes, time: yes, user: always}\n"
    "network: none\n"
    "hostname: a-b.c\n"
    "files:\n"
    "  root: read-only\n"
    "  read-only: [/etc/ssl/, \"we ird\"]\n"
    "  writable: [., ~/.cache?, build?]\n"
    "  hidden: [~/.ssh?]\n"
    "  tmpfs:\n"
    "    - {path: /run, size: 3M}\n"
    "    - path: /var/cache?\n"
    "  tmp: fresh\n"
    "  shm: private\n"
    "  tmpfs-size: 5000\n"
    "  dev: minimal\n"
    "  kernel: masked\n"
    "  workdir: overlay\n"
    "landlock: yes\n"
    "environment: {pass: [PATH, LC_*], drop: [LC_ALL], set: [\"A=b=c\", \"B=\", \"C=\\x09\\\"\"]}\n"
    "capabilities: [net_raw, CAP_CHOWN, SYS_PTRACE]\n"
    "user: {uid: 1234, gid: auto}\n"
    "terminal: none\n"
    "umask: 027\n"
    "rlimits: {core: 0, nofile: 512, stack: 8M, as: unlimited}\n"
    "seccomp: tight\n"
    "denials: named\n"
    "limits: {tasks: 99, memory: 1.5G, cpus: 1.5, timeout: 1500ms}\n"
    "require: [net, readonly]\n";

static void test_every_key(void **state)
{
    struct fixture *f = *state;
    char *profile = fixture_path(f, "policies/seccomp/tight.json");
    struct sandbox_spec s;

    fixture_write(f, "policies/all.yaml", everything);
    s = load(&f->source, "all", NULL);
    assert_string_equal(s.name, "all");
    assert_string_equal(s.summary, "it's # \"all\"\n\\ of it");
    assert_true(s.observe && s.ns_pid && s.ns_mount && s.ns_ipc && s.ns_uts && s.ns_cgroup && s.ns_time);
    assert_int_equal(s.userns, SPEC_USERNS_ALWAYS);
    assert_int_equal(s.network, SPEC_NET_NONE);
    assert_string_equal(s.hostname, "a-b.c");
    assert_true(s.root_readonly && s.shm_private && s.dev_minimal && s.mask_kernel && s.landlock && s.notify);
    assert_int_equal(s.tmp, SPEC_TMP_FRESH);
    assert_int_equal(s.workdir, SPEC_WORKDIR_OVERLAY);
    assert_int_equal(s.tmpfs_size_bytes, 5000);
    assert_int_equal(s.npaths, 8);
    assert_string_equal(s.paths[0].path, "/etc/ssl");
    assert_string_equal(s.paths[1].path, "we ird");
    assert_string_equal(s.paths[3].path, "~/.cache");
    assert_true(s.paths[3].optional && !s.paths[2].optional);
    assert_int_equal(s.paths[6].size_bytes, 3 << 20);
    assert_string_equal(s.paths[7].path, "/var/cache");
    assert_true(s.paths[7].kind == SPEC_PATH_TMPFS && s.paths[7].optional);
    assert_non_null(strstr(s.paths[5].origin, "policies/all.yaml:11"));
    assert_false(s.env_pass_all);
    assert_list(&s.env_pass, (const char *const[]){"PATH", "LC_*", NULL});
    assert_list(&s.env_drop, (const char *const[]){"LC_ALL", NULL});
    assert_list(&s.env_set, (const char *const[]){"A=b=c", "B=", "C=\t\"", NULL});
    assert_true(s.caps == (CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_SYS_PTRACE)));
    assert_int_equal(s.uid, 1234);
    assert_int_equal(s.gid, SPEC_ID_AUTO);
    assert_false(s.tty);
    assert_int_equal(s.umask, 027);
    assert_true(s.rlimits[RLIMIT_CORE].set && s.rlimits[RLIMIT_CORE].value == 0);
    assert_true(s.rlimits[RLIMIT_AS].set && s.rlimits[RLIMIT_AS].value == UINT64_MAX);
    assert_int_equal(s.rlimits[RLIMIT_STACK].value, 8 << 20);
    assert_false(s.rlimits[RLIMIT_CPU].set);
    assert_string_equal(s.seccomp, profile);
    assert_int_equal(s.limits.tasks, 99);
    assert_true(s.limits.memory_bytes == 3ULL << 29);
    assert_int_equal(s.limits.cpu_milli, 1500);
    assert_true(s.limits.timeout_ns == 1500 * NS_PER_MS);
    assert_int_equal(s.demands, SPEC_BIT(SPEC_NET) | SPEC_BIT(SPEC_READONLY));
    spec_done(&s);
    free(profile);
}

static void test_an_absent_key_keeps_the_parents(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec all, child;
    char *a, *b;

    fixture_write(f, "policies/all.yaml", everything);
    fixture_write(f, "more/child.yaml", "policy: child\nextends: all\n");
    all = load(&f->source, "all", NULL);
    child = load(&f->source, "child", NULL);
    assert_string_equal(child.name, "child");
    assert_string_equal(child.summary, "");
    spec_set_text(&child.name, all.name);
    spec_set_text(&child.summary, all.summary);
    a = policy_print(&all);
    b = policy_print(&child);
    assert_string_equal(a, b);
    free(a);
    free(b);
    spec_done(&all);
    spec_done(&child);
}

static void test_lists_append_and_the_rest_replaces(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;

    fixture_write(f, "policies/all.yaml", everything);
    fixture_write(f, "policies/child.yaml",
                  "policy: child\nextends: all\nfiles:\n  writable: [/data]\n  hidden: [/etc/ssl]\n"
                  "environment: {pass: [TZ, PATH], set: [A=new]}\ncapabilities: [KILL]\n"
                  "rlimits: {nofile: keep, core: 1M}\nlimits: {tasks: none}\nrequire: [-net, pid]\nseccomp: none\n");
    s = load(&f->source, "child", NULL);
    assert_int_equal(s.npaths, 9);
    assert_string_equal(s.paths[0].path, "we ird"); /* /etc/ssl has another kind now */
    assert_string_equal(s.paths[4].path, "/data");
    assert_string_equal(s.paths[6].path, "/etc/ssl");
    assert_int_equal(s.paths[6].kind, SPEC_PATH_HIDDEN);
    assert_list(&s.env_pass, (const char *const[]){"PATH", "LC_*", "TZ", NULL});
    assert_list(&s.env_set, (const char *const[]){"A=new", "B=", "C=\t\"", NULL});
    assert_true(s.caps == CAPS_BIT(CAP_KILL));
    assert_false(s.rlimits[RLIMIT_NOFILE].set);
    assert_int_equal(s.rlimits[RLIMIT_CORE].value, 1 << 20);
    assert_int_equal(s.limits.tasks, 0);
    assert_true(s.limits.memory_bytes == 3ULL << 29);
    assert_int_equal(s.demands, SPEC_BIT(SPEC_PID) | SPEC_BIT(SPEC_READONLY));
    assert_null(s.seccomp);
    spec_done(&s);
}

static void test_clear_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;

    fixture_write(f, "policies/all.yaml", everything);
    fixture_write(f, "policies/child.yaml",
                  "policy: child\nextends: all\nclear: [files.writable, files.tmpfs, environment.set, require, "
                  "environment.pass, environment.drop]\n"
                  "files: {writable: [/data]}\nenvironment: {pass: [X]}\n");
    s = load(&f->source, "child", NULL);
    assert_int_equal(s.npaths, 4);
    assert_string_equal(s.paths[2].path, "/data");
    assert_list(&s.env_pass, (const char *const[]){"X", NULL});
    assert_int_equal(s.env_set.n + s.env_drop.n, 0);
    assert_int_equal(s.demands, 0);
    spec_done(&s);
    fixture_write(f, "policies/child.yaml", "policy: child\nextends: all\nenvironment: {pass: all}\n");
    fixture_write(f, "policies/third.yaml", "policy: third\nextends: child\nenvironment: {pass: [Y]}\n");
    s = load(&f->source, "third", NULL);
    assert_list(&s.env_pass, (const char *const[]){"Y", NULL});
    spec_done(&s);
}

static void test_paths_contradict_only_within_one_policy(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;
    struct err err = ERR_INIT;

    fixture_write(f, "policies/a.yaml",
                  "policy: a\nnamespaces: {mount: yes}\nfiles:\n  writable: [/opt/]\n  hidden: [/opt]\n");
    assert_true(policy_load(&f->source, "a", NULL, &s, &err) < 0);
    assert_non_null(strstr(err.message, "a.yaml:5: files.hidden[0]: \"/opt\" is named twice"));
    fixture_write(f, "policies/a.yaml", "policy: a\nfiles: {writable: [/opt]}\n");
    assert_true(policy_load(&f->source, "a", NULL, &s, &err) < 0);
    assert_non_null(strstr(err.message, "needs a mount namespace"));
}

static void test_a_project_overrides_and_extends_its_own_name(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;
    struct err err = ERR_INIT;
    char *name = NULL;

    fixture_write(f, "policies/base.yaml", "policy: base\nnetwork: loopback\nlimits: {tasks: 10, memory: 1G}\n");
    fixture_write(f, "more/base.yaml", "policy: base\nnetwork: none\n");
    fixture_write(f, "policies/user.yaml", "policy: user\nextends: base\n");
    fixture_project(f, "policy: ours\npolicies:\n  - policy: ours\n    extends: base\n    limits: {tasks: 20}\n"
                       "  - policy: base\n    extends: base\n    limits: {memory: 2G}\n");
    assert_int_equal(policy_project_default(&f->source, &name, &err), 0);
    assert_string_equal(name, "ours");
    free(name);
    s = load(&f->source, "ours", NULL); /* ours -> the project's base -> the shipped one */
    assert_int_equal(s.network, SPEC_NET_LOOPBACK);
    assert_int_equal(s.limits.tasks, 20);
    assert_true(s.limits.memory_bytes == 2ULL << 30);
    spec_done(&s);
    s = load(&f->source, "user", NULL); /* a shipped policy's parent is looked for in the project, too */
    assert_true(s.limits.memory_bytes == 2ULL << 30);
    spec_done(&s);
    fixture_write(f, "policies/base.yaml", "policy: base\nextends: base\n");
    s = load(&f->source, "base", NULL); /* the project's -> the first directory's -> the second's */
    assert_int_equal(s.network, SPEC_NET_NONE);
    spec_done(&s);
    fixture_project(f, "policies: []\n");
    assert_int_equal(policy_project_default(&f->source, &name, &err), 0);
    assert_null(name);
}

static void test_files_by_path(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;
    char *path = fixture_path(f, "mine.yaml"), *profile = fixture_path(f, "own.json");

    fixture_write(f, "own.json", "{}");
    fixture_write(f, "sibling.yaml", "policy: sibling\nnetwork: none\nseccomp: own.json\n");
    fixture_write(f, "mine.yaml", "policy: anything\nextends: ./sibling.yaml\n");
    s = load(&f->source, path, NULL);
    assert_string_equal(s.name, "anything");
    assert_int_equal(s.network, SPEC_NET_NONE);
    assert_string_equal(s.seccomp, profile); /* relative to the file that names it */
    spec_done(&s);
    free(path);
    free(profile);
}

static void test_machines(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;

    fixture_write(f, "policies/machines/big.yaml", "machine: big\nsource: s\ncpus: 4\nmemory: 16G\nshm: 64M\n");
    fixture_write(f, "policies/machines/small.yaml", "machine: small\nsource: s\ncpus: 1\ntasks: 100\n");
    fixture_write(f, "policies/a.yaml",
                  "policy: a\nnamespaces: {mount: yes}\nmachine: big\nlimits: {memory: 8G, tasks: 50}\n");
    s = load(&f->source, "a", NULL);
    assert_string_equal(s.machine, "big");
    assert_int_equal(s.limits.cpu_milli, 4000);
    assert_true(s.limits.memory_bytes == 8ULL << 30); /* the policy's own word counts */
    assert_string_equal(s.paths[0].path, "/dev/shm");
    assert_int_equal(s.paths[0].size_bytes, 64 << 20);
    spec_done(&s);
    s = load(&f->source, "a", "small"); /* named on the command line: its numbers win */
    assert_string_equal(s.machine, "small");
    assert_int_equal(s.limits.cpu_milli, 1000);
    assert_int_equal(s.limits.tasks, 100);
    assert_true(s.limits.memory_bytes == 8ULL << 30); /* of which it has no number */
    spec_done(&s);
}

static void test_a_machines_shm_builds_no_view(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;

    fixture_write(f, "policies/machines/m.yaml", "machine: m\nsource: s\ncpus: 4\nshm: 64M\n");
    fixture_write(f, "policies/look.yaml", "policy: look\nobserve: yes\n");
    s = load(&f->source, "look", "m");
    assert_int_equal(s.npaths, 0);
    assert_int_equal(s.limits.cpu_milli, 4000);
    assert_int_equal(spec_wants(&s), 0);
    spec_done(&s);
}

/* Printed, read and printed again. The text is the comparison: it has every member but the origins of paths. */
static void check_round_trip(struct fixture *f, const struct sandbox_spec *spec)
{
    char *text = policy_print(spec), *file = mem_printf("printed/%s.yaml", spec->name), *path = fixture_path(f, file);
    char *dir = fixture_path(f, "printed"), *again;
    struct sandbox_spec back;

    mkdir(dir, 0700);
    fixture_write(f, file, text);
    back = load(&f->source, path, NULL);
    assert_int_equal(back.npaths, spec->npaths);
    for (size_t i = 0; i < spec->npaths; i++) {
        free(back.paths[i].origin);
        back.paths[i].origin = spec->paths[i].origin ? mem_strdup(spec->paths[i].origin) : NULL;
    }
    again = policy_print(&back);
    assert_string_equal(again, text);
    assert_memory_equal(&back.rlimits, &spec->rlimits, sizeof(spec->rlimits));
    assert_memory_equal(&back.limits, &spec->limits, sizeof(spec->limits));
    assert_int_equal(back.demands, spec->demands);
    assert_true(back.caps == spec->caps);
    spec_done(&back);
    free(text);
    free(again);
    free(file);
    free(path);
    free(dir);
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct sandbox_spec s;

    fixture_write(f, "policies/machines/big.yaml", "machine: big\nsource: s\ncpus: 4\nmemory: 16G\nshm: 64M\n");
    fixture_write(f, "policies/all.yaml", everything);
    s = load(&f->source, "all", NULL);
    check_round_trip(f, &s);
    spec_done(&s);
    s = load(&f->source, "all", "big");
    check_round_trip(f, &s);
    spec_done(&s);
    spec_init(&s);
    check_round_trip(f, &s);
    spec_done(&s);
}

/* Those in policies/, against the profiles of the fixture. */
static void test_shipped_policies(void **state)
{
    static const char *const names[] = {"observe", "standard", "hardened", "container"};
    struct fixture *f = *state;
    const char *directories[] = {"policies", f->directories[0], NULL};
    struct policy_source shipped = {.directories = directories};
    struct policy_entry *entries;
    struct err err = ERR_INIT;
    struct sandbox_spec s;
    size_t n, machines = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        s = load(&shipped, names[i], NULL);
        assert_string_equal(s.name, names[i]);
        assert_true(*s.summary);
        check_round_trip(f, &s);
        spec_done(&s);
    }
    assert_int_equal(policy_list(&shipped, &entries, &n, &err), 0);
    for (size_t i = 0; i < n; i++) {
        machines += entries[i].machine;
        if (!entries[i].machine)
            continue;
        s = load(&shipped, "standard", entries[i].name);
        assert_string_equal(s.machine, entries[i].name);
        spec_done(&s);
    }
    assert_true(machines > 0);
    policy_list_free(entries, n);
    s = load(&shipped, "standard", NULL);
    assert_true(s.caps == CAPS_DOCKER && s.tmp == SPEC_TMP_OVERLAY && s.tty && s.network == SPEC_NET_HOST);
    assert_int_equal(s.demands, 0);
    spec_done(&s);
    s = load(&shipped, "hardened", NULL);
    assert_true(s.caps == 0 && s.root_readonly && !s.tty && s.network == SPEC_NET_LOOPBACK && s.uid == SPEC_ID_AUTO);
    spec_done(&s);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct policy_entry *entries;
    struct err err = ERR_INIT;
    size_t n;

    assert_int_equal(policy_list(&f->source, &entries, &n, &err), -ENOENT);
    assert_non_null(strstr(err.message, "no policies were found"));
    fixture_write(f, "policies/b.yaml", "policy: b\nsummary: of b\n");
    fixture_write(f, "policies/a.yaml", "policy: a\nnetwork: bad\n");
    fixture_write(f, "policies/machines/m.yaml", "machine: m\nsummary: of m\nsource: s\n");
    fixture_project(f, "policies: [{policy: b, summary: of the project}, {policy: c}]\n");
    assert_int_equal(policy_list(&f->source, &entries, &n, &err), 0);
    assert_int_equal(n, 4);
    assert_string_equal(entries[0].name, "a");
    assert_non_null(strstr(entries[0].summary, "a.yaml:2: network: \"bad\""));
    assert_string_equal(entries[1].summary, "of the project");
    assert_string_equal(entries[2].name, "c");
    assert_true(entries[3].machine);
    assert_string_equal(entries[3].summary, "of m");
    policy_list_free(entries, n);
    fixture_project(f, "policies: 3\n"); /* what was shipped is listed all the same */
    assert_int_equal(policy_list(&f->source, &entries, &n, &err), 0);
    assert_int_equal(n, 4);
    assert_non_null(strstr(entries[0].summary, "shunt.yaml:1: policies: found a single value"));
    assert_string_equal(entries[2].summary, "of b");
    policy_list_free(entries, n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_key),
        TEST(test_an_absent_key_keeps_the_parents),
        TEST(test_lists_append_and_the_rest_replaces),
        TEST(test_clear_begins_anew),
        TEST(test_paths_contradict_only_within_one_policy),
        TEST(test_a_project_overrides_and_extends_its_own_name),
        TEST(test_files_by_path),
        TEST(test_machines),
        TEST(test_a_machines_shm_builds_no_view),
        TEST(test_round_trip),
        TEST(test_shipped_policies),
        TEST(test_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
