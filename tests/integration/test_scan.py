# SPDX-License-Identifier: MIT
"""`shunt scan`: what it finds, through what, what it leaves alone; hostile files."""
import json
import os
import subprocess
import sys
import textwrap

import pytest
from conftest import SHUNT, clean_environment


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


class Project:
    def __init__(self, path):
        self.path = path

    def write(self, **files):
        """write(tests__test_a="..."): tests/test_a.py."""
        for name, source in files.items():
            file = self.path / (name.replace("__", "/") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
        return self

    def scan(self, *arguments, status=None, env=None):
        argv = [str(SHUNT), "scan", "--python", sys.executable, *arguments]
        if "--root" not in arguments:
            argv[2:2] = ["--root", str(self.path)]
        done = subprocess.run(argv, cwd=self.path, env=clean_environment(**(env or {})), capture_output=True, timeout=120)
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert status is None or done.returncode == status, done
        return done

    def findings(self, *arguments):
        done = self.scan("--json", *arguments)
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout)["findings"]

    def reasons(self, *arguments):
        """{(test, reason)}"""
        return {(f["test"].split("::", 1)[1], f["reason"]) for f in self.findings(*arguments)}


BODIES = [
    ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor()", "ThreadPoolExecutor without max_workers"),
    ("from concurrent import futures as f", "f.ThreadPoolExecutor(64)", "ThreadPoolExecutor of 64"),
    ("import concurrent.futures", "concurrent.futures.ProcessPoolExecutor(max_workers=None)", "ProcessPoolExecutor without max_workers"),
    ("import multiprocessing as mp", "mp.Pool()", "multiprocessing.Pool without processes"),
    ("import multiprocessing as mp", "ctx = mp.get_context('spawn'); ctx.Pool()", "multiprocessing.Pool without processes"),
    ("import multiprocessing as mp", "mp.get_context('fork').Pool(32)", "multiprocessing.Pool of 32"),
    ("from multiprocessing.pool import ThreadPool", "ThreadPool()", "multiprocessing.pool.ThreadPool without processes"),
    ("import multiprocessing", "[multiprocessing.Process(target=f) for f in fs]", "multiprocessing.Process in a loop"),
    ("import multiprocessing", "multiprocessing.set_start_method('fork')", "multiprocessing.set_start_method"),
    ("import threading", "ts = [threading.Thread(target=f) for _ in range(50)]", "threading.Thread in a loop of 50"),
    ("import threading", "while x(): threading.Thread(target=f).start()", "threading.Thread in a loop"),
    ("import os", "os.fork()", "os.fork"),
    ("import subprocess, sys", "subprocess.run([sys.executable, '-m', 'pytest', 'x'])", "a subprocess that runs pytest"),
    ("import subprocess", "subprocess.check_call('cd x && tox -e py', shell=True)", "a subprocess that runs tox"),
    ("import subprocess", "subprocess.run(['make', '-j8'])", "a subprocess that runs make -j"),
    ("import os", "os.system('python3 -m unittest')", "a subprocess that runs unittest"),
    ("import joblib", "joblib.Parallel(n_jobs=-1)(x)", "joblib.Parallel with n_jobs=-1"),
    ("from joblib import Parallel", "Parallel(n_jobs=n)(x)", "joblib.Parallel with a computed n_jobs"),
    ("import socket", "s = socket.socket(); s.bind(('', 8080))", "fixed port 8080"),
    ("from http.server import HTTPServer", "HTTPServer(('localhost', 8000), None)", "fixed port 8000"),
    ("PORT = 9999\nimport socket", "socket.create_server(('', PORT))", "fixed port 9999"),
    ("import app", "app.listen(8888)", "fixed port 8888"),
    ("", "open('/tmp/out.txt', 'w')", "fixed path /tmp/out.txt"),
    ("from pathlib import Path", "Path('/var/tmp/x').write_text('')", "fixed path /var/tmp/x"),
    ("import os", "os.makedirs(os.path.join('/tmp', 'a'))", "fixed path /tmp/a"),
    ("import os", "os.chdir('x')", "os.chdir"),
    ("import os", "os.environ['A'] = 'b'", "os.environ"),
    ("from os import environ", "environ.update(A='b')", "os.environ"),
    ("import os", "del os.environ['A']", "os.environ"),
]


@pytest.mark.parametrize("imports, body, reason", BODIES)
def test_a_reason_is_found(project, imports, body, reason):
    project.write(test_a=f"{imports}\n\ndef test_x():\n    {body}\n".replace("\n    while", "\n    while"))
    assert project.reasons() == {("test_x", reason)}
    project.scan(status=1)


SAFE = [
    ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor(max_workers=4)"),
    ("import threading", "threading.Thread(target=f).start()"),
    ("import threading", "[threading.Thread(target=f) for _ in range(3)]"),
    ("import joblib", "joblib.Parallel(n_jobs=1)(x)"),
    ("import joblib", "joblib.Parallel()(x)"),
    ("import socket", "socket.socket().bind(('', 0))"),
    ("import socket", "socket.socket().listen(128)"),
    ("import os", "os.environ.get('A'); os.environ['B']; os.environ.copy()"),
    ("import os", "monkeypatch.setenv('A', 'b'); monkeypatch.chdir('x')"),
    ("", "assert f('/tmp/x') == '/tmp/x'"),
    ("", "open(f'/tmp/{name}')"),
    ("import subprocess", "subprocess.run(['git', 'log', '--', 'pytest.ini'])"),
    ("", "ThreadPoolExecutor()"),
    ("class ThreadPoolExecutor: pass", "ThreadPoolExecutor()"),
]


@pytest.mark.parametrize("imports, body", SAFE)
def test_what_is_safe_is_not_reported(project, imports, body):
    project.write(test_a=f"{imports}\n\ndef test_x(monkeypatch):\n    {body}\n")
    assert project.reasons() == set()
    project.scan(status=0)


def test_what_is_put_back_is_small(project):
    project.write(
        test_a="""
        import os, pytest
        from unittest import mock

        def test_finally():
            old = os.getcwd()
            os.chdir("x")
            try:
                pass
            finally:
                os.chdir(old)

        @pytest.fixture
        def env():
            os.environ["A"] = "b"
            yield
            del os.environ["A"]

        def test_fixture(env):
            pass

        def test_inner():
            def away(where):
                os.chdir(where)
            try:
                away("x")
            finally:
                away("/")

        def test_patched():
            with mock.patch.dict(os.environ):
                os.environ["A"] = "b"
        """
    )
    assert project.reasons() == set()
    assert {reason for _, reason in project.reasons("--all")} == {"os.chdir, put back", "os.environ, put back"}
    shown = project.scan("--all", status=0).stdout
    assert shown.startswith("Small (")
    assert ": 0 look unsafe; " in shown, "what is small is shown, and not called unsafe"
    assert "--all shows" not in shown and "--all shows them" in project.scan(status=0).stdout


def test_an_option_that_is_none_is_no_commands_option(project):
    said = project.scan("--bogus", status=4).stderr
    assert '"shunt scan --help" lists the options' in said and "COMMAND" not in said


def test_helpers_fixtures_and_classes_are_followed(project):
    project.write(
        tests__helpers="""
        from concurrent.futures import ThreadPoolExecutor

        def make_pool():
            return ThreadPoolExecutor()

        def outer():
            return inner()

        def inner():
            make_pool()
            return outer()     # a cycle

        class Cluster:
            def __enter__(self):
                return self
            def grow(self):
                make_pool()

        class Base:
            def crowd(self):
                make_pool()
        """,
        tests__conftest="""
        import pytest
        from tests.helpers import make_pool

        @pytest.fixture
        def pool():
            return make_pool()

        @pytest.fixture(name="renamed")
        def other(pool):
            return pool
        """,
        tests__sub__test_a="""
        import pytest
        from tests.helpers import make_pool, outer, Cluster, Base
        from .. import helpers as h
        import tests.helpers
        POOL = make_pool()

        def test_direct(): make_pool()
        def test_module(): tests.helpers.make_pool()
        def test_relative(): h.make_pool()
        def test_cycle(): outer()
        def test_handed_on(): run(make_pool)
        def test_fixture(pool): pass
        def test_renamed(renamed): pass
        @pytest.mark.usefixtures("pool")
        def test_used(): pass
        def test_requested(request): request.getfixturevalue("pool")
        def test_global(): POOL.submit(1)
        def test_instance():
            with Cluster() as cluster:
                cluster.grow()
        class TestC(Base):
            def test_method(self): self.crowd()
            def test_nothing(self): pass
        class TestSetup:
            def setup_method(self): make_pool()
            def test_after_setup(self): pass
        def test_nothing(): pass
        """,
    )
    for folder in ("tests", "tests/sub"):
        (project.path / folder / "__init__.py").touch()
    found = project.findings("tests")
    assert all(f["reason"] == "ThreadPoolExecutor without max_workers" for f in found)
    assert all(f["at"] == {"file": "tests/helpers.py", "line": 5} for f in found)
    names = {f["test"].split("::")[-1] for f in found}
    wanted = "direct module relative cycle handed_on fixture renamed used requested global instance method after_setup"
    assert names == {f"test_{name}" for name in wanted.split()}
    through = {f["test"].split("::")[-1]: f["through"] for f in found}
    assert through["test_direct"] == ["helper make_pool"]
    assert through["test_fixture"] == ["fixture pool", "helper make_pool"]
    screen = project.scan("tests", status=1).stdout
    assert (
        "tests/sub/test_a.py:8: test_direct: ThreadPoolExecutor without max_workers "
        "(tests/helpers.py:5, through helper make_pool)\n" in screen
    )


def test_numbers_are_followed_into_helpers(project):
    project.write(
        test_a="""
        import pytest
        from concurrent.futures import ThreadPoolExecutor
        WIDE = 90
        def crowd(n): return ThreadPoolExecutor(n)
        def through(count): return crowd(n=count)
        def by_default(n=50): return ThreadPoolExecutor(n)
        def test_small(): crowd(4)
        def test_through(): through(4)
        def test_both(): crowd(4), crowd(70)
        def test_wide(): crowd(WIDE)
        def test_unknown(): crowd(x())
        def test_default(): by_default()
        @pytest.mark.parametrize("a, n", [(1, 2), (3, 40)])
        def test_parameters(a, n): crowd(n)
        @pytest.mark.parametrize("n", [1, 2])
        def test_few(n): ThreadPoolExecutor(n)
        """
    )
    wanted = {"both": "70", "wide": "90", "unknown": "a computed size", "default": "50", "parameters": "40"}
    assert project.reasons() == {(f"test_{name}", f"ThreadPoolExecutor of {size}") for name, size in wanted.items()}


def test_autouse_fixtures_and_unittest(project):
    project.write(
        conftest="""
        import os, pytest
        @pytest.fixture(autouse=True)
        def away(): os.chdir("/")
        """,
        test_a="""
        import os, unittest
        def test_x(): pass
        class Case(unittest.TestCase):
            def setUp(self): os.fork()
            def test_y(self): pass
            def helper(self): pass
        class NoCase:
            def test_z(self): os.fork()
        """,
    )
    assert project.reasons() == {("test_x", "os.chdir"), ("Case::test_y", "os.chdir"), ("Case::test_y", "os.fork")}


def test_markers_are_seen_in_every_form(project):
    project.write(
        test_a="""
        import os, pytest
        from pytest import mark as m
        import pytest as pt
        unsafe = pytest.mark.parallel_unsafe
        @pytest.mark.parallel_unsafe
        def test_a(): os.fork()
        @m.serial
        def test_b(): os.fork()
        @pt.mark.shunt(lane="serial")
        def test_c(): os.fork()
        @unsafe
        def test_d(): os.fork()
        @pytest.mark.shunt(tasks=99)
        def test_e(): os.fork()
        @pytest.mark.parallel_unsafe
        class TestC:
            def test_f(self): os.fork()
        class TestD:
            pytestmark = [pytest.mark.slow, pytest.mark.serial]
            def test_g(self): os.fork()
        """,
        test_b="""
        import os, pytest
        pytestmark = [pytest.mark.x, pytest.mark.needs_alone]
        def test_h(): os.fork()
        """,
        test_c="""
        import os, pytest
        @pytest.mark.shunt(tasks=99)
        def test_chdir(): os.chdir("x")
        """,
    )
    (project.path / "pytest.ini").write_text("[pytest]\nshunt_serial_markers =\n    needs_alone\n")
    unmarked = {f["test"] for f in project.findings() if not f["marked"]}
    assert unmarked == {"test_c.py::test_chdir"}
    screen = project.scan("test_b.py", status=0).stdout
    assert "[marked needs_alone (test_b.py:3)]" in screen
    assert "1 more marked" in screen


def test_names_of_tests_come_from_the_configuration(project):
    project.write(check_a="import os\ndef check_x(): os.fork()\ndef test_x(): os.fork()\n", test_b="import os\ndef check_y(): os.fork()\n")
    (project.path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npython_files = ["check_*.py"]\npython_functions = "check"\n')
    assert project.reasons() == {("check_x", "os.fork")}


def test_findings_are_sorted_and_grouped(project):
    project.write(
        test_b="import os\ndef test_2(): os.fork()\ndef test_1(): os.chdir('x')\n",
        test_a="import os\ndef test_1(): os.chdir('x'); os.fork(); open('/tmp/x')\n",
    )
    kinds = [(f["kind"], f["file"]) for f in project.findings()]
    assert kinds == [("limits", "test_a.py"), ("limits", "test_b.py"), ("shared", "test_a.py"), ("order", "test_a.py"), ("order", "test_b.py")]
    assert project.scan("--exit-zero").returncode == 0
    assert "3 look unsafe (limits 2, shared 1, order 2)" in project.scan().stdout


HOSTILE = {
    "brackets": b"x = " + b"(" * 5000,
    "minus": b"x = " + b"-" * 200_000 + b"1\n",
    "sum": b"x = 1" + b"+1" * 200_000 + b"\n",
    "attributes": b"x = a" + b".b" * 200_000 + b"\n",
    "calls": b"import os\ndef test_x(): a" + b".b()" * 3000 + b"\n",
    "some calls": b"import os\ndef test_x(): a" + b".b()" * 150 + b"\n",
    "more calls": b"import os\ndef test_x(): a" + b".b()" * 450 + b"\n",
    "elif": b"if a: pass\n" + b"elif b: pass\n" * 900 + b"def test_x(): pass\n",
    "blocks": b"".join(b" " * i + b"if x:\n" for i in range(99)) + b" " * 99 + b"pass\n",
    "nul": b"x = 1\0\n",
    "syntax": b"\n\ndef f(:\n",
    "encoding": b"# coding: no-such\nx = 1\n",
    "rot13": b"# coding: rot13\nk = 1\n",
    "latin": b"x = '\xe9'\n",
    "bom": b"\xef\xbb\xbf# coding: latin-1\nx = 1\n",
    "dedent": b"def f():\n        x\n    y\n",
    "escape": b"x = '\\d'\n1 is 1\n",
    "huge": b"#" * (5 << 20),
    "empty": b"",
    "form": b"\x0cimport os\r\rdef f(): pass\r\n",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_named_and_the_rest_is_scanned(project, name):
    project.write(test_hostile=HOSTILE[name], test_ok="import os\ndef test_x(): os.fork()\n")
    done = project.scan(status=1)
    assert "Traceback" not in done.stderr
    assert "test_ok.py:2: test_x: os.fork" in done.stdout
    for line in done.stderr.splitlines():
        assert line.startswith("test_hostile.py:"), line
    if name in ("brackets", "nul", "syntax", "encoding", "latin", "dedent"):
        assert "cannot be parsed" in done.stderr
    if name == "syntax":
        assert done.stderr.startswith("test_hostile.py:3:")


def test_pipes_links_and_folders_are_not_waited_for(project):
    os.mkfifo(project.path / "test_pipe.py")
    os.symlink("/dev/zero", project.path / "test_zero.py")
    os.symlink("test_loop.py", project.path / "test_loop.py")
    os.mkdir(project.path / "test_folder.py")
    os.symlink("..", project.path / "up")
    project.write(test_ok="import os\ndef test_x(): os.fork()\n")
    done = project.scan(status=1)
    assert "Traceback" not in done.stderr
    assert "not a regular file" in done.stderr


def test_encodings_line_ends_and_tabs(project):
    project.write(
        test_a=b"# -*- coding: latin-1 -*-\r\nimport os\r\nclass Test\xe9:\r\n\tdef test_x(self):\r\n\t\tos.fork()\r\n",
        test_b=b"\xef\xbb\xbfimport os\rdef test_y():\r\x0c\tos.fork()\r",
    )
    found = project.findings()
    assert [(f["file"], f["line"], f["at"]["line"]) for f in found] == [("test_a.py", 4, 5), ("test_b.py", 2, 3)]


def test_control_characters_do_not_reach_the_terminal(project):
    (project.path / "test_\x1b[2Ja.py").write_text("import os\ndef test_x(): os.fork()\n")
    (project.path / "test_b.py").write_text("def test_x(): open('/tmp/\\x1b[2J')\n")
    assert "\x1b" not in project.scan(status=1).stdout


def test_nothing_of_the_project_runs(project):
    bad = "import pathlib; pathlib.Path('ran').touch()\n"
    for name in ("ast", "sitecustomize", "usercustomize", "tokenize", "shunt_mark", "conftest", "test_a"):
        project.write(**{name: bad})
    project.scan(env={"PYTHONPATH": str(project.path), "PYTHONSTARTUP": "test_a.py"}, status=0)
    assert not (project.path / "ran").exists()
    assert not list(project.path.rglob("__pycache__"))


def test_which_interpreter(project):
    project.write(test_a="def test_x(): pass\n")
    done = project.scan("--python", "/nowhere/python", status=4)
    assert "/nowhere/python: cannot be started" in done.stderr and "--python" in done.stderr
    fake = project.path / "env" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"#!/bin/sh\necho chosen\nexec {sys.executable} \"$@\"\n")
    fake.chmod(0o755)
    argv = [str(SHUNT), "scan"]
    for env in ({"VIRTUAL_ENV": str(project.path / "env")}, {}):
        if not env:
            (project.path / "env").rename(project.path / ".venv")
        environment = clean_environment(**env)
        if not env:
            environment.pop("VIRTUAL_ENV", None)
        done = subprocess.run(argv, cwd=project.path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("chosen\n"), done


def test_a_missing_path_is_a_usage_error(project):
    assert "no such file" in project.scan("nowhere", status=4).stderr
    assert "options stand before the first path" in project.scan(".", "--json", status=4).stderr
