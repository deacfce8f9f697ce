# SPDX-License-Identifier: MIT
"""What is kept of an incident: complete, bounded, and nothing that was not taken."""
import json
import os
import pathlib

import pytest
from conftest import needs_cgroups

pytestmark = pytest.mark.usefixtures("no_leftovers")

STORM = """
    import subprocess, threading, time

    def test_storm():
        print("before the storm")
        subprocess.Popen(["sh", "-c", "read x", "odd\\x1b[31m\\x07"], stdin=subprocess.PIPE)
        stop = threading.Event()
        for _ in range(60):
            try:
                threading.Thread(target=stop.wait, daemon=True).start()
            except RuntimeError:
                time.sleep(600)
"""
EXITS = """
    import os

    def test_exits():
        os._exit(5)
"""


def directory(suite, incident):
    return suite.path / incident["directory"]


@needs_cgroups
def test_of_a_storm_of_threads(suite):
    suite.write(test_a=STORM)
    junit = suite.path / "junit.xml"
    result = suite.run("-n", 1, "--tasks", 32, "--serial-tasks", 40, "--junit", junit)
    assert result.verdicts() == [("test_storm", "tasks")] * 2, result
    for incident, limit in zip(result.incidents, (32, 40)):
        assert (incident["phase"], incident["blame"]["confidence"]) == ("call", "direct"), incident
        assert incident["counters_start"]["tasks_now"] == 1 and incident["counters"]["tasks_peak"] == limit
        assert incident["counters_after"]["tasks_refused"] >= 1
        starts = {s["text"]: s["count"] for s in incident["starts"]}
        assert starts["processes started at test_a.py:6"] == 1, starts
        assert starts["threads of Thread (wait) started at test_a.py:10"] >= limit - 3, starts
        # On a slow machine the time for evidence ends before the list does.
        assert 2 < len(incident["tasks"]) <= incident["ntasks"] and incident["ntasks"] >= limit - 3, incident
        assert "before the storm" in incident["output"]
        worker, shell = (t for t in incident["tasks"] if "command" in t)
        assert "pytest" in worker["command"] and shell["command"] == "sh -c read x odd\\x1b[31m\\x07", shell
        assert shell["ppid"] == worker["tid"] and shell["start_ticks"] > 0
        kept = directory(suite, incident)
        assert "threads of Thread" not in kept.joinpath("tasks.txt").read_text()
        assert kept.joinpath("tasks.txt").read_text().count("\n  thread ") >= min(len(incident["tasks"]), limit // 2) - 3
        assert "\n  process " in kept.joinpath("tasks.txt").read_text()
        assert "before the storm" in kept.joinpath("output.txt").read_text()
        told = json.loads(kept.joinpath("incident.json").read_text())
        assert told.pop("v") == 1 and "broke out of" in told.pop("block")
        assert {k: v for k, v in incident.items() if k in told} == told
        assert incident["directory"] in result.stderr
    text = junit.read_text()
    assert "--- tasks" in text and "sh -c read x odd" in text and "--- last output" in text


def test_stacks_at_a_timeout(suite):
    """Also without a cgroup, for the worker and its descendants."""
    suite.write(
        test_a="""
        import subprocess, threading, time
        def helper():

            time.sleep(600)

        def test_sleeps():
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            subprocess.Popen(["sleep", "600"])
            helper()
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s")
    assert result.verdicts() == [("test_sleeps", "timeout")] * 2, result
    for incident in result.incidents:
        worker, child, thread = incident["tasks"]
        assert {t["state"] for t in incident["tasks"]} == {"S"}, "what it waited for is read before it is frozen"
        assert child["command"] == "sleep 600" and child["ppid"] == worker["tid"] == thread["tgid"], incident["tasks"]
    # A busy machine may not get to it in the milliseconds that it has.
    seen = [i for i in result.incidents if i["waits_at"]]
    assert seen, result
    for incident in seen:
        assert incident["waits_at"] == "test_a.py:5 in helper", incident
        assert "waits at test_a.py:5" in incident["text"] and "its main thread is in helper" in incident["evidence"]
        stacks = directory(suite, incident).joinpath("stacks.txt").read_text()
        assert "line 10 in test_sleeps" in stacks


def test_stacks_of_a_test_that_holds_the_interpreter(suite):
    """A call in C that never gives the lock back: no Python code runs, and the stack comes all the same."""
    suite.write(
        test_a="""
        import ctypes

        def test_stuck():
            ctypes.PyDLL(None).sleep(600)
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s")
    # A busy machine may not get to it in the milliseconds that it has.
    assert "test_a.py:5 in test_stuck" in [i["waits_at"] for i in result.incidents], result


def test_the_signal_is_noticed_by_nobody(suite):
    suite.write(
        test_a="""
        import os, signal, subprocess, sys

        def test_handlers():
            assert signal.getsignal(signal.SIGRTMAX - 5) in (signal.SIG_DFL, None)
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])

        def test_children_have_none():
            child = "print([l for l in open('/proc/self/status') if l.startswith('SigCgt')][0].split()[1])"
            out = subprocess.run([sys.executable, "-c", child], stdout=subprocess.PIPE, check=True).stdout
            assert not int(out, 16) >> (signal.SIGRTMAX - 6) & 1
        """
    )
    result = suite.run("-n", 1)
    assert set(result.outcomes.values()) == {"passed"}, result


def test_a_link_in_place_of_the_directory_is_not_followed(suite):
    suite.write(test_a=EXITS)
    elsewhere = suite.path / "elsewhere"
    elsewhere.mkdir()
    (suite.path / ".shunt").symlink_to(elsewhere)
    result = suite.run("-n", 1)
    assert not list(elsewhere.iterdir())
    assert [i["directory"] for i in result.incidents] == [None, None], result
    assert len(result.of("no-evidence-kept")) == 1
    assert "evidence:" not in result.stderr and "blame: direct" in result.stderr, result


def test_a_test_that_meddles_with_the_directory(suite):
    """Links and files that a worker puts where evidence goes lead nowhere."""
    suite.write(
        test_a="""
        import os, pathlib

        def test_meddles():
            target = pathlib.Path("target"); target.mkdir(exist_ok=True)
            runs = pathlib.Path(".shunt/runs")
            for run in runs.glob("*"):
                for name in ("0003", "0004"):
                    (run / "incidents" / name).symlink_to(target.resolve())
            os._exit(5)

        def test_exits():
            os._exit(5)
        """,
        conftest="""
        def pytest_collection_modifyitems(items):
            items.reverse()
        """,
    )
    result = suite.run("-n", 1)
    assert result.status == 1 and len(result.incidents) == 3, result
    assert [bool(i["directory"]) for i in result.incidents] == [True, True, False], result
    assert not list((suite.path / "target").iterdir())


def test_ten_runs_are_kept(suite):
    suite.write(test_a=EXITS)
    seen = [pathlib.Path(suite.run("-n", 1).incidents[0]["directory"]).parts[2] for _ in range(12)]
    runs = suite.path / ".shunt" / "runs"
    assert sorted(p.name for p in runs.iterdir()) == sorted(seen[-10:])
    assert os.readlink(suite.path / ".shunt" / "incidents") == f"runs/{seen[-1]}/incidents"
    assert (suite.path / ".shunt" / "incidents" / "0001" / "incident.json").exists()
    assert (suite.path / ".shunt" / ".gitignore").read_text() == "*\n"


def test_nothing_is_kept_of_a_run_that_behaves(suite):
    suite.write(test_a="def test_it(): pass")
    assert suite.run("-n", 1).status == 0
    assert not (suite.path / ".shunt").exists()


def test_what_was_not_taken_is_not_shown(suite):
    suite.write(test_a=EXITS)
    result = suite.run("-n", 1)
    for incident in result.incidents:
        assert incident["stacks"] is None and incident["waits_at"] is None and incident["output"] is None
        assert not directory(suite, incident).joinpath("stacks.txt").exists()
        assert not directory(suite, incident).joinpath("tasks.txt").exists()


@needs_cgroups
def test_what_an_earlier_test_left_is_said_to_be_its_own(suite):
    suite.write(
        test_a="""
        import subprocess, time

        def test_leaves():
            subprocess.Popen(["sleep", "60"])
            time.sleep(0.2)

        def test_memory():
            time.sleep(0.3)
            bytearray(300 << 20)
        """
    )
    result = suite.run("-n", 1, "--memory", "128M")
    incident = next(i for i in result.incidents if i["verdict"] == "memory")
    assert "1 task that test_a.py::test_leaves left lived in it: 1 process started at test_a.py:5" in incident["evidence"], result
