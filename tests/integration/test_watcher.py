# SPDX-License-Identifier: MIT
"""Somebody at the terminal: the status line, keys, and the terminal as it was at every end."""
import os
import re
import signal
import time

import pytest
from adapters import Project
from terminals import Terminal

GO = "while ! test -e go; do sleep 0.02; done"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def in_terminal(project, *options, columns=80, term="xterm"):
    project.count += 1
    argv, events = project.argv(options, ())
    terminal = Terminal(["env", f"TERM={term}", *argv], project.path, columns)
    terminal.events = events
    return terminal


def lines_of(terminal):
    """Status lines, as they were drawn."""
    return re.findall(r"\r([^\r\n\x1b]+)\x1b\[K", terminal.shown.decode(errors="replace"))


@pytest.mark.parametrize("columns", [40, 100])
def test_a_status_line_says_what_runs(project, columns):
    long = "Suite.a_name_that_is_longer_than_forty_columns_would_ever_hold"
    project.commands({"id": "bad", "run": "exit 1"}, {"id": long, "run": GO})
    terminal = in_terminal(project, "-n", 2, columns=columns)
    cooked = terminal.mode()
    terminal.wait_for("1/2, 1 failed  ")
    assert terminal.mode() != cooked
    (project.path / "go").touch()
    assert terminal.end() == 1
    lines = lines_of(terminal)
    assert lines and all(len(line) < columns for line in lines), lines
    assert any(line.endswith(long if columns == 100 else "ever_hold") for line in lines), lines
    after = terminal.shown.decode(errors="replace").split("2 tests: ")[1]
    assert "1/2" not in after and "2/2" not in after, terminal.shown


@pytest.mark.parametrize("options, term", [(["--quiet"], "xterm"), (["--no-capture"], "xterm"), ([], "dumb")])
def test_no_status_line_where_it_would_disturb(project, options, term):
    project.commands({"id": "a", "run": "sleep 0.5"})
    terminal = in_terminal(project, *options, term=term)
    assert terminal.end() == 0 and lines_of(terminal) == [], terminal.shown


def test_no_status_line_in_ci(project):
    project.commands({"id": "a", "run": "sleep 0.5"})
    result = project.run()
    assert "\r" not in result.stdout + result.stderr and "\x1b" not in result.stdout + result.stderr, result


@pytest.mark.parametrize("key", ["t", "\n"])
def test_a_key_asks_what_runs(project, key):
    project.commands({"id": "a", "run": GO}, {"id": "b", "run": "true"})
    terminal = in_terminal(project, "-n", 2)
    terminal.wait_for("1/2")
    terminal.type(key)
    terminal.wait_for("1 of 2 tests done, 1 running")
    terminal.type("?")
    terminal.wait_for("t or Enter: what runs now")
    (project.path / "go").touch()
    assert terminal.end() == 0


def test_a_key_asks_pytest_too(suite):
    suite.write(test_a="import os, time\ndef test_a():\n    while not os.path.exists('go'): time.sleep(0.02)\n")
    argv, _ = suite.command("-n", 1)
    terminal = Terminal(argv, suite.path)
    cooked = terminal.mode()
    while terminal.mode() == cooked:
        time.sleep(0.02)
    terminal.type("t")
    terminal.wait_for("0 of 1 tests done, 1 running")
    (suite.path / "go").touch()
    assert terminal.end() == 0


def test_no_keys_where_nobody_wants_them(project):
    project.commands({"id": "a", "run": GO})
    terminal = in_terminal(project, "--no-input-handler")
    cooked = terminal.mode()
    terminal.wait_for("0/1  0.4s")
    assert terminal.mode() == cooked
    (project.path / "go").touch()
    assert terminal.end() == 0


@pytest.mark.parametrize("how", ["end", "^C", "^\\", "TERM", "HUP"])
def test_the_terminal_is_as_it_was_at_every_end(project, how):
    project.commands({"id": "a", "run": GO})
    project.count += 1
    argv, _ = project.argv((), ())
    terminal = Terminal(["env", "TERM=xterm", "sh", "-c", 'trap : INT QUIT; "$@"; stty -a; echo over', "sh", *argv], project.path)
    terminal.wait_for("0/1  0.2s")
    if how == "end":
        (project.path / "go").touch()
    elif how in ("TERM", "HUP"):
        children = open(f"/proc/{terminal.pid}/task/{terminal.pid}/children", encoding="ascii").read().split()
        os.kill(int(children[0]), getattr(signal, f"SIG{how}"))
    else:
        terminal.type({"^C": "\x03", "^\\": "\x1c"}[how])
    terminal.wait_for("over")
    assert re.search(r"[ ;]icanon\b", terminal.shown.decode(errors="replace")), terminal.shown
    assert re.search(r"\becho\b", terminal.shown.decode(errors="replace")) and b" -echo " not in terminal.shown
    assert terminal.end() == 0


def test_the_terminal_is_as_it_was_while_stopped(project):
    project.commands({"id": "a", "run": GO})
    terminal = in_terminal(project)
    cooked = terminal.mode()
    terminal.wait_for("0/1  0.2s")
    assert terminal.mode() != cooked
    terminal.type("\x1a")  # ^Z
    os.waitid(os.P_PID, terminal.pid, os.WSTOPPED | os.WNOWAIT)
    assert terminal.mode() == cooked
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.wait_for("0/1  ")
    (project.path / "go").touch()
    assert terminal.end() == 0
