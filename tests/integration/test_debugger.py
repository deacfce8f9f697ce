# SPDX-License-Identifier: MIT
"""A debugger in a worker when things go wrong. tests/compat/cases/debugger.py has what works."""
import os
import time

import pytest

from terminals import Terminal


@pytest.fixture
def in_terminal(suite):
    def start(*options):
        argv, _ = suite.command(*options)
        return Terminal(argv, suite.path)

    return start


def test_the_terminal_is_as_it_was_when_the_debugged_worker_dies(suite, in_terminal):
    suite.write(test_a="def test_dies(): breakpoint()\ndef test_b(): pass\n")
    terminal = in_terminal("-n", 2)
    cooked = terminal.mode()
    terminal.wait_for("(Pdb)")
    assert terminal.mode() != cooked
    terminal.type("import os; os.kill(os.getpid(), 9)\n")
    terminal.wait_for("(Pdb)")  # it runs again, alone
    terminal.type("import os; os.kill(os.getpid(), 9)\n")
    terminal.wait_for("1 killed")
    assert terminal.mode() == cooked
    assert b"1 passed" in terminal.shown and terminal.end() == 1


def test_the_terminal_is_as_it_was_when_the_run_is_ended(suite, in_terminal):
    suite.write(test_a="def test_a(): breakpoint()\n")
    terminal = in_terminal("-n", 1)
    cooked = terminal.mode()
    terminal.wait_for("(Pdb)")
    os.kill(terminal.pid, 15)
    terminal.wait_for("interrupted while it ran")
    assert terminal.end() == 2
    assert terminal.mode() == cooked


def test_a_debugger_that_nobody_leaves_has_its_time(suite):
    """Where nobody sits there, limits of time hold: a test that asks for a terminal cannot hang a run."""
    suite.write(
        test_a="""
        import gc, time
        def test_asks():
            worker = next(o for o in gc.get_objects() if type(o).__name__ == "Worker" and hasattr(o, "channel"))
            for _ in range(50): worker.channel.send({"t": "debug"})
            time.sleep(300)
        def test_b(): pass
        """
    )
    result = suite.run("-n", 2, "--timeout", "1s")
    assert result.outcomes["test_a.py::test_asks"] == "killed" and result.outcomes["test_a.py::test_b"] == "passed", result
    assert result.status == 1 and ("test_asks", "timeout") in result.verdicts()


def test_a_debugger_between_two_tests_is_a_violation(suite):
    suite.write(
        conftest="""
        import gc
        def pytest_runtest_logfinish():
            for o in gc.get_objects():
                if type(o).__name__ == "Worker" and hasattr(o, "channel"):
                    o.channel.send({"t": "done", "i": 0, "outcome": "passed"})
                    o.channel.send({"t": "debug"})
        """,
        test_a="def test_a(): pass\n",
    )
    result = suite.run("-n", 1)
    assert result.status != 0 and "protocol" in [verdict for _, verdict in result.verdicts()], result
