# SPDX-License-Identifier: MIT
"""prove, bats, meson and programs that print TAP, from small projects: each test ends as in the framework's own runner."""
import json
import re
import subprocess

import pytest
from adapters import Project, ended
from conftest import clean_environment

TIMES = 3


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def plain(project, *command, **kwargs):
    return subprocess.run(
        command, cwd=project.path, capture_output=True, text=True, env=clean_environment(), check=False, timeout=60, **kwargs
    )


def same_thrice(project, command, expected, *options):
    for _ in range(TIMES):
        result = project.run("-n", 2, *options, command=command)
        assert result.outcomes == expected, result
    return result


# --- prove ---

PERL = "use strict; use warnings; use Test::More;\n"

PERL_TESTS = {
    "t/passes.t": PERL + "ok(1, 'one'); done_testing;\n",
    "t/fails.t": PERL + "plan tests => 2;\nok(1);\nis(1, 2, 'sums');\n",
    "t/todo.t": PERL + "plan tests => 1; TODO: { local $TODO = 'later'; ok(0, 'x') }\n",
    "t/skips.t": PERL + "plan skip_all => 'no database';\n",
    "t/one_skip.t": PERL + "plan tests => 2; ok(1); SKIP: { skip 'not here', 1; }\n",
    "t/dies.t": PERL + "plan tests => 2; ok(1); kill 'SEGV', $$; sleep 5;\n",
    "t/short.t": PERL + "plan tests => 3; ok(1);\n",
    "t/exits.t": 'print "1..1\\nok 1\\n"; exit 4;\n',
    "t/lib.t": PERL + "use Mine; is(Mine::x(), 3); is($ARGV[0], 'word'); done_testing;\n",
    "t/deep/er.t": PERL + "ok(1); done_testing;\n",
    "t/sh.t": "#!/bin/sh\necho 1..1\necho ok 1\n",
}


def perl_project(project):
    for name, text in PERL_TESTS.items():
        project.write(name, text, 0o755)
    return project.write("lib/Mine.pm", "package Mine; sub x { 3 } 1;\n")


def test_prove(project):
    command = ("prove", "-lr", "-j2", "t", "::", "word")
    result = same_thrice(
        perl_project(project),
        command,
        {name: "passed" for name in PERL_TESTS}
        | dict.fromkeys(("t/fails.t", "t/dies.t", "t/short.t", "t/exits.t"), "failed")
        | {"t/skips.t": "skipped"},
    )
    own = plain(project, *command)
    for line in own.stdout.splitlines():
        found = re.match(r"(\S+) \(Wstat", line)
        assert not found or result.outcomes[found[1]] == "failed", line
    assert own.stdout.count("(Wstat") == sum(o == "failed" for o in result.outcomes.values()) and result.status == 1
    assert ended(result, "t/fails.t")["message"] == "not ok 2 - sums: Failed test 'sums' at t/fails.t line 4. got: '1' expected: '2'"
    assert ended(result, "t/dies.t")["message"].startswith("died of SIGSEGV")
    assert ended(result, "t/skips.t")["message"] == "no database"
    assert "is left out" not in result.stderr, result


def test_prove_chooses_the_files(project):
    perl_project(project)
    status, document, stderr = project.list(command=("prove", "-l", "--rules=seq=t/s*.t", "t/skips.t", "t/short.t", "t/passes.t"))
    assert status == 0, stderr
    groups = {t["id"]: t.get("group") for t in document["tests"]}
    assert groups["t/skips.t"] and groups["t/skips.t"] == groups["t/short.t"] and not groups["t/passes.t"], document
    assert "t/deep/er.t" not in {t["id"] for t in project.list(command=("prove", "t"))[1]["tests"]}
    project.write(".proverc", "-r\n--ext .t\n")
    assert "t/deep/er.t" in {t["id"] for t in project.list(command=("prove", "t"))[1]["tests"]}
    status, _, stderr = project.list(command=("prove", "--state=oops", "t"))
    assert status == 4 and "prove --dry could not list the tests" in stderr, stderr


# --- bats ---

BATS = """
setup() { echo setting up; }
@test "adds 'one' (or) \\$two.*" { [ 2 -eq 2 ]; }
@test 'fails' {
    echo the reason
    false
}
@test "adds" { true; }
@test skips { skip "no db"; }
function old_style { # @test
    true
}
"""
SHARED = """
setup_file() { mkdir shared; }
teardown_file() { rmdir shared; }
@test "first" { touch shared/x; }
@test "second, after the first" { rm shared/x; }
"""


def bats_project(project):
    project.write("t/a.bats", BATS).write("t/shared.bats", SHARED)
    return project.write("t/deep/b.bats", '# bats test_tags=slow\n@test "deep" { true; }\n')


def test_bats(project):
    expected = {
        "t/a.bats::adds 'one' (or) $two.*": "passed",
        "t/a.bats::fails": "failed",
        "t/a.bats::adds": "passed",
        "t/a.bats::skips": "skipped",
        "t/a.bats::old_style": "passed",
        "t/shared.bats": "passed",
    }
    result = same_thrice(bats_project(project), ("bats", "t"), expected)
    own = plain(project, "bats", "--tap", "t").stdout
    assert re.findall(r"^not ok \d+ (.*)", own, re.M) == ["fails"] and "1..7" in own, own
    assert ended(result, "t/a.bats::fails")["message"] == "(in test file t/a.bats, line 6) `false' failed setting up the reason"
    assert ended(result, "t/a.bats::skips")["message"] == "no db"


def test_bats_selection(project):
    bats_project(project)
    ids = lambda *words: sorted(t["id"] for t in project.list(command=("bats", *words))[1]["tests"])  # noqa: E731
    assert ids("-f", "^adds", "-r", "t") == ["t/a.bats::adds", "t/a.bats::adds 'one' (or) $two.*"]
    assert ids("-r", "t/deep", "t/shared.bats") == ["t/deep/b.bats::deep", "t/shared.bats"]
    result = project.run(command=("bats", "-r", "--filter-tags", "slow", "t"))
    assert result.outcomes == {"t/a.bats": "skipped", "t/shared.bats": "skipped", "t/deep/b.bats": "passed"}, result
    assert result.status == 0 and "each file is one test" in result.stderr, result
    status, document, stderr = project.list(command=("bats", "nothing-here"))
    assert status == 4 and document is None and "does not exist" in stderr, stderr


# --- any program ---


def test_tap(project):
    project.write("ok", "#!/bin/sh\nprintf '1..2\\nok 1\\nnot ok 2 # TODO later\\n'\n", 0o755)
    project.write("bad", "#!/bin/sh\nprintf '1..2\\nok 1\\nnot ok 2 - sums\\n# at x.c:3\\n'\n", 0o755)
    assert project.run("--adapter=tap", command=("./ok",)).outcomes == {"./ok": "passed"}
    result = project.run("--adapter=tap", command=("./bad",))
    assert result.status == 1 and ended(result, "./bad")["message"] == "not ok 2 - sums: at x.c:3", result


def test_a_long_output_proves_nothing(project):
    project.write("long", "#!/bin/sh\necho 1..1\nhead -c 5000000 /dev/zero | tr '\\0' '\\n'\necho ok 1\n", 0o755)
    result = project.run("--adapter=tap", command=("./long",))
    assert result.outcomes == {"./long": "error"} and "are not kept" in ended(result, "./long")["message"], result


# --- meson ---

MESON = """
project('demo', version: '1')
sh = find_program('sh')
fast = environment()
fast.set('A', '1')
fast.prepend('PATH', '/first')
fast.append('PATH', '/last')
test('passes', sh, args: ['-c', 'true'], suite: 'fast')
test('fails', sh, args: ['-c', 'echo why; exit 3'])
test('skips', sh, args: ['-c', 'exit 77'])
test('hard', sh, args: ['-c', 'exit 99'])
test('expected', sh, args: ['-c', 'exit 1'], should_fail: true)
test('unexpected', sh, args: ['-c', 'true'], should_fail: true)
test('crash', sh, args: ['-c', 'kill -SEGV $$'])
test('tap', sh, args: ['-c', 'echo 1..1; echo not ok 1 - sums'], protocol: 'tap')
test('tap todo', sh, args: ['-c', 'echo 1..2; echo ok 1; echo not ok 2 \\\\# TODO x'], protocol: 'tap')
test('tap skip', sh, args: ['-c', 'echo 1..0 \\\\# SKIP no db'], protocol: 'tap')
test('tap expected', sh, args: ['-c', 'echo 1..1; echo not ok 1'], protocol: 'tap', should_fail: true)
test('tap status', sh, args: ['-c', 'echo 1..1; echo ok 1; exit 1'], protocol: 'tap')
test('alone', sh, args: ['-c', 'test ! -e busy'], is_parallel: false, priority: 7)
test('env', sh, args: ['-c', 'case $A$PATH in 1/first:*:/last) ;; *) exit 1;; esac; test $MALLOC_PERTURB_ -gt 0'], env: fast)
test('workdir', sh, args: ['-c', 'test $(basename $PWD) = sub'], workdir: meson.current_source_dir() / 'sub')
made = custom_target('made', output: 'made', command: [sh, '-c', 'touch "$1"', 'x', '@OUTPUT@'], build_by_default: false)
test('built', sh, args: ['-c', 'test -e "$1"', 'x', made])
test('same', sh, args: ['-c', 'true'], suite: ['one', 'two'])
test('same', sh, args: ['-c', 'exit 1'], suite: 'other')
"""
WORDS = {
    "OK": "passed",
    "FAIL": "failed",
    "ERROR": "failed",
    "UNEXPECTEDPASS": "failed",
    "SKIP": "skipped",
    "EXPECTEDFAIL": "xfailed",
}


@pytest.fixture
def meson(project):
    project.write("meson.build", MESON).write("sub/x", "")
    done = plain(project, "meson", "setup", "build")
    assert done.returncode == 0, done.stdout
    return project


def test_meson(meson):
    result = meson.run("-n", 2, command=("meson", "test", "-C", "build"))  # builds what they need
    own = plain(meson, "meson", "test", "-C", "build", "--no-rebuild")
    lines = (meson.path / "build/meson-logs/testlog.json").read_text().splitlines()
    expected = {t["name"]: WORDS[t["result"]] for t in map(json.loads, lines)}
    assert len(expected) == 18 and own.returncode and result.status == 1
    assert result.outcomes == expected, result
    same_thrice(meson, ("meson", "test", "-C", "build", "--no-rebuild"), expected)
    assert ended(result, "demo / crash")["message"] == "died of SIGSEGV"
    assert ended(result, "demo / tap")["message"] == "not ok 1 - sums"


def test_meson_selection(meson):
    names = lambda *words: [t["id"] for t in meson.list(command=("meson", "test", "-C", "build", *words))[1]["tests"]]  # noqa: E731
    assert names("--suite", "other") == ["demo:other / same"]
    assert sorted(names("same", "env")) == ["demo / env", "demo:one+two / same", "demo:other / same"]
    _, document, _ = meson.list(command=("meson", "test", "-C", "build", "--num-processes=3"))
    tests = {t["id"]: t for t in document["tests"]}
    assert tests["demo / alone"]["lane"] == "serial" and document["workers"] == 3
    assert meson.run(command=("meson", "test", "-C", "build", "nosuch")).status == 5
    result = meson.run("-n", 1, command=("meson", "test", "-C", "build", "--wrapper", "env B=2", "--test-args='a b'", "passes"))
    assert result.outcomes == {"demo:fast / passes": "passed"}, result


def test_meson_where_it_cannot_be_built(meson):
    meson.write("meson.build", MESON + "test('broken', custom_target('b', output: 'b', command: ['false']))\n")
    result = meson.run(command=("meson", "test", "-C", "build"))
    assert result.status == 4 and "ninja could not build what the tests need: exit status 1" in result.stderr, result
