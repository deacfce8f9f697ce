# SPDX-License-Identifier: MIT
"""Lanes, groups, budgets: who runs where, in which order, and what never runs."""
import pathlib
import shutil

import pytest
from conftest import ROOT, needs_cgroups

pytestmark = pytest.mark.usefixtures("no_leftovers")

CASES = ROOT / "tests" / "suites" / "cases"


def copy_case(suite, name):
    for file in (CASES / name).iterdir():
        if file.suffix == ".py":
            shutil.copy(file, suite.path)
    return suite


@pytest.mark.parametrize("dist", [(), ("--dist", "load"), ("--dist", "worksteal"), ("--dist", "loadgroup")])
def test_groups_hold_in_every_mode(suite, dist):
    log = suite.path / "log"
    result = copy_case(suite, "groups").run("-n", 3, pytest_args=dist, env={"GROUP_LOG": str(log)})
    assert result.status == 0, result
    seen = {}
    for line in log.read_text().splitlines():
        group, index, worker, _ = line.split()
        seen.setdefault(group, []).append((int(index), worker))
    for group in ("late", "static"):
        assert [i for i, _ in seen[group]] == list(range(6)), seen
        assert len({w for _, w in seen[group]}) == 1, seen
    assert len({w for _, w in seen["free"]}) > 1


def test_markers_go_to_the_serial_lane_and_run_alone(suite):
    suite.write(
        conftest="""
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                if "late" in item.name:
                    item.add_marker(pytest.mark.parallel_unsafe)
        """,
        test_a="""
        import os, time, pytest
        def note(name):
            with open("log", "a") as f:
                f.write(f"{name} begin\\n")
            time.sleep(0.05)
            with open("log", "a") as f:
                f.write(f"{name} end\\n")
        @pytest.mark.serial
        def test_marked():
            note("serial")
        def test_late():
            note("serial")
        @pytest.mark.shunt(lane="serial")
        def test_ours():
            note("serial")
        @pytest.mark.parametrize("i", range(6))
        def test_free(i):
            note("free")
        """,
    )
    result = suite.run("-n", 3)
    assert result.status == 0, result
    lines = (suite.path / "log").read_text().splitlines()
    assert len(lines) == 18
    assert lines[12:] == ["serial begin", "serial end"] * 3, lines


def test_extra_marker_names_are_configurable(suite):
    (suite.path / "pytest.ini").write_text(
        "[pytest]\nmarkers = exclusive: runs alone\nshunt_serial_markers = exclusive\n"
    )
    suite.write(
        test_a="""
        import pytest
        @pytest.mark.exclusive
        def test_x(): pass
        def test_y(): pass
        """
    )
    result = suite.run("-n", 2)
    lanes = {e["id"].split("::")[-1]: e.get("lane") for e in result.of("test-start")}
    assert lanes == {"test_x": "serial", "test_y": "parallel"}, lanes


def test_unknown_marker_argument_is_an_error_at_collection(suite):
    suite.write(
        test_a="""
        import pytest
        @pytest.mark.shunt(task=3)
        def test_x(): pass
        """
    )
    result = suite.run("-n", 2)
    assert result.status == 4, result
    assert "test_x" in result.stderr + result.stdout
    assert "task" in result.stderr + result.stdout


@needs_cgroups
def test_own_limits_of_a_test(suite):
    suite.write(
        test_a="""
        import threading, time, pytest
        def hold(n):
            stop = threading.Event()
            ts = [threading.Thread(target=stop.wait) for _ in range(n)]
            for t in ts: t.start()
            stop.set()
            for t in ts: t.join()
        @pytest.mark.shunt(tasks=64)
        def test_large():
            hold(50)
        @pytest.mark.shunt(timeout="300ms")
        def test_slow():
            time.sleep(20)
        @pytest.mark.shunt(tasks=10)
        def test_small():
            hold(20)
        def test_other():
            hold(20)
        """
    )
    result = suite.run("-n", 2, "--tasks", 32)
    names = {k.split("::")[-1]: v for k, v in result.outcomes.items()}
    assert names == {
        "test_large": "passed",
        "test_slow": "killed",
        "test_small": "killed",
        "test_other": "passed",
    }, result


def test_restart_budget(suite):
    suite.write(
        test_a="""
        import os, pytest
        @pytest.mark.parametrize("i", range(40))
        def test_it(i):
            if i % 10 == 0:
                os._exit(1)
        """
    )
    result = suite.run("-n", 2, "--max-worker-restart", 2)
    outcomes = list(result.outcomes.values())
    assert len(outcomes) == 40
    assert "not-run" in outcomes
    assert result.status == 1, result
    assert "max-worker-restart" in result.stderr, result


def test_maxfail_stops_and_says_so(suite):
    suite.write(
        test_a="""
        import time, pytest
        @pytest.mark.parametrize("i", range(40))
        def test_it(i):
            time.sleep(0.01)
            assert i != 3
        """
    )
    result = suite.run("-n", 2, pytest_args=("-x",))
    outcomes = list(result.outcomes.values())
    assert len(outcomes) == 40
    assert outcomes.count("failed") == 1
    assert outcomes.count("not-run") > 20, result
    assert result.status == 1


@needs_cgroups
@pytest.mark.parametrize("mode", ["exit", "kill", "segv", "oom"])
@pytest.mark.parametrize("fork", ["auto", "off"])
def test_crash_case(suite, mode, fork):
    copy_case(suite, "crash")
    result = suite.run(
        "-n", 2, "--memory", "300M", "--serial-memory", "400M", "--fork-server", fork,
        env={"CRASH": mode, "PAUSE": "0.002"},
    )
    outcomes = result.outcomes
    assert len(outcomes) == 60
    bad = {k: v for k, v in outcomes.items() if v != "passed"}
    assert list(bad.values()) == ["killed"] and "test_case[20]" in list(bad)[0], result
    verdict = {"exit": "exit", "kill": "external", "segv": "signal", "oom": "memory"}[mode]
    assert [i["verdict"] for i in result.incidents] == [verdict] * 2
    if mode != "oom":
        assert "last words before the end" in result.stdout
    assert result.status == 1


@needs_cgroups
@pytest.mark.parametrize("kind, width, pids", [("sleep", 256, 200), ("proc", 256, 200), ("die", 64, 96)])
def test_nested_case(suite, kind, width, pids):
    """Four offenders in a small pids budget; not one of 400 unrelated tests may notice."""
    copy_case(suite, "nested")
    prefix = [str(ROOT / "tests" / "tools" / "in-budget"), "--pids", str(pids), "--"]
    result = suite.run("-n", 4, env={"KIND": kind, "W": str(width)}, prefix=prefix, timeout=300)
    unrelated = {k: v for k, v in result.outcomes.items() if "unrelated" in k}
    assert len(unrelated) == 400
    assert {k: v for k, v in unrelated.items() if v != "passed"} == {}, result
    offenders = {k: v for k, v in result.outcomes.items() if "unrelated" not in k}
    assert len(offenders) == 4
    want = "passed-serial" if kind == "die" else "killed"
    assert set(offenders.values()) == {want}, result
    blamed = {i["id"] for i in result.incidents if not i.get("void")}
    assert blamed <= set(offenders), result


def test_fixtures_of_modules_are_set_up_once_per_run_of_tests(suite):
    suite.write(
        test_a="""
        import pytest
        @pytest.fixture(scope="module")
        def costly():
            with open("log", "a") as f:
                f.write("setup\\n")
            yield 1
        @pytest.mark.parametrize("i", range(50))
        def test_it(i, costly):
            pass
        """
    )
    result = suite.run("-n", 2)
    assert result.status == 0, result
    assert 1 <= len(pathlib.Path(suite.path / "log").read_text().splitlines()) <= 6


@pytest.mark.parametrize("n", [1, 2])
def test_death_between_a_result_and_its_reports(suite, n):
    """The outcome is judged and the next test told to run, but the reports never come: nothing is lost, nobody is blamed."""
    suite.write(
        conftest="""
        import os, pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_report_to_serializable(report):
            if report.nodeid.endswith("test_it") and report.when == "call":
                os._exit(7)
        """,
        test_a="""
        import pytest
        @pytest.mark.parametrize("i", range(5))
        def test_before(i): pass
        def test_it(): pass
        @pytest.mark.parametrize("i", range(20))
        def test_after(i): pass
        """,
    )
    result = suite.run("-n", n)
    assert len(result.outcomes) == 26 and set(result.outcomes.values()) == {"passed"}, result
    assert [(i["id"], i["verdict"]) for i in result.incidents] == [(None, "exit")]
    assert "26 passed" in result.stdout
    assert result.status == 1, result  # a worker died unexplained


def test_a_suite_that_asks_to_stop_is_stopped(suite):
    suite.write(
        test_a="""
        def test_one(): pass
        def test_stop(request): request.session.shouldstop = "enough"
        def test_three(): pass
        """
    )
    result = suite.run("-n", 1)
    assert result.outcomes == {
        "test_a.py::test_one": "passed", "test_a.py::test_stop": "passed", "test_a.py::test_three": "not-run",
    }
    status, stdout, _ = suite.plain()
    assert "Interrupted: enough" in stdout and "Interrupted: enough" in result.stdout
    assert result.status == status
