# SPDX-License-Identifier: MIT
"""pytest's own options."""
import re

from compare import Case, normal

MIXED = {
    "test_a.py": """
import pytest, warnings

@pytest.fixture
def broken():
    raise ValueError("in setup")

@pytest.fixture
def ends_badly():
    yield
    raise ValueError("in teardown")

def test_pass(): pass
def test_fail():
    print("said before it failed")
    assert [1, 2, 3] == [1, 2, 4], "a reason"
def test_error(broken): pass
def test_teardown(ends_badly): pass
@pytest.mark.skip(reason="not today")
def test_skip(): pass
@pytest.mark.skipif(True, reason="because")
def test_skipif(): pass
def test_skip_inside(): pytest.skip("inside")
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True, reason="strictly")
def test_xpass_strict(): pass
def test_warns(): warnings.warn("look out")
@pytest.mark.parametrize("x", [1, 2, "a/b", "", None])
def test_param(x): assert x != 2
""",
    "test_b.py": """
import unittest, warnings, pytest

class TestUnit(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.x = 1
    def test_ok(self): assert self.x == 1
    def test_bad(self): self.assertEqual(1, 2)
    @unittest.skip("no")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): assert 0
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i): assert i < 5

class TestClass:
    @pytest.mark.slow
    def test_one(self): pass
    @pytest.mark.slow
    def test_two(self):
        warnings.warn(DeprecationWarning("old"))
""",
    "pytest.ini": "[pytest]\nmarkers =\n    slow: takes long\n",
}
FEW = {
    "test_a.py": "import pytest\n@pytest.mark.parametrize('x', range(20))\ndef test_a(x): assert x not in (3, 7, 11)\n",
    "test_b.py": "def test_b(): pass\n",
}
SHOWN = {
    "test_a.py": "import pytest\n@pytest.fixture(params=[1, 2])\ndef given(request): return request.param\n"
    "@pytest.fixture(scope='module')\ndef wide(): yield\n"
    "def test_a(given, wide): pass\n"
}
SUMMARY = r"^(FAILED|ERROR|SKIPPED|XFAIL|XPASS|PASSED) |passed|failed"


def mixed(name, *args, **kwargs):
    return Case(name, MIXED, args, **kwargs)


def few(name, *args, **kwargs):
    return Case(name, FEW, args, **kwargs)


def in_order(run, expression):
    return re.findall(expression, run.output, re.M) == [str(x) for x in range(12)]


def at_most(count):
    def check(run):
        ran = sum(n for (_, word), n in run.outcomes.items() if word == "failed")
        return None if ran <= count else f"{ran} failures with at most {count} allowed"

    return check


CASES = [
    mixed("all", "-ra", lines=[SUMMARY, "Warning: ", "^E  ", "^said before"]),
    mixed("report_chars", "-rA", "-q", quick=False, lines=[SUMMARY]),
    mixed("verbose_twice", "-vv", "--tb=short", quick=False, lines=["passed|^E  "]),
    mixed("keyword", "-k", "pass or param and not xpass"),
    mixed("marker", "-m", "slow"),
    mixed("deselect", "--deselect", "test_a.py::test_fail", "--deselect", "test_b.py", quick=False),
    mixed("node_ids", "test_b.py::TestUnit::test_ok", "test_a.py::test_param[a/b]", quick=False),
    mixed("tb_no", "--tb=no", "-q", quick=False, lines=[SUMMARY]),
    mixed("tb_line", "--tb=line", quick=False, lines=[r"^/.*:\d+: "]),
    mixed("tb_native", "--tb=native", quick=False, lines=["^  File|Error: "]),
    mixed("show_locals", "-l", "-k", "test_fail", quick=False, lines=["^E  |Captured"]),
    mixed("durations", "--durations=3", "-vv", "--durations-min=0", quick=False, lines=["slowest"]),
    mixed("junit_option", "--junitxml=out.xml", expect=lambda run: None
          if (run.directory / "out.xml").read_text().count("<testcase ") == 23 else "not 23 entries, as of plain pytest"),
    mixed("collect_only", "--collect-only", "-q", like="plain", lines=["::"]),
    mixed("collect_only_short", "--co", quick=False, lines=["<Function|collected"]),
    Case("setup_show", SHOWN, ["--setup-show"], n=1, lines=["SETUP|TEARDOWN F"]),
    Case("setup_only", SHOWN, ["--setup-only"], n=1, quick=False, lines=["SETUP|TEARDOWN"]),
    Case("setup_plan", SHOWN, ["--setup-plan"], n=1, quick=False, lines=["SETUP|TEARDOWN"]),
    mixed("import_mode", "--import-mode=importlib", quick=False),
    mixed("rootdir", "--rootdir=.", "-c", "pytest.ini", quick=False, lines=["^rootdir|^configfile"]),
    mixed("ini_override", "-o", "xfail_strict=true", "-o", "addopts=-v", lines=["passed"]),
    mixed("basetemp", "--basetemp=base", quick=False),
    mixed("no_plugin", "-p", "no:warnings", lines=["passed"], quick=False),
    mixed("no_capture_plugin", "-p", "no:capture", quick=False),
    mixed("no_terminal", "-p", "no:terminal", quick=False),
    mixed("warnings_error", "-W", "error::UserWarning"),
    mixed("warnings_off", "--disable-warnings", quick=False, lines=["passed"]),
    mixed("capture_sys", "--capture=sys", quick=False, lines=["^said before"]),
    mixed("capture_tee", "--capture=tee-sys", quick=False),
    mixed("show_capture_no", "--show-capture=no", quick=False, lines=["passed"]),
    mixed("strict", "--strict-markers", "--strict-config", quick=False),
    mixed("help", "--help", lines=["^  --tb|^pytest-warnings|^  --durations="]),
    mixed("version", "--version", lines=["pytest "], quick=False),
    mixed("fixtures", "--fixtures", quick=False, lines=["^broken|^capsys"]),
    mixed("markers", "--markers", quick=False, lines=["pytest.mark.slow"]),
    mixed("usage_error", "--no-such-option", lines=["unrecognized"]),
    mixed("no_such_file", "no_such_file.py", lines=["^ERROR"], quick=False),
    mixed("nothing_selected", "-k", "nothing_like_this", lines=["deselected"]),
    Case("no_tests", {"test_a.py": "x = 1\n"}, lines=["no tests ran"], why="exit status 5"),
    Case("one_test", {"test_a.py": "def test_a(): pass\n"}, lines=["passed"], quick=False),
    Case("collection_error", {"test_a.py": "import no_such_module\n", "test_b.py": "def test_b(): pass\n"},
         lines=["^ERROR|^E  |error"]),
    Case("collection_error_continues", {"test_a.py": "import no_such_module\n", "test_b.py": "def test_b(): pass\n"},
         ["--continue-on-collection-errors"], lines=["^ERROR|^E  "]),
    Case("conftest_error", {"conftest.py": "raise RuntimeError('x')\n", "test_b.py": "def test_b(): pass\n"},
         quick=False, lines=["RuntimeError"]),
    few("maxfail", "--maxfail=2", "-p", "no:randomly", tests=False, expect=at_most(4), lines=["stopping after 2 failures"]),
    few("exit_first", "-x", tests=False, expect=at_most(3), lines=["^FAILED test_a.py::test_a.3."]),
    Case("internal_error", {"conftest.py": "def pytest_runtest_logreport(report):\n    raise RuntimeError('in a hook')\n",
         "test_b.py": "def test_b(): pass\n"}, tests=False, like="plain", lines=["^INTERNALERROR> RuntimeError"]),
    Case("pytest_exit", {"test_a.py": "import pytest\ndef test_a(): pytest.exit('enough', 7)\n"},
         lines=["Exit: enough"], modes=("plain", "shunt")),
    Case("pytest_exit_in_teardown", {"test_a.py": "import pytest\n@pytest.fixture\ndef ends():\n    yield\n"
         "    pytest.exit('enough', 7)\ndef test_a(): pass\ndef test_b(ends): assert 0\ndef test_c(): pass\n"}, n=1,
         lines=["Exit: enough|^FAILED|passed|failed"], modes=("plain", "shunt")),
    Case("failures_in_order", {"test_a.py": "import pytest, time\n@pytest.mark.parametrize('x', range(12))\ndef test_x(x):\n"
         "    time.sleep(0.01)\n    assert 0\n"}, expect=lambda run: None if in_order(run, r"^_+ test_x\[(\d+)\] _+$")
         and in_order(run, r"^FAILED \S+::test_x\[(\d+)\]") else "not in the order of collection"),
    Case("keyboard_interrupt", {"test_a.py": "def test_a(): raise KeyboardInterrupt\n"}, modes=("plain", "shunt"),
         lines=["KeyboardInterrupt$"]),
    Case("session_exit_status", {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 42\n"
         "def pytest_report_header(): return 'a header of its own'\n"
         "def pytest_terminal_summary(terminalreporter): terminalreporter.line('a summary of its own')\n",
         "test_a.py": "def test_a(): pass\n"}, lines=["of its own"]),
    few("last_failed", "--lf", first=[[]], lines=["previous|passed|failed"]),
    few("failed_first", "--ff", first=[[]], quick=False, lines=["previous"]),
    few("new_first", "--nf", first=[["test_a.py"]], quick=False, lines=["passed"]),
    few("stepwise", "--sw", first=[["-k", "nothing"]], quick=False, tests=False, expect=at_most(3), lines=["^FAILED test_a.py::test_a.3."]),
    few("stepwise_again", "--sw", first=[["--sw"]], n=1),
    Case("stepwise_goes_on", {"test_a.py": "import pytest, time\n@pytest.mark.parametrize('x', range(20))\n"
         "def test_a(x):\n    time.sleep(0.3 if x == 2 else 0.01)\n    assert x not in (2, 12)\n"}, ["--sw"], first=[["--sw"]],
         tests=False, quick=False, expect=lambda run: None if run.outcomes["test_a.py::test_a[2]", "failed"] else "not from [2]"),
    few("stepwise_skip", "--sw", "--sw-skip", quick=False, tests=False, expect=at_most(4)),
    few("cache_clear", "--lf", "--cache-clear", first=[[]], quick=False, lines=["passed"]),
    few("cache_show", "--cache-show", first=[[]], quick=False, lines=["test_a.py::test_a"]),
    Case("no_capture", {"test_a.py": "import sys\n"
         "def test_a():\n    print('to stdout')\n    print('to stderr', file=sys.stderr)\n"
         "def test_b():\n    import os\n    os.write(1, b'to fd 1\\n')\n"}, ["-s"], expect=lambda run: None
         if {"to stdout", "to stderr", "to fd 1"} <= set(normal(x) for x in run.output.splitlines()
                                                         if x.startswith("[gw")) else "not every line names its worker"),
]  # fmt: skip
