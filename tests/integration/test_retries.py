# SPDX-License-Identifier: MIT
"""--retries: flaky is an outcome of its own, in every report, and a try has a fresh worker."""
import subprocess
import xml.etree.ElementTree as ET

import pytest
from conftest import SHUNT

TESTS = """
import os, pathlib, pytest
def count(name):
    path = pathlib.Path(__file__).parent / ("count-" + name)
    n = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(n))
    return n
seen = []
def fresh(name):
    assert not seen, f"{seen} ran in this worker before"
    seen.append(name)
@pytest.mark.parametrize("i", range(4))
def test_ok(i): pass
def test_flaky():
    n = count("flaky")
    if n > 1: fresh("flaky")
    seen.append("flaky")
    assert n > 2
def test_bad(): assert False, "always"
@pytest.fixture(scope="module")
def database():
    if count("database") == 1: raise OSError("no database")
def test_setup(database): pass
@pytest.mark.serial
def test_alone(): assert count("alone") > 1
"""


def short(result):
    return {k.split("::")[-1]: v for k, v in result.outcomes.items()}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fork", ["auto", "off"])
def test_a_later_pass_is_flaky(suite, workers, fork):
    suite.write(test_a=TESTS)
    junit = suite.path / "j.xml"
    result = suite.run("-n", workers, "--fork-server", fork, "--retries", 2, "--junit", junit)
    assert result.status == 1, result
    found = {name: word for name, word in short(result).items() if not name.startswith("test_ok")}
    assert found == {"test_flaky": "flaky", "test_bad": "failed", "test_setup": "flaky", "test_alone": "flaky"}, result
    assert "4 passed, 3 flaky, 1 failed" in result.stderr
    assert "passed in try 3; before: assert 1 > 2" in result.stderr
    assert "1 failed, 7 passed" in result.stdout  # pytest: the last tries alone
    cases = {case.get("name"): case for case in ET.parse(junit).getroot().iter("testcase")}
    assert [e.tag for e in cases["test_flaky"] if e.tag != "properties"] == ["flakyFailure", "flakyFailure"]
    assert [e.tag for e in cases["test_bad"] if e.tag != "properties"] == ["failure", "rerunFailure", "rerunFailure"]
    assert [e.tag for e in cases["test_setup"] if e.tag != "properties"] == ["flakyError"]
    assert "no database" in cases["test_setup"].find("flakyError/stackTrace").text
    retries = [(e["id"].split("::")[-1], e["retry"]) for e in result.of("test-retry")]
    assert sorted(retries) == [
        ("test_alone", 1), ("test_bad", 1), ("test_bad", 2), ("test_flaky", 1), ("test_flaky", 2), ("test_setup", 1)
    ]  # fmt: skip
    ends = {e["id"].split("::")[-1]: e for e in result.of("test-end")}
    assert [a["outcome"] for a in ends["test_flaky"]["attempts"]] == ["failed", "failed"]
    assert "attempts" not in ends["test_ok[0]"]


def test_green_unless_somebody_minds(suite):
    suite.write(test_a=TESTS)
    select = "not test(bad)"
    assert suite.run("-n", 2, "--retries", 2, "-E", select).status == 0
    for path in suite.path.glob("count-*"):
        path.unlink()
    result = suite.run("-n", 2, "--retries", 2, "-E", select, "--on-flaky", "fail")
    assert result.status == 1 and "--on-flaky=fail" in result.stderr


DIES = """
import os, pathlib, pytest
def test_dies():
    path = pathlib.Path(__file__).parent / "count"
    n = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(n))
    if n < 3: os._exit(3)
def test_ok(): pass
"""


def test_killed_ones_are_retried_by_verdict(suite):
    suite.write(test_a=DIES)
    result = suite.run("-n", 2, "--retries", 1)
    assert short(result)["test_dies"] == "flaky" and result.status == 0, result
    assert [i["next"] for i in result.incidents] == ["rerouted", "again"]
    assert "the test is tried again (--retries)" in result.stderr
    (suite.path / "count").unlink()
    result = suite.run("-n", 2, "--retries", 1, "--retry-on", "-exit")
    assert short(result)["test_dies"] == "killed" and result.status == 1


def test_rules_and_markers_say_how_often(suite):
    suite.write(
        test_a="""
        import pytest
        def test_rule(): assert False
        @pytest.mark.shunt(retries=0)
        def test_marker(): assert False
        @pytest.mark.shunt(retries=1)
        def test_once(): assert False
        """
    )
    (suite.path / "shunt.yaml").write_text("rules:\n  - {match: test(rule) or test(marker), retries: 3, retry-delay: 10ms}\n")
    result = suite.run("-n", 2)
    tries = {e["id"].split("::")[-1]: len(e.get("attempts", [])) for e in result.of("test-end")}
    assert tries == {"test_rule": 3, "test_marker": 0, "test_once": 1}, result
    assert all(e["delay_us"] > 0 for e in result.of("test-retry") if "rule" in e["id"])


def test_others_run_while_one_waits(suite):
    suite.write(
        test_a="""
        import pytest, time
        def test_bad(): assert False
        @pytest.mark.parametrize("i", range(4))
        def test_quick(i): pass
        """
    )
    result = suite.run("-n", 1, "--retries", 1, "--retry-delay", "1s")
    order = [e["id"].split("::")[-1] for e in result.of("test-start")]
    assert order == ["test_bad", *(f"test_quick[{i}]" for i in range(4)), "test_bad"], result


def test_nothing_is_retried_once_the_run_stops(suite):
    suite.write(test_a="def test_a(): assert 0\ndef test_b(): assert 0\n")
    result = suite.run("-n", 1, "--retries", 1, "--fail-fast")
    # test_b was told to the worker as the next; both wait for their retry when the first of them fails for good
    assert short(result) == {"test_a": "failed", "test_b": "failed"}, result
    assert "2 failed" in result.stdout and "the run was stopped before it could be tried again" in result.stdout
    suite.write(test_a="def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): assert 0\n")
    result = suite.run("-n", 1, "--retries", 1, "--retry-delay", "2s", "--fail-fast")
    started = [e["id"].split("::")[-1] for e in result.of("test-start")]
    assert started[:3] == ["test_a", "test_b", "test_c"] and started[3:] in (["test_a"], ["test_c"]), result  # jitter
    assert short(result) == {"test_a": "failed", "test_b": "passed", "test_c": "failed"}
    assert short(suite.run("-n", 1, "--no-fail-fast", pytest_args=["-x"])) == {
        "test_a": "failed", "test_b": "passed", "test_c": "failed"
    }  # fmt: skip


def test_history_keeps_the_word(suite):
    suite.history = True
    suite.write(test_a=TESTS)
    suite.run("-n", 2, "--retries", 2)
    listed = subprocess.run([SHUNT, "history", "-E", "last(flaky)"], cwd=suite.path, capture_output=True, text=True)
    assert listed.stdout.splitlines()[-1] == "3 tests match", listed
    table = subprocess.run([SHUNT, "history"], cwd=suite.path, capture_output=True, text=True).stdout
    assert "1 flaky  test_a.py::test_flaky" in table, table
