# SPDX-License-Identifier: MIT
"""What takes too long, or does not get on: slow notice, timeout with its grace, stalls that leftovers hide, starvation, too many
runnable tasks."""
import os
import re

import pytest
from conftest import needs_cgroups, needs_stalls

# So many are scarce on any machine.
TWO_CPUS = ("taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))

pytestmark = pytest.mark.usefixtures("no_leftovers")


def only(result, name="test_it"):
    return {k.split("::")[-1]: v for k, v in result.outcomes.items()}[name]


def notices(result):
    return [e["text"] for e in result.of("notice")]


def test_slow_is_said_once(suite):
    suite.write(
        test_a="""
        import time, pytest
        def test_it():
            time.sleep(1.5)
        @pytest.mark.shunt(slow="30s")
        def test_patient():
            time.sleep(1)
        def test_quick(): pass
        """
    )
    result = suite.run("-n", 1, "--slow", "300ms")
    assert result.status == 0 and set(result.outcomes.values()) == {"passed"}, result
    said = [text for text in notices(result) if text.startswith("slow: ")]
    assert len(said) == 1 and "test_a.py::test_it has been running in worker 0 for " in said[0], said
    assert "shunt: " + said[0] in result.stdout + result.stderr, result
    result = suite.run("-n", 1, "--slow=none")
    assert not [text for text in notices(result) if "slow" in text], result


def test_timeout_says_how_its_time_went_and_where(suite):
    suite.write(
        test_a="""
        import queue
        def test_it():
            queue.Queue().get()
        def test_busy():
            while True:
                pass
        def test_other(): pass
        """
    )
    result = suite.run("-n", 2, "--timeout", "1s", "--stall=off")
    assert {k.split("::")[1]: v for k, v in result.outcomes.items()} == {
        "test_it": "killed", "test_busy": "killed", "test_other": "passed",
    }, result
    for incident in result.incidents:
        assert incident["verdict"] == "timeout", incident
        assert re.match(r"\d+(\.\d)? s of 1 s", incident["text"]), incident["text"]
    texts = {i["id"].split("::")[1]: i["text"] for i in result.incidents}
    assert texts["test_it"].endswith("waits in get (test_a.py:4)"), texts
    assert re.search(r"(runs|waits) at test_a.py:[67]$", texts["test_busy"]), texts


CLEANS_UP = """
    import pathlib, subprocess, sys, time, pytest
    CHILD = '''
    import pathlib, signal, sys, time
    def end(number, frame):
        pathlib.Path(sys.argv[1]).write_text("cleaned up")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    time.sleep(600)
    '''
    HERE = pathlib.Path(__file__).parent

    @pytest.fixture
    def tidy():
        yield
        (HERE / "torn-down").write_text("yes")

    def test_it(tidy):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(HERE / "child")], stdout=subprocess.PIPE)
        child.stdout.readline()
        child.wait()
    def test_other(): pass
"""


@pytest.mark.parametrize("grace", ["20s", "off"])
def test_timeout_lets_children_end_by_themselves(suite, grace):
    """SIGTERM, then the grace: the child ends, the test goes on and passes, and is a timeout all the same."""
    suite.write(test_a=CLEANS_UP)
    result = suite.run("-n", 1, "--timeout", "2s", "--stall=off", "--grace", grace)
    assert only(result) == "killed" and only(result, "test_other") == "passed", result
    assert result.verdicts() == [("test_it", "timeout"), ("test_it", "timeout")], result
    for incident in result.incidents:
        assert "waits in " in incident["text"] and incident["ntasks"] >= 1, incident
        assert "lived on" not in (incident["evidence"] or ""), incident
    assert (suite.path / "child").exists() == (grace != "off")
    assert (suite.path / "torn-down").exists() == (grace != "off")


def test_a_worker_that_handles_sigterm_is_asked_too(suite):
    suite.write(
        test_a="""
        import pathlib, signal, sys, time
        def test_it():
            def end(number, frame):
                (pathlib.Path(__file__).parent / "asked").write_text("yes")
                sys.exit(5)
            signal.signal(signal.SIGTERM, end)
            time.sleep(600)
        def test_other(): pass
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s", "--stall=off", "--grace", "20s")
    assert only(result) == "killed" and only(result, "test_other") == "passed", result
    assert {v for _, v in result.verdicts()} == {"timeout"}, result
    assert (suite.path / "asked").exists()


def test_nobody_who_ignores_the_request_outlives_the_grace(suite):
    suite.write(
        test_a="""
        import signal, subprocess, sys
        def test_it():
            code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
            child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
            child.stdout.readline()
            child.wait()
        """
    )
    result = suite.run("-n", 1, "--timeout", "1s", "--stall=off", "--grace", "300ms", timeout=60)
    assert only(result) == "killed", result
    assert {v for _, v in result.verdicts()} == {"timeout"}, result


LEAVES_THREADS = """
    import threading, time
    def test_leaves_threads():
        for _ in range(24):
            threading.Thread(target=poll, daemon=True).start()
    def poll():
        while True:
            time.sleep(0.05)
            {work}
    def test_it():
        {body}
    def test_other(): pass
"""


@needs_cgroups
@needs_stalls
@pytest.mark.parametrize("work", ["pass", "sum(range(3000))"])
def test_a_stall_beside_what_an_earlier_test_left_behind(suite, work):
    """They wait with a time limit and use some CPU: the running test's own tasks are what counts."""
    suite.write(test_a=LEAVES_THREADS.format(body="lock = threading.Lock(); lock.acquire(); lock.acquire()", work=work))
    result = suite.run("-n", 1, "--stall", "2s", "--timeout", "90s", timeout=300)
    assert only(result) == "killed" and only(result, "test_other") == "passed", result
    stalls = [i for i in result.incidents if i["verdict"] == "stall"]
    # Beside the leftovers, in a fresh worker, alone.
    assert [(i["id"].split("::")[1], i["void"]) for i in stalls] == [("test_it", True), ("test_it", False), ("test_it", False)], result
    assert "24 that earlier tests left behind do not count" in stalls[0]["text"], stalls[0]
    assert not any("left behind" in stall["text"] for stall in stalls[1:]), stalls


@needs_cgroups
@needs_stalls
def test_no_stall_where_the_tests_own_task_wakes(suite):
    body = "e = threading.Event(); threading.Timer(6, e.set).start(); e.wait()"
    suite.write(test_a=LEAVES_THREADS.format(body=body, work="pass"))
    result = suite.run("-n", 1, "--stall", "1s", timeout=300)
    assert only(result) == "passed", result
    assert [v for _, v in result.verdicts()] == ["leak"], result


# Seven tests take the CPUs until the victim has ended; beside them, it works for longer than it takes alone.
STARVED = """
    import pathlib, time, pytest
    HERE = pathlib.Path(__file__).parent
    def ended():
        return (HERE / "ended").exists()
    def work(seconds):
        start = time.process_time()
        while time.process_time() - start < seconds:
            pass
    @pytest.mark.shunt(timeout="120s")
    @pytest.mark.parametrize("i", range(7))
    def test_burns(i):
        (HERE / f"burning{{i}}").touch()
        start = time.monotonic()
        while not ended() and time.monotonic() - start < 60:
            pass
        (HERE / f"burning{{i}}").unlink()
    {marker}
    def test_it():
        alone = (HERE / "tried").exists()
        (HERE / "tried").touch()
        while not alone and len(list(HERE.glob("burning*"))) < 7:
            pass  # it wants the CPU from the start
        try:
            work({seconds})
        finally:
            (HERE / "ended").touch()
        assert {condition}
"""


def starved(suite, *options, marker="", condition="alone", seconds=1):
    suite.write(test_a=STARVED.format(marker=marker, condition=condition, seconds=seconds))
    result = suite.run("-n", 8, *options, timeout=300, prefix=TWO_CPUS)
    assert {v for k, v in result.outcomes.items() if "burns" in k} == {"passed"}, result
    return result


@needs_cgroups
def test_a_failure_while_starved_runs_again_alone(suite):
    result = starved(suite)
    assert only(result) == "passed-serial" and result.status == 0, result
    assert [v for n, v in result.verdicts() if n == "test_it"] == ["contention"], result
    incident = next(i for i in result.incidents if i["verdict"] == "contention")
    assert re.match(r"waited for a CPU [0-9.]+ s of [0-9.]+ s$", incident["text"]), incident
    assert incident["next"] == "rerouted" and "assert" in incident["evidence"], incident
    assert "[contention] waited for a CPU" in result.stderr + result.stdout, result
    assert result.of("run-end")[0]["restarts"] == 0


@needs_cgroups
def test_a_genuine_failure_is_said_to_be_one(suite):
    result = starved(suite, condition="False")
    assert only(result) == "failed" and result.status == 1, result
    end = next(e for e in result.of("test-end") if e["id"].endswith("test_it"))
    assert "verdict" not in end, end
    assert [t for t in notices(result) if t.startswith("genuine: ") and "test_it" in t], result
    assert result.stdout.count("assert False") >= 1


@needs_cgroups
def test_confirm_none_takes_the_failure_as_it_is(suite):
    result = starved(suite, "--confirm=none")
    assert only(result) == "failed" and result.status == 1, result
    assert not [v for n, v in result.verdicts() if n == "test_it"], result


@needs_cgroups
def test_a_timeout_while_starved_is_contention_when_it_passes_alone(suite):
    marker = '@pytest.mark.shunt(timeout="4s")'
    # Killed in the middle, it cannot end the others: they end by themselves.
    source = STARVED.format(marker=marker, condition="True", seconds="0.2 if alone else 1000").replace("60:", "9:")
    suite.write(test_a=source)
    result = suite.run("-n", 8, "--confirm=killed", timeout=300, prefix=TWO_CPUS)
    assert only(result) == "passed-serial", result
    incident = next(i for i in result.incidents if i["id"].endswith("test_it"))
    assert incident["verdict"] == "timeout" and "; waited for a CPU" in incident["text"], incident
    end = next(e for e in result.of("test-end") if e["id"].endswith("test_it"))
    assert end["verdict"] == "contention", end


@needs_cgroups
def test_a_failure_that_was_not_starved_is_a_plain_one(suite):
    suite.write(
        test_a="""
        import time
        def test_it():
            time.sleep(1.5)
            assert False
        """
    )
    result = suite.run("-n", 1)
    assert only(result) == "failed" and not result.incidents, result


CROWD = """
    import os, time
    def test_it():
        children = []
        for _ in range({n}):
            pid = os.fork()
            if pid == 0:
                start = time.monotonic()
                while time.monotonic() - start < 9:
                    pass
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
    def test_other(): pass
"""


@needs_cgroups
def test_oversubscription_is_recorded(suite):
    """On a machine that is loaded already its slot may not have its share, and then nothing is said."""
    suite.write(test_a=CROWD.format(n=24))
    result = suite.run("-n", 2, "--cpu-share", 1, timeout=120, prefix=TWO_CPUS)
    assert result.status == 0 and set(result.outcomes.values()) == {"passed"}, result
    assert result.verdicts() == [("test_it", "cpu")], result
    incident = result.incidents[0]
    found = re.match(r"(\d+) tasks at a time wanted its 1 CPU, for [0-9.]+ s", incident["text"])
    assert found and 8 <= int(found[1]) <= 26, incident  # they start, and end, one by one
    assert re.match("24 processes started at test_a.py:[56]$", incident["evidence"]) and incident["next"] == "recorded", incident


@needs_cgroups
def test_oversubscription_can_reroute(suite):
    suite.write(test_a=CROWD.format(n=6).replace("< 9", "< 8"))
    result = suite.run("-n", 2, "--cpu-share", 1, "--reroute=default,cpu", timeout=120, prefix=TWO_CPUS)
    assert only(result) == "passed-serial" and result.status == 0, result
    assert ("test_it", "cpu") in result.verdicts(), result


# As in any suite whose tests have pools: a limit of 20 is a limit for none of these 12.
LOW = """
    import pytest, threading
    @pytest.mark.parametrize("i", range(12))
    def test_pool(i):
        together = threading.Barrier(25 + i)
        threads = [threading.Thread(target=together.wait, args=(30,)) for _ in range(24 + i)]
        for t in threads:
            t.start()
        together.wait(30)
        for t in threads:
            t.join()
    @pytest.mark.parametrize("i", range(28))
    def test_plain(i): pass
"""


@needs_cgroups
def test_a_limit_that_a_tenth_of_the_suite_breaks_is_too_low(suite):
    suite.write(test_a=LOW)
    result = suite.run("-n", 2, "--tasks", 20)
    assert result.status == 0, result
    assert sorted(result.outcomes.values()) == ["passed"] * 28 + ["passed-serial"] * 12, result
    assert [v for _, v in result.verdicts()] == ["tasks"] * 12, result
    screen = result.stdout + result.stderr
    said = [t for t in notices(result) if "too low for this suite" in t]
    assert len(said) == 1 and said[0].startswith("5 of 40 tests so far reached the limit of 20 tasks (--tasks)"), said
    assert screen.count("broke out of worker") == 4, screen  # blocks; then a line each
    assert screen.count("[tasks]; moved to the serial lane") == 8, screen
    summary = screen[screen.index("shunt: 40 tests") :]
    assert summary.count("[tasks]") == 1 and "parallel_unsafe" not in summary, summary
    needs = re.search(r"95% of its tests need at most (\d+) tasks, the largest (\d+) tasks\. Set --tasks (\d+)", summary)
    assert needs, summary
    assert 33 <= int(needs[1]) <= int(needs[2]) == 36 and int(needs[3]) >= 36, summary
    assert "12 of these tests passed alone" in summary
    suite.history = True  # what the next run knows does not hide it
    for known in (False, True):
        result = suite.run("-n", 2, "--tasks", 20)
        assert bool(result.incidents) != known, result
        summary = (result.stdout + result.stderr).partition("shunt: 40 tests")[2]
        assert "12 of 40 tests reached the limit of 20 tasks" in summary and summary.count("test_pool") == 0, summary
    suite.history = False
    result = suite.run("-n", 2, "--tasks", needs[3])
    assert set(result.outcomes.values()) == {"passed"} and not result.incidents, result


@needs_cgroups
def test_few_offenders_are_named_each(suite):
    suite.write(test_a=LOW.replace("range(12)", "range(3)"))
    result = suite.run("-n", 2, "--tasks", 20)
    assert (result.stdout + result.stderr).count("broke out of worker") == 3, result
    assert not [t for t in notices(result) if "too low" in t], result
