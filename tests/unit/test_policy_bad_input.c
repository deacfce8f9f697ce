/* SPDX-License-Identifier: MIT */
/* Every class of mistake in a policy, with the line and the key that the message must name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "sandbox/base/err.h"
#include "tests/unit/policy_files.h"

struct row {
    const char *yaml; /* of policies/x.yaml, below "policy: x" in line 1 */
    unsigned line;
    const char *message; /* behind "FILE:LINE: " */
    const char *hint;    /* a part of it; NULL: not looked at */
};

#define WORDS_OF_FILES \
    "expected root, read-only, writable, hidden, tmpfs, tmp, shm, tmpfs-size, dev, kernel or workdir"

static const struct row rows[] = {
    /* keys */
    {"netwrok: host\n", 2, "\"netwrok\" is no key: expected policy, summary, extends, clear, observe, namespaces, "
                           "network, files, landlock, environment, capabilities, user, terminal, umask, hostname, "
                           "rlimits, seccomp, denials, limits, machine or require",
     "did you mean network?"},
    {"summary: a\nfiles:\n  tmp: fresh\n  writeable: [a]\n", 5, "files: \"writeable\" is no key: " WORDS_OF_FILES,
     "did you mean writable?"},
    {"rlimits: {nofiles: 3}\n", 2, "rlimits: \"nofiles\" is no key: expected as, core, cpu, data, fsize, locks, memlock, "
                                   "msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending or stack",
     "did you mean nofile?"},
    {"network: host\n\nnetwork: none\n", 4, "network: is there twice: expected it once (first in line 2)", NULL},
    {"limits: {tasks: 8, tasks: 9}\n", 2, "tasks: is there twice: expected it once (first in line 2)", NULL},
    {"? [a]\n: b\n", 2, "a key is a list or a mapping: expected a word", NULL},
    {"a.b: 1\n", 2, NULL, NULL},
    /* words */
    {"network: loopbak\n", 2, "network: \"loopbak\": expected host, loopback or none", "did you mean loopback?"},
    {"namespaces:\n  pid: yes\n  ipc: maybe\n", 4, "namespaces.ipc: \"maybe\": expected yes, no, true, false, on or off",
     NULL},
    {"namespaces: {user: sometimes}\n", 2, "namespaces.user: \"sometimes\": expected auto, never or always", NULL},
    {"observe: \n", 2, "observe: \"\": expected yes, no, true, false, on or off", NULL},
    {"files: {tmp: [fresh]}\n", 2, "files.tmp: found a list: expected a single word", NULL},
    {"network: Host\n", 2, "network: \"Host\": expected host, loopback or none", "did you mean host?"},
    /* kinds */
    {"files: read-only\n", 2, "files: found a single value: expected a mapping (key: value)", NULL},
    {"files:\n", 2, "files: found nothing: expected a mapping (key: value)", NULL},
    {"files:\n  writable: /opt\n", 3, "files.writable: found a single value: expected a list ([a, b], or lines that "
                                      "begin with -)", NULL},
    {"files:\n  writable:\n    - a\n    - [b]\n", 5, "files.writable[1]: found a list: expected a single value", NULL},
    {"files:\n  tmpfs:\n    - /x\n", 4, "files.tmpfs[0]: found a single value: expected a mapping (key: value)", NULL},
    {"files:\n  tmpfs:\n    - {size: 1M}\n", 4, "files.tmpfs[0]: has no path: expected one (path: ...)", NULL},
    {"summary: {a: b}\n", 2, "summary: found a mapping: expected a single value", NULL},
    /* limits */
    {"limits:\n  tasks: 3\n", 3, "limits.tasks: \"3\": expected a number of tasks from 4 to 4194304, auto or none", NULL},
    {"limits:\n  tasks: 4194305\n", 3, "limits.tasks: \"4194305\": expected a number of tasks from 4 to 4194304, auto or "
                                       "none", NULL},
    {"limits:\n\n  memory: 12Q\n", 4, "limits.memory: \"12Q\": expected a size of at least 1M (512M, 2G), auto or none",
     NULL},
    {"limits: {memory: -1}\n", 2, "limits.memory: \"-1\": expected a size of at least 1M (512M, 2G), auto or none", NULL},
    {"limits: {memory: 99999999999999999999T}\n", 2, "limits.memory: \"99999999999999999999T\": expected a size of at "
                                                     "least 1M (512M, 2G), auto or none", NULL},
    {"limits: {cpus: 0}\n", 2, "limits.cpus: \"0\": expected a number of CPUs from 0.01 to 4096 (2, 1.5), auto or none",
     NULL},
    {"limits: {timeout: auto}\n", 2, "limits.timeout: \"auto\": expected a duration from 1ms to 30 days (10s, 2m, 1h) or "
                                     "none", NULL},
    {"files: {tmpfs-size: 1}\n", 2, "files.tmpfs-size: \"1\": expected a size of at least 4K (64M, 1G) or none", NULL},
    {"rlimits: {nofile: 1K}\n", 2, "rlimits.nofile: \"1K\": expected a number, unlimited or keep", NULL},
    {"rlimits: {core: all}\n", 2, "rlimits.core: \"all\": expected a size (0, 8M), unlimited or keep", NULL},
    /* identity */
    {"umask: 0888\n", 2, "umask: \"0888\": expected an octal mask up to 0777 (022, 077) or keep", NULL},
    {"umask: 7777\n", 2, "umask: \"7777\": expected an octal mask up to 0777 (022, 077) or keep", NULL},
    {"user: {uid: root}\n", 2, "user.uid: \"root\": expected keep, auto, or a number below 4294967294", NULL},
    {"user: {gid: 4294967294}\n", 2, "user.gid: \"4294967294\": expected keep, auto, or a number below 4294967294", NULL},
    {"hostname: a_b\nnamespaces: {uts: yes}\n", 2, "hostname: \"a_b\": expected letters, digits, - and ., at most 64 of "
                                                   "them (\"\": as it is)", NULL},
    {"hostname: ci\n", 2, "hostname: \"ci\" needs namespaces.uts: yes", "namespaces: {uts: yes}"},
    /* capabilities, environment */
    {"capabilities: some\n", 2, "capabilities: \"some\": expected none, docker, all, or a list of capabilities "
                                "([NET_RAW])", NULL},
    {"capabilities:\n  - NET_RAW\n  - CAP_FLY\n", 4, "capabilities[1]: \"CAP_FLY\": expected a capability (NET_RAW, "
                                                     "CAP_CHOWN)", "capabilities(7)"},
    {"capabilities: {a: b}\n", 2, "capabilities: found a mapping: expected none, docker, all, or a list ([NET_RAW])",
     NULL},
    {"environment: {pass: some}\n", 2, "environment.pass: \"some\": expected all, or a list of names ([PATH, LC_*])", NULL},
    {"environment: {pass: {a: b}}\n", 2, "environment.pass: found a mapping: expected all, or a list of names ([PATH, "
                                         "LC_*])", NULL},
    {"environment:\n  pass: [PATH, all]\n", 3, "environment.pass[1]: \"all\" in a list: expected names; everything is "
                                               "\"pass: all\"", NULL},
    {"environment:\n  pass:\n  - PATH\n  - [A]\n", 5, "environment.pass[1]: found a list: expected the name of a "
                                                      "variable", NULL},
    {"environment: {drop: [\"*_TOKEN\"]}\n", 2, "environment.drop[0]: \"*_TOKEN\": expected the name of a variable, or a "
                                                "beginning that ends in * (LC_*)", NULL},
    {"environment: {set: [PATH]}\n", 2, "environment.set[0]: \"PATH\": expected NAME=value", NULL},
    {"environment: {set: [=x]}\n", 2, "environment.set[0]: \"=x\": expected NAME=value", NULL},
    /* paths */
    {"files:\n  writable: [\"\"]\n", 3, "files.writable[0]: \"\": expected a path (/opt, build, ~/.cache; a ? at the "
                                        "end: where it exists)", NULL},
    {"files:\n  hidden: [$HOME/x]\n", 3, "files.hidden[0]: \"$HOME/x\": expected a path (/opt, build, ~/.cache)",
     "variables and other users' homes are not looked up"},
    {"files:\n  hidden: [~bob/x]\n", 3, "files.hidden[0]: \"~bob/x\": expected a path (/opt, build, ~/.cache)", NULL},
    {"files:\n  tmpfs: [{path: /x, size: big}]\n", 3, "files.tmpfs[0].size: \"big\": expected a size of at least 4K (64M, "
                                                      "1G) or none", NULL},
    /* names */
    {"extends: nothing-like-it\n", 2, "extends: there is no policy \"nothing-like-it\"", "known are x"},
    {"extends: ../x\n", 2, NULL, NULL},
    {"machine: laptop\n", 2, "machine: there is no machine \"laptop\"", "none is known here"},
    {"seccomp: tigth\n", 2, "seccomp: there is no seccomp profile \"tigth\"", "did you mean tight?"},
    {"seccomp: ./mine.json\n", 2, NULL, NULL},
    {"require: [net, task]\nnetwork: none\n", 2,
     "require[1]: \"task\": expected tasks, memory, cpu, kill, pid, mount, ipc, uts, net, user, readonly, tmp, caps, "
     "seccomp, denials or landlock (-WORD takes one out)",
     "did you mean tasks?"},
    {"require: [net]\n", 2, "require: \"net\" is required, but nothing in policy x asks for it: a network of its own: "
                            "loopback only", "require: [-net]"},
    {"clear: [files.writeable]\n", 2,
     "clear[0]: \"files.writeable\": expected a list that a policy inherits: files.read-only, files.writable, "
     "files.hidden, files.tmpfs, environment.pass, environment.drop, environment.set or require",
     "did you mean files.writable?"},
    /* YAML */
    {"network: *host\n", 2, "YAML anchors and aliases (& and *) are not read here: expected plain values", NULL},
    {"network: &n host\n", 2, "YAML anchors and aliases (& and *) are not read here: expected plain values", NULL},
    {"umask: !!int 22\n", 2, "YAML tags (!) are not read here: expected plain values", NULL},
    {"---\npolicy: y\n", 2, "a second document begins here (---): expected one", NULL},
    {"files: {\n", 3, NULL, "indent with blanks"},
    {"\tnetwork: host\n", 2, NULL, "indent with blanks"},
    {"summary: \"a\\0b\"\n", 2, "a value holds a control character", NULL},
    {"summary: \"\\e]0;title\\a\"\n", 2, "a value holds a control character", NULL},
    {"\"\\x9b31m\": 1\n", 2, "a value holds a control character", NULL},
    {"summary: \"\xff\xfe\"\n", 2, "is no UTF-8 text: invalid leading UTF-8 octet", NULL},
    {"summary: \"\x01\"\n", 2, "is no UTF-8 text: control characters are not allowed", NULL},
};

static void check_row(struct fixture *f, const struct row *row)
{
    char *yaml = mem_printf("policy: x\n%s", row->yaml);
    char *beginning = mem_printf("%s/policies/x.yaml:%u: %s", f->root, row->line, row->message ? row->message : "");
    struct sandbox_spec spec;
    struct err err = ERR_INIT;
    int r;

    fixture_write(f, "policies/x.yaml", yaml);
    r = policy_load(&f->source, "x", NULL, &spec, &err);
    if (r >= 0)
        fail_msg("accepted: %s", yaml);
    assert_int_equal(err.kind, ERR_USAGE);
    if (row->message ? strcmp(err.message, beginning) != 0 : strncmp(err.message, beginning, strlen(beginning)) != 0)
        fail_msg("%s\n got %s\nwant %s", yaml, err.message, beginning);
    if (row->hint && !strstr(err.hint, row->hint))
        fail_msg("%s\n got hint %s\nwant hint %s", yaml, err.hint, row->hint);
    free(yaml);
    free(beginning);
}

static void test_messages(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(*state, &rows[i]);
}

static void expect(struct fixture *f, const char *name, const char *machine, const char *message, const char *hint)
{
    struct sandbox_spec spec;
    struct err err = ERR_INIT;

    assert_true(policy_load(&f->source, name, machine, &spec, &err) < 0);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.message, message) || !strstr(err.hint, hint))
        fail_msg("got %s / %s\nwant %s / %s", err.message, err.hint, message, hint);
}

static void test_required_keys(void **state)
{
    struct fixture *f = *state;

    fixture_write(f, "policies/a.yaml", "summary: no name\n");
    expect(f, "a", NULL, "a.yaml:1: has no policy: expected one (policy: ...)", "");
    fixture_write(f, "policies/a.yaml", "policy:\n");
    expect(f, "a", NULL, "a.yaml:1: policy: found nothing: expected a value", "");
    fixture_write(f, "policies/a.yaml", "- policy\n");
    expect(f, "a", NULL, "a.yaml:1: found a list: expected a mapping (key: value)", "");
    fixture_write(f, "policies/a.yaml", "just words\n");
    expect(f, "a", NULL, "a.yaml:1: found a single value: expected a mapping (key: value)", "");
    fixture_write(f, "policies/a.yaml", "{}\n");
    expect(f, "a", NULL, "a.yaml:1: has no policy: expected one (policy: ...)", "");
    fixture_write(f, "policies/a.yaml", "# only a comment\n");
    expect(f, "a", NULL, "a.yaml:1: is empty: expected keys and values", "docs/policies.md");
    fixture_write(f, "policies/a.yaml", "");
    expect(f, "a", NULL, "a.yaml:1: is empty: expected keys and values", "docs/policies.md");
    fixture_write(f, "policies/a.yaml", "# \n\npolicy: b\n");
    expect(f, "a", NULL, "a.yaml:3: policy: \"b\": expected a, as the file is called", "");
    fixture_write(f, "policies/a.yaml", "policy: a b\n");
    expect(f, "a", NULL, "a.yaml:1: policy: \"a b\": expected a name of letters, digits", "");
}

static void test_wrong_sort_of_file(void **state)
{
    struct fixture *f = *state;

    fixture_write(f, "policies/a.yaml", "machine: a\nsource: s\n");
    expect(f, "a", NULL, "a.yaml:1: is a machine: expected a policy", "--machine");
    fixture_write(f, "policies/a.yaml", "policies: []\n");
    expect(f, "a", NULL, "a.yaml:1: is a project file (policies: ...): expected a policy", "shunt.yaml");
    fixture_write(f, "policies/a.yaml", "policy: a\n");
    fixture_write(f, "policies/machines/m.yaml", "policy: m\n");
    expect(f, "a", "m", "m.yaml:1: is a policy: expected a machine", "");
    fixture_write(f, "policies/machines/m.yaml", "machine: m\ncpus: 2\n");
    expect(f, "a", "m", "m.yaml:1: has no source: expected one (source: ...)", "");
    fixture_write(f, "policies/machines/m.yaml", "machine: m\nsource: s\ntasks: auto\n");
    expect(f, "a", "m", "m.yaml:3: tasks: \"auto\": expected the machine's number; leave the key away", "");
    fixture_write(f, "policies/machines/m.yaml", "machine: m\nsource: s\nshm: 1\n");
    expect(f, "a", "m", "m.yaml:3: shm: \"1\": expected a size of at least 4K", "");
    expect(f, "a", "n", "there is no machine \"n\"", "known are m");
    expect(f, "b", NULL, "there is no policy \"b\"", "known are a");
    expect(f, "../policies/a", NULL, "../policies/a: ", "");
    expect(f, "", NULL, "there is no policy \"\"", "known are a");
}

static void test_circles_and_depth(void **state)
{
    struct fixture *f = *state;

    fixture_write(f, "policies/a.yaml", "policy: a\nextends: b\n");
    fixture_write(f, "policies/b.yaml", "policy: b\nsummary: s\nextends: c\n");
    fixture_write(f, "policies/c.yaml", "policy: c\nextends: b\n");
    expect(f, "a", NULL, "c.yaml:2: extends: \"b\": the chain comes back to where it was: a -> b -> c -> b", "ends with");
    fixture_write(f, "policies/a.yaml", "policy: a\nextends: a\n");
    expect(f, "a", NULL, "a.yaml:2: extends: there is no policy \"a\"", "");
    for (int i = 0; i < 12; i++) {
        char *name = mem_printf("policies/p%d.yaml", i), *text = mem_printf("policy: p%d\nextends: p%d\n", i, i + 1);

        fixture_write(f, name, text);
        free(name);
        free(text);
    }
    expect(f, "p0", NULL, "p7.yaml:2: extends: \"p8\": expected a chain of at most 8 policies: p0 -> p1", "");
}

static void test_project_mistakes(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    char *name = NULL;

    fixture_write(f, "policies/a.yaml", "policy: a\n");
    fixture_project(f, "policy: a\nworkers: 3\n");
    expect(f, "a", NULL, "shunt.yaml:2: \"workers\" is no key: expected policy, policies, profiles", "");
    fixture_project(f, "policies:\n  - policy: p\n    limits:\n      tasks: none\n      memory: lots\n");
    expect(f, "p", NULL, "shunt.yaml:5: policies[0].limits.memory: \"lots\": expected a size", "");
    fixture_project(f, "policies:\n  - policy: p\n    limit:\n      tasks: none\n");
    expect(f, "a", NULL, "shunt.yaml:3: policies[0]: \"limit\" is no key: expected", "did you mean limits?");
    fixture_project(f, "policies:\n  - policy: p\n  - policy: q\n  - policy: p\n");
    expect(f, "a", NULL, "shunt.yaml:4: policies[2].policy: \"p\" is there twice", "");
    fixture_project(f, "policy: \"no name\"\n");
    assert_true(policy_project_default(&f->source, &name, &err) < 0);
    assert_non_null(strstr(err.message, "shunt.yaml:1: policy: \"no name\": expected the name of a policy"));
    assert_null(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_required_keys, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_sort_of_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_circles_and_depth, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_project_mistakes, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
