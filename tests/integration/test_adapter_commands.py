# SPDX-License-Identifier: MIT
"""Tests that are programs, as a list of commands, and as one command: what becomes of each."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import pytest
from adapters import Project, ended
from conftest import SHUNT, clean_environment, needs_cgroups, needs_stalls


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def test_each_command_is_a_test(project):
    project.commands(
        "# not one",
        "",
        "true",
        "echo said; exit 3",
        "exit 77",
        {"id": "named", "argv": ["sh", "-c", 'test "$A-$B-$PWD" = "1--/"'], "env": {"A": "1", "B": None}, "cwd": "/"},
        {"id": "crash", "run": "kill -SEGV $$"},
        {"id": "absent", "argv": ["/does/not/exist"]},
        {"id": "nowhere", "argv": ["true"], "cwd": "/does/not/exist"},
    )
    result = project.run("-n", 2, "--junit", "report.xml", env={"B": "inherited"})
    assert result.status == 1, result
    assert result.outcomes == {
        "true": "passed",
        "echo said; exit 3": "failed",
        "exit 77": "skipped",
        "named": "passed",
        "crash": "failed",
        "absent": "error",
        "nowhere": "error",
    }
    assert ended(result, "echo said; exit 3")["message"] == "exit status 3"
    assert ended(result, "crash")["message"] == "died of SIGSEGV"
    assert "its program: No such file" in ended(result, "absent")["message"]
    assert "its working directory: No such file" in ended(result, "nowhere")["message"]
    assert re.search(r"FAIL \[ +\d\.\d+s\] \(\d/7\) echo said; exit 3: exit status 3\n--- its output\nsaid\n---\n", result.stdout)
    assert result.stderr.count("exit status 3") == 1 and result.incidents == [], result
    suites = ElementTree.parse(project.path / "report.xml").getroot()
    assert suites[0].get("name") == "commands" and suites[0].get("failures") == "2"
    failed = [c for c in suites[0] if c.get("name") == "echo said; exit 3"][0]
    assert "said" in failed.find("failure").text


def test_all_pass(project):
    project.commands(*[{"id": f"t{i}", "argv": ["true"]} for i in range(200)])
    result = project.run("-n", 3)
    assert result.status == 0 and len(result.outcomes) == 200 and set(result.outcomes.values()) == {"passed"}
    assert result.stdout.count("PASS") == 200
    assert "PASS" not in project.run("-n", 3, "--quiet").stdout


def test_no_tests(project):
    project.commands("# none")
    result = project.run()
    assert result.status == 5 and "commands lists no tests" in result.stderr, result


def shunt(project, *argv, stdin=""):
    return subprocess.run(
        [str(SHUNT), "run", "--no-history", *argv], cwd=project.path, env=clean_environment(), input=stdin, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_a_list_from_standard_input(project):
    done = shunt(project, "--from", "-", stdin="echo a\nfalse\n")
    assert done.returncode == 1 and "PASS" in done.stdout and "FAIL" in done.stdout, done


@pytest.mark.parametrize(
    "line, words",
    [
        ('{"id": "x"}', ["cases.txt:2", 'neither "argv" nor "run"']),
        ('{"run": "a", "lane": "fast"}', ["cases.txt:2", '"serial" or "parallel"']),
        ('{"run": "a", "wieght": 2}', ["cases.txt:2", 'unknown key "wieght"', 'did you mean "weight"?']),
        ("{", ["cases.txt:2", "no JSON object"]),
    ],
)
def test_bad_lists_name_the_line(project, line, words):
    result = project.write("cases.txt", f"true\n{line}\n").run()
    assert result.status == 4 and result.stdout == "", result
    for word in words:
        assert word in result.stderr, result


def test_a_document_is_asked_for_among_the_options(project):
    """Behind an option with a value of its own, --json was "unknown"."""
    project.commands("true")
    for options in (["-n", "2", "--json"], ["-qE", "all()", "--json"], ["--filter", "all()", "--json"], ["--filter=all()", "--json"]):
        argv = [str(SHUNT), "list", *options, "--no-history", "--from", "cases.txt"]
        done = subprocess.run(argv, cwd=project.path, env=clean_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0 and json.loads(done.stdout)["tests"][0]["id"] == "true", done
    argv = [str(SHUNT), "list", "--no-history", "--adapter=command", "--", "echo", "--json"]
    done = subprocess.run(argv, cwd=project.path, env=clean_environment(), capture_output=True, text=True, check=False)
    assert "echo --json" in done.stdout, done


def test_labels_are_for_filters(project):
    project.commands({"id": "a", "run": "true", "labels": ["db"]}, {"id": "b", "run": "true"})
    assert list(project.run("-E", "label(db)").outcomes) == ["a"]


def test_a_list_says_lane_and_why(project):
    project.commands(
        "true", {"id": "s", "run": "x", "lane": "serial", "why": "the printer"}, {"id": "l", "run": "x", "locks": ["a"]},
        {"id": "m", "run": "x", "locks": ["a"]},
    )  # fmt: skip
    status, document, stderr = project.list("-n", 2)
    assert status == 0 and document["adapter"] == "commands" and document["workers"] == 2, stderr
    tests = {t["id"]: t for t in document["tests"]}
    assert tests["s"]["lane"] == "serial" and tests["s"]["why"] == "the printer"
    assert tests["true"]["argv"] == ["sh", "-c", "true"]
    assert tests["l"]["locks"] == tests["m"]["locks"] == ["a"] and "locks" not in tests["true"]
    assert not (project.path / ".shunt").exists()


def test_tests_of_one_lock_never_meet(project):
    body = 'mkdir lock || exit 9; sleep 0.05; rmdir lock'
    project.commands(*[{"id": f"t{i}", "run": body, "locks": ["l"]} for i in range(6)])
    result = project.run("-n", 3)
    assert result.status == 0, result


def test_a_serial_test_is_alone(project):
    project.commands(
        {"id": "alone", "run": "ls running* 2>/dev/null && exit 9; true", "lane": "serial"},
        *[{"id": f"t{i}", "run": f"touch running{i}; sleep 0.1; rm running{i}"} for i in range(4)],
    )
    result = project.run("-n", 3)
    assert result.status == 0, result
    lanes = {e["id"]: e["lane"] for e in result.of("test-start")}
    assert lanes["alone"] == "serial" and lanes["t0"] == "parallel"


def test_standard_input_is_empty_and_nothing_is_inherited(project):
    project.commands(
        {"id": "stdin", "run": "test -z \"$(cat)\""},
        {"id": "fds", "run": 'test "$(ls /proc/self/fd | tr "\\n" " ")" = "0 1 2 3 "'},
        {"id": "env", "run": "! env | grep -E '^SHUNT_|^PYTEST_|shunt_plugin'"},
    )
    result = project.run("-n", 1)
    assert result.status == 0, result


@needs_cgroups
def test_what_is_left_behind_is_named_ended_and_kept_from_the_next(project):
    project.commands(
        {"id": "leaves", "run": "(sleep 300 &) ; setsid sleep 301 & true"},
        {"id": "next", "run": "! pgrep -x sleep", "group": "g"},
    )
    result = project.run("-n", 1)
    assert result.status == 0, result
    assert result.verdicts() == [("leaves", "leak")]
    assert "left 2 tasks behind" in result.incidents[0]["text"] and "sleep" in result.stderr
    result = project.run("-n", 1, "--leaks", "fail")
    assert result.status == 1 and result.outcomes == {"leaves": "failed", "next": "passed"}, result
    assert ended(result, "leaves")["message"] == "left 2 processes behind: sleep, sleep"
    assert project.run("-n", 1, "--leaks", "ignore").incidents == []


def test_what_ends_by_itself_is_no_leak(project):
    project.commands(*[{"id": f"t{i}", "run": ": & true"} for i in range(5)])
    result = project.run("-n", 1, "--leaks", "fail")
    assert result.status == 0 and result.incidents == [], result


@needs_cgroups
def test_limits_kill_and_move_to_the_serial_lane(project):
    many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 9 & done; wait"
    project.commands(
        {"id": "tasks", "run": many, "tasks": 12},
        {"id": "memory", "argv": ["python3", "-c", "x = bytearray(200 << 20)"], "memory": "48M"},
        {"id": "timeout", "run": "echo begins; sleep 60", "timeout": 0.4},
        {"id": "fits alone", "run": many.replace("sleep 9", "sleep 0.1")},
        *[{"id": f"ok{i}", "run": "true"} for i in range(10)],
    )
    result = project.run("-n", 2, "--tasks", 16, "--serial-tasks", 200)
    assert result.status == 1, result
    assert {k: v for k, v in result.outcomes.items() if not k.startswith("ok")} == {
        "tasks": "killed",
        "memory": "killed",
        "timeout": "killed",
        "fits alone": "passed-serial",
    }
    assert 'passed alone; give it the serial lane' in result.stderr, result
    assert [result.outcomes[f"ok{i}"] for i in range(10)] == ["passed"] * 10
    assert {i["verdict"] for i in result.incidents} == {"tasks", "memory", "timeout"}
    assert re.search(r"KILL .*timeout: .*\n--- its output\nbegins\n", result.stdout), result


@needs_stalls
@needs_cgroups
def test_a_deadlock_is_found(project):
    source = "import threading; l = threading.Lock(); l.acquire(); print('before', flush=True); l.acquire()"
    project.commands({"id": "stuck", "argv": ["python3", "-c", source]}, {"id": "sleeps", "run": "sleep 1.5"})
    result = project.run("-n", 2, "--stall", "0.7s", "--reroute", "none")
    assert result.outcomes == {"stuck": "killed", "sleeps": "passed"}, result
    assert result.verdicts() == [("stuck", "stall")] and "before" in result.stdout


def test_who_kills_its_runner_is_named_and_nobody_else_suffers(project):
    project.commands({"id": "killer", "run": "kill -9 $PPID; sleep 60"}, *[{"id": f"t{i}", "run": "true"} for i in range(6)])
    result = project.run("-n", 1)
    assert result.outcomes.pop("killer") == "killed" and result.status == 1, result
    assert list(result.outcomes.values()).count("passed") == 6


def test_much_output_is_bounded(project):
    project.commands({"id": "long", "run": "echo first; seq 2000000; echo last; exit 1"}, {"id": "binary", "run": "head -c 100000 /dev/urandom; exit 1"})
    result = project.run("-n", 2)
    assert result.outcomes == {"long": "failed", "binary": "failed"}
    assert len(result.stdout) < 600000 and "\nfirst\n" in result.stdout and "\nlast\n" in result.stdout
    assert "bytes left out here" in result.stdout


def test_maxfail_stops(project):
    project.commands("false", *[f"sleep 0.2; echo {i}" for i in range(20)])
    result = project.run("-n", 1, "-x")
    assert result.status == 1 and "maxfail" in result.stderr, result
    assert list(result.outcomes.values()).count("not-run") >= 18


def test_a_quiet_run_says_how_often_a_failure_was_tried(project):
    project.commands({"id": "bad", "run": "exit 3"}, {"id": "once", "run": "exit 4"})
    project.write("shunt.yaml", "rules:\n  - {match: test(bad), retries: 2}\n")
    result = project.run("-q", "-n", 1)
    assert "bad\n                exit status 3; the last of 3 tries\n" in result.stderr, result
    assert "once\n                exit status 4\n" in result.stderr, result


def test_an_interrupt_ends_it_with_a_ledger(project):
    project.commands("touch started; sleep 60", "true")
    process = project.start("-n", 1)
    deadline = time.monotonic() + 20
    while not (project.path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 2 and "1 test: interrupted while it ran" in stderr, stderr


@needs_cgroups
def test_history_remembers_an_offender(project):
    project.history = True
    many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.1 & done; wait"
    project.commands({"id": "many", "run": many}, "true", "echo")
    first = project.run("-n", 2, "--tasks", 16, "--serial-tasks", 200)
    assert first.outcomes["many"] == "passed-serial", first
    assert "shunt mark" not in first.stderr, first  # a command has no markers
    again = project.run("-n", 2, "--tasks", 16, "--serial-tasks", 200)
    assert again.incidents == [] and again.outcomes["many"] == "passed-serial", again


# --- one command ---


@pytest.mark.parametrize("script, status, outcome", [("exit 0", 0, "passed"), ("exit 3", 1, "failed"), ("exit 77", 0, "skipped")])
def test_a_command_that_nobody_knows_is_one_test(project, script, status, outcome):
    project.write("t.sh", f"#!/bin/sh\necho shown\n{script}\n", 0o755)
    result = project.run(command=["./t.sh"])
    assert (result.status, result.outcomes) == (status, {"./t.sh": outcome}), result
    assert "shown" in result.stdout and 'ran as one test' in result.stderr, result
    result = project.run("--adapter", "command", command=["./t.sh"])
    assert (result.status, result.outcomes) == (status, {"./t.sh": outcome}), result
    assert "as one test" not in result.stderr


def test_a_list_of_an_unknown_command_runs_nothing(project):
    project.write("t.sh", "#!/bin/sh\ntouch ran\n", 0o755)
    status, document, _ = project.list(command=["./t.sh"])
    assert status == 0 and [t["id"] for t in document["tests"]] == ["./t.sh"]
    assert not (project.path / "ran").exists()


@needs_cgroups
def test_one_command_by_name_has_limits(project):
    project.write("t.sh", "#!/bin/sh\nsleep 60\n", 0o755)
    result = project.run("--adapter", "command", "--timeout", "0.3s", command=["./t.sh"])
    assert result.outcomes == {"./t.sh": "killed"} and result.status == 1, result


def test_pytest_is_still_found_behind_a_script(project):
    project.write("test_a.py", "def test_it(): pass\n")
    project.write("t.sh", "#!/bin/sh\nexec /usr/bin/python3 -m pytest -p no:cacheprovider -q\n", 0o755)
    result = project.run("-n", 1, command=["./t.sh"])
    assert result.status == 0 and result.outcomes == {"test_a.py::test_it": "passed"}, result


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--adapter", "ctst", "--", "x"], ['"ctst" is no adapter', "did you mean ctest?"]),
        (["--from", "a", "--", "true"], ["exclude each other"]),
        (["--from", "a", "--adapter", "ctest"], ["--from is a file of commands"]),
        (["--from", "absent"], ["cannot read absent"]),
        (["--adapter", "commands", "--", "true"], ["--from FILE"]),
    ],
)
def test_usage(project, argv, words):
    done = shunt(project, *argv)
    assert done.returncode == 4, done
    for word in words:
        assert word in done.stderr, done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user():
    path = pathlib.Path(tempfile.mkdtemp(prefix="adapter"))  # pytest's own directories are closed to others
    try:
        project = Project(path)
        project.commands("true", "sleep 300 & true", "echo said; false")
        os.chown(path, 1000, 1000)
        process = project.start("-n", 2, user=1000, group=1000, extra_groups=[])
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 1 and "1 failed" in stderr and "said" in stdout, (stdout, stderr)
    finally:
        shutil.rmtree(path)


def test_a_shells_status_names_the_signal(project):
    project.commands({"id": "shell", "run": "sh -c 'kill -SEGV $$'; exit $?"}, {"id": "own", "run": "exit 255"})
    result = project.run()
    assert ended(result, "shell")["message"] == "exit status 139 (128 + SIGSEGV)", result
    assert ended(result, "own")["message"] == "exit status 255"


def test_skips_of_programs_are_not_pytests(project):
    project.commands("exit 77")
    project.run("--junit", "report.xml")
    assert ElementTree.parse(project.path / "report.xml").getroot()[0][0].find("skipped").get("type") == "skipped"


BOMB = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1 & done; wait; : \"it's (so) :)\""


@needs_cgroups
def test_the_rule_that_would_have_helped_is_said_and_helps(project):
    project.commands(BOMB, "true")
    result = project.run("--tasks", 16)
    assert result.outcomes[BOMB] == "passed-serial" and "shunt mark" not in result.stderr, result
    rules = re.search(r"^    (rules:\n(?:    .*\n)+)", result.stderr, re.MULTILINE).group(1)
    project.write("shunt.yaml", "\n".join(line[4:] if line.startswith("    ") else line for line in rules.splitlines()) + "\n")
    _, document, err = project.list()
    assert {t["id"]: t["lane"] for t in document["tests"]} == {BOMB: "serial", "true": "parallel"}, err


@needs_cgroups
def test_evidence_is_of_the_tests_own_processes(project):
    project.commands(BOMB)
    result = project.run("--tasks", 16)
    assert "shunt-runner" not in result.stderr and re.search(r"(\d+) tasks in \1 processes when it was stopped: .*sleep", result.stderr), result


def test_a_learned_policy_is_used_with_the_list(project):
    project.commands("true")
    result = project.run("--learn", "learned.yaml")
    assert "use it: shunt run --policy learned.yaml --from cases.txt\n" in result.stderr, result


def test_a_whole_command_says_what_did_not_hold(project):
    project.write("check.sh", "#!/bin/sh\nexit 0\n", 0o755)
    assert "--timeout was not applied" in project.run("--timeout=5m", command=["./check.sh"]).stderr
    assert "--timeout" not in project.run(command=["./check.sh"]).stderr.replace("the time limit", "")
