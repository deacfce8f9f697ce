# SPDX-License-Identifier: MIT
"""What ends a run early, or a worker oddly: whose wish it was is said, and pytest's own status comes out."""
import signal
import time

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
    result = suite.run("-n", 2, "--on-reroute", "fail")
    assert result.status == 1
    assert "exit status 1: tests passed only once they ran alone (--on-reroute=fail)" in result.stderr, result


def test_an_error_in_a_sessions_teardown_is_named_as_the_reason(suite):
    """All tests had passed, the status was 1, and no line said why."""
    suite.write(
        conftest="""
        import pytest
        @pytest.fixture(scope="session", autouse=True)
        def service():
            yield
            raise RuntimeError("no")
        """,
        test_a="def test_a(): pass",
    )
    result = suite.run("-n", 2)
    assert result.status == 1 and "conftest.py" in result.stdout, result
    assert "exit status 1: the framework reports an error outside of the tests" in result.stderr, result
