# SPDX-License-Identifier: MIT
"""Debuggers: each case has a terminal, and somebody who types."""
from functools import partial

from compare import Case as AnyCase

Case = partial(AnyCase, timeout=20)

BREAKPOINT = """
import pytest
def test_a():
    x = 41
    print("captured before")
    breakpoint()
    print("after the breakpoint")
    x += 1
    breakpoint()
    assert x == 42
@pytest.mark.parametrize("n", range(10))
def test_b(n): pass
"""
FAILS = """
def test_a(): pass
def test_fails():
    secret = "one" + "two"
    print("said before it failed")
    assert secret == "x"
def test_c(): pass
"""
WAITS = """
import time, pytest
def test_a(record_property):
    time.sleep(0.1)
    record_property("from", time.time())
    breakpoint()
    record_property("to", time.time())
@pytest.mark.parametrize("x", range(100))
def test_x(x, record_property):
    record_property("start", time.time())
    time.sleep(0.01)
"""


def others_waited(run):
    times = {key: float(run.values(key)[0]) for key in ("from", "to")}
    between = [t for t in map(float, run.values("start")) if times["from"] + 0.2 < t < times["to"] - 0.05]
    after = [t for t in map(float, run.values("start")) if t > times["to"]]
    return None if not between and after else f"{len(between)} tests began meanwhile, {len(after)} after it"


def next_time_again(run):
    """The failure at which the debugger was left is known to --lf."""
    failed = run.directory / ".pytest_cache/v/cache/lastfailed"
    return None if failed.exists() and "test_fails" in failed.read_text() else "--lf would not run it"


CASES = [
    Case("others_wait", {"test_a.py": WAITS}, pty=True, properties=False, modes=("plain", "shunt"), expect=others_waited,
         script=[("(Pdb)", "import time; time.sleep(0.7)\n"), ("(Pdb)", "c\n")]),
    Case("breakpoint", {"test_a.py": BREAKPOINT}, pty=True, modes=("plain", "shunt"), lines=["^[0-9]+$|PDB"],
         script=[("(Pdb)", "p x + 1000\n"), ("(Pdb)", "c\n"), ("(Pdb)", "p x + 2000\n"), ("(Pdb)", "c\n")]),
    Case("breakpoint_stepping", {"test_a.py": BREAKPOINT}, pty=True, modes=("plain", "shunt"), lines=["^-> "],
         script=[("(Pdb)", "n\n"), ("(Pdb)", "n\n"), ("(Pdb)", "b 10\n"), ("(Pdb)", "c\n"), ("(Pdb)", "c\n"),
                 ("(Pdb)", "c\n")]),
    Case("breakpoint_quit", {"test_a.py": BREAKPOINT}, pty=True, modes=("plain", "shunt"), tests=False,
         lines=["Quitting debugger"], script=[("(Pdb)", "q\n")]),
    Case("breakpoint_interrupt", {"test_a.py": BREAKPOINT}, pty=True, modes=("plain", "shunt"), tests=False,
         lines=["KeyboardInterrupt--$|^7$"],
         script=[("(Pdb)", "\x03"), ("(Pdb)", "p 3 + 4\n"), ("(Pdb)", "c\n"), ("(Pdb)", "c\n")]),
    Case("pdb", {"test_a.py": FAILS}, ["--pdb"], pty=True, modes=("plain", "shunt"),
         lines=["onetwo|PDB|^said before|^E  |passed"], script=[("(Pdb)", "p secret\n"), ("(Pdb)", "c\n")]),
    Case("pdb_exit_first", {"test_a.py": FAILS + "def test_more(): assert 0\n"}, ["--pdb", "-x"], pty=True, n=1,
         modes=("plain", "shunt"), lines=["onetwo|PDB|passed|failed"], script=[("(Pdb)", "p secret\n"), ("(Pdb)", "c\n")]),
    Case("pdb_quit", {"test_a.py": FAILS}, ["--pdb"], pty=True, n=1, modes=("plain", "shunt"), expect=next_time_again,
         lines=["Quitting debugger|^FAILED|^E  |passed|failed"], script=[("(Pdb)", "q\n")]),
    Case("pdb_quit_two", {"test_a.py": "def test_a(): assert 0\n"}, ["--pdb"], pty=True, modes=("plain", "shunt"),
         lines=["Quitting debugger|^FAILED|passed|failed"], script=[("(Pdb)", "q\n")], quick=False),
    Case("pdb_without_a_terminal", {"test_a.py": FAILS}, ["--pdb"], n=1, modes=("plain", "shunt"),
         lines=["Quitting debugger|^FAILED"]),
    Case("pdb_no_capture", {"test_a.py": FAILS}, ["--pdb", "-s"], pty=True, modes=("plain", "shunt"), quick=False,
         lines=["^'onetwo|^onetwo"], script=[("(Pdb)", "p secret\n"), ("(Pdb)", "c\n")]),
    Case("pdb_in_setup", {"test_a.py": "import pytest\n@pytest.fixture\ndef f():\n    y = 5\n    raise ValueError(y)\n"
         "def test_a(f): pass\n"}, ["--pdb"], pty=True, modes=("plain", "shunt"), quick=False, lines=["^1005|ValueError"],
         script=[("(Pdb)", "p y + 1000\n"), ("(Pdb)", "c\n")]),
    Case("pdb_unittest", {"test_a.py": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        y = 5\n"
         "        self.assertEqual(y, 6)\n"}, ["--pdb"], pty=True, modes=("plain", "shunt"), quick=False,
         lines=["^AssertionError|PDB"], script=[("(Pdb)", "u\n"), ("(Pdb)", "c\n")]),
    Case("trace", {"test_a.py": "def test_a():\n    x = 1\n    assert x\ndef test_b(): pass\n"}, ["--trace"], pty=True,
         modes=("plain", "shunt"), lines=["^-> |PDB"], script=[("(Pdb)", "c\n"), ("(Pdb)", "c\n")], n=1),
    Case("trace_two", {"test_a.py": "def test_a():\n    x = 1\n    assert x\ndef test_b(): pass\n"}, ["--trace"], pty=True,
         modes=("plain", "shunt"), lines=["^-> def test_a|PDB"], script=[("(Pdb)", "c\n"), ("(Pdb)", "c\n")], n=2),
    Case("pdbcls", {"mypdb.py": "import pdb\nclass Mine(pdb.Pdb):\n    def do_hello(self, arg): self.message('hello to you')\n",
         "test_a.py": FAILS}, ["--pdb", "--pdbcls=mypdb:Mine"], pty=True, modes=("plain", "shunt"), quick=False,
         lines=["^hello to you"], script=[("(Pdb)", "hello\n"), ("(Pdb)", "c\n")]),
    Case("set_trace_in_fixture", {"test_a.py": "import pytest\n@pytest.fixture(scope='session')\ndef f():\n    yield 1\n"
         "    y = 2\n    pytest.set_trace()\n    y = 3\ndef test_a(f): pass\n"}, pty=True, modes=("plain", "shunt"),
         quick=False, lines=["^1002"], script=[("(Pdb)", "p y + 1000\n"), ("(Pdb)", "c\n")]),
]  # fmt: skip
