# SPDX-License-Identifier: MIT
"""What pytest's users see and get must be what they know: output with one worker, JUnit, outcomes, state."""
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import needs_cgroups

VARIETY = """
    import sys, warnings, pytest

    @pytest.fixture(scope="module")
    def mod():
        print("mod setup")
        yield 1
        print("mod teardown")

    def test_pass(mod): print("out"); print("err", file=sys.stderr)
    def test_fail(mod): print("before"); assert [1, 2] == [1, 3]
    def test_skip(): pytest.skip("no reason")
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert 0
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.fixture
    def broken(): raise ValueError("setup broke")
    def test_error(broken): pass
    @pytest.fixture
    def bad_teardown():
        yield
        raise RuntimeError("teardown broke")
    def test_teardown_error(bad_teardown): pass
    def test_warns(): warnings.warn("careful", DeprecationWarning)
    @pytest.mark.parametrize("x", ["a", "ü", "x/y", "nul\\0", "long" * 300])
    def test_ids(x): pass
    class TestClass:
        def test_method(self): pass
    def test_properties(record_property): record_property("k", "v")
    def test_odd_output():
        print("nul \\0 and surrogate")
        sys.stdout.write("\\x1b[31mred\\x1b[0m\\n")
        assert 0
"""


def normal(text):
    """Without times and what follows from them."""
    text = re.sub(r"\d+\.\d+s( \(\d+:\d+:\d+\))?", "Ts", text)
    text = re.sub(r"=+ (.*) =+", r"= \1 =", text)
    return re.sub(r"0x[0-9a-f]+", "0xX", text)


@pytest.mark.parametrize(
    "args",
    [(), ("-q",), ("-v",), ("-vv", "-rA"), ("-rs",), ("--tb=short",), ("-x",), ("--tb=line", "-q")],
    ids=" ".join,
)
def test_one_worker_is_byte_identical(suite, args):
    suite.write(test_a=VARIETY, test_b="def test_b(): pass")
    ours = suite.run("-n", 1, pytest_args=args)
    status, stdout, _ = suite.plain(*args)
    assert ours.status == status
    assert normal(ours.stdout) == normal(stdout)


def test_durations_are_of_the_tests_themselves(suite):
    suite.write(test_a="""
        import time
        def test_slow(): time.sleep(0.3)
        def test_slower(): time.sleep(0.6)
    """)
    out = suite.run("-n", 1, pytest_args=("--durations=2",)).stdout
    assert re.search(r"0\.[6-9]\ds call +test_a.py::test_slower\n0\.[3-5]\ds call +test_a.py::test_slow\n", out)


def test_junit_of_pytest_is_the_same_set(suite):
    suite.write(test_a=VARIETY)
    suite.run("-n", 2, pytest_args=("--junitxml=ours.xml",))
    suite.plain("--junitxml=plain.xml")

    def cases(name):
        return sorted(
            (c.get("classname"), c.get("name"), sorted(x.tag for x in c))
            for c in ET.parse(suite.path / name).iter("testcase")
        )

    assert cases("ours.xml") == cases("plain.xml")


def test_junit_of_shunt_names_tests_as_pytest_does(suite):
    suite.write(test_a=VARIETY)
    suite.run("-n", 2, "--junit", "shunt.xml")
    suite.plain("--junitxml=plain.xml")

    def names(file):
        return {(c.get("classname"), c.get("name")) for c in ET.parse(suite.path / file).iter("testcase")}

    assert names("shunt.xml") == names("plain.xml")


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("fork", ["auto", "off"])
def test_outcomes(suite, workers, fork):
    suite.write(test_a=VARIETY)
    result = suite.run("-n", workers, "--fork-server", fork)
    names = {k.split("::")[-1].split("[")[0]: v for k, v in result.outcomes.items()}
    assert names == {
        "test_pass": "passed",
        "test_fail": "failed",
        "test_skip": "skipped",
        "test_xfail": "xfailed",
        "test_xpass": "xpassed",
        "test_error": "error",
        "test_teardown_error": "error",
        "test_warns": "passed",
        "test_ids": "passed",
        "test_method": "passed",
        "test_properties": "passed",
        "test_odd_output": "failed",
    }, result
    assert "careful" in result.stdout


@pytest.mark.parametrize("addopts", ["-n auto", "-n 3 --dist worksteal", "--dist loadscope -n2", "-n 2 --max-worker-restart=3"])
@pytest.mark.parametrize("xdist", [(), ("-p", "no:xdist")], ids=["with-xdist", "without"])
def test_xdist_options_are_defaults_and_start_no_xdist_worker(suite, addopts, xdist):
    (suite.path / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    suite.write(
        test_a="""
        import os, pytest
        @pytest.mark.parametrize("i", range(8))
        def test_it(i):
            assert os.environ["PYTEST_XDIST_WORKER"].startswith("gw")
            assert "execnet" not in open("/proc/self/cmdline").read()
        """
    )
    result = suite.run(pytest_args=xdist)
    assert result.status == 0, result
    assert len(result.outcomes) == 8
    if "-n 3" in addopts:
        assert result.of("run-start")[0]["workers"] == 3


def test_identity(suite):
    suite.write(
        test_a="""
        import os, time, pytest
        @pytest.mark.parametrize("i", range(6))
        def test_it(i, worker_id, testrun_uid, request, tmp_path_factory):
            time.sleep(0.05)
            assert worker_id == os.environ["PYTEST_XDIST_WORKER"]
            assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "2"
            assert os.environ["PYTEST_XDIST_TESTRUNUID"] == testrun_uid
            assert request.config.workerinput["workerid"] == worker_id
            assert f"popen-{worker_id}" in str(tmp_path_factory.getbasetemp())
            for name in ("SHUNT_SOCKET", "PYTEST_PLUGINS"):
                assert name not in os.environ
        """
    )
    result = suite.run("-n", 2)
    assert result.status == 0, result


def test_reading_the_worker_at_import_falls_back_to_cold_workers(suite):
    suite.write(
        conftest="""
        import os
        WORKER = os.environ.get("PYTEST_XDIST_WORKER")
        """,
        test_a="""
        import os, time, pytest, conftest
        @pytest.mark.parametrize("i", range(6))
        def test_it(i):
            time.sleep(0.05)
            assert conftest.WORKER == os.environ["PYTEST_XDIST_WORKER"]
        """,
    )
    result = suite.run("-n", 2)
    assert result.status == 0, result
    assert "conftest.py:3" in result.stderr or "conftest.py:2" in result.stderr, result


def test_threads_started_while_collecting_fall_back_to_cold_workers(suite):
    suite.write(
        conftest="""
        import queue, threading
        JOBS, DONE = queue.Queue(), queue.Queue()
        threading.Thread(target=lambda: [DONE.put(j) for j in iter(JOBS.get, None)], daemon=True).start()
        """,
        test_a="""
        import conftest
        def test_it():
            conftest.JOBS.put(1)
            assert conftest.DONE.get(timeout=5) == 1
        """,
    )
    result = suite.run("-n", 1)
    assert result.status == 0, result


def test_state_survives_the_fork_as_plain_pytest_has_it(suite):
    suite.write(
        conftest="""
        import atexit, pathlib, random, tempfile
        random.seed(42)
        HOLDER = tempfile.TemporaryDirectory()
        atexit.register(lambda: pathlib.Path("exits").open("a").write("x"))
        """,
        test_a="""
        import pathlib, random, pytest, conftest
        def test_random():
            random.seed
            assert pathlib.Path(conftest.HOLDER.name).is_dir()
            open("number", "w").write(str(random.random()))
        @pytest.mark.parametrize("i", range(4))
        def test_dir(i):
            assert pathlib.Path(conftest.HOLDER.name).is_dir()
        """,
    )
    result = suite.run("-n", 2, pytest_args=("test_a.py::test_random", "test_a.py::test_dir"))
    assert result.status == 0, result
    ours = (suite.path / "number").read_text()
    assert (suite.path / "exits").read_text() == "x", "atexit of the project ran in a worker"
    suite.plain("test_a.py::test_random")
    assert (suite.path / "number").read_text() == ours


@needs_cgroups
def test_pytest_timeout_is_a_timeout(suite):
    pytest.importorskip("pytest_timeout")
    suite.write(
        test_a="""
        import time, pytest
        @pytest.mark.timeout(0.5, method="thread")
        def test_slow():
            time.sleep(30)
        def test_other(): pass
        """
    )
    result = suite.run("-n", 2)
    assert result.verdicts() == [("test_slow", "timeout")] * 2, result


def test_a_pytest_started_by_a_test_is_an_ordinary_one(suite):
    suite.write(
        test_a="""
        import subprocess, sys, pathlib
        def test_inner(tmp_path):
            (tmp_path / "test_in.py").write_text("def test_x(): pass")
            out = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], capture_output=True, text=True)
            assert out.returncode == 0 and "1 passed" in out.stdout, out
        def test_pytester(pytester):
            pytester.makepyfile("def test_x(): pass")
            pytester.runpytest_inprocess().assert_outcomes(passed=1)
        """,
        conftest="pytest_plugins = ['pytester']",
    )
    assert suite.run("-n", 2).status == 0


def test_only_named_tests_and_filters(suite):
    suite.write(test_a=VARIETY)
    result = suite.run("-n", 2, pytest_args=("-k", "pass or skip", "--deselect", "test_a.py::test_xpass"))
    assert {k.split("::")[-1] for k in result.outcomes} == {"test_pass", "test_skip"}
    assert result.status == 0


def test_large_and_odd_reports(suite):
    suite.write(
        test_a="""
        import pytest
        def test_huge_failure():
            raise ValueError("x" * 3_000_000)
        def test_huge_output():
            print("y" * 5_000_000)
            assert 0
        def test_surrogate():
            raise ValueError("\\ud800 \\0")
        def test_property(record_property):
            record_property("nan", float("nan"))
            record_property("big", 1 << 80)
            record_property("t", (1, 2))
        """
    )
    result = suite.run("-n", 2, pytest_args=("-rs", "--junitxml=x.xml"))
    names = {k.split("::")[-1]: v for k, v in result.outcomes.items()}
    assert names == {
        "test_huge_failure": "failed", "test_huge_output": "failed", "test_surrogate": "failed", "test_property": "passed",
    }, result
    assert not result.incidents


@pytest.mark.parametrize("args", [(), ("--setup-show",)], ids=["silent", "setup-show"])
@pytest.mark.parametrize("n", [1, 2])
def test_the_terminal_of_a_worker_is_there(suite, n, args):
    """Nobody hears what is written to it; --setup-show is heard, since it is asked for, and all else then, too."""
    suite.write(
        test_a="""
        def test_one(pytestconfig):
            pytestconfig.pluginmanager.getplugin("terminalreporter").write_line("not seen")
            pytestconfig.get_terminal_writer().line("not seen either")
        def test_two(tmp_path): pass
        """
    )
    result = suite.run("-n", n, pytest_args=args)
    assert set(result.outcomes.values()) == {"passed"}, result
    assert ("not seen" in result.stdout) == bool(args) == ("SETUP    F tmp_path" in result.stdout), result


def test_workers_have_different_process_ids(suite):
    """As under pytest alone and xdist: names in /tmp are made of them."""
    suite.write(
        test_a="""
        import os, time, pytest
        @pytest.mark.parametrize("i", range(4))
        def test_it(i, worker_id):
            time.sleep(0.2)
            open(f"pid-{os.getpid()}-{worker_id}", "w").close()
        """
    )
    suite.run("-n", 2)
    pids = {p.name.split("-")[1] for p in suite.path.glob("pid-*")}
    assert len(pids) == len({p.name.split("-")[2] for p in suite.path.glob("pid-*")}) == 2
