# SPDX-License-Identifier: MIT
"""What takes too long, or does not get on: slow notice, timeout with its grace, stalls that leftovers hide."""
import re

import pytest
from conftest import needs_cgroups, needs_stalls

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
    assert [i["id"].split("::")[1] for i in stalls] == ["test_it", "test_it"], result
    assert "24 that earlier tests left behind do not count" in stalls[0]["text"], stalls[0]
    assert "left behind" not in stalls[1]["text"], stalls[1]  # alone, in a fresh worker


@needs_cgroups
@needs_stalls
def test_no_stall_where_the_tests_own_task_wakes(suite):
    body = "e = threading.Event(); threading.Timer(6, e.set).start(); e.wait()"
    suite.write(test_a=LEAVES_THREADS.format(body=body, work="pass"))
    result = suite.run("-n", 1, "--stall", "1s", timeout=300)
    assert only(result) == "passed", result
    assert [v for _, v in result.verdicts()] == ["leak"], result
