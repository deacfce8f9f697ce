# SPDX-License-Identifier: MIT
"""Locks: tests that name one do not overlap, whoever names it, and the others do not wait for them."""
import collections
import subprocess

import pytest
from conftest import SHUNT, clean_environment

TESTS = """
import os, pathlib, time, pytest
LOG = pathlib.Path(__file__).parent / "log"
def run(what):
    with LOG.open("a") as log: log.write(f"{time.monotonic()} + {what}\\n")
    time.sleep(0.05)
    with LOG.open("a") as log: log.write(f"{time.monotonic()} - {what}\\n")
@pytest.mark.shunt(locks="db")
@pytest.mark.parametrize("i", range(6))
def test_marked(i): run("db")
@pytest.mark.parametrize("i", range(6))
def test_ruled(i): run("db")
@pytest.mark.parametrize("i", range(8))
def test_pair(i): run("pair")
@pytest.mark.parametrize("i", range(8))
def test_free(i): run("free")
"""
YAML = """
rules:
  - {match: test(ruled), locks: db}
  - {match: test(pair), locks: [display]}
locks: {display: 2}
"""


def most_at_once(path):
    """{what: how many were inside at the same time}"""
    inside, most = collections.Counter(), collections.Counter()
    for line in sorted(path.read_text().splitlines(), key=lambda line: float(line.split()[0])):
        _, sign, what = line.split()
        inside[what] += 1 if sign == "+" else -1
        most[what] = max(most[what], inside[what])
    return most


@pytest.mark.parametrize("fork", ["auto", "off"])
def test_nobody_overlaps_who_must_not(suite, fork):
    suite.write(test_a=TESTS)
    (suite.path / "shunt.yaml").write_text(YAML)
    result = suite.run("-n", 4, "--fork-server", fork)
    assert result.status == 0 and len(result.outcomes) == 28, result
    most = most_at_once(suite.path / "log")
    assert most["db"] == 1 and most["pair"] <= 2, most


def test_a_module_with_one_lock_keeps_its_fixtures(suite):
    """The lock is handed on, so the next test can be told to the worker, which keeps what both need."""
    suite.write(
        test_a="""
        import pathlib, pytest
        pytestmark = pytest.mark.shunt(locks="db")
        @pytest.fixture(scope="module")
        def database():
            with (pathlib.Path(__file__).parent / "made").open("a") as made: made.write("x")
        @pytest.mark.parametrize("i", range(10))
        def test_it(i, database): pass
        """
    )
    assert suite.run("-n", 1).status == 0
    assert (suite.path / "made").read_text() == "x"


def test_a_killed_holder_gives_its_lock_back(suite):
    suite.write(
        test_a="""
        import os, pytest
        pytestmark = pytest.mark.shunt(locks=["db", "port"])
        def test_dies(): os._exit(3)
        @pytest.mark.parametrize("i", range(5))
        def test_it(i): pass
        """
    )
    result = suite.run("-n", 3)
    assert sorted(result.outcomes.values()) == ["killed"] + 5 * ["passed"], result


def test_a_wrong_name_is_said_with_its_place(suite):
    suite.write(test_a="import pytest\n@pytest.mark.shunt(locks=3)\ndef test_a(): pass\n")
    result = suite.run("-n", 2)
    assert result.status == 4 and "shunt(locks=3): expected the name of a lock" in result.stdout + result.stderr
    suite.write(test_a="def test_a(): pass\n")
    (suite.path / "shunt.yaml").write_text("locks: {db: 0}\n")
    result = suite.run("-n", 2)
    assert result.status == 4 and "shunt.yaml:1: locks.db: expected how many tests may hold it" in result.stderr


def test_programs_hold_locks_without_sharing_a_worker(suite):
    script = "import time; f = open('log', 'a'); f.write(f'{time.monotonic()} + db\\\\n'); f.flush(); time.sleep(0.05); f.write(f'{time.monotonic()} - db\\\\n')"
    lines = [f'{{"id": "t{i}", "argv": ["python3", "-c", "{script}"], "locks": ["db"]}}' for i in range(8)]
    (suite.path / "commands").write_text("\n".join(lines) + "\n")
    argv = [SHUNT, "run", "-n", "4", "--no-history", "--from", "commands"]
    done = subprocess.run(argv, cwd=suite.path, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0, done
    assert most_at_once(suite.path / "log")["db"] == 1
