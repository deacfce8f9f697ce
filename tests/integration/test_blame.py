# SPDX-License-Identifier: MIT
"""Deaths that fool other runners: who did it, at which line, and that whoever ran beside it is not blamed."""
import re

import pytest
from conftest import HAS_CGROUPS, needs_cgroups, needs_stalls

pytestmark = pytest.mark.usefixtures("no_leftovers")

# They run in the same worker after the test that leaves something behind: `-n 1`.
INNOCENTS = """
    import time, pytest

    @pytest.mark.parametrize("i", range(16))
    def test_innocent(i):
        time.sleep(0.1)
"""


def innocent(result):
    found = {k: v for k, v in result.outcomes.items() if "innocent" in k}
    assert found and set(found.values()) == {"passed"}, result
    return found


def last_word(result, name):
    """Of the ledger: what a test's outcome is after it was revised."""
    outcome = {k.split("::")[-1]: v for k, v in result.outcomes.items()}[name]
    for event in result.of("test-revised"):
        if event["id"].endswith("::" + name):
            assert event["was"] == outcome
            outcome = event["outcome"]
    return outcome


def of_test(result, name):
    return [i for i in result.incidents if (i["id"] or "").endswith("::" + name) and i["verdict"] != "leak"]


def test_a_thread_that_exits_later_was_seen(suite):
    """By the black box: also where no cgroup lists what a test leaves behind."""
    suite.write(
        test_a="""
        import os, threading, time

        def explode():
            time.sleep(0.8)
            os._exit(7)

        def test_leaves_a_bomb():
            threading.Thread(target=explode, daemon=True).start()
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    innocent(result)
    assert last_word(result, "test_leaves_a_bomb") == "killed"
    (incident,) = of_test(result, "test_leaves_a_bomb")
    assert incident["verdict"] == "exit" and incident["blame"]["confidence"] == "direct", incident
    assert "os._exit(7) at test_a.py:6" in incident["blame"]["where"], incident
    assert not HAS_CGROUPS or "test_a.py:9" in incident["evidence"], incident
    assert "innocent" in incident["blame"]["during"]
    (void,) = [i for i in result.incidents if i["void"]]
    assert "innocent" in void["id"] and void["next"] == "retried"
    assert "test_a.py::test_leaves_a_bomb" in result.stdout  # pytest's own summary has it too


def test_the_tick_may_see_the_threads_end_before_the_process(suite):
    """Then they were no survivors any more, and whoever ran was blamed. A matter of moments, hence ten times."""
    module = """
        import os, threading, time

        def test_leaves_a_bomb():
            threading.Thread(target=lambda: (time.sleep(0.25), os._exit(7)), daemon=True).start()

        def test_innocent():
            time.sleep(0.5)
    """
    suite.write(**{f"test_{i}": module for i in range(10)})
    result = suite.run("-n", 2, timeout=180)
    innocent(result)
    for incident in result.incidents:
        assert incident["void"] or "innocent" not in (incident["id"] or ""), incident


def test_a_thread_of_a_thread(suite):
    """Started while an innocent test runs, by what an earlier one left."""
    suite.write(
        test_a="""
        import os, threading, time

        def explode():
            os._exit(7)

        def lurk():
            time.sleep(0.8)
            threading.Thread(target=explode, daemon=True).start()
            time.sleep(60)

        def test_leaves_a_lurker():
            threading.Thread(target=lurk, daemon=True).start()
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert last_word(result, "test_leaves_a_lurker") == "killed", result
    (incident,) = of_test(result, "test_leaves_a_lurker")
    assert incident["blame"]["confidence"] == "direct" and "test_a.py:5" in incident["blame"]["where"], incident


def test_a_thread_that_kills_later_is_confirmed_alone(suite):
    """Nobody saw who sent the signal: the suspect runs again alone, and then it is sure."""
    suite.write(
        test_a="""
        import os, signal, threading, time

        def explode():
            time.sleep(0.8)
            os.kill(os.getpid(), signal.SIGKILL)

        def test_leaves_a_killer():
            threading.Thread(target=explode, daemon=True).start()
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    innocent(result)
    assert last_word(result, "test_leaves_a_killer") == "killed"
    (void,) = [i for i in result.incidents if i["void"]]
    assert void["blame"] == {
        "confidence": "suspect", "where": None, "culprit": None, "during": None, "suspects": ["test_a.py::test_leaves_a_killer"],
    }
    assert "test_leaves_a_killer" not in void["evidence"], "named before it was sure"
    (incident,) = of_test(result, "test_leaves_a_killer")
    assert incident["blame"]["confidence"] == "direct" and incident["lane"] == "serial"
    assert "test_a.py:9" in incident["evidence"], incident


def test_a_suspect_that_did_nothing_is_not_blamed(suite):
    """The death was the later test's own, and a harmless thread of an earlier one lived by chance."""
    suite.write(
        test_a="""
        import threading

        def test_leaves_a_thread():
            threading.Thread(target=threading.Event().wait, args=(2,), daemon=True).start()
        """,
        test_b="""
        import os, signal, time

        def test_between():
            time.sleep(0.2)

        def test_dies():
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        test_c_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert last_word(result, "test_leaves_a_thread") == "passed", result
    assert last_word(result, "test_dies") == "killed"
    assert not of_test(result, "test_leaves_a_thread")
    assert result.status == 1


def test_a_child_that_kills_its_parent_later(suite):
    suite.write(
        test_a="""
        import os, signal, time

        def test_forks():
            parent = os.getpid()
            if os.fork() == 0:
                time.sleep(0.8)
                os.kill(parent, signal.SIGTERM)
                time.sleep(60)
                os._exit(0)
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert last_word(result, "test_forks") == "killed", result
    (incident,) = of_test(result, "test_forks")
    assert incident["verdict"] == "signal" and "test_a.py:6" in incident["evidence"], incident


WITHOUT_CGROUP = ["fork", "daemon", "thread"]


@pytest.mark.parametrize("kind", WITHOUT_CGROUP)
def test_a_death_that_nobody_saw(suite, kind):
    """Without a cgroup what descends from the worker is known, a daemon is not: then nobody is blamed, and the run is not green.
    With one each is confirmed alone."""
    killers = {
        "thread": "threading.Thread(target=kill_later, args=(os.getpid(),), daemon=True).start()",
        "fork": "me = os.getpid(); os.fork() or kill_later(me)",
        "daemon": "me = os.getpid(); child = os.fork(); child or (os.fork() or kill_later(me), os._exit(0)); os.waitpid(child, 0)",
    }
    suite.write(
        test_a=f"""
        import os, signal, threading, time

        def kill_later(pid):
            time.sleep(0.5)
            os.kill(pid, signal.SIGKILL)
            os._exit(0)

        def test_leaves_a_killer():
            {killers[kind]}
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    innocent(result)
    void = [i for i in result.incidents if i["void"]]
    assert all("innocent" in i["id"] and i["next"] == "retried" for i in void), result
    if not void:  # it came between two tests: then the run is red in any case
        return
    if HAS_CGROUPS or kind != "daemon":
        assert last_word(result, "test_leaves_a_killer") == "killed", result
    else:
        assert last_word(result, "test_leaves_a_killer") == "passed", result
        assert "what ended it was not found" in result.stderr and "died beside" in result.stderr, result
    assert "passed-serial" not in result.stderr


@pytest.mark.parametrize("after_ms", [0, 15, 250, 300, 320])
def test_the_moment_does_not_matter(suite, after_ms):
    """Its own test still runs, has just ended, or another one runs: the same outcome, in the same words."""
    suite.write(
        test_a=f"""
        import os, threading, time

        def explode():
            time.sleep({after_ms / 1000})
            os._exit(7)

        def test_leaves_a_bomb():
            threading.Thread(target=explode, daemon=True).start()
            time.sleep({0.3 if after_ms > 100 else 0.0145 if after_ms else 0})
        """,
        test_b_innocent=INNOCENTS,
    )
    for workers in (1, 2):
        result = suite.run("-n", workers)
        assert result.status == 1, result
        innocent(result)
        assert last_word(result, "test_leaves_a_bomb") == "killed", result
        words = (
            "[exit] a thread that it started ended the worker: os._exit(7) at test_a.py:6; "
            "let it end what it starts before it returns"
        )
        assert words in result.stderr, result
        assert "died          worker" not in result.stderr


def test_a_death_between_two_tests_names_the_one_before(suite):
    suite.write(
        conftest="""
        import time

        def pytest_report_to_serializable(config, report):
            if "bomb" in report.nodeid:
                time.sleep(0.2)  # its reports are being written
        """,
        test_a="""
        import os, threading, time

        def explode():
            time.sleep(0.1)
            os._exit(7)

        def test_leaves_a_bomb():
            threading.Thread(target=explode, daemon=True).start()
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    innocent(result)
    assert last_word(result, "test_leaves_a_bomb") == "killed", result
    # On a slow machine the test itself, or the next one by its name, may be under way.
    assert {i["id"] for i in result.incidents if i["verdict"] == "exit" and not i["void"]} <= {"test_a.py::test_leaves_a_bomb", None}, result
    assert "no test was running" not in result.stderr


def test_leftovers_that_fill_the_limit(suite):
    """Whoever is refused the last few tasks has done nothing."""
    suite.write(
        test_a="""
        import threading

        def test_leaves_thirty():
            for _ in range(30):
                threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
        test_b_innocent="""
        import threading, time

        def test_pause():
            time.sleep(0.5)

        def test_a_few_threads():
            stop = threading.Event()
            threads = [threading.Thread(target=stop.wait) for _ in range(8)]
            for thread in threads:
                thread.start()
            time.sleep(0.1)
            stop.set()
            for thread in threads:
                thread.join()
        """,
    )
    result = suite.run("-n", 1, "--tasks", 32)
    assert result.status == 0, result
    innocent(result)
    (incident,) = [i for i in result.incidents if i["verdict"] == "tasks"]
    assert incident["void"] and incident["next"] == "retried", incident
    assert incident["blame"]["culprit"] == "test_a.py::test_leaves_thirty"
    assert incident["blame"]["confidence"] == "direct" and "test_a.py:6" in incident["evidence"], incident


def test_a_child_that_holds_every_pipe(suite):
    """The worker dies, its child keeps stdout, stderr and every other descriptor: the run goes on at once."""
    suite.write(
        test_a="""
        import os, time

        def test_forks_and_exits():
            print("before the end", flush=True)
            if os.fork() == 0:
                time.sleep(600)
            os._exit(3)
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert last_word(result, "test_forks_and_exits") == "killed", result
    assert all("os._exit(3) at test_a.py:8" in i["blame"]["where"] for i in result.incidents), result.incidents
    assert all(i["blame"]["confidence"] == "direct" for i in result.incidents)
    assert all("before the end" in i["output"] for i in result.incidents)


def test_exit_zero_inside_a_test(suite):
    suite.write(
        test_a="""
        import os

        def helper():
            os._exit(0)

        def test_exits():
            helper()
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert result.status == 1 and last_word(result, "test_exits") == "killed", result
    incident = result.incidents[0]
    assert (incident["verdict"], incident["phase"]) == ("exit", "call")
    assert "os._exit(0) at test_a.py:5" in incident["blame"]["where"], incident
    assert "os._exit(0) at test_a.py:5" in result.stderr


def test_output_before_a_segmentation_fault(suite):
    suite.write(
        test_a="""
        import ctypes, os, sys, pytest

        @pytest.fixture
        def crashing():
            yield
            print("last words")
            os.write(2, b"and unbuffered ones")
            ctypes.string_at(0)

        def test_crashes(crashing):
            pass
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert last_word(result, "test_crashes") == "killed", result
    incident = result.incidents[0]
    assert (incident["verdict"], incident["phase"]) == ("signal", "teardown"), incident
    assert "test_a.py:9 in crashing" in incident["evidence"], incident
    assert "last words" in incident["output"] and "and unbuffered ones" in incident["output"]


def test_death_in_session_finish(suite):
    suite.write(
        conftest="""
        import os, pytest

        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            os._exit(3)
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1)
    innocent(result)
    assert result.status == 1, result
    (incident,) = result.incidents
    assert incident["id"] is None and incident["phase"] == "session finish"
    assert "at its session's end" in incident["text"], incident
    assert "os._exit(3) at conftest.py:7" in incident["evidence"], incident


def test_a_session_that_does_not_end(suite):
    """Nothing bounded it: --timeout is of tests, and no test was running."""
    suite.write(
        conftest="""
        import time, pytest

        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            while True:
                time.sleep(0.01)
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 2, "--timeout", "3s")
    innocent(result)
    assert result.status == 1, result
    assert {i["verdict"] for i in result.incidents} == {"timeout"}, result
    assert "did not end its session: 3" in result.stderr and "conftest.py:8" in result.stderr, result


@pytest.mark.parametrize("status", [0, 9])
def test_death_at_import(suite, status):
    suite.write(conftest=f"import os\nos._exit({status})", test_b_innocent=INNOCENTS)
    result = suite.run("-n", 1)
    assert result.status == (status or 3), result
    assert f"os._exit({status}) at conftest.py:2" in result.stderr, result
    assert not result.of("test-end")


def test_death_at_import_of_a_cold_worker(suite):
    suite.write(
        conftest="""
        import os

        if "PYTEST_XDIST_WORKER" in os.environ:
            os._exit(9)
        """,
        test_b_innocent=INNOCENTS,
    )
    result = suite.run("-n", 1, "--fork-server", "off")
    assert result.status == 3 and set(result.outcomes.values()) == {"not-run"}, result
    assert "os._exit(9) at conftest.py:5" in result.stderr + result.stdout, result
    assert "exited with status 9 while it imported and collected" in result.stderr, result


REAL = """
    import multiprocessing, threading
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed

    lock = threading.Lock()

    def hold(started):
        with lock:
            started.set()
            threading.Event().wait()

    def work(i):
        with lock:
            return i

    def test_pools():
        started = threading.Event()
        threads = ThreadPoolExecutor(4)
        threads.submit(hold, started)
        started.wait()
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(3, mp_context=context) as pool:
            futures = [pool.submit(work, i) for i in range(3)]
            for future in as_completed(futures):
                future.result()
"""
WAITS_AT = "test_a.py:24 in test_pools (concurrent/futures/_base.py:"


@needs_cgroups
@needs_stalls
def test_a_pool_forked_after_a_thread_pool(suite):
    """The failure behind this project: a handful of threads, no limit reached, and it hangs for ever."""
    suite.write(test_a=REAL, test_b_innocent=INNOCENTS)
    result = suite.run("-n", 1, "--stall", "2s", pytest_args=["-p", "no:timeout"])
    innocent(result)
    assert result.verdicts() == [("test_pools", "stall")] * 2, result
    assert last_word(result, "test_pools") == "killed"
    assert any(i["waits_at"] for i in result.incidents), result  # stacks have some milliseconds, on a busy machine too
    for incident in result.incidents:
        if not incident["waits_at"]:
            continue
        assert incident["waits_at"].startswith(WAITS_AT), incident
        assert "as_completed" in incident["evidence"] and "test_a.py:23" in incident["evidence"]
        orphans = [t for t in incident["tasks"] if t["tid"] == t["tgid"] and t["command"]]
        assert len(orphans) == 4, incident["tasks"]  # the worker and the pool
        assert "test_a.py\", line 13 in work" in incident["stacks"], incident["stacks"]


@needs_cgroups
def test_a_timeout_plugins_exit_leaves_orphans(suite):
    """The same with the plugin that ends the process by os._exit(1) from a thread: the pool's processes live on."""
    pytest.importorskip("pytest_timeout")
    suite.write(test_a=REAL, test_b_innocent=INNOCENTS)
    arguments = ["--timeout", "2", "-o", "timeout_method=thread"]
    result = suite.run("-n", 1, "--stall", "600s", pytest_args=arguments)
    innocent(result)
    assert result.verdicts() == [("test_pools", "timeout")] * 2, result
    assert last_word(result, "test_pools") == "killed"
    for incident in result.incidents:
        assert incident["waits_at"].startswith(WAITS_AT), incident
        assert "3 processes of it lived on and were ended" in incident["evidence"], incident


BESIDE = {
    "tasks": ("--tasks", "64", """
        import threading, time
        def storm():
            time.sleep(0.4)
            for _ in range(100):
                threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
        def test_leaves_it():
            threading.Thread(target=storm, daemon=True).start()
        def test_innocent():
            time.sleep(0.9)
    """),
    "tasks of a process": ("--tasks", "64", """
        import subprocess, time
        def test_leaves_it():
            subprocess.Popen(["sh", "-c", "sleep 0.4; for i in $(seq 100); do sleep 5 & done; wait"])
        def test_innocent():
            time.sleep(0.9)
    """),
    "memory": ("--memory", "256M", """
        kept = []
        def test_leaves_it():
            kept.append(b"x" * (200 << 20))
        def test_innocent():
            assert b"y" * (80 << 20)
    """),
    "stall": ("--stall", "2s", """
        import threading
        lock, held = threading.Lock(), threading.Event()
        def hold():
            with lock:
                held.set()
                threading.Event().wait()
        def test_leaves_it():
            threading.Thread(target=hold, daemon=True).start()
            held.wait()
        def test_innocent():
            with lock: pass
    """),
}  # fmt: skip


@needs_cgroups
@pytest.mark.parametrize("kind", [pytest.param(k, marks=needs_stalls) if k == "stall" else k for k in BESIDE])
def test_what_limits_count_beside_leftovers_speaks_against_nobody(suite, kind):
    """The test that ran was blamed for it, and marked; it runs again where nothing is left, and what it breaks there is its own."""
    option, value, source = BESIDE[kind]
    suite.write(test_a=source)
    result = suite.run("-n", 1, option, value, timeout=120)
    assert result.status == 0 and set(result.outcomes.values()) == {"passed"}, result
    (incident,) = [i for i in result.incidents if i["verdict"] != "leak"]
    assert incident["void"] and incident["next"] == "retried" and incident["id"].endswith("test_innocent"), incident
    assert kind == "memory" or incident["blame"]["suspects"], incident
    assert "test_leaves_it" in incident["evidence"] or re.search(r"20\d of its 256 MiB", incident["evidence"]), incident
