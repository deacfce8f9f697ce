# SPDX-License-Identifier: MIT
"""What ends a run early, or a worker oddly: whose wish it was is said, and pytest's own status comes out."""
import signal
import time
import xml.etree.ElementTree as ET

import pytest
from conftest import needs_cgroups

QUITS = """
    import pytest
    def test_one(): pass
    {fixture}
    def test_quit({argument}): {body}
    def test_three(): pass
"""


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    "body, status", [('pytest.exit("enough", 7)', 7), ('pytest.exit("enough")', 2), ("raise KeyboardInterrupt", 2)]
)
def test_a_test_that_ends_the_session(suite, n, body, status):
    suite.write(test_a=QUITS.format(fixture="", argument="", body=body))
    result = suite.run("-n", n)
    plain, stdout, _ = suite.plain()
    assert result.status == plain == status, result
    assert result.outcomes["test_a.py::test_quit"] == "not-run"
    assert "passed" in result.outcomes.values() or n > 1
    shown = "KeyboardInterrupt" if "Keyboard" in body else "Exit: enough"
    assert shown in stdout and shown in result.stdout, result
    assert "test_a.py::test_quit" in result.stderr, result  # who asked for it
    if "Keyboard" in body:
        assert "test_a.py:5: KeyboardInterrupt" in result.stdout
    assert result.incidents == []


def test_a_fixture_that_ends_the_session(suite):
    suite.write(
        test_a=QUITS.format(
            fixture='@pytest.fixture\n    def fx(): pytest.exit("no database")', argument="fx", body="assert 0"
        )
    )
    result = suite.run("-n", 2)
    assert result.outcomes["test_a.py::test_quit"] == "not-run"
    end = [e for e in result.of("test-end") if "quit" in e["id"]][0]
    assert end["message"] == "test_a.py::test_quit called pytest.exit(): no database"


def of_no_test(path):
    """(type, message) of what JUnit has of the run itself; its numbers count it."""
    root = ET.parse(path).getroot()[0]
    cases = list(root)
    assert int(root.get("tests")) == len(cases)
    assert int(root.get("errors")) == len(root.findall("testcase/error"))
    assert int(root.get("failures")) == len(root.findall("testcase/failure"))
    return [(e.get("type"), e.get("message")) for c in cases if c.get("classname") == "shunt" for e in c]


def test_errors_of_a_sessions_teardown_are_in_every_report(suite):
    suite.write(
        conftest="""
        import pytest
        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            raise RuntimeError("port 80 is still taken")
        """,
        test_a="def test_it(): pass",
    )
    result = suite.run("-n", 1, "--junit", "out.xml")
    why = "worker 0: at its session's end: RuntimeError: port 80 is still taken"
    assert result.status == 1 and f"exit status 1: {why}" in result.stderr, result
    assert "conftest.py" in result.stdout  # pytest shows it
    assert result.of("run-end")[0]["status_reason"] == why
    assert of_no_test(suite.path / "out.xml") == [("teardown", why)]


def test_a_session_that_does_not_end_is_in_every_report(suite):
    suite.write(
        conftest="""
        import pytest, time
        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            time.sleep(60)
        """,
        test_a="def test_it(): pass",
    )
    result = suite.run("-n", 1, "--junit", "out.xml", "--timeout", "1", "--slow", "0.3s")
    assert result.status == 1 and "exit status 1: a worker did not end its session" in result.stderr, result
    assert result.of("run-end")[0]["status_reason"] == "a worker did not end its session"
    ((kind, message),) = of_no_test(suite.path / "out.xml")
    assert kind == "timeout" and "session" in message
    (slow,) = [e["text"] for e in result.of("notice") if e["text"].startswith("slow:")]
    assert "worker 0 has been ending its session for " in slow and "waits at conftest.py:6" in slow, slow


def asked(suite, sig, ready, *options):
    """A run that is sent `sig` once `ready` exists, and then ^C: its stderr."""
    process = suite.start("-n", 1, *options)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (suite.path / ready).exists():
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(sig)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)[1]


def test_what_goes_on_at_a_sessions_end_is_said(suite):
    suite.write(
        conftest="""
        import pathlib, pytest, time
        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            pathlib.Path(__file__).with_name("ready").touch()
            time.sleep(60)
        """,
        test_a="def test_it(): pass",
    )
    said = asked(suite, signal.SIGUSR1, "ready")
    assert "worker 0 has been ending its session for" in said and "waits at conftest.py:7" in said, said
    assert "interrupted while worker 0 was ending its session" in said, said


def test_an_import_that_does_not_end_is_said(suite):
    suite.write(
        test_a="""
        import pathlib, time
        pathlib.Path(__file__).with_name("ready").touch()
        time.sleep(60)
        def test_it(): pass
        """,
    )
    said = asked(suite, signal.SIGUSR1, "ready", "--slow", "0.2s")
    assert said.count("and no test is known yet") == 2, said  # by itself, and when asked
    assert "pytest has been importing and collecting for" in said, said
    assert "interrupted while it imported and collected the tests" in said, said


def test_an_interrupt_names_what_ran(suite):
    suite.write(
        test_a="""
        import pathlib, time
        def test_slow():
            pathlib.Path(__file__).with_name("started").touch()
            time.sleep(30)
        def test_other(): pass
        """
    )
    process = suite.start("-n", 1)
    deadline = time.monotonic() + 20
    while not (suite.path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "test_a.py::test_slow" in stdout and "controller.py" not in stdout, stdout
    assert "1 test: interrupted while it ran" in stderr, stderr


@needs_cgroups
def test_closed_descriptors_are_a_violation_not_an_exit(suite):
    suite.write(test_a="import os\ndef test_it(): os.closerange(3, 1000)\ndef test_other(): pass\n")
    result = suite.run("-n", 1)
    assert result.outcomes == {"test_a.py::test_it": "killed", "test_a.py::test_other": "passed"}
    assert result.verdicts() == [("test_it", "protocol")], result.incidents


def test_a_crash_is_shown_once_and_after_its_test(suite):
    suite.write(
        test_a="""
        import ctypes
        def test_it(): ctypes.string_at(0)
        def test_other(): pass
        """
    )
    result = suite.run("-n", 2)
    assert result.outcomes["test_a.py::test_it"] == "killed"
    assert result.stdout.count("Fatal Python error") == 1 and "Fatal Python error" not in result.stderr
    assert "FAILED test_a.py::test_it - killed [signal]: died of SIGSEGV" in result.stdout, result


@needs_cgroups
def test_even_alone_is_said_only_of_tests_that_ran_alone(suite):
    suite.write(test_a="import os\ndef test_it(): os._exit(3)\ndef test_other(): pass\n")
    assert "even alone" not in suite.run("-n", 2, "--reroute", "none").stderr
    assert "even alone" in suite.run("-n", 2).stderr


def test_on_reroute_fail_says_why(suite):
    suite.write(
        test_a="""
        import os, pathlib
        def test_it():
            mark = pathlib.Path(__file__).with_name("mark")
            if not mark.exists():
                mark.touch()
                os._exit(3)
        def test_other(): pass
        """
    )
    result = suite.run("-n", 2, "--on-reroute", "fail", "--junit", "out.xml")
    assert result.status == 1 and "warning" not in result.stderr, result
    assert of_no_test(suite.path / "out.xml") == []
    (failure,) = ET.parse(suite.path / "out.xml").iter("failure")
    assert failure.get("type") == "passed-serial" and "--on-reroute=fail" in failure.get("message")
    assert "exit status 1: tests passed only once they ran alone (--on-reroute=fail)" in result.stderr, result


def test_on_reroute_warn_and_pass_differ(suite):
    suite.write(
        test_a="""
        import os, pathlib
        def test_it():
            mark = pathlib.Path(__file__).with_name("mark")
            if not mark.exists():
                mark.touch()
                os._exit(3)
        """
    )
    warning = "what passed only alone does not fail the run"
    for what in ("warn", "pass"):
        (suite.path / "mark").unlink(missing_ok=True)
        result = suite.run("-n", 1, "--on-reroute", what)
        assert result.status == 0 and result.outcomes["test_a.py::test_it"] == "passed-serial", result
        assert (warning in result.stderr) == (what == "warn"), result


def test_no_restart_at_all(suite):
    """Nothing is said to be moved, kept or replaced where nothing is."""
    suite.write(
        test_a="""
        import os, pytest
        def test_dies(): os._exit(3)
        @pytest.mark.parametrize("i", range(3))
        def test_later(i): pass
        """
    )
    result = suite.run("-n", 1, "--max-worker-restart", 0)
    assert result.status == 1 and result.outcomes["test_a.py::test_dies"] == "killed", result
    assert [v for k, v in result.outcomes.items() if "later" in k] == ["not-run"] * 3
    assert not any(word in result.stderr for word in ("moved", "kept", "replaced")), result
    assert result.of("run-end")[0]["restarts"] == 0


def test_a_timeout_of_zero_is_none(suite):
    """Also where the policy has one."""
    suite.write(test_a="import time\ndef test_it(): time.sleep(1.2)")
    (suite.path / "own.yaml").write_text("policy: own\nextends: standard\nlimits: {timeout: 500ms}\n")
    assert suite.run("-n", 1, "--policy", "own.yaml").status == 1
    for none in ("0", "off"):
        assert suite.run("-n", 1, "--policy", "own.yaml", "--timeout", none).status == 0


def test_a_revised_outcome_explains_pytests_sum(suite):
    suite.write(
        test_a="""
        import os, threading, time
        def test_leaves_a_bomb():
            threading.Thread(target=lambda: (time.sleep(0.3), os._exit(7)), daemon=True).start()
        def test_other():
            time.sleep(0.6)
        """
    )
    result = suite.run("-n", 1)
    assert "1 failed, 2 passed" in result.stdout, result
    assert "revised       1 killed test had passed before: pytest's last line counts it twice" in result.stderr, result
