# SPDX-License-Identifier: MIT
"""What blocks say to a person: no word twice, nobody's CPU on another's account, and where it stood."""
import re

import pytest
from conftest import needs_cgroups

pytestmark = pytest.mark.usefixtures("no_leftovers")


def of(result, name, verdict, **fields):
    found = [i for i in result.incidents if (i["id"] or "").endswith("::" + name) and i["verdict"] == verdict]
    return [i for i in found if all(i[k] == v for k, v in fields.items())]


def test_cpu_of_leftovers_is_not_the_tests(suite):
    suite.write(
        test_a="""
        import os, threading

        def burn():
            while True:
                pass

        def test_leaves_burners():
            threading.Thread(target=burn, daemon=True).start()
            if os.fork() == 0:
                burn()

        def test_waits():
            threading.Event().wait(30)
        """
    )
    result = suite.run("-n", 1, "--timeout", "2s", "--stall=off", "--grace=off")
    (void,) = of(result, "test_waits", "timeout", void=True)
    assert re.search(r"CPU 0(\.[1-4])? s", void["text"]) and "runs" not in void["text"], void
    assert re.match(r"\d tasks that test_a.py::test_leaves_burners left lived in it: ", void["evidence"]), void
    assert void["evidence"].count("lived in it") == 1 and "of them" not in void["evidence"], void
    assert "; ;" not in void["evidence"], void


def test_a_busy_loop_runs_and_is_told_where_once(suite):
    """As an ordinary user, without a cgroup, too."""
    suite.write(
        test_a="""
        def helper():
            while True:
                pass

        def test_busy():
            helper()
        """
    )
    result = suite.run("-n", 1, "--timeout", "2s")
    seen = [i for i in of(result, "test_busy", "timeout") if i["waits_at"]]
    assert seen, result
    for incident in seen:
        assert "runs at test_a.py:" in incident["text"] and "waits" not in incident["text"], incident
        assert incident["evidence"].startswith("its main thread is in helper"), incident


def test_who_stops_itself_is_told_so(suite):
    suite.write(
        test_a="""
        import os, signal

        def test_stops():
            os.kill(os.getpid(), signal.SIGSTOP)
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s", "--stall=off")
    for incident in of(result, "test_stops", "timeout"):
        assert "it is stopped by a signal" in incident["evidence"], incident
    assert "it waits for a SIGCONT" in result.stderr, result


@needs_cgroups
def test_memory_has_a_source_line(suite):
    suite.write(
        test_a="""
        import time

        def eat():
            kept = []
            for _ in range(100):
                kept.append(bytearray(4 << 20))
                time.sleep(0.01)

        def test_eats():
            eat()
        """
    )
    result = suite.run("-n", 1, "--memory", "128M", "--serial-memory", "128M")
    seen = of(result, "test_eats", "memory")
    assert seen and any(re.search(r"resident \d+ ms before, at test_a.py:\d in eat", i["evidence"]) for i in seen), result


def test_a_crash_shows_the_projects_frames_and_counts_the_rest(suite):
    suite.write(
        test_a="""
        import ctypes

        def deeper(n):
            return deeper(n - 1) if n else ctypes.string_at(0)

        def test_crashes():
            deeper(3)
        """
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    shown = result.stdout[result.stdout.index("Current thread") :]
    frames = [line for line in shown.splitlines() if line.startswith('  File "')]
    assert len(frames) == 6 and sum("test_a.py" in line for line in frames) == 5, result
    assert re.search(r"\n  \(\d\d frames left out\)\n", shown), result


def test_stacks_say_what_no_python_frame_means(suite):
    suite.write(
        test_a="""
        import _thread, time

        def test_hangs():
            _thread.start_new_thread(time.sleep, (60,))
            time.sleep(60)
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s", "--stall=off")
    seen = [i for i in of(result, "test_hangs", "timeout") if i["stacks"]]
    assert seen, result
    for incident in seen:
        assert "<no Python frame>" not in incident["stacks"], incident


@needs_cgroups  # whose counters say whether a dead test waited
def test_a_hang_that_pytest_timeout_ends_wants_no_longer_limit(suite):
    pytest.importorskip("pytest_timeout")
    suite.write(
        test_a="""
        import threading

        def test_hangs():
            gate = threading.Event()
            threading.Thread(target=gate.wait, daemon=True).start()
            gate.wait()

        def test_waits():
            threading.Event().wait()

        def test_works():
            while True:
                pass
        """
    )
    result = suite.run("-n", 2, "--stall=off", pytest_args=["-q", "--timeout=3", "--timeout-method=thread"])
    told = {}
    for block in result.stderr.split("\nshunt: 3 tests")[0].split("✗ ")[1:]:
        told[block.split()[0].split("::")[1]] = block
    assert 'for what it started itself? see docs/parallel-safety.md, "Deadlocks"' in told["test_hangs"], result
    assert "waits at test_a.py:10 in test_waits" in told["test_waits"], result
    assert "give that wait a time limit of its own" in told["test_waits"], result
    assert "waits at" not in told["test_works"] and "it waits there" not in told["test_works"], result


def test_a_signal_that_was_sent_is_no_crash(suite):
    suite.write(
        test_a="""
        import os, signal

        def test_term():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

        def test_abort():
            os.abort()
        """
    )
    result = suite.run("-n", 2)
    term = [b for b in result.stderr.split("✗ ") if "test_term ended the serial lane" in b]
    abort = [b for b in result.stderr.split("✗ ") if "test_abort ended the serial lane" in b]
    assert "somebody sent it: look for kill" in term[0] and "debugger" not in term[0], result
    assert "it dies even alone: run this test by itself under a debugger" in abort[0], result
