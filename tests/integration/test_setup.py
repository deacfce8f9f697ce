# SPDX-License-Identifier: MIT
"""`setup` of shunt.yaml: once before the tests that match, and once after all."""
import signal
import subprocess
import time

import pytest
from conftest import SHUNT, clean_environment

TESTS = """
import os, pytest
def log(what):
    with open(os.path.join(os.path.dirname(__file__), "log"), "a") as out: out.write(what + "\\n")
@pytest.mark.parametrize("i", range(4))
def test_env(i):
    assert os.environ["DB"] == "here:5432" and os.environ["URL"] == "db://here:5432"
    log("test")
def test_other(): log("other")
"""
YAML = """
setup:
  - name: database
    match: test(env)
    command: "echo DB=here:5432; echo up >> log"
    teardown: [sh, -c, "echo down >> log"]
  - name: second
    match: test(env)
    command: "echo URL=db://$DB; echo up2 >> log"
    teardown: "echo down2 $URL >> log"
  - name: not needed
    match: test(nowhere)
    command: exit 1
"""


@pytest.fixture
def project(suite):
    suite.write(test_a=TESTS)
    (suite.path / "shunt.yaml").write_text(YAML)
    return suite


def log(suite):
    path = suite.path / "log"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("fork", ["auto", "off"])
@pytest.mark.parametrize("workers", [1, 2])
def test_before_and_after_with_what_it_exports(project, workers, fork):
    result = project.run("-n", workers, "--fork-server", fork)
    assert result.status == 0, result
    assert log(project)[:2] == ["up", "up2"] and log(project)[-2:] == ["down2 db://here:5432", "down"], result
    assert sorted(log(project)[2:-2]) == ["other"] + 4 * ["test"]
    assert [(e["name"], e["teardown"], e["failed"]) for e in result.of("setup")] == [
        ("database", False, None), ("second", False, None), ("second", True, None), ("database", True, None)
    ]  # fmt: skip


def test_only_where_a_test_needs_it(project):
    assert project.run("-n", 2, "-E", "test(other)").status == 0
    assert log(project) == ["other"]


@pytest.mark.parametrize("command, why", [
    ("exit 7", "failed: exit status 7"),
    ("kill -9 $$", "died of SIGKILL"),
    ("echo hello", 'wrote "hello" to its stdout'),
    ("[/no/such/program]", "cannot be started"),
])  # fmt: skip
def test_one_that_fails_lets_no_test_run(project, command, why):
    (project.path / "shunt.yaml").write_text(YAML.replace('"echo URL=db://$DB; echo up2 >> log"', command))
    result = project.run("-n", 2)
    assert result.status == 1 and set(result.outcomes.values()) == {"not-run"}, result
    assert f"shunt: setup second {why}" in result.stderr
    assert log(project) == ["up", "down"]  # what was set up is torn down


def test_one_that_is_not_there_is_named(project):
    (project.path / "shunt.yaml").write_text(YAML.replace('"echo URL=db://$DB; echo up2 >> log"', "[./no-such-program, x]"))
    result = project.run("-n", 2)
    assert "shunt: setup second cannot be started: ./no-such-program: No such file or directory" in result.stderr, result


def test_one_that_hangs(project):
    text = YAML.replace('"echo URL=db://$DB; echo up2 >> log"', "[sleep, '600']\n    timeout: 300ms")
    (project.path / "shunt.yaml").write_text(text)
    result = project.run("-n", 2)
    assert result.status == 1 and "setup second did not end in time, 0.3 s: raise its timeout" in result.stderr, result


def test_what_it_leaves_running_lives_as_long_as_the_run(project):
    text = YAML.replace("echo DB=here:5432;", "sleep 623 & echo DB=here:5432;")
    (project.path / "shunt.yaml").write_text(text)
    assert project.run("-n", 2).status == 0
    assert subprocess.run(["pgrep", "-f", "^sleep 623"], capture_output=True).returncode == 1


def test_interrupted_while_it_sets_up(project):
    (project.path / "shunt.yaml").write_text(YAML.replace('"echo DB=here:5432; echo up >> log"', "echo up >> log; sleep 600"))
    process = project.start("-n", 2)
    deadline = time.monotonic() + 60
    while not log(project) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 2 and log(project) == ["up"]


def test_programs_get_it_too(project):
    (project.path / "shunt.yaml").write_text(YAML.replace("test(env)", "all()"))
    (project.path / "commands").write_text("sh -c 'test $URL = db://here:5432'\n")
    argv = [SHUNT, "run", "--no-history", "--from", "commands"]
    done = subprocess.run(argv, cwd=project.path, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0 and log(project)[0] == "up", done


@pytest.mark.parametrize("text, what", [
    ("setup: {a: b}", "shunt.yaml:1: setup: found a mapping"),
    ("setup:\n  - name: a", "shunt.yaml:2: setup[0]: has no command"),
    ("setup:\n  - command: a", "shunt.yaml:2: setup[0]: has no name"),
    ("setup:\n  - {name: a, command: b, run: c}", "shunt.yaml:2: setup[0].run: is no key of a setup"),
    ("setup:\n  - {name: a, command: b, timeout: off}", "shunt.yaml:2: setup[0].timeout: expected a time"),
    ("setup:\n  - {name: a, command: []}", "shunt.yaml:2: setup[0].command: found a list"),
    ("setup:\n  - {name: a, command: b, match: tset(x)}", 'shunt.yaml:2: setup[0].match: "tset" is no predicate'),
])  # fmt: skip
def test_wrong_files_say_where(project, text, what):
    (project.path / "shunt.yaml").write_text(text + "\n")
    result = project.run()
    assert result.status == 4 and result.stderr.startswith("shunt: " + what), result
