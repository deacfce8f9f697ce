# SPDX-License-Identifier: MIT
"""^C, ^Z, SIGTERM and SIGKILL of shunt, at any moment."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import cgroup_leftovers

SLOW = """
    import time, pytest
    @pytest.mark.parametrize("i", range(40))
    def test_it(i):
        with open(f"ran-{i}", "w"):
            pass
        time.sleep(0.3)
"""


def descendants_with(marker):
    """Pids of processes whose working directory is `marker`: all that the run started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == marker and int(pid) != os.getpid():
                state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.append(int(pid))
        except OSError:
            pass
    return found


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def started(suite):
    return any(suite.path.glob("ran-*"))


def events_of(process):
    return [json.loads(line) for line in process.events_path.read_text().splitlines()]


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize("sig, status", [(signal.SIGINT, 2), (signal.SIGTERM, 2)])
@pytest.mark.parametrize("twice", [False, True])
def test_stop(suite, sig, status, twice):
    suite.write(test_a=SLOW)
    process = suite.start("-n", 2)
    assert wait_for(lambda: started(suite))
    process.send_signal(sig)
    if twice:
        time.sleep(0.05)
        process.send_signal(sig)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == status, (stdout, stderr)
    ends = [e for e in events_of(process) if e["event"] == "test-end"]
    assert len(ends) == 40
    assert {e["outcome"] for e in ends} <= {"passed", "not-run"}
    assert "interrupted" in stderr or "terminated" in stderr, stderr
    assert not descendants_with(str(suite.path))


@pytest.mark.usefixtures("no_leftovers")
def test_interrupt_while_collecting(suite):
    suite.write(test_a="import time\nopen('ran-0', 'w')\ntime.sleep(30)\ndef test_it(): pass\n")
    process = suite.start("-n", 2)
    assert wait_for(lambda: started(suite))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 2, (stdout, stderr)
    assert not descendants_with(str(suite.path))


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_sigkill_leaves_no_process_and_the_next_run_sweeps(suite, moment):
    suite.write(test_a=SLOW)
    before = set(cgroup_leftovers())
    process = suite.start("-n", 2)
    time.sleep(moment)
    process.kill()
    process.communicate(timeout=10)
    assert wait_for(lambda: not descendants_with(str(suite.path)), 1.0), descendants_with(str(suite.path))
    suite.write(test_a="def test_it(): pass")
    result = suite.run("-n", 1)
    assert result.status == 0, result
    assert not set(cgroup_leftovers()) - before


@pytest.mark.usefixtures("no_leftovers")
def test_suspend_stops_the_tests_and_the_clocks(suite):
    suite.write(
        test_a="""
        import time
        def test_it():
            with open("ran-0", "w") as f:
                for _ in range(100):
                    time.sleep(0.01)
                    print(".", file=f, flush=True)
        """
    )
    log = suite.path / "ran-0"
    process = suite.start("-n", 1, "--timeout", "3s")
    assert wait_for(lambda: log.exists() and log.stat().st_size > 5)
    process.send_signal(signal.SIGTSTP)
    time.sleep(0.5)
    size = log.stat().st_size
    time.sleep(3)
    assert process.poll() is None
    assert log.stat().st_size == size
    process.send_signal(signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, (stdout, stderr)
    assert [e["outcome"] for e in events_of(process) if e["event"] == "test-end"] == ["passed"]


def test_sigkill_while_suspended(suite):
    suite.write(test_a=SLOW)
    process = suite.start("-n", 2)
    assert wait_for(lambda: started(suite))
    process.send_signal(signal.SIGTSTP)
    time.sleep(0.3)
    process.kill()
    process.communicate(timeout=10)
    assert wait_for(lambda: not descendants_with(str(suite.path)), 2.0)
    suite.write(test_a="def test_it(): pass")
    assert suite.run("-n", 1).status == 0


def test_status_on_sigusr1(suite):
    suite.write(test_a=SLOW)
    process = suite.start("-n", 2)
    assert wait_for(lambda: started(suite))
    process.send_signal(signal.SIGUSR1)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert "test_a.py::test_it[" in stderr, stderr
