# SPDX-License-Identifier: MIT
"""Each verdict, provoked for real: what it is called, whom it blames, and that nobody else notices."""
import os
import re

import pytest
from conftest import needs_cgroups, needs_stalls

pytestmark = pytest.mark.usefixtures("no_leftovers")

INNOCENTS = """
    import threading, time, subprocess, pytest

    @pytest.mark.parametrize("i", range(20))
    def test_quick(i):
        time.sleep(0.005)

    @pytest.mark.parametrize("i", range(5))
    def test_thread(i):
        t = threading.Thread(target=time.sleep, args=(0.001,))
        t.start()
        t.join()
"""


def run_offender(suite, offender, *options, **kwargs):
    suite.write(test_b_innocent=INNOCENTS, test_a_offender=offender)
    result = suite.run("-n", 2, *options, **kwargs)
    innocent = {k: v for k, v in result.outcomes.items() if "innocent" in k}
    assert len(innocent) == 25 and set(innocent.values()) == {"passed"}, result
    return result


def only(result, name="test_it"):
    return {k.split("::")[-1]: v for k, v in result.outcomes.items()}[name]


@needs_cgroups
def test_tasks_reroutes_and_passes_alone(suite):
    result = run_offender(
        suite,
        """
        import time
        from concurrent.futures import ThreadPoolExecutor
        def test_it():
            with ThreadPoolExecutor(100) as pool:
                list(pool.map(lambda i: time.sleep(0.3), range(100)))
        """,
        "--tasks", 32,
    )
    assert only(result) == "passed-serial", result
    assert result.verdicts() == [("test_it", "tasks")]
    assert result.incidents[0]["text"].startswith("32 of 32 tasks"), result.incidents
    assert result.status == 0, result


@needs_cgroups
def test_tasks_swallowed_by_the_test_still_count(suite):
    """A result that arrives from a test which hit its limit is void, whatever it says."""
    result = run_offender(
        suite,
        """
        import threading
        def test_it():
            stop = threading.Event()
            started = []
            for _ in range(60):
                t = threading.Thread(target=stop.wait)
                try:
                    t.start()
                except RuntimeError:
                    break
                started.append(t)
            stop.set()
            for t in started:
                t.join()
            assert len(started) == 60
        """,
        "--tasks", 32,
    )
    assert only(result) == "passed-serial", result
    assert result.status == 0


@needs_cgroups
def test_tasks_twice_is_killed(suite):
    result = run_offender(
        suite,
        """
        import time
        from concurrent.futures import ThreadPoolExecutor
        def test_it():
            with ThreadPoolExecutor(100) as pool:
                list(pool.map(lambda i: time.sleep(0.3), range(100)))
        """,
        "--tasks", 32, "--serial-tasks", 40,
    )
    assert only(result) == "killed", result
    assert result.verdicts() == [("test_it", "tasks")] * 2
    assert result.status == 1
    assert "40 of 40 tasks" in result.stdout, result


@needs_cgroups
def test_memory(suite):
    result = run_offender(
        suite,
        """
        def test_it():
            hoard = [bytearray(8 << 20) for _ in range(40)]
            assert len(hoard) == 40
        """,
        "--memory", "200M",
    )
    assert only(result) == "passed-serial", result
    assert result.verdicts() == [("test_it", "memory")]
    text, evidence = result.incidents[0]["text"], result.incidents[0]["evidence"]
    assert re.fullmatch(r"killed by the kernel for memory: ≥?\d+ MiB of 200 MiB, oom_kill [1-9]", text), text
    assert re.search(r"biggest process: \S+ \(pid \d+\), \d+ MiB resident \d+ ms before", evidence), evidence


@needs_cgroups
def test_no_memory_limit_in_the_serial_lane_is_none(suite):
    """The worker had one while it stood by: it kept it."""
    result = run_offender(
        suite,
        """
        def test_it():
            hoard = [bytearray(8 << 20) for _ in range(40)]
            assert len(hoard) == 40
        """,
        "--memory", "200M", "--serial-memory", "none",
    )
    assert only(result) == "passed-serial", result


@pytest.mark.parametrize(
    "death, verdict, words",
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal", "SIGSEGV"),
        ("os.abort()", "signal", "SIGABRT"),
        ("os._exit(1)", "exit", "status 1"),
        ("os._exit(0)", "exit", "status 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "external", "killed by SIGKILL in the middle of the test"),
    ],
)
def test_death(suite, death, verdict, words):
    result = run_offender(
        suite,
        f"""
        import os, signal
        def test_it():
            print("last words")
            {death}
        """,
    )
    assert only(result) == "killed", result
    assert result.verdicts() == [("test_it", verdict)] * 2, result.verdicts()
    assert words in result.incidents[0]["text"]
    assert "last words" in result.stdout, result
    assert result.status == 1


def test_forked_child_holds_nothing_up(suite):
    """xdist waits for the child, which holds the worker's pipes."""
    result = run_offender(
        suite,
        """
        import os, time
        def test_it():
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            os._exit(1)
        """,
    )
    assert only(result) == "killed"
    assert result.seconds < 30, result


def test_timeout(suite):
    result = run_offender(
        suite,
        """
        import time
        def test_it():
            time.sleep(60)
        """,
        "--timeout", "500ms",
    )
    assert only(result) == "killed", result
    assert result.verdicts() == [("test_it", "timeout")] * 2
    assert result.seconds < 30


@needs_stalls
def test_stall(suite):
    result = run_offender(
        suite,
        """
        import threading
        def test_it():
            a, b = threading.Lock(), threading.Lock()
            ready = threading.Barrier(2)
            def one():
                with a:
                    ready.wait()
                    b.acquire()
            t = threading.Thread(target=one)
            t.start()
            with b:
                ready.wait()
                a.acquire()
        """,
        "--stall", "1s",
    )
    assert only(result) == "killed", result
    assert result.verdicts() == [("test_it", "stall")] * 2
    assert result.seconds < 40


def test_waiting_is_no_stall(suite):
    result = run_offender(
        suite,
        """
        import socket, threading, time
        def test_it():
            time.sleep(1.5)
        def test_network():
            s = socket.socket()
            s.bind(("127.0.0.1", 0))
            s.listen()
            threading.Timer(1.5, lambda: socket.create_connection(s.getsockname())).start()
            s.accept()
        """,
        "--stall", "500ms",
    )
    assert only(result) == "passed"
    assert only(result, "test_network") == "passed"
    assert result.verdicts() == []


@needs_cgroups
def test_leak_is_recorded_and_blamed(suite):
    result = run_offender(
        suite,
        """
        import threading, time
        def test_it():
            for _ in range(5):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        def test_after():
            time.sleep(0.3)
        """,
    )
    assert only(result) == "passed", result
    assert only(result, "test_after") == "passed"
    assert result.verdicts() == [("test_it", "leak")], result.incidents
    assert result.status == 0


@needs_cgroups
@pytest.mark.parametrize("after", [0, 40])
def test_leak_is_blamed_on_the_test_that_left_it(suite, after):
    """However quickly the next tests come and go, and also when none comes."""
    suite.write(
        test_a=f"""
        import threading, time, pytest
        def test_before():
            pass
        def leave(n):
            for _ in range(n):
                threading.Thread(target=time.sleep, args=(60,), daemon=True, name="left").start()
        def test_it():
            leave(5)
        @pytest.mark.parametrize("i", range({after}))
        def test_after(i):
            pass
        """
    )
    result = suite.run("-n", 1)
    assert [(i["id"], i["verdict"], i["text"]) for i in result.incidents] == [
        ("test_a.py::test_it", "leak", "left 5 tasks behind")
    ]
    assert result.incidents[0]["evidence"] == "5 threads of left started at test_a.py:7"


@needs_cgroups
def test_leaks_of_two_tests_in_a_row_are_told_apart(suite):
    suite.write(
        test_a="""
        import threading, time
        def leave(n):
            for _ in range(n):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        def test_two(): leave(2)
        def test_none(): pass
        def test_three(): leave(3)
        def test_last(): pass
        """
    )
    result = suite.run("-n", 1)
    assert [(i["id"], i["text"]) for i in result.incidents] == [
        ("test_a.py::test_two", "left 2 tasks behind"),
        ("test_a.py::test_three", "left 3 tasks behind"),
    ]


@needs_cgroups
def test_pools_that_tests_share_are_no_leak(suite):
    suite.write(
        shared="""
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        threads = processes = None
        def pools():
            global threads, processes
            threads = threads or ThreadPoolExecutor(4)
            processes = processes or ProcessPoolExecutor(2)
            return threads, processes
        """,
        test_a="""
        import time, pytest, shared
        @pytest.mark.parametrize("i", range(3))
        def test_it(i):
            threads, processes = shared.pools()
            assert list(threads.map(pow, range(8), range(8))) == list(processes.map(pow, range(8), range(8)))
            time.sleep(0.1)
        """,
    )
    result = suite.run("-n", 1)
    assert result.verdicts() == [] and result.status == 0, result
    assert "was killed" not in result.stderr, result


def test_a_worker_that_does_not_exit_keeps_nobody_waiting(suite):
    suite.write(
        test_a="""
        import atexit, threading, time
        def test_it():
            atexit.register(time.sleep, 600)
        """
    )
    result = suite.run("-n", 1)
    assert result.outcomes == {"test_a.py::test_it": "passed"}
    assert "worker 0 had nothing left to do and did not exit within 10 s" in result.stderr
    assert result.status == 0, result


@needs_cgroups
def test_what_imports_started_is_no_leak(suite):
    suite.write(
        test_a="""
        import threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        def test_one(): time.sleep(0.2)
        def test_two(): time.sleep(0.2)
        """
    )
    result = suite.run("-n", 1)
    assert "cold" in result.stderr and result.verdicts() == [], result


@needs_cgroups
def test_a_leaked_process_is_named(suite):
    suite.write(
        test_a="""
        import os
        def test_it(): os.system("sleep 60 >/dev/null 2>&1 &")
        """
    )
    (incident,) = suite.run("-n", 1).incidents
    assert incident["text"] == "left 1 task behind" and incident["evidence"] == "1 process named sleep"


def test_shared_memory_goes_with_its_worker(suite):
    name = f"shunt-test-{os.getpid()}"
    suite.write(
        test_a=f"""
        from multiprocessing.shared_memory import SharedMemory
        def test_it(): SharedMemory(name="{name}", create=True, size=100)
        """
    )
    assert suite.run("-n", 2).status == 0
    assert not os.path.exists(f"/dev/shm/{name}")


def test_evidence_names_the_line_that_started_it(suite):
    suite.write(
        lib__pools="""
        import time
        from concurrent.futures import ThreadPoolExecutor
        def storm(n):
            with ThreadPoolExecutor(n) as pool:
                return list(pool.map(lambda i: time.sleep(0.5), range(n)))
        """,
        test_a="""
        import threading
        from lib import pools
        def test_it():
            pools.storm(100)
        def test_other():
            threading.Thread(target=print).start()
        """,
    )
    result = suite.run("-n", 2, "--tasks", 32)
    (incident,) = result.incidents
    count, _, rest = incident["evidence"].partition(" ")
    assert 25 <= int(count) <= 31, incident
    assert rest == "threads of ThreadPoolExecutor-0 started at test_a.py:5", incident


def test_garbage_on_the_socket_costs_that_worker_only(suite):
    result = run_offender(
        suite,
        """
        import os, socket, stat
        def test_it():
            for fd in range(3, 64):
                try:
                    if stat.S_ISSOCK(os.fstat(fd).st_mode):
                        s = socket.socket(fileno=os.dup(fd))
                        s.send(b"garbage")
                except OSError:
                    pass
        """,
    )
    assert only(result) == "killed", result
    assert {v for _, v in result.verdicts()} == {"protocol"}


def test_closed_channel_costs_that_worker_only(suite):
    result = run_offender(
        suite,
        """
        import os, time
        def test_it():
            os.closerange(3, 256)
            time.sleep(5)
        """,
    )
    assert only(result) == "killed", result
    assert result.seconds < 20


def test_flood_of_output(suite):
    result = run_offender(
        suite,
        """
        import sys
        def test_it():
            for _ in range(64):
                sys.stdout.write("x" * (1 << 20))
        """,
    )
    assert only(result) == "passed", result


def test_reroute_list(suite):
    result = run_offender(
        suite,
        """
        import os
        def test_it():
            os._exit(3)
        """,
        "--reroute", "tasks",
    )
    assert only(result) == "killed"
    assert len(result.incidents) == 1


def test_on_reroute_fail(suite):
    result = run_offender(
        suite,
        """
        import os, pathlib
        def test_it():
            flag = pathlib.Path("flag")
            if not flag.exists():
                flag.touch()
                os._exit(3)
        """,
        "--on-reroute", "fail",
    )
    assert only(result) == "passed-serial"
    assert result.status == 1
