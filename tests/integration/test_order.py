# SPDX-License-Identifier: MIT
"""--order, --seed, --repeat, --until-fail."""
import re
import subprocess

import pytest
from conftest import SHUNT, clean_environment

TESTS = """
import os, pathlib, pytest, unittest
@pytest.mark.parametrize("i", range(6))
def test_a(i): pass
@pytest.mark.xdist_group("g")
@pytest.mark.parametrize("i", range(4))
def test_group(i): pass
def test_bad(): assert "GOOD" in os.environ
"""


def order(result):
    return [e["id"].split("::")[-1] for e in result.of("test-start")]


@pytest.fixture
def project(suite):
    return suite.write(test_a=TESTS, test_b="def test_b(): pass\n", test_c="def test_c1(): pass\ndef test_c2(): pass\n")


@pytest.mark.parametrize("fork", ["auto", "off"])
def test_a_seed_gives_the_order_again(project, fork):
    first = project.run("-n", 1, "--fork-server", fork, "--order", "random", env={"GOOD": "1"})
    seed = re.search(r"--seed=(\d+) gives it again", first.stderr)[1]
    again = project.run("-n", 1, "--fork-server", fork, "--order", "random", "--seed", seed, env={"GOOD": "1"})
    assert order(first) == order(again) and len(order(first)) == 14, (first, again)
    groups = [name for name in order(first) if "group" in name]
    assert groups == sorted(groups)
    assert first.status == 0 and "14 passed" in first.stdout


def test_another_order_and_the_right_results(project):
    listed = project.run("-n", 1, "--order", "listed", env={"GOOD": "1"})
    assert order(listed)[:6] == [f"test_a[{i}]" for i in range(6)]
    orders = {tuple(order(project.run("-n", 1, "--order", "random", "--seed", s, env={"GOOD": "1"}))) for s in range(4)}
    assert len(orders) > 2
    result = project.run("-n", 3, "--order", "random", "--seed", 5, "-E", "not test(c1)")
    assert {k.split("::")[-1] for k, v in result.outcomes.items() if v != "passed"} == {"test_bad"}, result
    assert "FAILED test_a.py::test_bad" in result.stdout and len(result.outcomes) == 13


def test_a_seed_without_random_is_an_error(project):
    assert "--order=random" in project.run("--seed", 3).stderr


REPEATED = """
import pathlib, pytest, unittest
def count(name):
    path = pathlib.Path(__file__).parent / ("count-" + name)
    n = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(n))
    return n
@pytest.fixture(scope="module")
def made(): count("made")
def test_fixture(made): count("fixture")
def test_fifth(): assert count("fifth") != 5
class TestCase(unittest.TestCase):
    def setUp(self): self.x = count("setup")
    def test_case(self): assert self.x
@pytest.mark.serial
def test_alone(tmp_path): count("alone")
@pytest.mark.skip
def test_skipped(): pass
"""


def counted(suite, name):
    return int((suite.path / f"count-{name}").read_text())


@pytest.mark.parametrize("workers", [1, 3])
def test_each_test_runs_so_often(suite, workers):
    suite.write(test_a=REPEATED, test_b="def test_b(): pass\n")
    result = suite.run("-n", workers, "--repeat", 8)
    outcomes = {k.split("::")[-1]: v for k, v in result.outcomes.items()}
    assert outcomes == {
        "test_fixture": "passed", "test_fifth": "failed", "test_case": "passed", "test_alone": "passed",
        "test_skipped": "skipped", "test_b": "passed",
    }, result  # fmt: skip
    assert (counted(suite, "fixture"), counted(suite, "setup"), counted(suite, "alone")) == (8, 8, 8)
    assert counted(suite, "fifth") == 5
    runs = {e["id"].split("::")[-1]: (e.get("runs"), e.get("message")) for e in result.of("test-end")}
    assert runs["test_fifth"][0] == 5 and runs["test_fifth"][1].startswith("in run 5 of 8: ")
    assert runs["test_alone"][0] == 8 and runs["test_skipped"][0] is None
    assert "1 failed, 4 passed, 1 skipped" in result.stdout


def test_until_one_fails(suite):
    suite.write(test_a=REPEATED)
    result = suite.run("-n", 2, "--until-fail", "-E", "test(fifth) or test(fixture)")
    outcomes = {k.split("::")[-1]: v for k, v in result.outcomes.items()}
    assert outcomes == {"test_fixture": "passed", "test_fifth": "failed"} and result.status == 1, result
    assert counted(suite, "fifth") == 5
    assert "in run 5 of 1000" in [e for e in result.of("test-end") if "fifth" in e["id"]][0]["message"]


def test_programs_are_repeated(suite):
    (suite.path / "commands").write_text("sh -c 'echo x >> log; test $(wc -l < log) -lt 4'\ntrue\n")
    argv = [SHUNT, "run", "-n", "2", "--no-history", "--repeat", "6", "--from", "commands"]
    done = subprocess.run(argv, cwd=suite.path, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 1 and "in run 4 of 6" in done.stdout, done
