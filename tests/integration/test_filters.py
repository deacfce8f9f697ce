# SPDX-License-Identifier: MIT
"""-E: which tests run, and that every report speaks of those alone."""
import json
import subprocess
import xml.etree.ElementTree as ET

import pytest
from conftest import SHUNT, Suite, clean_environment

TESTS = """
import os, pytest
@pytest.mark.parametrize("i", range(6))
def test_many(i): pass
@pytest.mark.db
def test_db(): pass
@pytest.mark.serial
def test_alone(): pass
class TestX:
    pytestmark = pytest.mark.net
    def test_up(self): assert "BAD" not in os.environ
    def test_down(self): pass
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite"
    path.mkdir()
    suite = Suite(path)
    suite.write(test_a=TESTS, sub__test_b="def test_b(): pass\n")
    (path / "pytest.ini").write_text("[pytest]\nmarkers =\n    db\n    net\n")
    return suite


def names(result):
    return sorted(test.split("::")[-1] for test in result.outcomes)


@pytest.mark.parametrize("fork", ["auto", "off"])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_matches_runs_and_nothing_else(suite, workers, fork):
    junit = suite.path / "j.xml"
    result = suite.run("-n", workers, "--fork-server", fork, "--junit", junit, "-E", "test(/many.[135]/) or marker(net)")
    assert result.status == 0, result
    assert names(result) == ["test_down", "test_many[1]", "test_many[3]", "test_many[5]", "test_up"]
    assert "6 deselected by -E, 5 of 11 tests run" in result.stderr
    assert "5 passed, 6 deselected" in result.stdout, result
    assert result.of("selection")[0]["deselected"] == 6
    assert len(list(ET.parse(junit).getroot().iter("testcase"))) == 5
    assert result.of("run-end")[0]["tests"] == 5


def test_results_go_to_their_own_tests(suite):
    """Indices of the framework and of the suite differ once something is left out."""
    result = suite.run("-n", 2, "-E", "marker(net) or lane(serial)", env={"BAD": "1"}, pytest_args=["-v"])
    assert result.status == 1
    assert {k.split("::")[-1]: v for k, v in result.outcomes.items()} == {
        "test_up": "failed",
        "test_down": "passed",
        "test_alone": "passed",
    }
    assert "FAILED test_a.py::TestX::test_up" in result.stdout, result


def test_a_killed_test_is_the_right_one(suite):
    suite.write(test_c="import os\ndef test_ok(): pass\ndef test_dies(): os._exit(3)\ndef test_too(): pass\n")
    result = suite.run("-n", 2, "-E", "test(dies) or test(too)")
    assert {k: v for k, v in result.outcomes.items()} == {"test_c.py::test_dies": "killed", "test_c.py::test_too": "passed"}
    assert "test_c.py::test_dies" in result.stdout


def test_several_are_joined_by_or(suite):
    assert names(suite.run("-n", 2, "-E", "test(=test_a.py::test_db)", "-E", "file(sub)")) == ["test_b", "test_db"]


def test_nothing_left_is_no_success(suite):
    result = suite.run("-n", 2, "-E", "test(nowhere)")
    assert result.status == 5, result
    assert "11 deselected by -E, 0 of 11 tests run" in result.stderr


def test_what_history_says(suite):
    suite.history = True
    assert suite.run("-n", 2, env={"BAD": "1"}).status == 1
    result = suite.run("-n", 2, "-E", "last(failed)", env={"BAD": "1"})
    assert names(result) == ["test_up"], result
    assert suite.run("-n", 2, "-E", "last(failed)").status == 0
    assert suite.run("-n", 2, "-E", "last(failed)").status == 5  # it passed in the last run
    assert len(suite.run("-n", 2, "-E", "not duration(>1h) and not last(never)").outcomes) == 11
    listed = subprocess.run([SHUNT, "history", "-E", "test(up) and last(passed)"], cwd=suite.path, capture_output=True, text=True)
    assert listed.stdout.splitlines()[-1] == "1 test matches", listed
    assert "test_a.py::TestX::test_up" in listed.stdout and "test_down" not in listed.stdout
    document = subprocess.run([SHUNT, "history", "--json", "-E", "lane(serial)"], cwd=suite.path, capture_output=True, text=True)
    assert [t["id"] for t in json.loads(document.stdout)["tests"]] == ["test_a.py::test_alone"]


def test_wrong_ones_are_shown_with_their_place(suite):
    argv = [SHUNT, "run", "-E", "test(a) nad test(b)", "--", "pytest"]
    done = subprocess.run(argv, cwd=suite.path, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 4
    assert "expected and, or, or the end\n    test(a) nad test(b)\n            ^\n" in done.stderr, done.stderr
    done = subprocess.run([SHUNT, "history", "-E", "marker(x)"], cwd=suite.path, capture_output=True, text=True)
    assert done.returncode == 4 and "does not keep" in done.stderr


def commands(suite, lines, *options):
    (suite.path / "commands").write_text(lines)
    argv = [SHUNT, "run", "-n", "2", "--no-history", "--events", "e.jsonl", *options, "--from", "commands"]
    done = subprocess.run(argv, cwd=suite.path, capture_output=True, text=True, env=clean_environment())
    events = [json.loads(line) for line in (suite.path / "e.jsonl").read_text().splitlines()]
    return done, {e["id"]: e["outcome"] for e in events if e["event"] == "test-end"}


def test_programs_are_selected_by_the_same_words(suite):
    """Their table is made before the selection: each worker must start what is meant."""
    lines = "sh -c 'exit 1 # a'\nsh -c 'exit 0 # b'\nsh -c 'exit 1 # c'\nsh -c 'exit 0 # d'\n"
    done, outcomes = commands(suite, lines, "-E", "framework(commands) and (test(~# b) or test(~# c) or test(~# d))")
    assert outcomes == {
        "sh -c 'exit 0 # b'": "passed",
        "sh -c 'exit 1 # c'": "failed",
        "sh -c 'exit 0 # d'": "passed",
    }, done
    assert done.returncode == 1 and "(3/3)" in done.stdout, done
    assert commands(suite, lines, "-E", "none()")[0].returncode == 5


def test_flaky_programs(suite):
    done, outcomes = commands(suite, "sh -c 'test -e there || { touch there; exit 3; }'\ntrue\n", "--retries", "1")
    assert done.returncode == 0 and sorted(outcomes.values()) == ["flaky", "passed"], done
    assert "FLAKY" in done.stdout
